//! Strictly by the specification: the `semver` crate is the oracle for what both read.

use proptest::prelude::*;

use super::super::constraint::Fit;
use super::*;

fn strict() -> impl Strategy<Value = String> {
    // Identifiers that end in digits are compared as text by the specification, and here as numbers.
    let identifier = prop_oneof![
        "0|[1-9][0-9]{0,3}",
        prop::sample::select(vec!["alpha", "beta", "rc", "dev"]).prop_map(str::to_owned)
    ];
    let pre = prop::option::of(prop::collection::vec(identifier, 1..4).prop_map(|parts| parts.join(".")));
    ((0..12_u64, 0..12_u64, 0..12_u64), pre).prop_map(|((major, minor, patch), pre)| match pre {
        Some(pre) => format!("{major}.{minor}.{patch}-{pre}"),
        None => format!("{major}.{minor}.{patch}"),
    })
}

proptest! {
    #[test]
    fn the_order_is_that_of_the_specification(a in strict(), b in strict()) {
        let ours = Version::parse(&a).unwrap().precedence(&Version::parse(&b).unwrap());
        let theirs = semver::Version::parse(&a).unwrap().cmp_precedence(&semver::Version::parse(&b).unwrap());
        prop_assert_eq!(ours, theirs, "{} and {}", a, b);
    }

    /// Releases alone: of pre-releases the two say different things on purpose.
    #[test]
    fn ranges_are_those_of_cargo(
        operator in prop::sample::select(vec!["=", ">", ">=", "<", "<=", "~", "^"]),
        numbers in prop::collection::vec(0..4_u64, 1..4),
        version in prop::array::uniform3(0..5_u64),
    ) {
        let text = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
        let constraint = format!("{operator}{text}");
        let version = format!("{}.{}.{}", version[0], version[1], version[2]);
        let theirs = semver::VersionReq::parse(&constraint).unwrap();
        let theirs = theirs.matches(&semver::Version::parse(&version).unwrap());
        // Refused where nothing can match: `<0`.
        let ours = Constraint::parse(&constraint).is_ok_and(|ours| ours.fit(&Version::parse(&version).unwrap()) == Fit::Within);
        prop_assert_eq!(ours, theirs, "{} in {}", version, constraint);
    }

    #[test]
    fn no_constraint_makes_it_panic(text in "[0-9x.*<>=~^!|, v\\-a-cé+]{0,24}", version in "v?[0-9.]{1,8}[a-z0-9.\\-]{0,8}") {
        if let (Ok(constraint), Some(version)) = (Constraint::parse(&text), Version::parse(&version)) {
            constraint.fit(&version);
        }
    }

    #[test]
    fn every_tag_is_a_version_or_none(text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,40}") {
        if let Some(version) = Version::parse(&text) {
            prop_assert!(text.starts_with(version.plain) && text.ends_with(version.variant));
            // What is left without the variant is the same version.
            let plain = Version::parse(version.plain).unwrap();
            prop_assert_eq!((plain.numbers, plain.pre, plain.variant), (version.numbers, version.pre, ""));
        }
    }
}
