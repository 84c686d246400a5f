//! The algebra, held against a second writing of it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::constraint::Fit;
use super::*;

/// Lists and rules that meet often.
fn lists() -> impl Strategy<Value = Vec<String>> {
    let suffix = prop::sample::select(vec!["", "", "", "-alpine", "-rc.1", "rc2", "-perl", "-3f9c2d1", "-rc.1-alpine"]);
    let version = (prop::sample::select(vec!["", "v"]), prop::collection::vec(0..4_u32, 1..5), suffix);
    let version = version.prop_map(|(v, numbers, suffix)| {
        format!("{v}{}{suffix}", numbers.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
    });
    let other = prop::sample::select(vec!["latest", "edge", "20240115", "2024-01-15", "1234567", "3f9c2d1"])
        .prop_map(str::to_owned);
    prop::collection::vec(prop_oneof![4 => version, 1 => other], 0..40)
}

fn rules() -> impl Strategy<Value = Selection> {
    let some = |texts: &[&'static str]| prop::sample::subsequence(texts.to_vec(), 0..3.min(texts.len()));
    let include = some(&["1.*", "*", "v*", "*-alpine", "edge", "9.9", "20*", "1.2"]);
    let regex = some(&[r"1\.\d+(-alpine)?", "v.*"]);
    let semver = prop::sample::select(vec!["", "", ">=1", "1.x || 3", ">=0-0", "~1.2", "!=1.2"]);
    (include, regex, semver, some(&["*-perl", "*rc*", "1.3*"]), 0..4_u32)
        .prop_map(|(include, regex, semver, exclude, newest)| selection((&include, &regex), semver, &exclude, newest))
}

/// The algebra again, in sets and without an order of its own.
fn by_definition(selection: &Selection, listed: &BTreeSet<Tag>) -> BTreeSet<Tag> {
    let names: BTreeSet<Tag> = selection.names().filter_map(|rule| rule.value.name().cloned()).collect();
    let everything = selection.include.is_empty() && selection.regex.is_empty();
    let matching = |tag: &&Tag| {
        selection.include.iter().any(|rule| matches!(&rule.value, TagRule::Glob(glob) if glob.matches(tag.as_str())))
    };
    let by_regex = |tag: &&Tag| selection.regex.iter().any(|rule| rule.value.matches(tag.as_str()));
    let taken =
        listed.iter().filter(|tag| !names.contains(*tag)).filter(|tag| everything || matching(tag) || by_regex(tag));
    let counts = |tag: &&Tag| {
        let Some(version) = Version::parse(tag.as_str()) else { return false };
        let asked = selection.include.iter().any(|rule| match &rule.value {
            TagRule::Glob(glob) => glob.matches(tag.as_str()) && !glob.matches(version.plain),
            _ => false,
        });
        (version.variant.is_empty() || by_regex(tag) || asked) && !(everything && version.is_long_number)
    };
    let in_semver = |tag: &&Tag| {
        selection.semver.as_ref().is_none_or(|semver| {
            counts(tag) && Version::parse(tag.as_str()).is_some_and(|version| semver.value.fit(&version) == Fit::Within)
        })
    };
    let kept = |tag: &&Tag| !selection.exclude.iter().any(|rule| rule.value.matches(tag.as_str()));
    let mut left: Vec<&Tag> = taken.filter(in_semver).filter(kept).collect();
    if let Some(newest) = &selection.newest {
        let releases =
            |tag: &&Tag| selection.semver.is_some() || Version::parse(tag.as_str()).is_some_and(|v| v.pre.is_none());
        left.retain(|tag| counts(tag) && releases(tag));
        left.sort_by(|a, b| Ranked::of(b).cmp(&Ranked::of(a)));
        left.truncate(newest.value.get() as usize);
    }
    left.into_iter().cloned().chain(names).collect()
}

proptest! {
    #[test]
    fn selection_follows_its_definition_in_any_order(
        listed in lists().prop_shuffle(), rules in rules(), twice in any::<bool>(),
    ) {
        let listed: Vec<Tag> = listed.iter().map(|text| tag(text)).collect();
        let expected: Vec<Tag> = by_definition(&rules, &listed.iter().cloned().collect()).into_iter().collect();
        let select = |listed: &[Tag]| -> Vec<Tag> { rules.select(listed).into_iter().map(|(tag, _)| tag.clone()).collect() };
        prop_assert_eq!(&select(&listed), &expected);
        let mut turned: Vec<Tag> = listed.iter().rev().cloned().collect();
        if twice {
            turned.extend(listed.clone());
        }
        prop_assert_eq!(&select(&turned), &expected, "in another order, and with repetitions");
        prop_assert_eq!(rules.tally(&turned), rules.tally(&listed));
        prop_assert_eq!(rules.tally(&listed).selected, expected.len());
    }

    /// What `explain` shows of each tag is what a plan selects.
    #[test]
    fn every_verdict_agrees_with_the_selection(listed in lists(), rules in rules()) {
        let listed: Vec<Tag> = listed.iter().map(|text| tag(text)).collect();
        let selected: BTreeSet<Tag> = rules.select(&listed).into_iter().map(|(tag, _)| tag.clone()).collect();
        let sieve = Sieve::new(&rules, &listed);
        for tag in &listed {
            let trail = sieve.judge(tag);
            prop_assert_eq!(trail.is_selected(), selected.contains(tag), "{}", tag);
            let passed = trail.verdicts().filter(|verdict| !verdict.because.passes()).count();
            prop_assert!(passed <= 1, "one stage decides");
        }
    }
}
