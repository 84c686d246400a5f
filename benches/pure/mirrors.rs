//! Ten thousand tags: what a configuration wants of them, and what was seen of them.

use regsync::config::{self, Desired, Rules, SourceFile};
use regsync::image::{Descriptor, Digest, Location, MediaType, Tag};
use regsync::plan::{Filter, Observed, Plan, Scope, Sighting, plan};

/// Repositories mirrored.
const MIRRORS: usize = 100;
/// Tags of each.
const TAGS: usize = 100;

/// How many tags there are in all.
pub(crate) const TOTAL: usize = MIRRORS * TAGS;

/// A configuration of so many mirrors, each with `tags` in YAML.
pub(crate) fn desired(mirrors: usize, tags: &str) -> Desired {
    let mirror = |number| {
        let (source, target) = (format!("quay.io/team/app{number}"), format!("ghcr.io/acme/mirror/app{number}"));
        format!("  - source: {source}\n    target: {target}\n    tags: {tags}\n")
    };
    let text = format!("version: 1\nmirrors:\n{}", (0..mirrors).map(mirror).collect::<String>());
    let file = SourceFile { path: "regsync.yaml".into(), directory: "/".into(), bytes: text.into_bytes() };
    config::parse(&[file], &Rules::default()).expect("a valid configuration")
}

/// So many tags, as registries list them.
pub(crate) fn tags(number: usize) -> Vec<Tag> {
    let tag = |number: usize| {
        let suffix = ["", "-alpine", "-rc.1", "-debian-12-r3"][number % 4];
        format!("v{}.{}.{}{suffix}", number / 1000, number / 40 % 25, number % 40)
    };
    (0..number).map(|number| tag(number).parse().expect("a tag")).collect()
}

/// Everything wanted of [`TOTAL`] tags.
pub(crate) fn wanted() -> Desired {
    desired(MIRRORS, r#"["v*"]"#)
}

/// What was seen: of every eight tags one is new and one has moved; the others are in sync.
pub(crate) fn observed(desired: &Desired) -> Observed {
    let mut observed = Observed::default();
    for mirror in &desired.mirrors {
        observed.tags.insert(mirror.source.clone(), Ok(tags(TAGS)));
    }
    let listed = |location: &Location| match observed.tags.get(location) {
        Some(Ok(tags)) => Some(tags.as_slice()),
        _ => None,
    };
    let wanted: Vec<_> = desired.expand(listed).into_iter().flat_map(|(_, wanted)| wanted).collect();
    for (number, wanted) in wanted.into_iter().enumerate() {
        let present = |content: String| {
            let digest = Digest::sha256(content.as_bytes());
            Sighting::Present(Descriptor::new(MediaType::oci_index(), digest, 1500))
        };
        let now = present(format!("{} now", wanted.source.reference()));
        for target in wanted.targets {
            let seen = match number % 8 {
                0 => Sighting::Absent,
                1 => present(format!("{} before", wanted.source.reference())),
                _ => now.clone(),
            };
            observed.targets.insert(target, seen);
        }
        observed.sources.insert(wanted.source, now);
    }
    observed
}

/// The plan for all of it.
pub(crate) fn planned() -> Plan {
    let desired = wanted();
    plan(&desired, &observed(&desired), &Scope::default(), &Filter::default())
}
