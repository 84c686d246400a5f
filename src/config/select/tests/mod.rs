//! What versions and constraints are, and which tags rules select.

mod goldens;
mod oracle;
mod properties;

use std::cmp::Ordering;
use std::fmt::Write as _;

use super::constraint::Fit;
use super::*;

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn place(line: u32) -> Place {
    Place { file: "regsync.yaml".into(), line, column: 1 }
}

fn rule<T>(line: u32, value: T) -> Rule<T> {
    Rule { place: place(line), value }
}

fn included(text: &str) -> TagRule {
    if TagGlob::is_glob(text) { TagRule::Glob(TagGlob::new(text).unwrap()) } else { TagRule::Exact(tag(text)) }
}

/// `include`, `regex`, `semver`, `exclude`, `newest`.
fn selection((include, regex): (&[&str], &[&str]), semver: &str, exclude: &[&str], newest: u32) -> Selection {
    Selection {
        include: include.iter().map(|text| rule(1, included(text))).collect(),
        regex: regex.iter().map(|text| rule(2, TagRegex::new(text).unwrap())).collect(),
        semver: (!semver.is_empty()).then(|| rule(3, Constraint::parse(semver).unwrap())),
        exclude: exclude.iter().map(|text| rule(4, TagGlob::new(text).unwrap())).collect(),
        newest: NonZeroU32::new(newest).map(|newest| rule(5, newest)),
        leaves_referrers: false,
    }
}

fn selected(selection: &Selection, listed: &[&str]) -> Vec<String> {
    let listed: Vec<Tag> = listed.iter().map(|text| tag(text)).collect();
    selection.select(&listed).into_iter().map(|(tag, _)| tag.to_string()).collect()
}

#[test]
fn patterns_select_no_tags_of_referrers_unless_they_are_about_them() {
    let index = "sha256-44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let signature = format!("{index}.sig");
    let listed = ["1.2", index, &signature];
    for (patterns, expected) in [
        ((&["*"][..], &[][..]), vec!["1.2"]),
        ((&[], &[]), vec!["1.2"]),
        ((&["*.sig"], &[]), vec![]),
        ((&["sha256-*"], &[]), vec![&signature]),
        ((&["1.*"], &["sha256-.*\\.sig"]), vec!["1.2", &signature]),
        ((&[index], &[]), vec![index]),
    ] {
        let rules = selection(patterns, "", &[], 0);
        let left = Selection { leaves_referrers: true, ..rules.clone() };
        assert_eq!(selected(&left, &listed), expected, "{patterns:?}");
        assert!(selected(&rules, &listed).len() >= expected.len());
    }
}

/// Numbers, pre-release, variant.
fn read(text: &str) -> String {
    let Some(version) = Version::parse(text) else { return "-".to_owned() };
    let numbers: Vec<String> = version.numbers[..version.written].iter().map(u64::to_string).collect();
    let pre = version.pre.map(|pre| format!(" pre {pre}")).unwrap_or_default();
    let variant = if version.is_variant() { format!(" variant {}", version.variant) } else { String::new() };
    let long = if version.is_long_number { " long" } else { "" };
    format!("{}{pre}{variant}{long}", numbers.join("."))
}

