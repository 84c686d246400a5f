//! `regsync explain`: what decided about a tag, with and without a registry; and that a plan selects by the same.

use std::fmt::Write as _;

use crate::support::harness::{Output, Regsync};
use crate::support::images::zoo;
use crate::support::server::{Fault, Match};
use crate::support::stage::{Pair, steps};

const CONFIG: &str = r#"version: 1
mirrors:
  - source: docker.io/library/nginx
    target: ghcr.io/acme/nginx
    tags:
      include: ["1.2*", edge]
      regex: ['1\.27\.\d+-alpine']
      semver: ">=1.26"
      exclude: ["1.27.0*"]
      newest: 2
    rename: "up-{tag}"
  - source: docker.io/library/nginx
    targets: [ghcr.io/acme/all, oci:mirror/all]
    tags: ["*"]
  - source: docker.io/library/nginx
    target: ghcr.io/acme/current
    tags: { newest: 1 }
    rename: current
  - source: quay.io/prometheus/node-exporter
    target: ghcr.io/acme/node-exporter
    tags: ["v1.8.2"]
"#;

const TAGS: &str = "1.25.5\n1.26.2\n1.27.0\n1.27.3\n1.27.4\n1.27.4-alpine\n1.27.4-perl\n1.28.0-rc.1\nlatest\nstable\n";

/// Without any registry: the hosts of the configuration are out of reach.
fn offline() -> Regsync {
    Regsync::new().config(CONFIG).file("tags.txt", TAGS).env("HTTPS_PROXY", "http://127.0.0.1:1")
}

fn explain(regsync: &Regsync, references: &[&str]) -> String {
    let mut shown = String::new();
    for reference in references {
        let output = super::run(regsync, &["explain", reference, "--tags-from", "tags.txt"]);
        writeln!(shown, "$ regsync explain {reference}\n{}", output.transcript()).unwrap();
    }
    shown
}

#[test]
fn each_stage_of_a_tag_is_told_from_its_source_and_from_its_target() {
    let references = [
        "nginx:1.27.4-alpine",
        "nginx:1.27.4-perl",
        "ghcr.io/acme/nginx:up-1.27.0",
        "ghcr.io/acme/nginx:up-1.26.2",
        "ghcr.io/acme/nginx:up-1.28.0-rc.1",
        "ghcr.io/acme/nginx:up-edge",
        "ghcr.io/acme/nginx:up-9.9",
        "ghcr.io/acme/nginx:1.27.4",
        "ghcr.io/acme/current:current",
        "oci:mirror/all:stable",
        "quay.io/prometheus/node-exporter:v1.8.2",
        "quay.io/prometheus/node-exporter:v1.8.1",
    ];
    insta::assert_snapshot!(explain(&offline(), &references));
}

#[test]
fn what_each_rule_leaves_and_drops_is_counted() {
    let references = ["docker.io/library/nginx", "ghcr.io/acme/nginx", "ghcr.io/acme/node-exporter"];
    insta::assert_snapshot!(explain(&offline(), &references));
}

