#!/usr/bin/env python3
"""Runs regsync, and the tools of its kind that are on PATH, between two local registries; prints medians and ratios.

    python3 bench/run.py                                 every workload, without latency
    python3 bench/run.py noop cold --rtt 0,20,80 --markdown
    python3 bench/run.py --quick --regsync target/debug/regsync

Needs Linux, distribution's registry on PATH (`docker-registry` or `registry`), and a built regsync.
See bench/README.md.
"""

import argparse
import json
import os
import pathlib
import platform
import shlex
import signal
import sys
import tempfile

sys.dont_write_bytecode = True

import clock
import peers
import sites
import table
from images import WORKLOADS, Registry

HERE = pathlib.Path(__file__).resolve().parent
QUICK = {"scale": 0.02, "rounds": 1, "rtt": [1.0], "peers": ["regsync"], "quiet": 0.0}


def numbers(text):
    return [float(part) for part in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=workload_help()
    )
    add = parser.add_argument
    add("workloads", nargs="*", metavar="WORKLOAD", help="which (default: all)")
    add("--regsync", default=str(HERE.parent / "target/release/regsync"), help="the binary to measure")
    add("--peers", type=lambda text: text.split(","), help="only tools whose names begin so, comma-separated")
    add("--rounds", type=int, default=3, help="timed runs of each tool (default 3); 0 only counts")
    add("--rtt", type=numbers, default=[0.0], help="round trips in milliseconds, comma-separated (default 0)")
    add("--scale", type=float, default=1.0, help="of the workloads' numbers and sizes (default 1)")
    add("--seed", default="1", help="of all image content and of the cuts (default 1)")
    add("--flaky", type=float, default=0.0, metavar="P", help="resets per MiB of bodies, on average, at each side")
    add("--timeout", type=float, default=600, help="seconds after which a run is ended (default 600)")
    add("--quiet", type=float, default=3.0, metavar="S", help="wait so long at most for an idle machine (default 3)")
    add("--registry", help="the registry program (default: docker-registry, else registry)")
    add("--directory", type=pathlib.Path, help="where files go (default: /dev/shm, else the temporary directory)")
    add("--out", type=pathlib.Path, help="append each run to this file, one JSON object a line")
    add("--markdown", action="store_true", help="print Markdown")
    add("--quick", action="store_true", help="a self-check in seconds: tiny images, one round, regsync alone")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    if unknown := [name for name in options.workloads if name not in WORKLOADS]:
        parser.error(f"no workload {unknown[0]}; there are: {', '.join(WORKLOADS)}")
    options.workloads = options.workloads or list(WORKLOADS)
    options.regsync = os.path.abspath(options.regsync)
    return options


def workload_help():
    return "workloads, at scale 1:\n" + "\n".join(f"  {name:7} {work.words}" for name, work in WORKLOADS.items())


