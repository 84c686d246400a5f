//! Configurations as people write and break them: every fixture, what is said about it, and the schema's opinion.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use regsync::config::{Desired, PathKind, ProblemCode, Problems, Rules, SourceFile, json_schema, parse};

fn fixtures(kind: &str) -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind);
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut fixtures: Vec<(String, String)> = entries
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    fixtures.sort();
    fixtures
}

fn file(path: &str, bytes: impl Into<Vec<u8>>) -> SourceFile {
    SourceFile { path: path.into(), directory: PathBuf::from("/config"), bytes: bytes.into() }
}

fn read(files: &[SourceFile]) -> Result<Desired, Problems> {
    parse(files, &Rules::default())
}

fn rendered(files: &[SourceFile]) -> String {
    read(files).expect_err("a mistake").render(files, false)
}

fn codes(files: &[SourceFile]) -> Vec<&'static str> {
    read(files).expect_err("a mistake").iter().map(|problem| problem.code.as_str()).collect()
}

/// The file as other readers of YAML see it; `None` where they do not.
fn as_json(text: &str) -> Option<serde_json::Value> {
    serde_saphyr::from_str(text).ok()
}

fn schema() -> jsonschema::Validator {
    jsonschema::validator_for(&json_schema()).unwrap()
}

#[test]
fn valid_files_are_read_and_fit_the_schema() {
    let schema = schema();
    for (name, text) in fixtures("valid") {
        let files = [file("regsync.yaml", text.clone())];
        if let Err(problems) = read(&files) {
            panic!("{name}:\n{}", problems.render(&files, false));
        }
        let value = as_json(&text).unwrap_or_else(|| panic!("{name} is not YAML to others"));
        let errors: Vec<String> =
            schema.iter_errors(&value).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn invalid_files_say_what_is_wrong() {
    for (name, text) in fixtures("invalid") {
        let expected =
            text.lines().find_map(|line| line.strip_prefix("# expect: ")).expect("a first line with the code");
        let files = [file("regsync.yaml", text.clone())];
        assert!(codes(&files).contains(&expected), "{name}: {:?}", codes(&files));
        let text = rendered(&files);
        assert!(!text.contains("hunter2") && !text.contains("AbCdEf"), "{name} shows a secret:\n{text}");
        let raw = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{200b}' | '\u{202e}');
        assert!(!text.contains(raw), "{name} shows a raw control character");
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn invalid_shapes_do_not_fit_the_schema() {
    let schema = schema();
    let shapes = fixtures("invalid").into_iter().filter(|(_, text)| text.contains("\n# shape: invalid\n"));
    let mut count = 0;
    for (name, text) in shapes {
        // Files that no reader accepts have no shape to judge.
        if let Some(value) = as_json(&text) {
            assert!(!schema.is_valid(&value), "{name} fits the schema");
            count += 1;
        }
    }
    assert!(count > 10, "only {count} shapes were judged");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the one switch of this test binary: it rewrites the committed file")]
fn the_committed_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/regsync.schema.json");
    let current = format!("{}\n", serde_json::to_string_pretty(&json_schema()).unwrap());
    if std::env::var_os("REGSYNC_UPDATE").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == current, "stale; run the tests with REGSYNC_UPDATE=1");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let mut shown = String::new();
    let cases: [(&str, Vec<u8>); 6] = [
        ("empty", Vec::new()),
        ("latin-1", b"version: 1\n# caf\xe9\n".to_vec()),
        ("utf-16", b"\xff\xfev\0e\0r\0".to_vec()),
        ("nul", b"version: 1\nmirrors: \0\n".to_vec()),
        ("escape", b"version: 1\n# \x1b[31mred\n".to_vec()),
        ("large", vec![b'#'; (1 << 20) + 1]),
    ];
    for (name, bytes) in cases {
        writeln!(shown, "## {name}\n{}", rendered(&[file("regsync.yaml", bytes)])).unwrap();
    }
    insta::assert_snapshot!("bytes", shown);
}

#[test]
fn a_byte_order_mark_and_crlf_are_fine() {
    let text = "\u{feff}version: 1\r\nmirrors:\r\n  - source: alpine:3.20\r\n    target: ghcr.io/acme/alpine\r\n";
    let desired = read(&[file("regsync.yaml", text)]).unwrap();
    assert_eq!((desired.mirrors[0].place.line, desired.mirrors[0].place.column), (3, 5));
}

/// Nine levels of nine aliases: 3.5 GB if anything were copied out.
fn alias_bomb() -> String {
    let mut text = "version: 1\nx-0: &x0 [a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*x{}", level - 1); 9].join(", ");
        writeln!(text, "x-{level}: &x{level} [{aliases}]").unwrap();
    }
    text
}

