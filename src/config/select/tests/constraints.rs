//! What constraints mean, and what they refuse.

use super::super::constraint::Fit;
use super::*;

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
        ("1.x - 2.x", "1.0.0 1.9 2.9.9", "0.9 3.0.0"),
        ("1.2.* - 1.4.x", "1.2.0 1.4.9", "1.1.9 1.5.0"),
        ("* - 2", "0.1 2.9", "3.0"),
        ("1.2 - *", "1.2.0 9.0", "1.1.9"),
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
        // What keeps one away asks for none of the others.
        (">=1.29 <2.0.0-0", "1.29.5-rc.1", Fit::PreRelease),
        (">=1.29, !=1.30.0-rc.1", "1.31.0-alpha.0", Fit::PreRelease),
        ("<=1.30.0-rc.3", "1.30.0-rc.1", Fit::Within),
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

#[test]
fn a_range_without_blanks_is_no_pre_release() {
    for text in ["1.2-1.4", "1-2", ">=1.2-1.4", "1.2-1.x", "1.x-2.x", "1.x-2", "*-2.*", ">=1.x-2.x"] {
        let error = Constraint::parse(text).expect_err(text);
        assert!(error.help.is_some_and(|help| help.contains("`1.2 - 1.4`")), "{text}");
    }
    for text in ["1.2 - 1.4", "1.2.0-1", ">=1.30-0", ">=1.30-rc.1", ">=1.x-0", "1.x-rc.1"] {
        assert!(Constraint::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn a_broken_range_is_an_error() {
    for text in ["1.2 -1.4", "1.2- 1.4", "1.2 -", "- 1.4", "1.2 - >=1.4", "1.2 - 1.4 - 1.6", ">=1.2 - 1.4", "1.4 - 1.2"]
    {
        Constraint::parse(text).expect_err(text);
    }
}