#[test]
fn versions_are_read_as_registries_write_them() {
    let table = [
        ("1", "1"),
        ("v1.29", "1.29"),
        ("V1.2.3", "1.2.3"),
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4.5", "-"),
        ("1.02.003", "1.2.3"),
        // Pre-releases.
        ("v1.31.0-alpha.3", "1.31.0 pre alpha.3"),
        ("v1.31.0-rc.1", "1.31.0 pre rc.1"),
        ("1.31.0-rc1", "1.31.0 pre rc1"),
        ("1.31.0-RC-2", "1.31.0 pre RC-2"),
        ("17beta2", "17 pre beta2"),
        ("17rc1-alpine3.20", "17 pre rc1 variant alpine3.20"),
        ("3.14.0a5", "3.14.0 pre a5"),
        ("3.14.0b2-slim", "3.14.0 pre b2 variant slim"),
        ("3.14.0rc1-bookworm", "3.14.0 pre rc1 variant bookworm"),
        ("3.2.0-M1", "3.2.0 pre M1"),
        ("22-ea-16-jdk-slim", "22 pre ea-16 variant jdk-slim"),
        ("2.0.0-SNAPSHOT", "2.0.0 pre SNAPSHOT"),
        ("2.0.0.dev3", "2.0.0 pre dev3"),
        ("2.0.0-dev.20240101.abcdef", "2.0.0 pre dev.20240101.abcdef"),
        ("11.0.0-66206", "11.0.0 pre 66206"),
        ("0.0.0-20240115-abcdef012345", "0.0.0 pre 20240115 variant abcdef012345"),
        ("v1.2.3-14-gabcdef0", "1.2.3 pre 14 variant gabcdef0"),
        // Variants.
        ("1.27.4-alpine3.20-perl", "1.27.4 variant alpine3.20-perl"),
        ("16.2-bookworm", "16.2 variant bookworm"),
        ("3.22-rfcurated", "3.22 variant rfcurated"),
        ("1.2.3_build5", "1.2.3 variant build5"),
        ("5.0.0.Final", "5.0.0 variant Final"),
        ("1.0.2k", "1.0.2 variant k"),
        ("v1.29.1-k3s1", "1.29.1 variant k3s1"),
        ("v1.29.0-rc1-k3s1", "1.29.0 pre rc1 variant k3s1"),
        ("16.2.0-debian-12-r3", "16.2.0 variant debian-12-r3"),
        ("1.2.3-3f9c2d1", "1.2.3 variant 3f9c2d1"),
        ("1.2.3-a1b2c3d", "1.2.3 variant a1b2c3d"),
        ("1.2.3-b4", "1.2.3 pre b4"),
        // Dates.
        ("2024.01.15", "2024.1.15"),
        ("2024-01-15", "2024.1.15"),
        ("2024-01-15-3f9c2d1", "2024.1.15 variant 3f9c2d1"),
        ("2024-13-15", "2024 pre 13 variant 15"),
        ("20240115", "20240115 long"),
        ("20240115.1", "20240115.1 long"),
        ("v20240115-0c1e8a9", "20240115 variant 0c1e8a9 long"),
        ("20240115-123456", "20240115 variant 123456 long"),
        // Commits, names, and what is too large.
        ("1234567", "1234567 long"),
        ("1f3a9c2", "-"),
        ("3b12345", "-"),
        ("12a3", "-"),
        ("8u342-jdk", "-"),
        ("abc1234", "-"),
        ("latest", "-"),
        ("v", "-"),
        ("vx1", "-"),
        ("release-1.2", "-"),
        ("RELEASE.2024-01-16T16-07-38Z", "-"),
        ("99999999999999999999", "-"),
    ];
    for (text, expected) in table {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn newer_is_by_version_then_by_what_is_written() {
    // From the newest to the oldest.
    let order = [
        "v1.31.0",
        "1.31.0-rc.10",
        "1.31.0-rc.2",
        "1.31.0-rc1",
        "1.31.0-beta.11",
        "1.31.0-beta.2",
        "1.31.0-alpha.beta",
        "1.31.0-alpha.1",
        "1.31.0-alpha",
        "1.31.0-99",
        "1.31.0-1",
        "1.30.0.1",
        "1.30.0",
        "v1.30.0",
        "1.30.0-alpine3.20",
        "1.30.0-alpine3.9",
        "1.30",
        "1.30-alpine",
        "1.29.99",
        "1.9.0",
        "1",
    ];
    for (newer, pair) in order.windows(2).enumerate() {
        let [a, b] = [tag(pair[0]), tag(pair[1])];
        assert_eq!(Ranked::of(&a).unwrap().cmp(&Ranked::of(&b).unwrap()), Ordering::Greater, "{newer}: {a} and {b}");
    }
}

fn fit(constraint: &str, version: &str) -> Fit {
    Constraint::parse(constraint).unwrap().fit(&Version::parse(version).unwrap())
}

#[test]
fn constraints_are_read_leniently() {
    let table = [
        (">=1.29, <2", "1.29.0 1.29 v1.99.1 1.30.1-alpine", "1.28.9 2.0.0 2"),
        (">=1.29 <2", "1.29.0", "2.0.0"),
        (">= v1.29 , < 2", "1.29.0", "2.0.0"),
        ("1.29", "1.29.0 1.29 1.29.99", "1.30.0 1.28.0"),
        ("=1.29", "1.29.5", "1.30.0"),
        ("1.29.3", "1.29.3 v1.29.3", "1.29.4 1.29 1.29.3.1"),
        ("1.29.x", "1.29.0 1.29.9", "1.30.0"),
        ("1.*", "1.0.0 1.99.0", "2.0.0 0.9"),
        ("*", "0.0.0 99", ""),
        ("~1.29", "1.29.0 1.29.9", "1.30.0"),
        ("~1.29.3", "1.29.3 1.29.9", "1.29.2 1.30.0"),
        ("~1", "1.0.0 1.99", "2.0.0"),
        ("^1.29", "1.29.0 1.99.0", "2.0.0 1.28"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0.0", "0.0.9", "0.1.0"),
        ("^0", "0.9.9", "1.0.0"),
        (">1.29", "1.30.0 2", "1.29.9"),
        (">1.29.3", "1.29.4", "1.29.3"),
        ("<=1.29", "1.29.9 1.0", "1.30.0"),
        ("<=1.29.3", "1.29.3", "1.29.4"),
        ("<1.29", "1.28.9", "1.29.0"),
        ("!=1.29.3", "1.29.2 1.29.4", "1.29.3"),
        (">=1, !=1.29", "1.28.9 1.30.0", "1.29.0 1.29.7"),
        ("1.2 - 1.4", "1.2.0 1.4.9", "1.1.9 1.5.0"),
        ("1.2.3 - 1.4.5 || 3", "1.4.5 3.9", "1.4.6 2.0"),
        ("<1.2 || >=3.4, <3.6", "1.1 3.5", "2.0 3.6"),
        (">=2024.6", "2024.06.01 2024-07-01", "2024.05.31"),
        (">=1.2.3.4", "1.2.3.4 1.2.4", "1.2.3.3 1.2.3"),
    ];
    for (constraint, within, outside) in table {
        for version in within.split_whitespace() {
            assert_eq!(fit(constraint, version), Fit::Within, "{version} in {constraint}");
        }
        for version in outside.split_whitespace() {
            assert_eq!(fit(constraint, version), Fit::Outside, "{version} in {constraint}");
        }
    }
}

#[test]
fn pre_releases_need_a_constraint_that_names_one() {
    let table = [
        (">=1.29", "1.30.0-rc.1", Fit::PreRelease),
        (">=1.29", "1.29.0-rc.1", Fit::Outside),
        ("*", "1.30.0-rc.1", Fit::PreRelease),
        (">=1.30.0-rc.1", "1.30.0-rc.1", Fit::Within),
        (">=1.30.0-rc.1", "1.30.0-beta.9", Fit::Outside),
        (">=1.30.0-rc.9", "1.30.0-rc.10", Fit::Within),
        (">=1.29-0", "1.29.0-alpha.1", Fit::Within),
        (">=1.29-0", "1.31.0-alpha.1", Fit::Within),
        (">=0-0", "17beta1", Fit::Within),
        // Candidates of what is excluded are excluded.
        (">=1.29-0, <2", "2.0.0-rc.1", Fit::Outside),
        (">=1.29-0, <2.0.0-rc.2", "2.0.0-rc.1", Fit::Within),
        (">=1.29-0, <=2", "2.1.0-rc.1", Fit::Within),
        ("1.29.x-0", "1.29.0-rc.1", Fit::Within),
        ("~1.29-0", "1.30.0-rc.1", Fit::Outside),
        // Each alternative speaks for itself.
        (">=2-0 || 1.x", "1.5.0-rc.1", Fit::PreRelease),
        (">=2-0 || 1.x", "2.5.0-rc.1", Fit::Within),
        ("=1.30.0-rc.1", "1.30.0-rc1", Fit::Within),
    ];
    for (constraint, version, expected) in table {
        assert_eq!(fit(constraint, version), expected, "{version} in {constraint}");
    }
}

#[test]
fn constraints_that_mean_nothing_are_refused() {
    let wrong = [
        "",
        " ",
        ",",
        ">=1,",
        "||",
        "1 ||",
        ">=",
        "1 2 <",
        "abc",
        ">=a",
        "~>1.2",
        "==1",
        "=>1",
        "=<1",
        "<>1",
        "1.2.3+build",
        "1.2-alpine",
        "1.x.3",
        "1.2.3.4.5",
        "<*",
        ">*",
        "!=*",
        ">=2, <1",
        ">1.2.3, <1.2.3",
        ">2, <2",
        "1.2, 1.3",
        "1 || >=3, <2",
        ">=1.x-alpine",
        "é",
        "1.é",
        ">=1-é",
        "99999999999999999999",
    ];
    for text in wrong {
        let error = Constraint::parse(text).expect_err(text);
        assert!(!error.message.is_empty() && error.message.len() < 200, "{text}: {}", error.message);
    }
    assert!(Constraint::parse(&"1,".repeat(CONSTRAINT_LIMIT)).is_err());
}

const LISTED: &[&str] = &[
    "latest",
    "1.27.4",
    "1.27.4-alpine",
    "1.27.4-perl",
    "1.27",
    "1.26.2",
    "1.26.2-alpine",
    "1.28.0-rc.1",
    "20240115",
    "1.9.0",
    "3f9c2d1",
    "1234567",
];

#[test]
fn suffixes_take_part_where_they_were_asked_for() {
    let table: [(Selection, &[&str]); 12] = [
        (selection((&[], &[]), ">=1.26", &[], 0), &["1.26.2", "1.27", "1.27.4"]),
        (selection((&["*"], &[]), ">=1.26", &["20*", "1234*"], 0), &["1.26.2", "1.27", "1.27.4"]),
        (selection((&["*-alpine"], &[]), ">=1.26", &[], 0), &["1.26.2-alpine", "1.27.4-alpine"]),
        (selection((&["1.27*", "*-alpine"], &[]), ">=1.27", &[], 0), &["1.27", "1.27.4", "1.27.4-alpine"]),
        (selection((&[], &[r"1\.27\.\d+(-perl)?"]), "1.27", &[], 0), &["1.27.4", "1.27.4-perl"]),
        (selection((&[], &[]), "", &[], 2), &["1.27", "1.27.4"]),
        (selection((&["1.*"], &[]), "", &[], 3), &["1.26.2", "1.27", "1.27.4"]),
        (selection((&["*-alpine"], &[]), "", &[], 1), &["1.27.4-alpine"]),
        (selection((&["20*"], &[]), "", &[], 1), &["20240115"]),
        (selection((&[], &[]), ">=1.28-0", &[], 5), &["1.28.0-rc.1"]),
        // Without versions, suffixes are text like any other.
        (selection((&["1.27*"], &[]), "", &["*-perl"], 0), &["1.27", "1.27.4", "1.27.4-alpine"]),
        (selection((&["latest", "1.2*"], &[]), "", &["*-*"], 1), &["1.27.4", "latest"]),
    ];
    for (selection, expected) in table {
        assert_eq!(selected(&selection, LISTED), expected, "{selection:?}");
    }
}

#[test]
fn names_and_pins_are_wanted_whatever_the_rules_say() {
    let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
    let mut selection = selection((&["edge", "1.2*"], &[]), ">=1.27", &["*-*"], 1);
    selection.include.push(rule(9, TagRule::Pin(tag("1.26.2"), digest.clone())));
    let listed: Vec<Tag> = LISTED.iter().map(|text| tag(text)).collect();
    let selected = selection.select(&listed);
    assert_eq!(selected, [(&tag("1.26.2"), Some(&digest)), (&tag("1.27.4"), None), (&tag("edge"), None)]);
    // The named do not use up the newest.
    let tally = selection.tally(&listed);
    assert_eq!(tally.to_string(), "12 listed, 6 included, 2 in semver, 0 excluded, 1 newest, 2 named");
    assert_eq!(tally.selected, 3);
}

#[test]
fn the_stage_that_took_the_last_is_named() {
    let listed: Vec<Tag> = LISTED.iter().map(|text| tag(text)).collect();
    let table = [
        (selection((&["9*"], &[]), ">=1", &["x"], 1), Some(Stage::Include)),
        (selection((&["1.*"], &[]), ">=9", &["x"], 1), Some(Stage::Semver)),
        (selection((&["1.*"], &[]), ">=1.27", &["1.*"], 1), Some(Stage::Exclude)),
        (selection((&["l*"], &[]), "", &["x"], 1), Some(Stage::Newest)),
        (selection((&["l*"], &[]), "", &[], 1), Some(Stage::Newest)),
        (selection((&[], &[]), "", &["?*"], 0), Some(Stage::Exclude)),
        (selection((&["1.*"], &[]), "", &[], 1), None),
    ];
    for (selection, expected) in table {
        assert_eq!(selection.tally(&listed).lost_at(), expected, "{selection:?}");
    }
}

/// Every verdict in words, for all reasons that there are.
#[test]
fn verdicts_read_like_sentences() {
    let selections = [
        selection((&["edge", "1.2*", "*-perl"], &["v.*"]), ">=1.27", &["*-perl"], 1),
        selection((&[], &[]), "", &[], 1),
        selection((&[], &[]), ">=1", &[], 0),
    ];
    let tags = [
        "edge",
        "1.27.4",
        "1.27.4-alpine",
        "1.27.4-perl",
        "1.26.2",
        "1.27.3",
        "2.0.0",
        "v1.30.0-rc.1",
        "v9",
        "vx",
        "20240115",
    ];
    let mut shown = String::new();
    for (number, selection) in selections.iter().enumerate() {
        let sieve = Sieve::new(selection, &tags.map(tag));
        for text in tags {
            let trail = sieve.judge(&tag(text));
            let words: Vec<String> = trail
                .verdicts()
                .map(|verdict| {
                    let place = verdict.place.map_or("-".to_owned(), |place| place.line.to_string());
                    format!("{} {place}: {}", verdict.stage.as_str(), verdict.because)
                })
                .collect();
            let end = if trail.is_selected() { "+" } else { "x" };
            writeln!(shown, "{number} {end} {text}\n    {}", words.join("\n    ")).unwrap();
        }
    }
    insta::assert_snapshot!(shown);
}
