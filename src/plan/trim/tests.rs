//! Parts of images in plans: rows of the table, the file, the id.

use super::super::file::{Document, FileError, Stamp};
use super::super::tests::{desired, digest, exact, location, mirror, observed, planned, present, rows, source};
use super::super::{Bases, Contents, Plan, Sighting, document};
use super::*;
use crate::config::{OnTagMove, Selection, TagGlob, TagRule};
use crate::image::{Code, Failure, MediaType, Quota, Single};

const UP: &str = "ghcr.io/up/app";
const DOWN: &str = "ghcr.io/down/app";

fn subset(names: &[&str], single: Single) -> Arc<Subset> {
    let names = names.iter().map(|name| name.parse().expect(name)).collect();
    Arc::new(Subset::new(names, single).expect("a subset"))
}

fn wanted() -> Arc<Subset> {
    subset(&["linux/arm64", "linux/amd64"], Single::Index)
}

fn platform(architecture: &str) -> Platform {
    Platform { os: "linux".into(), architecture: architecture.into(), variant: None, os_version: None }
}

/// What is left of the image `whole`: an index named `left`.
fn cut(left: &str) -> Cut {
    let image = Descriptor::new(MediaType::oci_index(), digest(left), 1);
    Cut { image, platforms: vec![platform("amd64")], of: 8, absent: vec!["linux/arm64".parse().unwrap()] }
}

fn key(whole: &str, subset: Arc<Subset>) -> CutKey {
    (location(UP), digest(whole), subset)
}

/// The tag `1`, wanted as a part that is `left`, where the target has `there`.
fn seen(left: Result<Cut, Failure>, there: Option<&str>) -> Observed {
    let mut seen = observed(&[(UP, "1", "whole")], &[(DOWN, "1", there)]);
    seen.cuts.insert(key("whole", wanted()), left);
    seen
}

fn mirrored(on_tag_move: OnTagMove) -> crate::config::Desired {
    let mut desired = desired(vec![mirror(3, UP, &[DOWN], exact(&["1"]))]);
    desired.mirrors[0].subset = Some(wanted());
    desired.mirrors[0].on_tag_move = on_tag_move;
    desired
}

fn plan_of(left: Result<Cut, Failure>, there: Option<&str>) -> Plan {
    planned(&mirrored(OnTagMove::Update), &seen(left, there))
}

#[test]
fn the_digest_of_what_is_left_is_what_is_wanted() {
    for (there, row) in [
        (None, "+ ghcr.io/down/app:1 new"),
        (Some("left"), "= ghcr.io/down/app:1 in-sync"),
        (Some("whole"), "~ ghcr.io/down/app:1 tag-moved"),
        (Some("stray"), "~ ghcr.io/down/app:1 tag-moved"),
    ] {
        let plan = plan_of(Ok(cut("left")), there);
        assert_eq!(rows(&plan), [row]);
        let step = &plan.steps[0];
        assert_eq!(step.digest, Some(digest("left")));
        assert_eq!(step.source.as_ref().unwrap().digest, Some(digest("whole")));
        let trim = step.trim.as_ref().unwrap();
        assert_eq!((&trim.digest, trim.of), (&digest("left"), step.action().writes().then_some(8)));
    }
    let kept = planned(&mirrored(OnTagMove::Keep), &seen(Ok(cut("left")), Some("stray")));
    assert_eq!(rows(&kept), ["= ghcr.io/down/app:1 kept"]);
    let blocked = planned(&mirrored(OnTagMove::Block), &seen(Ok(cut("left")), Some("stray")));
    assert_eq!(rows(&blocked), ["x ghcr.io/down/app:1 tag-would-move"]);
}

#[test]
fn nothing_is_trimmed_where_nothing_goes() {
    let plan = plan_of(Ok(cut("whole")), None);
    assert_eq!((&plan.steps[0].digest, &plan.steps[0].trim), (&Some(digest("whole")), &None));
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
}

