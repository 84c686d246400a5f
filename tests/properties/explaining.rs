//! What `explain` says of a tag is what a plan does with it: for random lists and rules, asked of the source and of the target.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use regsync::config::{self, Desired, Rules, SourceFile};
use regsync::image::{Descriptor, Digest, Location, MediaType, Reference, Role, Tag, Written};
use regsync::plan::explain::{Answer, Lists, Question};
use regsync::plan::{self, Filter, Observed, Scope, Sighting};

const SOURCE: &str = "ghcr.io/up/app";
const TARGET: &str = "registry.example.com/mirror/app";
const PIN: &str = "2.2@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const SIGNATURE: &str = "sha256-44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a.sig";

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    let suffix = prop::sample::select(vec!["", "", "", "-alpine", "-rc.1", "rc2", "-3f9c2d1"]);
    let version = (prop::sample::select(vec!["", "v"]), prop::collection::vec(0..4_u32, 1..4), suffix);
    let version = version.prop_map(|(v, numbers, suffix)| {
        format!("{v}{}{suffix}", numbers.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
    });
    // As long as a tag may be: no name can be put around it.
    let others = ["latest", "edge", "20240115", "2024-01", SIGNATURE, &SIGNATURE[..71]].map(str::to_owned);
    let other = prop::sample::select([&others[..], &["x".repeat(128)]].concat());
    let text = prop_oneof![4 => version, 1 => other];
    prop::collection::vec(text.prop_map(|text| text.parse().unwrap()), 0..24)
}

/// A mirror's rules as a person writes them.
fn rules() -> impl Strategy<Value = String> {
    let some = |texts: &[&'static str]| prop::sample::subsequence(texts.to_vec(), 0..3.min(texts.len()));
    let include = some(&["1.*", "*", "v*", "*-alpine", "edge", "9.9", "20*", PIN, "sha256-*.sig"]);
    let regex = some(&[r"1\.\d+(-alpine)?", "v.*"]);
    let semver = prop::option::of(prop::sample::select(vec![">=1", "1.x || 3", ">=0-0", "~1.2", "!=1.2", "<3.0.0-0"]));
    let rename = prop::option::of(prop::sample::select(vec!["up-{tag}", "{tag}-mirror"]));
    let newest = prop::option::of(1..4_u32);
    (include, regex, semver, some(&["*rc*", "1.3*"]), newest, rename).prop_map(
        |(mut include, regex, semver, exclude, newest, rename)| {
            // Names alone leave the other rules nothing to choose from, which is refused.
            if regex.is_empty() && !include.is_empty() && !include.iter().any(|item| item.contains('*')) {
                include.push("3*");
            }
            let list = |key: &str, items: &[&str]| {
                let items: Vec<String> = items.iter().map(|item| format!("'{item}'")).collect();
                (!items.is_empty()).then(|| format!("{key}: [{}]", items.join(", ")))
            };
            let parts = [
                list("include", &include),
                list("regex", &regex),
                semver.map(|text| format!("semver: \"{text}\"")),
                list("exclude", &exclude),
                newest.map(|number| format!("newest: {number}")),
            ];
            let mut parts: Vec<String> = parts.into_iter().flatten().collect();
            if parts.is_empty() {
                parts.push("include: [\"*\"]".to_owned());
            }
            let rename = rename.map(|text| format!("\n    rename: \"{text}\"")).unwrap_or_default();
            format!("tags: {{ {} }}{rename}", parts.join(", "))
        },
    )
}

fn desired(rules: &str) -> Desired {
    let text =
        format!("version: 1\nmirrors:\n  - source: {SOURCE}\n    target: {TARGET}\n    on-empty: warn\n    {rules}\n");
    let file = SourceFile {
        path: "regsync.yaml".into(),
        directory: PathBuf::from("/config"),
        bytes: text.clone().into_bytes(),
    };
    config::parse(&[file], &Rules::default()).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"))
}

fn location(text: &str) -> Location {
    Written::parse(text, Role::Source, Path::new("/config")).unwrap().location
}

/// The targets that a plan writes, where every source is there and no target is.
fn planned(desired: &Desired, tags: &[Tag]) -> BTreeSet<Reference> {
    let lists = [(location(SOURCE), Ok(tags.to_vec()))].into();
    let mut observed = Observed { tags: lists, ..Observed::default() };
    for wanted in desired.mirrors[0].expand(tags) {
        let digest = Digest::sha256(wanted.source.tag.as_str().as_bytes());
        let image = Descriptor::new(MediaType::oci_manifest(), digest, 1);
        observed.sources.insert(wanted.source, Sighting::Present(image));
        observed.targets.extend(wanted.targets.into_iter().map(|target| (target, Sighting::Absent)));
    }
    let plan = plan::plan(desired, &observed, &Scope::default(), &Filter::default());
    plan.steps
        .iter()
        .filter(|step| step.action().writes())
        .filter_map(|step| step.target_reference().cloned())
        .collect()
}

/// What `explain` says that a tag becomes, asked of `location`.
fn explained(desired: &Desired, tags: &[Tag], (location, tag): (Location, &Tag)) -> Vec<Reference> {
    let lists: Lists = [(self::location(SOURCE), Ok(tags.to_vec()))].into();
    let answers = Question { location, tag: Some(tag.clone()) }.answers(desired, &lists);
    let becomes = answers.into_iter().flat_map(|explanation| match explanation.answer {
        Answer::One(one) => {
            let overlong = desired.mirrors[0].rename.apply(&one.tag).is_none();
            assert_eq!(one.becomes.is_empty(), one.dropped.is_some() || overlong, "{one:?}");
            one.becomes
        }
        Answer::Never(_) => Vec::new(),
        other => panic!("{other:?} is no answer about one tag"),
    });
    becomes.collect()
}

proptest! {
    #[test]
    fn what_is_explained_is_what_is_planned(tags in tags(), rules in rules()) {
        let desired = desired(&rules);
        let planned = planned(&desired, &tags);
        let asked: BTreeSet<Tag> =
            tags.iter().cloned().chain(["2.2", "9.9", "edge"].map(|text| text.parse().unwrap())).collect();
        let mut by_source = BTreeSet::new();
        for tag in &asked {
            by_source.extend(explained(&desired, &tags, (location(SOURCE), tag)));
        }
        prop_assert_eq!(&by_source, &planned, "asked of the source, {}", rules);
        // Of the target, by the names that the tags have there, and by those that they have at the source.
        let renamed = asked.iter().filter_map(|tag| desired.mirrors[0].rename.apply(tag));
        let mut by_target = BTreeSet::new();
        for tag in renamed.chain(asked.iter().cloned()) {
            let becomes = explained(&desired, &tags, (location(TARGET), &tag));
            for target in &becomes {
                prop_assert_eq!(target, &Reference::tagged(location(TARGET), tag.clone()));
            }
            by_target.extend(becomes);
        }
        prop_assert_eq!(&by_target, &planned, "asked of the target, {}", rules);
    }
}