fn merge_bomb() -> String {
    let keys: Vec<String> = (0..1000).map(|key| format!("k{key}: 1")).collect();
    let mut text = format!("version: 1\nx-0: &x0 {{{}}}\n", keys.join(", "));
    for level in 1..30 {
        writeln!(text, "x-{level}: &x{level} {{ <<: [*x{0}, *x{0}, *x{0}] }}", level - 1).unwrap();
    }
    text
}

fn many(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).fold("version: 1\nmirrors:\n".to_owned(), |text, number| text + &item(number))
}

fn names_and_targets(count: usize) -> String {
    let names: Vec<String> = (0..count).map(|n| format!("t{n}")).collect();
    let targets: Vec<String> = (0..count).map(|n| format!("g.io/{n}")).collect();
    let rest = format!("targets: [{}], tags: [{}]", targets.join(", "), names.join(", "));
    format!("version: 1\nmirrors:\n  - {{ source: a.io/a, {rest} }}\n  - {{ source: a.io/b, {rest} }}\n")
}

fn hostile() -> Vec<(&'static str, String)> {
    let wide = "a, ".repeat(180_000);
    vec![
        ("alias bomb", alias_bomb()),
        ("merge bomb", merge_bomb()),
        ("deep flow", "[".repeat(1_000_000)),
        ("deep block", "- ".repeat(500_000)),
        ("deep keys", "? ".repeat(500_000)),
        ("wide list", format!("version: 1\nx-a: [{wide}]\n")),
        ("many names and targets", names_and_targets(20_000)),
        (
            "many globs",
            many(9_000, |n| {
                format!("  - {{source: a.io/{n}, target: g.io/{n}, tags: [\"*{n}\", \"?{n}\", \"{n}*\"]}}\n")
            }),
        ),
        ("wide tags", format!("version: 1\nmirrors: [{{source: a, target: g.io/a, tags: [{}]}}]", &wide[..120_000])),
        ("one long line", format!("version: 1\nmirrors: [{}]\n", "{a: b}, ".repeat(24_000))),
        ("one long word", format!("version: 1\nmirrors:\n  - {}: 1\n", "k".repeat(1000))),
        ("one long text", format!("version: 1\nmirrors:\n  - source: {}/\n", "a".repeat(1_000_000))),
        ("at signs", format!("version: 1\nmirrors:\n  - source: {}\n", "a:b@".repeat(250_000))),
        ("colons", format!("version: 1\nmirrors:\n  - source: \"{}\"\n", ":a".repeat(500_000))),
        ("unknown keys", many(9_000, |n| format!("  - sourc{n}: 1\n"))),
        ("one target", many(4_000, |n| format!("  - {{source: a.io/{n}, target: g.io/a, tags: [\"*{n}\", t{n}]}}\n"))),
        (
            "one cycle",
            many(9_000, |n| format!("  - {{source: a.io/{n}, target: a.io/{}, tags: [a]}}\n", (n + 1) % 9_000)),
        ),
        (
            "all pairs",
            many(9_000, |n| format!("  - {{source: a.io/{}, target: a.io/{}, tags: [a]}}\n", n % 90, n / 90)),
        ),
        (
            "globs",
            many(900, |n| format!("  - {{source: a.io/{n}, target: g.io/a, tags: [\"{}\"]}}\n", "{a*,b*}".repeat(60))),
        ),
        ("anchors", (0..60_000).fold("version: 1\nx:\n".to_owned(), |text, n| text + &format!("- &a{n} b\n"))),
        ("spaces", format!("version: 1\nmirrors:{}", " ".repeat(1_000_000))),
        ("line breaks", format!("version: 1\nmirrors:\n  - source: \"{}\"\n", "\n".repeat(1_000_000))),
        ("quotes", format!("version: 1\nmirrors: {}", "\"a\"".repeat(300_000))),
        ("documents", "---\n".repeat(250_000)),
    ]
}

