//! Which tags rules select.

mod constraints;
mod goldens;
mod oracle;
mod properties;
mod versions;

use std::fmt::Write as _;

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