#[test]
fn what_could_not_be_cut_is_an_error_by_its_kind() {
    for (code, reason) in [
        (Code::NoPlatform, "! ghcr.io/down/app:1 no-platform"),
        (Code::Unsupported, "! ghcr.io/down/app:1 unsupported"),
        (Code::Timeout, "! ghcr.io/down/app:1 source-unreadable"),
        (Code::NoCredentials, "! ghcr.io/down/app:1 no-credentials"),
    ] {
        assert_eq!(rows(&plan_of(Err(Failure::new(code, "it broke")), Some("left"))), [reason]);
    }
    let mut unread = seen(Ok(cut("left")), Some("whole"));
    unread.cuts.clear();
    let plan = planned(&mirrored(OnTagMove::Update), &unread);
    assert_eq!(rows(&plan), ["! ghcr.io/down/app:1 source-unreadable"], "what was not read is never taken whole");
    let image = source(UP, "1");
    let old = Descriptor::new(MediaType::new("application/vnd.docker.distribution.manifest.v1+json"), digest("old"), 1);
    unread.sources.insert(image, Sighting::Present(old));
    assert_eq!(rows(&planned(&mirrored(OnTagMove::Update), &unread)), ["! ghcr.io/down/app:1 unsupported"]);
}

#[test]
fn what_is_remembered_and_what_was_read_give_the_same_step_where_nothing_is_written() {
    for there in ["left", "whole"] {
        let remembered = Cut::remembered(digest(there));
        let read = Cut { image: Descriptor::new(MediaType::oci_index(), digest(there), 1), ..cut(there) };
        assert_eq!(plan_of(Ok(remembered), Some(there)), plan_of(Ok(read), Some(there)));
    }
}

#[test]
fn only_what_is_left_alone_needs_no_reading() {
    let desired = mirrored(OnTagMove::Update);
    let wanted = &desired.mirrors[0].expand(&[])[0];
    let target = &wanted.targets[0];
    for (there, expected) in [(Some("left"), true), (Some("whole"), false), (None, false)] {
        assert_eq!(is_left_alone(wanted, target, &seen(Ok(cut("left")), there)), expected, "{there:?}");
    }
    let mut unread = seen(Ok(cut("left")), Some("left"));
    unread.targets.clear();
    assert!(!is_left_alone(wanted, target, &unread));
}

#[test]
fn signatures_of_the_whole_and_platforms_that_are_missing_are_named() {
    let hex = digest("whole").hex().to_owned();
    let mut desired = mirrored(OnTagMove::Update);
    let mut rules = exact(&["1"]);
    rules.push(TagRule::Glob(TagGlob::new("v*").unwrap()));
    desired.mirrors[0].tags = Selection::of(&desired.mirrors[0].place, rules);
    let mut seen = seen(Ok(cut("left")), None);
    let names = ["1".to_owned(), format!("sha256-{hex}"), format!("sha256-{hex}.sig"), format!("sha256-{hex}0")];
    let other = format!("sha256-{}.sig", digest("other").hex());
    let mut tags: Vec<Tag> = names.iter().chain([&other]).map(|name| name.parse().unwrap()).collect();
    tags.sort();
    seen.tags.insert(location(UP), Ok(tags));
    let plan = planned(&desired, &seen);
    let expected = [
        "ghcr.io/up/app:1 has no linux/arm64".to_owned(),
        format!("ghcr.io/up/app:sha256-{hex} is about the whole index, and does not hold for a part of it"),
        format!("ghcr.io/up/app:sha256-{hex}.sig is about the whole index, and does not hold for a part of it"),
    ];
    assert_eq!(plan.steps[0].warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);

    seen.targets.insert(Reference::tagged(location(DOWN), "1".parse().unwrap()), present("left"));
    let plan = planned(&desired, &seen);
    assert!(plan.steps[0].warnings.is_empty() && plan.warnings.is_empty(), "nothing is said of what is in place");
}

