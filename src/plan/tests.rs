//! The plan as a whole: from values to steps, to JSON, and back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::file::{Document, Stamp};
use super::*;
use crate::config::{
    ConfigFile, Desired, Mirror, OnEmpty, OnTagMove, Place, ReferrerRule, Rename, Selection, SourceImage, TagGlob,
    TagRule,
};
use crate::image::{Code, Descriptor, Digest, Failure, Location, MediaType, Quota, Reference, Role, Tag, Written};

pub(super) fn location(text: &str) -> Location {
    Written::parse(text, Role::Source, Path::new("/config")).unwrap().location
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn place(line: u32) -> Place {
    Place { file: "regsync.yaml".into(), line, column: 5 }
}

pub(super) fn mirror(line: u32, source: &str, targets: &[&str], tags: Vec<TagRule>) -> Mirror {
    Mirror {
        place: place(line),
        source: location(source),
        targets: targets.iter().map(|text| location(text)).collect(),
        tags: Selection::of(&place(line), tags),
        rename: Rename::default(),
        subset: None,
        on_tag_move: OnTagMove::Update,
        immutable_tags: Vec::new(),
        on_empty: OnEmpty::Error,
        referrers: ReferrerRule::default(),
    }
}

pub(super) fn exact(names: &[&str]) -> Vec<TagRule> {
    names.iter().map(|name| TagRule::Exact(tag(name))).collect()
}

pub(super) fn desired(mirrors: Vec<Mirror>) -> Desired {
    let file = ConfigFile { path: "regsync.yaml".into(), sha256: Digest::sha256(b"version: 1") };
    Desired { files: vec![file], mirrors, ..Desired::default() }
}

pub(super) fn digest(content: &str) -> Digest {
    Digest::sha256(content.as_bytes())
}

pub(super) fn present(content: &str) -> Sighting {
    Sighting::Present(Descriptor::new(MediaType::oci_index(), digest(content), 1))
}

pub(super) fn source(location_text: &str, name: &str) -> SourceImage {
    SourceImage { location: location(location_text), tag: tag(name), pin: None }
}

fn target(location_text: &str, name: &str) -> Reference {
    Reference::tagged(location(location_text), tag(name))
}

/// An observation in which `images` are at the source and `there` at the target.
pub(super) fn observed(images: &[(&str, &str, &str)], there: &[(&str, &str, Option<&str>)]) -> Observed {
    Observed {
        sources: images.iter().map(|(at, name, content)| (source(at, name), present(content))).collect(),
        targets: there
            .iter()
            .map(|(at, name, content)| (target(at, name), content.map_or(Sighting::Absent, present)))
            .collect(),
        ..Observed::default()
    }
}

pub(super) fn planned(desired: &Desired, observed: &Observed) -> Plan {
    plan(desired, observed, &Scope::default(), &Filter::default())
}

fn stamp() -> Stamp {
    Stamp { tool_version: "1.2.3".into(), created_at: "2026-01-02T03:04:05Z".into() }
}

pub(super) fn rows(plan: &Plan) -> Vec<String> {
    let row = |step: &Step| {
        let target = step.target_reference().map_or("-".to_owned(), ToString::to_string);
        format!("{} {target} {}", step.action().symbol(), step.reason.as_str())
    };
    plan.steps.iter().map(row).collect()
}

pub(super) const UP: &str = "docker.io/library/app";
pub(super) const DOWN: &str = "ghcr.io/acme/app";

#[test]
fn steps_stand_in_the_order_of_mirrors_then_targets() {
    let wanted = desired(vec![
        mirror(9, "quay.io/z/z", &["ghcr.io/z/z"], exact(&["1"])),
        mirror(3, UP, &[DOWN, "ghcr.io/aaa/app"], exact(&["2", "1"])),
    ]);
    let seen = observed(
        &[("quay.io/z/z", "1", "Z"), (UP, "1", "A"), (UP, "2", "B")],
        &[("ghcr.io/z/z", "1", Some("Z")), (DOWN, "1", None), (DOWN, "2", Some("old"))],
    );
    assert_eq!(
        rows(&planned(&wanted, &seen)),
        [
            "= ghcr.io/z/z:1 in-sync",
            "! ghcr.io/aaa/app:1 target-unreadable",
            "! ghcr.io/aaa/app:2 target-unreadable",
            "+ ghcr.io/acme/app:1 new",
            "~ ghcr.io/acme/app:2 tag-moved",
        ]
    );
}

#[test]
fn a_glob_takes_what_is_listed_and_a_failed_list_is_no_empty_one() {
    let glob = || vec![TagRule::Glob(TagGlob::new("1.*").unwrap())];
    let wanted = desired(vec![mirror(3, UP, &[DOWN], glob())]);
    let mut seen = observed(&[(UP, "1.0", "A")], &[(DOWN, "1.0", None)]);
    seen.tags.insert(location(UP), Ok(vec![tag("1.0"), tag("2.0")]));
    assert_eq!(rows(&planned(&wanted, &seen)), ["+ ghcr.io/acme/app:1.0 new"]);

    seen.tags.insert(location(UP), Ok(vec![tag("2.0")]));
    assert_eq!(rows(&planned(&wanted, &seen)), ["! - nothing-selected"]);

    seen.tags.insert(location(UP), Err(Failure::new(Code::Unavailable, "could not list")));
    assert_eq!(rows(&planned(&wanted, &seen)), ["! - list-failed"]);
    assert!(!planned(&wanted, &seen).is_complete());

    let mut lenient = wanted.clone();
    lenient.mirrors[0].on_empty = OnEmpty::Warn;
    assert_eq!(rows(&planned(&lenient, &seen)), ["! - list-failed"], "a failure is never a warning");
    seen.tags.insert(location(UP), Ok(Vec::new()));
    let plan = planned(&lenient, &seen);
    assert!(plan.steps.is_empty() && plan.warnings.len() == 1, "{plan:?}");
}

#[test]
fn what_is_named_exactly_needs_no_list() {
    let glob = TagRule::Glob(TagGlob::new("v*").unwrap());
    let wanted = desired(vec![mirror(3, UP, &[DOWN], vec![TagRule::Exact(tag("1")), glob])]);
    let mut seen = observed(&[(UP, "1", "A")], &[(DOWN, "1", None)]);
    seen.tags.insert(location(UP), Err(Failure::new(Code::Unavailable, "could not list")));
    let plan = planned(&wanted, &seen);
    assert_eq!(rows(&plan), ["+ ghcr.io/acme/app:1 new", "! - list-failed"]);
    assert!(!plan.is_complete());
}

#[test]
fn mirrors_that_agree_on_the_image_keep_the_stricter_policy() {
    let strict = |on_tag_move, immutable: &[&str]| {
        let mut second = mirror(7, UP, &[DOWN], exact(&["1"]));
        second.on_tag_move = on_tag_move;
        second.immutable_tags = immutable.iter().map(|glob| TagGlob::new(glob).unwrap()).collect();
        second
    };
    let seen = observed(&[(UP, "1", "new")], &[(DOWN, "1", Some("old"))]);
    for (second, row) in [
        (strict(OnTagMove::Update, &["*"]), "x ghcr.io/acme/app:1 tag-would-move"),
        (strict(OnTagMove::Block, &[]), "x ghcr.io/acme/app:1 tag-would-move"),
        (strict(OnTagMove::Keep, &[]), "= ghcr.io/acme/app:1 kept"),
        (strict(OnTagMove::Update, &[]), "~ ghcr.io/acme/app:1 tag-moved"),
    ] {
        let first = || mirror(3, UP, &[DOWN], exact(&["1"]));
        for mirrors in [vec![first(), second.clone()], vec![second.clone(), first()]] {
            assert_eq!(rows(&planned(&desired(mirrors), &seen)), [row]);
        }
    }
}

#[test]
fn a_pin_approves_the_move_of_an_immutable_tag() {
    let approved = digest("new");
    let pin = || vec![TagRule::Pin(tag("1"), approved.clone())];
    let mut wanted = desired(vec![mirror(3, UP, &[DOWN], pin())]);
    wanted.mirrors[0].immutable_tags = vec![TagGlob::new("*").unwrap()];
    let image = SourceImage { pin: Some(approved.clone()), ..source(UP, "1") };
    let mut seen = observed(&[], &[(DOWN, "1", Some("old"))]);
    seen.sources.insert(image.clone(), present("new"));
    seen.moved_pins.insert(image, Some(digest("newer")));
    let plan = planned(&wanted, &seen);
    assert_eq!(rows(&plan), ["~ ghcr.io/acme/app:1 tag-moved"]);
    assert!(plan.steps[0].warnings[0].contains("by now"), "{:?}", plan.steps[0].warnings);

    wanted.mirrors[0].tags = Selection::of(&place(3), exact(&["1"]));
    seen.sources.insert(source(UP, "1"), present("new"));
    let plan = planned(&wanted, &seen);
    assert_eq!(rows(&plan), ["x ghcr.io/acme/app:1 tag-would-move"]);
    assert_eq!(plan.steps[0].digest, Some(digest("old")), "what is blocked stays as it is");
}

#[test]
fn two_mirrors_at_one_tag_are_one_step_or_none() {
    let wanted =
        desired(vec![mirror(3, UP, &[DOWN], exact(&["1"])), mirror(7, "quay.io/other/app", &[DOWN], exact(&["1"]))]);
    let mut seen = observed(&[(UP, "1", "A"), ("quay.io/other/app", "1", "A")], &[(DOWN, "1", None)]);
    let plan = planned(&wanted, &seen);
    assert_eq!(rows(&plan), ["+ ghcr.io/acme/app:1 new"]);
    assert!(plan.steps[0].warnings[0].contains("regsync.yaml:7"), "{:?}", plan.steps[0].warnings);

    seen.sources.insert(source("quay.io/other/app", "1"), present("B"));
    let plan = planned(&wanted, &seen);
    assert_eq!(rows(&plan), ["x ghcr.io/acme/app:1 conflict", "x ghcr.io/acme/app:1 conflict"]);

    let broken = Sighting::Unreadable(Failure::new(Code::Timeout, "no answer"));
    seen.sources.insert(source("quay.io/other/app", "1"), broken);
    let rows_of_one_broken = rows(&planned(&wanted, &seen));
    assert_eq!(rows_of_one_broken, ["x ghcr.io/acme/app:1 conflict", "! ghcr.io/acme/app:1 source-unreadable"]);
}

#[test]
fn a_blob_counts_once_for_each_target() {
    let wanted = desired(vec![mirror(3, UP, &[DOWN], exact(&["1", "2"]))]);
    let mut seen = observed(&[(UP, "1", "A"), (UP, "2", "B")], &[(DOWN, "1", None), (DOWN, "2", None)]);
    let contents = |own: &str| Contents {
        manifests: 10,
        manifest_count: 1,
        blobs: [(digest("shared"), 1000), (digest("held"), 500), (digest(own), 30)].into(),
        platforms: Vec::new(),
    };
    for image in ["A", "B"] {
        seen.contents.insert((location(UP), digest(image)), Ok(contents(&format!("own {image}"))));
        seen.held.insert((digest(image), location(DOWN)), Ok([digest("held")].into()));
    }
    let plan = planned(&wanted, &seen);
    assert_eq!(plan.steps[0].bytes, Some(Bytes { transfer: 1040, present: 500 }));
    assert_eq!(plan.steps[1].bytes, Some(Bytes { transfer: 40, present: 1500 }));
    assert_eq!(plan.bytes(), Some(Bytes { transfer: 1080, present: 2000 }));

    seen.contents.insert((location(UP), digest("B")), Err(Failure::new(Code::NotFound, "a child is missing")));
    assert_eq!(rows(&planned(&wanted, &seen)), ["+ ghcr.io/acme/app:1 new", "! ghcr.io/acme/app:2 source-unreadable"]);
}

#[test]
fn a_scope_leaves_the_rest_out() {
    let wanted = desired(vec![mirror(3, UP, &[DOWN, "quay.io/b/app"], exact(&["1", "2"]))]);
    let scope = Scope { only: vec!["ghcr.io/**".into()], exclude: vec!["**/*:2".into()], ..Scope::default() };
    let seen = observed(&[(UP, "1", "A")], &[(DOWN, "1", None)]);
    let plan = plan(&wanted, &seen, &scope, &scope.filter().unwrap());
    assert_eq!(rows(&plan), ["+ ghcr.io/acme/app:1 new"]);
}

pub(super) fn bases() -> Bases {
    Bases { directories: [("regsync.yaml".to_owned(), PathBuf::from("/config"))].into(), allowed: Vec::new() }
}

/// A plan with a step of most kinds.
fn varied() -> Plan {
    let wanted = desired(vec![
        mirror(3, UP, &[DOWN], exact(&["1", "2", "3", "4"])),
        mirror(8, "oci:upstream/web", &["oci:mirror/web"], exact(&["1"])),
    ]);
    let mut seen = observed(
        &[(UP, "1", "A"), (UP, "2", "B"), (UP, "3", "C"), ("oci:upstream/web", "1", "W")],
        &[(DOWN, "1", None), (DOWN, "2", Some("old")), (DOWN, "3", Some("C")), ("oci:mirror/web", "1", None)],
    );
    seen.sources.insert(source(UP, "4"), Sighting::Absent);
    seen.targets.insert(target(DOWN, "4"), Sighting::Absent);
    let quota = Quota { limit: Some(100), remaining: Some(86), window: Some(21_600) };
    seen.quotas.insert("docker.io".parse().unwrap(), quota);
    planned(&wanted, &seen)
}

#[test]
fn a_plan_survives_its_file() {
    let plan = varied();
    let text = plan.to_json(&stamp());
    let read = document(&text).unwrap().plan(&bases()).unwrap();
    assert_eq!(read.to_json(&stamp()), text);
    assert_eq!(read, plan);
}

#[test]
fn the_id_is_of_the_intent_alone() {
    let plan = varied();
    let mut other = plan.clone();
    other.steps.retain(|step| step.action().writes());
    for step in &mut other.steps {
        step.bytes = Some(Bytes { transfer: 1, present: 2 });
        step.place.line += 1;
        step.warnings.push(Arc::from("a remark"));
    }
    assert_eq!(other.id(), plan.id());
    other.steps[0].digest = Some(digest("another"));
    assert_ne!(other.id(), plan.id());
    // The canonical form is part of the contract: this value changes only with the format's version.
    let empty = Plan { steps: Vec::new(), ..plan };
    assert_eq!(empty.id(), Digest::sha256(b"[]"));
}

/// The document of [`varied`], changed.
fn tampered(change: impl FnOnce(&mut Document)) -> file::FileError {
    let mut document = varied().document(&stamp());
    change(&mut document);
    document.plan(&bases()).unwrap_err()
}

#[test]
fn a_tampered_file_is_no_plan() {
    use file::FileError::{Id, Step};
    assert!(matches!(tampered(|d| d.steps.swap(0, 1)), Id { .. }));
    assert!(matches!(tampered(|d| drop(d.steps.remove(0))), Id { .. }));
    assert!(matches!(tampered(|d| d.plan_id = digest("x").to_string()), Id { .. }));
    assert!(matches!(tampered(|d| d.steps[0].digest = Some(digest("x").to_string())), Step { step: 1, .. }));
    assert!(matches!(tampered(|d| d.steps[0].digest = Some("sha256:../..".into())), Step { step: 1, .. }));
    assert!(matches!(tampered(|d| d.steps[0].action = Action::Skip), Step { step: 1, .. }));
    assert!(matches!(tampered(|d| d.steps[0].reason = "prune".into()), Step { step: 1, .. }));
    assert!(matches!(tampered(|d| d.steps[0].target = None), Step { step: 1, .. }));
    for layout in ["oci:/etc/x:1", "oci:../x:1", "oci:mirror/../../x:1"] {
        let step = |d: &mut Document| d.steps[4].target.as_mut().unwrap().reference = layout.into();
        assert!(matches!(tampered(step), Step { step: 5, .. }), "{layout}");
    }
}

#[test]
fn documents_of_other_kinds_and_versions_are_named() {
    use file::FileError::{Kind, Syntax, Version};
    let text = varied().to_json(&stamp());
    assert!(document(&text.replace("\"1.0\"", "\"1.7\"")).is_ok(), "a minor version adds");
    assert!(matches!(document(&text.replace("\"1.0\"", "\"2.0\"")), Err(Version { .. })));
    assert!(matches!(document(&text.replace("regsync.plan", "regsync.result")), Err(Kind(_))));
    assert!(matches!(document(&text[..text.len() / 2]), Err(Syntax(_))));
    assert!(matches!(document(&text.replace("\"copy\"", "\"delete\"")), Err(Syntax(_))));
    let extended = text.replacen('{', "{\"later\": true, ", 1);
    assert!(document(&extended).is_ok(), "what is not known is ignored");
}

proptest! {
    /// Apply in a model of the targets, plan again: nothing is left to do but what is blocked or in error.
    #[test]
    fn after_apply_there_is_nothing_to_copy(
        images in proptest::collection::btree_map("[a-c]", "[A-D]", 0..4),
        there in proptest::collection::btree_map("[a-c]", "[A-D]", 0..4),
        policy in 0..3usize,
    ) {
        let names: Vec<&str> = ["a", "b", "c"].to_vec();
        let mut wanted = desired(vec![mirror(3, UP, &[DOWN], exact(&names))]);
        wanted.mirrors[0].on_tag_move = [OnTagMove::Update, OnTagMove::Keep, OnTagMove::Block][policy];
        let at = |map: &BTreeMap<String, String>, name: &str| map.get(name).map_or(Sighting::Absent, |c| present(c));
        let mut seen = Observed {
            sources: names.iter().map(|name| (source(UP, name), at(&images, name))).collect(),
            targets: names.iter().map(|name| (target(DOWN, name), at(&there, name))).collect(),
            ..Observed::default()
        };
        let first = planned(&wanted, &seen);
        prop_assert_eq!(planned(&wanted, &seen).to_json(&stamp()), first.to_json(&stamp()));
        for step in first.steps.iter().filter(|step| step.action().writes()) {
            let descriptor = Descriptor::new(MediaType::oci_index(), step.digest.clone().unwrap(), 1);
            seen.targets.insert(step.target_reference().unwrap().clone(), Sighting::Present(descriptor));
        }
        let second = planned(&wanted, &seen);
        prop_assert!(!second.has_changes());
        prop_assert_eq!(second.summary().error, first.summary().error);
        prop_assert_eq!(second.summary().blocked, first.summary().blocked);
    }
}

#[test]
fn a_glob_that_is_about_nothing_is_remarked_upon() {
    let glob = vec![TagRule::Glob(TagGlob::new("1.*").unwrap())];
    let desired = desired(vec![
        mirror(3, "ghcr.io/up/app", &["ghcr.io/down/app"], exact(&["1.0"])),
        mirror(7, "ghcr.io/up/listed", &["ghcr.io/down/listed"], glob.clone()),
        mirror(9, "ghcr.io/up/unread", &["ghcr.io/down/unread"], glob),
    ]);
    let tags = BTreeMap::from([(location("ghcr.io/up/listed"), Ok(vec![tag("1.1")]))]);
    let observed = Observed { tags, ..Observed::default() };
    let remarks = |only: &str| {
        let scope = Scope { only: vec![only.to_owned()], exclude: vec!["**/*:9".to_owned()], ..Scope::default() };
        let warnings = plan(&desired, &observed, &scope, &scope.filter().unwrap()).warnings;
        warnings.into_iter().map(|warning| warning.message).collect::<Vec<_>>()
    };
    for only in ["ghcr.io/down/app", "**/*:1.0", "ghcr.io/down/listed:1.1", "ghcr.io/down/unread:2", "**"] {
        assert_eq!(remarks(only), Vec::<String>::new(), "{only}");
    }
    for only in ["ghcr.io/down/ap", "ghcr.io/down/app:2", "ghcr.io/down/listed:2", "ghcr.io/*", "app"] {
        assert_eq!(remarks(only), [format!("--only {only} matches no target of the configuration")]);
    }
}
