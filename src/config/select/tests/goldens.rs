//! Tag lists in the shapes of well-known repositories, each with several sets of rules: what is selected, what each stage
//! leaves, and why some of the others are dropped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use crate::config::{Mirror, Rules, SourceFile, parse};

/// The rules, as they stand in a configuration.
fn mirror(rules: &str) -> Mirror {
    let text = format!("version: 1\nmirrors:\n  - source: a.io/app\n    target: b.io/app\n    tags: {rules}\n");
    let file = SourceFile { path: "regsync.yaml".into(), directory: "/".into(), bytes: text.into_bytes() };
    let files = [file];
    let desired =
        parse(&files, &Rules::default()).unwrap_or_else(|problems| panic!("{}", problems.render(&files, false)));
    desired.mirrors.into_iter().next().unwrap()
}

/// Each reason with how many tags it drops, and one of them.
fn dropped(sieve: &Sieve<'_>, listed: &[Tag]) -> BTreeMap<(Stage, String), (usize, Tag)> {
    let mut reasons = BTreeMap::new();
    for tag in listed {
        let trail = sieve.judge(tag);
        if let Some(verdict) = trail.last().filter(|verdict| !verdict.because.passes()) {
            let known = reasons.entry((verdict.stage, verdict.because.to_string())).or_insert((0, tag.clone()));
            known.0 += 1;
        }
    }
    reasons
}

fn golden(name: &str, text: &str, rules: &[&str]) {
    let mut listed: Vec<Tag> = text.lines().map(tag).collect();
    assert!(listed.len() >= 50, "{name} has {} tags", listed.len());
    listed.sort();
    let mut shown = String::new();
    for rules in rules {
        let mirror = mirror(rules);
        let selected: Vec<&str> = mirror.tags.select(&listed).into_iter().map(|(tag, _)| tag.as_str()).collect();
        writeln!(shown, "{rules}\n  {}\n  = {}", mirror.tags.tally(&listed), selected.join(" ")).unwrap();
        for ((stage, because), (count, example)) in dropped(&Sieve::new(&mirror.tags, &listed), &listed) {
            writeln!(shown, "  - {:<7} {count:>3} {because}: {example}", stage.as_str()).unwrap();
        }
        shown.push('\n');
    }
    insta::assert_snapshot!(name, shown);
}

#[test]
fn alpine() {
    golden(
        "alpine",
        include_str!("../../../../tests/fixtures/tags/alpine.txt"),
        &[
            r#"["3.2?", "edge"]"#,
            r#"{ semver: ">=3.19" }"#,
            r"{ newest: 3 }",
            r#"{ include: ["*"], newest: 3 }"#,
            r"{ regex: ['3\.\d+'], newest: 4 }",
            r#"{ include: ["20*"], newest: 2 }"#,
        ],
    );
}

#[test]
fn nginx() {
    golden(
        "nginx",
        include_str!("../../../../tests/fixtures/tags/nginx.txt"),
        &[
            r#"{ semver: ">=1.26" }"#,
            r#"{ semver: "1.26.x || 1.27.x", newest: 3 }"#,
            r#"{ include: ["*-alpine"], semver: ">=1.26" }"#,
            r#"{ include: ["1.2*"], newest: 5 }"#,
            r"{ regex: ['1\.27\.\d+(-alpine)?'], newest: 4 }",
            r#"{ include: ["mainline", "stable*", "*-bookworm"], exclude: ["*-perl*", "*otel*"], semver: "~1.27" }"#,
        ],
    );
}

#[test]
fn postgres() {
    golden(
        "postgres",
        include_str!("../../../../tests/fixtures/tags/postgres.txt"),
        &[
            r#"{ semver: ">=16" }"#,
            r#"{ semver: ">=17-0, <18" }"#,
            r#"{ include: ["*-alpine"], semver: "^16", newest: 2 }"#,
            r"{ regex: ['\d+\.\d+-bookworm'], newest: 3 }",
            r#"{ exclude: ["*-*", "*beta*", "*rc*"], newest: 4 }"#,
        ],
    );
}

#[test]
fn kube_apiserver() {
    golden(
        "kube-apiserver",
        include_str!("../../../../tests/fixtures/tags/kube-apiserver.txt"),
        &[
            r#"{ include: ["v1.3*"], regex: ['v1\.29\.\d+'], semver: ">=1.29, <2", exclude: ["*-rc.*", "*-beta*"], newest: 5 }"#,
            r#"{ semver: ">=1.31.0-rc.0" }"#,
            r#"{ semver: "1.29.x || ~1.30.2" }"#,
            r#"["v1.30.*", "sha256-*.sig"]"#,
            r#"{ exclude: ["sha256-*", "*-*"], newest: 2 }"#,
        ],
    );
}

#[test]
fn grafana() {
    golden(
        "grafana",
        include_str!("../../../../tests/fixtures/tags/grafana.txt"),
        &[
            r#"{ semver: ">=10.4" }"#,
            r#"{ include: ["11.*"], newest: 3 }"#,
            r#"{ include: ["*-ubuntu"], semver: "~11.1" }"#,
            r#"{ include: ["10.*", "11.*"], exclude: ["*-ubuntu", "*-*"] }"#,
            r#"{ semver: ">=11.2.0-0", newest: 2 }"#,
        ],
    );
}

#[test]
fn python() {
    golden(
        "python",
        include_str!("../../../../tests/fixtures/tags/python.txt"),
        &[
            r#"{ semver: ">=3.12" }"#,
            r#"{ semver: ">=3.14-0" }"#,
            r#"{ include: ["*-slim"], semver: "3.11 - 3.12" }"#,
            r#"{ include: ["3.*-alpine3.2?"], semver: "~3.13", newest: 2 }"#,
            r#"{ include: ["3.13.0*"] }"#,
            r"{ newest: 1 }",
        ],
    );
}

#[test]
fn date_tagged() {
    golden(
        "date-tagged",
        include_str!("../../../../tests/fixtures/tags/date-tagged.txt"),
        &[
            r"{ newest: 3 }",
            r#"{ include: ["20??????"], newest: 3 }"#,
            r#"{ include: ["2024-*"], newest: 2 }"#,
            r#"{ semver: ">=2024.6" }"#,
            r#"{ include: ["noble-*"], exclude: ["*2023*"] }"#,
            r#"{ include: ["noble-*"], newest: 1 }"#,
        ],
    );
}

#[test]
fn commit_tagged() {
    golden(
        "commit-tagged",
        include_str!("../../../../tests/fixtures/tags/commit-tagged.txt"),
        &[
            r#"["main-*", "latest"]"#,
            r"{ newest: 3 }",
            r#"{ include: ["*"], newest: 3 }"#,
            r#"{ regex: ['[0-9a-f]{7}'], exclude: ["0*", "1*"] }"#,
            r#"{ include: ["v*"], newest: 2 }"#,
            r#"{ semver: ">=1.4" }"#,
        ],
    );
}