#[test]
fn two_choices_for_one_tag_are_a_conflict() {
    let mut desired = mirrored(OnTagMove::Update);
    let mut other = mirror(7, UP, &[DOWN], exact(&["1"]));
    other.subset = Some(subset(&["linux/s390x"], Single::Manifest));
    desired.mirrors.push(other);
    let mut seen = seen(Ok(cut("left")), None);
    let mut plan = |left: &str| {
        seen.cuts.insert(key("whole", desired.mirrors[1].subset.clone().unwrap()), Ok(cut(left)));
        rows(&planned(&desired, &seen))
    };
    assert_eq!(plan("other"), ["x ghcr.io/down/app:1 conflict", "x ghcr.io/down/app:1 conflict"]);
    assert_eq!(plan("left"), ["+ ghcr.io/down/app:1 new"], "they agree after all");
}

#[test]
fn pulls_count_the_index_that_a_part_is_made_from() {
    for (single, expected) in [(Single::Index, 3), (Single::Manifest, 4)] {
        let mut desired = mirrored(OnTagMove::Update);
        desired.mirrors[0].subset = Some(subset(&["linux/amd64"], single));
        let mut seen = seen(Ok(cut("left")), None);
        seen.cuts = [(key("whole", desired.mirrors[0].subset.clone().unwrap()), Ok(cut("left")))].into();
        seen.quotas.insert("ghcr.io".parse().unwrap(), Quota { limit: Some(100), remaining: Some(9), window: None });
        let contents = Contents { manifest_count: 3, ..Contents::default() };
        seen.contents.insert((location(UP), digest("left")), Ok(contents));
        let plan = planned(&desired, &seen);
        assert_eq!((plan.pulls[0].needed, plan.pulls[0].at_least), (expected, false), "{single:?}");
    }
}

fn stamp() -> Stamp {
    Stamp { tool_version: "1.2.3".into(), created_at: "2026-01-02T03:04:05Z".into() }
}

#[test]
fn a_part_survives_the_plan_file() {
    for there in [None, Some("left"), Some("stray")] {
        let plan = plan_of(Ok(cut("left")), there);
        let text = plan.to_json(&stamp());
        assert_eq!(document(&text).unwrap().plan(&Bases::default()).unwrap(), plan);
    }
}

#[test]
fn a_tampered_part_is_no_plan() {
    let tampered = |change: &dyn Fn(&mut super::super::file::Trim)| {
        let mut document: Document = plan_of(Ok(cut("left")), None).document(&stamp());
        change(document.steps[0].trim.as_mut().unwrap());
        document.plan(&Bases::default()).unwrap_err()
    };
    let (id, step) = (|error| matches!(error, FileError::Id { .. }), |error| matches!(error, FileError::Step { .. }));
    assert!(id(tampered(&|trim| drop(trim.platforms.pop()))));
    assert!(step(tampered(&|trim| trim.platforms.clear())));
    assert!(step(tampered(&|trim| trim.platforms.push("linux/amd46".into()))));
    assert!(step(tampered(&|trim| trim.single = Single::Manifest)), "several as one manifest");
    assert!(step(tampered(&|trim| trim.digest = digest("another").to_string())));
    assert!(step(tampered(&|trim| trim.digest = "sha256:../..".into())));
}

/// The canonical form is part of the contract: these values change only with the format's version.
#[test]
fn the_id_is_of_the_choice_too() {
    let plan = plan_of(Ok(cut("left")), None);
    let text = format!(
        r#"[{{"action":"copy","digest":"{left}","referrers":[],"source":{{"digest":"{whole}","repository":"ghcr.io/up/app"}},"target":{{"digest":null,"reference":"ghcr.io/down/app:1"}},"trim":{{"platforms":["linux/amd64","linux/arm64"],"single":"index"}}}}]"#,
        left = digest("left"),
        whole = digest("whole"),
    );
    assert_eq!(plan.id(), Digest::sha256(text.as_bytes()));
    let mut counted = plan.clone();
    counted.steps[0].trim.as_mut().unwrap().of = Some(9);
    assert_eq!(counted.id(), plan.id(), "how many there are is not intended");
}
