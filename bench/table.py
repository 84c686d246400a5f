"""Runs in, tables out: medians, and how many times regsync's each is.

Owns the form of the results, as text for a terminal and as Markdown for `docs/performance.md`.
"""

import collections
import statistics

REFERENCE = "regsync"
HEADS = ["round trip", "tool", "wall s", "×", "CPU s", "×", "peak MiB", "requests", "connections", "MiB"]
KIND_HEADS = ["tool", "at the source", "at the target"]


def medians(rows):
    """(workload, round trip, tool) → the medians of its timed runs with the counts of its counted run."""
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row["workload"], row["rtt"], row["peer"]].append(row)
    results = {}
    for key, group in groups.items():
        timed = [row for row in group if not row["counted"]] or group
        result = {name: statistics.median(row[name] for row in timed) for name in ("wall", "cpu", "peak_mib")}
        result["faulty"] = sum(bool(row["faults"]) or row["exit"] != 0 for row in group)
        result["runs"] = len(group)
        counted = [row for row in group if row["counted"]]
        result["counts"] = counted[-1]["counts"] if counted else None
        results[key] = result
    return results


def total(requests):
    return sum(requests.values())


def grouped(requests):
    """Requests by method and kind; whether they succeeded only where a mount's answer tells what it was."""
    sums = collections.Counter()
    for name, number in requests.items():
        method, kind, status = name.split()
        if kind == "mount":
            kind = "mount" if status == "201" else "mount declined"
        sums[f"{method} {kind}"] += number
    return ", ".join(f"{number} {name}" for name, number in sums.most_common())


def ratio(value, reference):
    return f"{value / reference:.2f}" if reference else "–"


def line(rtt, peer, result, reference):
    """The cells of one tool."""
    counts = result["counts"]
    faulty = f" ({result['faulty']} of {result['runs']} runs faulty)" if result["faulty"] else ""
    cells = [f"{rtt:g} ms", peer + faulty]
    for name, digits in [("wall", 2), ("cpu", 2)]:
        cells += [f"{result[name]:.{digits}f}", ratio(result[name], reference and reference[name])]
    cells.append(f"{result['peak_mib']:.0f}")
    if counts is None:
        return [*cells, "–", "–", "–"]
    source, target = counts["source"], counts["target"]
    moved = sum(side["up"] + side["down"] for side in (source, target)) / (1 << 20)
    requests = f"{total(source['requests'])} + {total(target['requests'])}"
    return [*cells, requests, f"{source['connections']} + {target['connections']}", f"{moved:.1f}"]


def kinds(results, workload):
    """The requests of each tool by kind, from its run at the shortest round trip."""
    seen = {}
    for (of, _, peer), result in sorted(results.items(), key=lambda item: item[0][1]):
        if of == workload and result["counts"] and peer not in seen:
            counts = result["counts"]
            seen[peer] = [peer, grouped(counts["source"]["requests"]), grouped(counts["target"]["requests"])]
    return list(seen.values())


def markdown_table(heads, lines, left):
    """A table whose first `left` columns are words."""
    marks = ["---" if number < left else "--:" for number in range(len(heads))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heads, marks, *lines])


def text_table(heads, lines, left):
    widths = [max(len(cells[column]) for cells in [heads, *lines]) for column in range(len(heads))]
    rows = []
    for cells in [heads, *lines]:
        padded = [cell.ljust(width) for cell, width in zip(cells[:left], widths)]
        padded += [cell.rjust(width) for cell, width in zip(cells[left:], widths[left:])]
        rows.append("  ".join(padded).rstrip())
    return "\n".join(rows)


def render(rows, workloads, markdown):
    """Everything that was measured, one table a workload. `workloads` are their names with what they are."""
    results = medians(rows)
    table = markdown_table if markdown else text_table
    parts = []
    for workload, words in workloads.items():
        own = {key[1:]: result for key, result in results.items() if key[0] == workload}
        lines = [line(rtt, peer, result, own.get((rtt, REFERENCE))) for (rtt, peer), result in own.items()]
        parts.append(f"{'### ' if markdown else ''}{workload}: {words}\n\n{table(HEADS, lines, 2)}")
        if lines_of_kinds := kinds(results, workload):
            parts.append(table(KIND_HEADS, lines_of_kinds, 3))
    return "\n\n".join(parts)