#[test]
fn what_belongs_to_no_mirror_is_refused() {
    let regsync = offline();
    let references = ["ghcr.io/acme/ngnix:1", "quay.io/other/nginx", "localhost:5000/zzz"];
    let mut shown = String::new();
    for reference in references {
        let output = super::run(&regsync, &["explain", reference]);
        writeln!(shown, "{}", output.assert_status(1).transcript()).unwrap();
    }
    insta::assert_snapshot!(shown);
    for wrong in
        ["nginx@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "https://nginx", "a b", ""]
    {
        super::run(&regsync, &["explain", wrong]).assert_status(64);
    }
}

const GLOB: &str = r#"  - source: registry.example.com/up/*
    target: ghcr.io/acme/{name}
    tags: ["*"]
"#;

#[test]
fn without_a_registry_a_glob_hides_nothing_else() {
    let regsync = offline().config(&format!("{CONFIG}{GLOB}"));
    // A plain mirror answers, and the glob may write the same target.
    let both = super::run(&regsync, &["explain", "ghcr.io/acme/nginx:up-1.27.3", "--tags-from", "tags.txt"]);
    // The glob alone; and asked of the source, which needs no catalog.
    let glob = super::run(&regsync, &["explain", "ghcr.io/acme/redis:1", "--tags-from", "tags.txt"]);
    let source = super::run(&regsync, &["explain", "registry.example.com/up/redis:1.26.2", "--tags-from", "tags.txt"]);
    let shown = [both.assert_status(1), glob.assert_status(1), source.assert_status(0)].map(Output::transcript);
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_catalog_that_is_refused_hides_no_other_answer() {
    let pair = Pair::start();
    zoo::single("seed").push_to(&pair.source, "up/app", "1.2");
    pair.source.fault(Match::new("GET", "/v2/_catalog"), Fault::status(403));
    let (source, target) = (pair.source.host(), pair.target.host());
    let rules = format!(
        "version: 1\nmirrors:\n\
         \x20 - {{ source: {source}/up/app, target: {target}/acme/app, tags: [\"*\"] }}\n\
         \x20 - {{ source: {source}/other/*, target: \"{target}/acme/{{name}}\", tags: [\"*\"] }}\n"
    );
    let regsync = pair.regsync(&[]).config(&rules);
    let output = super::run(&regsync, &["explain", &format!("{target}/acme/app:1.2")]);
    assert!(output.assert_status(1).stdout.contains("1.2"), "{}", output.stdout);
    assert!(output.stderr.contains("catalog"), "{}", output.stderr);
}

#[test]
fn lists_that_are_none_are_refused() {
    let regsync = offline();
    for (text, said) in [("1.2\n\u{1b}[31mred\n", "line 2"), ("{\"tags\": [", "not a list"), ("a/b", "a/b")] {
        regsync.write("tags.txt", text);
        let output = super::run(&regsync, &["explain", "nginx", "--tags-from", "tags.txt"]);
        output.assert_status(65);
        assert!(output.stderr.contains(said) && !output.stderr.contains('\u{1b}'), "{}", output.stderr);
    }
    super::run(&regsync, &["explain", "nginx", "--tags-from", "missing"]).assert_status(65);
    regsync.write("tags.txt", r#"{"name": "library/nginx", "tags": ["1.27.4"]}"#);
    let output = super::run(&regsync, &["explain", "ghcr.io/acme/current", "--tags-from", "tags.txt"]);
    assert!(output.assert_status(0).stdout.contains("+ selected   1   1.27.4"), "{}", output.stdout);
}

#[test]
fn a_plan_selects_what_explain_says() {
    let pair = Pair::start();
    let tags = ["1.9.0", "1.10.0", "1.10.0-alpine", "1.11.0", "1.12.0-rc.1", "2.0.0", "edge", "v1.11.1", "20240115"];
    for tag in tags {
        zoo::artifact(tag).push_to(&pair.source, "app", tag);
    }
    let rules = [
        r#"{ semver: ">=1.10", newest: 2 }"#,
        r#"{ include: ["1.*", "2*"], exclude: ["*-rc*"], newest: 4 }"#,
        r#"{ include: ["*-alpine", "edge"], regex: ['v.*'], semver: "^1" }"#,
    ];
    for rules in rules {
        let regsync = pair.regsync(&[pair.mirror("app", &[]).with(&format!("tags: {rules}"))]);
        let planned = steps(&regsync.run(["plan", "--format", "json"]).assert_status(0).json());
        pair.clear_logs();
        for tag in tags {
            let output = super::run(&regsync, &["explain", &format!("{}:{tag}", pair.source.reference("app"))]);
            let says = output.assert_status(0).stdout.contains(&format!("{tag} is selected"));
            assert_eq!(planned.contains(&format!("app:{tag} copy new")), says, "{rules}: {}", output.stdout);
        }
        assert!(pair.target.requests().is_empty());
        assert_eq!(
            pair.source.requests().len(),
            pair.source.count("GET", "/tags/list"),
            "nothing but tags is asked for"
        );
    }
}

#[test]
fn a_list_that_fails_is_no_verdict() {
    let pair = Pair::start();
    pair.source.fault(Match::new("GET", "/tags/list"), Fault::status(403));
    let regsync = pair.regsync(&[pair.mirror("app", &["1.*"])]);
    let output = super::run(&regsync, &["explain", &format!("{}:1.2", pair.source.reference("app"))]);
    assert!(output.assert_status(1).stdout.contains("E_DENIED"), "{}", output.stdout);
    assert!(!output.stdout.contains("selected"), "{}", output.stdout);
}
