//! Whether a comment says already what is to be said, apart from what is new with every run. Pure.
//!
//! Owns what follows from the run alone: its number and address, and the commit that links lead to. All else counts, so
//! that a comment somebody has edited is written anew. Refuses to know the rest of a page.

use std::sync::LazyLock;

use regex::Regex;

/// A run of GitHub Actions or a pipeline of GitLab, as a link; the commit in the address of a file; and that below the
/// title, `` @ `3f9c2d1` ``, or at the start of the line where there is no plan. Each with what is left of it.
const OF_THE_RUN: [(&str, &str); 3] = [
    (r"\[(run|pipeline)(?: [0-9]+)?\]\(([^()\s]*/(?:actions/runs|-/pipelines)/)[0-9]+\)", "[$1]($2)"),
    ("/blob/[0-9a-f]{7,64}/", "/blob//"),
    (r"\A([^\n]*\n(?:[^\n]* @ )?)`[0-9a-f]{7}`", "$1"),
];

/// Whether `there`, the text of a comment without its marker, says what `wanted` says. The services may have changed line
/// breaks and the end.
pub(super) fn is_alike(there: &str, wanted: &str) -> bool {
    let there = there.replace("\r\n", "\n");
    lasting(there.trim()) == lasting(wanted.trim())
}

/// `text` without what follows from the run.
fn lasting(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let compiled = OF_THE_RUN.iter().map(|(pattern, rest)| Some((Regex::new(pattern).ok()?, *rest)));
        compiled.flatten().collect()
    });
    PATTERNS.iter().fold(text.to_owned(), |text, (pattern, rest)| pattern.replace_all(&text, *rest).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(run: (u32, u32), commit: &str, rest: &str) -> String {
        let (number, id) = run;
        let run = format!("[run {number}](https://github.example/acme/mirrors/actions/runs/{id})");
        let place = format!("[`regsync.yaml:3`](https://github.example/acme/mirrors/blob/{commit}/regsync.yaml#L3)");
        let below = format!("`regsync.yaml` @ `{}` → `ghcr.io` · 1.0 kB to transfer · {run}", &commit[..7]);
        format!("### 🔵 regsync plan — 1 to copy\n{below}\n\n| {place} | `{rest}` |\n\n<sub>Plan id</sub>\n")
    }

    #[test]
    fn every_pattern_is_one() {
        for (pattern, _) in OF_THE_RUN {
            Regex::new(pattern).unwrap();
        }
    }

    #[test]
    fn another_run_or_commit_is_nothing_new() {
        let wanted = page((13, 813), "77c0de118a90", "5566778899aa");
        for there in [
            page((13, 813), "77c0de118a90", "5566778899aa"),
            page((12, 812), "3f9c2d1ab0ff", "5566778899aa"),
            page((12, 812), "3f9c2d1ab0ff", "5566778899aa").trim().replace('\n', "\r\n"),
        ] {
            assert!(is_alike(&there, &wanted), "{there}");
        }
        let refused =
            |run: u32, commit: &str| format!("### 🔴\n`{commit}` · [pipeline {run}](https://a/b/-/pipelines/{run})");
        assert!(is_alike(&refused(1, "3f9c2d1"), &refused(2, "77c0de1")));
    }

    #[test]
    fn all_else_is() {
        let wanted = page((12, 812), "3f9c2d1ab0ff", "5566778899aa");
        let same = |from: &str, to: &str| is_alike(&wanted.replacen(from, to, 1), &wanted);
        for (from, to) in [
            ("1 to copy", "2 to copy"),
            ("1.0 kB", "1.1 kB"),
            ("5566778899aa", "5566778899ab"),
            ("regsync.yaml#L3", "regsync.yaml#L4"),
            ("mirrors/blob/3f9c2d1ab0ff", "others/blob/3f9c2d1ab0ff"),
            ("[run 12](https://github.example", "[run 12](https://evil.example"),
            ("[run 12]", "[all is well]"),
            ("Plan id", "plan id"),
        ] {
            assert!(wanted.contains(from) && !same(from, to), "{from} -> {to}");
        }
        assert!(!is_alike("", &wanted));
    }
}