/// The limit is for an unoptimised build on a busy machine: what grows with the square of the input passes it by far.
#[test]
fn hostile_files_are_answered_in_few_words() {
    for (name, text) in hostile() {
        let files = [file("regsync.yaml", text)];
        let answer = read(&files);
        let shown = answer.as_ref().map_or_else(|problems| problems.render(&files, true), |_| String::new());
        let Err(problems) = answer else { continue };
        assert!(!problems.is_empty() && problems.len() <= 500, "{name}: {} problems", problems.len());
        assert!(shown.len() < 1_000_000, "{name}: {} bytes of text", shown.len());
    }
}

#[test]
fn budgets_name_themselves() {
    assert_eq!(codes(&[file("regsync.yaml", alias_bomb())]), ["E_CFG_BUDGET"]);
    assert_eq!(codes(&[file("regsync.yaml", merge_bomb())]), ["E_CFG_BUDGET"]);
    let mirrors = "  - *m\n".repeat(10_001);
    let text = format!("version: 1\nx-m: &m a\nmirrors:\n{mirrors}");
    assert_eq!(codes(&[file("regsync.yaml", text)]), ["E_CFG_TOO_LARGE"]);
}

const FIRST: &str = "version: 1
registries:
  docker.io: { concurrency: 4 }
  ghcr.io: { auth: anonymous }
mirrors:
  - source: alpine:3.20
    target: ghcr.io/acme/alpine
";

#[test]
fn files_are_joined() {
    let second =
        "version: 1\nregistries:\n  ghcr.io: { auth: anonymous }\nmirrors:\n  - { source: nginx:1, target: oci:m }\n";
    let third = "version: 1\nregistries:\n  index.docker.io: { requests-per-second: 1 }\n";
    let files = [file("a.yaml", FIRST), file("b.yaml", second)];
    let desired = read(&files).unwrap();
    assert_eq!((desired.mirrors.len(), desired.registries.len(), desired.files.len()), (2, 2, 2));
    assert_eq!(
        desired.paths().map(|path| (path.kind, path.path.as_path())).collect::<Vec<_>>(),
        [(PathKind::TargetLayout, Path::new("/config/m"))]
    );
    insta::assert_snapshot!(
        "joined",
        rendered(&[file("a.yaml", FIRST), file("c.yaml", third), file("d.yaml", "sorce: 1")])
    );
}

#[test]
fn an_allowed_path_may_lie_elsewhere() {
    let text = "version: 1\nmirrors:\n  - { source: oci:/srv/up:1, target: oci:../mirror }\n";
    let files = [file("regsync.yaml", text)];
    assert_eq!(codes(&files), ["E_LAYOUT_PATH", "E_LAYOUT_PATH"]);
    let rules = Rules { allowed_paths: vec!["/srv".into(), "/mirror".into()], ..Rules::default() };
    let desired = parse(&files, &rules).unwrap();
    assert_eq!(
        desired.paths().map(|path| path.root.as_path()).collect::<Vec<_>>(),
        [Path::new("/srv"), Path::new("/mirror")]
    );
}

#[test]
fn color_changes_nothing_but_color() {
    let files = [file("regsync.yaml", "version: 1\nmirrors:\n  - sorce: alpine\n")];
    let problems = read(&files).unwrap_err();
    assert!(problems.render(&files, true).contains('\u{1b}'));
    assert!(!problems.render(&files, false).contains('\u{1b}'));
}

#[test]
fn codes_are_distinct_and_well_formed() {
    let mut all: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    assert!(all.iter().all(|code| code.starts_with("E_") && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), ProblemCode::ALL.len());
}

fn survives(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let files = [file("regsync.yaml", bytes)];
    if let Err(problems) = read(&files) {
        prop_assert!(!problems.is_empty());
        let text = problems.render(&files, false);
        prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
        let _ = problems.render(&[], true);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(bytes)?;
    }

    #[test]
    fn no_yaml_like_text_makes_it_panic(text in "(version: 1\n)?([ \\-\\[\\]{}:,&*!|>'\"#?%@`a-z0-9\n\t\r~<.\u{202e}é\u{0}]|mirrors|source|tags|: |\n  - ){0,80}") {
        survives(text.into_bytes())?;
    }

    #[test]
    fn no_mutation_of_a_valid_file_makes_it_panic(
        which in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..8),
    ) {
        let all = fixtures("valid");
        let mut bytes = all[which.index(all.len())].1.clone().into_bytes();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match kind {
                _ if bytes.is_empty() => bytes.push(byte),
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => bytes.truncate(at),
            }
        }
        survives(bytes)?;
    }
}