class Bench:
    """One workload between two sites."""

    def __init__(self, options, name, directory, report):
        self.options, self.name, self.report = options, name, report
        self.work = WORKLOADS[name]
        program = sites.find_program(options.registry)
        self.source = sites.Site(directory / "source", program)
        self.target = sites.Site(directory / "target", program)
        self.directory = directory / "work"
        self.directory.mkdir()
        with self.source.up() as address:
            self.tags = list(self.work.fill(Registry(address), options.seed, options.scale))
        if self.work.in_sync:
            self.target.copy_of(self.source)

    def measure(self, found):
        """Runs the tools in turn, round after round; then each once more, only to be counted."""
        for rtt in self.options.rtt:
            chosen = [peer for peer in found if (peer.far if rtt else peer.near)]
            for round_number in range(self.options.rounds):
                for peer in chosen:
                    self.report(self.run(peer, rtt, counted=False), f"round {round_number + 1}")
            for peer in chosen:
                self.report(self.run(peer, rtt, counted=True), "counted")

    def proxy(self, rtt, counted):
        """The arguments of the proxies, where there have to be some."""
        if not (rtt or counted or self.options.flaky):
            return None
        return ["--rtt", str(rtt), "--cuts", str(self.options.flaky), "--seed", self.options.seed]

    def run(self, peer, rtt, counted):
        if not self.work.in_sync:
            self.target.empty()
        row = {"workload": self.name, "rtt": rtt, "peer": peer.name, "counted": counted}
        proxy = self.proxy(rtt, counted)
        with self.source.up(proxy, counted) as source, self.target.up(proxy, counted) as target:
            repositories = list(dict.fromkeys(tag.repository for tag in self.tags))
            command = peer.command(peers.Task(source, target, repositories, self.directory))
            if not counted:
                clock.wait_for_quiet(self.options.quiet)
            busy, served = clock.busy(), self.source.cpu() + self.target.cpu()
            row.update(clock.run(command, self.directory, self.options.timeout))
            row["registries_cpu"] = self.source.cpu() + self.target.cpu() - served
            row["others_cpu"] = clock.busy() - busy - row["cpu"] - row["registries_cpu"]
            row["faults"] = Registry(self.target.direct).faults(self.tags, with_blobs=counted)
            counts = {"source": self.source.stop_proxy(), "target": self.target.stop_proxy()}
        if counted:
            for side, site in (("source", self.source), ("target", self.target)):
                counts[side]["requests"] = site.requests()
            row["counts"] = counts
        return row


def reporter(options, rows):
    """Keeps each run, says it on stderr, and appends it to `--out`."""

    def report(row, which):
        rows.append(row)
        if options.out:
            with open(options.out, "a", encoding="utf-8") as out:
                out.write(json.dumps({**row, "seed": options.seed, "scale": options.scale}) + "\n")
        where = f"{row['workload']}, {row['rtt']:g} ms, {which}"
        figures = f"{row['wall']:.2f} s, CPU {row['cpu']:.2f} s, {row['peak_mib']:.0f} MiB"
        print(f"{where}: {row['peer']}: {figures}, others {row['others_cpu']:.1f} s", file=sys.stderr)
        if row["exit"]:
            print(f"  exit {row['exit']}: {row['output'].strip()[-600:]}", file=sys.stderr)
        for fault in row["faults"][:3]:
            print(f"  wrong at the target: {fault}", file=sys.stderr)

    return report


def head(options, found):
    """What was measured with what, and how to do it again."""
    versions = ", ".join(dict.fromkeys(f"{peer.name.split(',')[0].split()[0]} {peer.version}" for peer in found))
    registry = sites.find_program(options.registry)
    registry = peers.version_in(peers.said([registry, "--version"]))
    machine = f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()} {platform.release().split('-')[0]}"
    rounds = f"medians of {options.rounds} interleaved runs" if options.rounds else "one counted run each"
    command = ("    " if options.markdown else "$ ") + shlex.join(["python3", "bench/run.py", *sys.argv[1:]])
    return f"{versions}; registries: distribution {registry}; {machine}; {rounds}.\n\n{command}"


def main():
    options = parse()
    found = peers.find(options.regsync)
    if options.peers:
        found = [peer for peer in found if peer.name.startswith(tuple(options.peers))]
    # An end by signal is an end like any other: what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    memory = pathlib.Path("/dev/shm")
    where = options.directory or (memory if os.access(memory, os.W_OK) else None)
    rows = []
    for name in options.workloads:
        with tempfile.TemporaryDirectory(prefix="regsync-bench-", dir=where) as directory:
            Bench(options, name, pathlib.Path(directory), reporter(options, rows)).measure(found)
    scale = f" (scale {options.scale:g})" if options.scale != 1 else ""
    words = {name: WORKLOADS[name].words + scale for name in options.workloads}
    print(f"{head(options, found)}\n\n{table.render(rows, words, options.markdown)}")
    if any(row["exit"] or row["faults"] for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
