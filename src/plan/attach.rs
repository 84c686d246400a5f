//! Referrers put to the steps of the images they belong to.
//!
//! Owns what it means that some are missing, or that nobody could tell. Refuses to search for them: what was found stands in
//! [`Observed::referrers`].

use std::sync::Arc;

use super::decide::with_referrers;
use super::observed::Attached;
use super::trim::does_not_hold;
use super::{Observed, Reason, Referrer, Step};
use crate::config::{Mirror, OnTagMove};
use crate::image::{Failure, Tag};

/// The step with the referrers that its target lacks, and what is to be said of them.
pub(super) fn attach(mut step: Step, mirror: &Mirror, observed: &Observed) -> Step {
    let Some(found) = found(&step, mirror, observed) else { return step };
    let Attached { missing, remarks, of_the_whole } = match found {
        Ok(attached) => attached,
        Err(failure) => {
            if let Some(reason) = with_referrers(&step.reason, Err(failure)) {
                step.fail(reason);
            }
            return step;
        }
    };
    let stays = |referrer: &&Referrer| referrer.moves().is_some_and(|tag| stays(mirror, tag));
    let (kept, missing): (Vec<&Referrer>, Vec<&Referrer>) = missing.iter().partition(stays);
    if let Some(reason) = with_referrers(&step.reason, Ok(!missing.is_empty())) {
        step.reason = reason;
    }
    if step.action().writes() {
        step.referrers = missing.into_iter().cloned().collect();
        for name in of_the_whole {
            let remark: Arc<str> = does_not_hold(name).into();
            if !step.warnings.contains(&remark) {
                step.warnings.push(remark);
            }
        }
    }
    if step.action().writes() || step.reason == Reason::InSync {
        step.warnings.extend(remarks.iter().map(|remark| Arc::from(remark.as_str())));
        let kept =
            kept.into_iter().filter(|_| mirror.on_tag_move != OnTagMove::Keep).filter_map(|kept| kept.tag.as_ref());
        step.warnings.extend(kept.map(must_not_move));
    }
    step
}

/// Why the tag of a referrer is left as it is.
pub(super) fn must_not_move(tag: &Tag) -> Arc<str> {
    format!("{tag} would move, and must not; it was left alone").into()
}

/// Whether the tag of a referrer must not move, by the rules for tags.
pub(super) fn stays(mirror: &Mirror, tag: &Tag) -> bool {
    mirror.on_tag_move != OnTagMove::Update || mirror.immutable_tags.iter().any(|glob| glob.matches(tag.as_str()))
}

/// What was found for the image of a step, where it was searched for.
fn found<'a>(step: &Step, mirror: &Mirror, observed: &'a Observed) -> Option<&'a Result<Attached, Failure>> {
    let types = mirror.referrers.types.as_ref()?;
    let (source, target) = (step.source.as_ref()?, step.target.as_ref()?);
    // What the target gets: a part of an image has the referrers of that part.
    let image = (source.reference.location.clone(), step.digest.clone()?);
    observed.referrers.get(&(image, target.reference.location.clone(), types.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ReferrerRule, TagGlob};
    use crate::image::{ArtifactType, Code, Digest, ReferrerTypes, Side};
    use crate::plan::file::Stamp;
    use crate::plan::tests::{DOWN, UP, bases, desired, digest, exact, location, mirror, observed, planned};
    use crate::plan::{Plan, document};

    fn referrer(seed: &str, tag: Option<&str>) -> Referrer {
        let artifact_type = ArtifactType::new("application/spdx+json");
        Referrer {
            digest: digest(seed),
            artifact_type,
            tag: tag.map(|tag| tag.parse().unwrap()),
            before: None,
            bytes: 7,
        }
    }

    fn seen(now: Option<&str>, found: Result<Attached, Failure>) -> Observed {
        let mut seen = observed(&[(UP, "1", "D")], &[(DOWN, "1", now)]);
        let image = (location(UP), digest("D"));
        seen.referrers.insert((image, location(DOWN), ReferrerTypes::All), found);
        seen
    }

    fn plan_of(now: Option<&str>, found: Result<Attached, Failure>) -> Plan {
        planned(&desired(vec![mirror(3, UP, &[DOWN], exact(&["1"]))]), &seen(now, found))
    }

    fn missing(referrers: Vec<Referrer>) -> Attached {
        Attached { missing: referrers, remarks: vec!["one was left out".to_owned()], of_the_whole: Vec::new() }
    }

    #[test]
    fn what_is_missing_makes_an_update_of_what_is_in_sync() {
        let plan = plan_of(Some("D"), Ok(missing(vec![referrer("sbom", None)])));
        let step = &plan.steps[0];
        assert_eq!((step.reason.as_str(), step.referrers.len()), ("referrers-missing", 1));
        assert_eq!((&step.digest, step.bytes.map(|bytes| bytes.transfer)), (&Some(digest("D")), Some(7)));
        let plan = plan_of(Some("D"), Ok(missing(Vec::new())));
        assert_eq!(plan.steps[0].reason, Reason::InSync);
        assert_eq!(plan.steps[0].warnings.len(), 1);
        let plan = plan_of(None, Ok(missing(vec![referrer("sbom", None)])));
        assert_eq!((plan.steps[0].reason.as_str(), plan.steps[0].referrers.len()), ("new", 1));
    }

    #[test]
    fn what_could_not_be_read_is_an_error_of_its_side() {
        let failure = Failure::new(Code::Denied, "denied").on(Side::Target);
        for now in [None, Some("D"), Some("E")] {
            let plan = plan_of(now, Err(failure.clone()));
            assert_eq!(plan.steps[0].reason.as_str(), "target-unreadable");
            assert!(plan.steps[0].referrers.is_empty() && !plan.is_complete());
        }
    }

    #[test]
    fn a_mirror_without_referrers_has_none_whatever_was_seen() {
        let mut wanted = desired(vec![mirror(3, UP, &[DOWN], exact(&["1"]))]);
        wanted.mirrors[0].referrers = ReferrerRule { types: None, ..ReferrerRule::default() };
        let plan = planned(&wanted, &seen(Some("D"), Ok(missing(vec![referrer("sbom", None)]))));
        assert_eq!(plan.steps[0].reason, Reason::InSync);
        assert!(plan.steps[0].referrers.is_empty() && plan.steps[0].warnings.is_empty());
    }

    #[test]
    fn a_saved_plan_says_what_comes_along_and_nothing_else_gets_in() {
        let tag = format!("sha256-{}.sig", digest("D").hex());
        let plan = plan_of(Some("D"), Ok(missing(vec![referrer("sbom", None), referrer("signature", Some(&tag))])));
        let stamp = Stamp { tool_version: "0".to_owned(), created_at: "2026-01-15T09:00:00Z".to_owned() };
        let saved = document(&plan.to_json(&stamp)).unwrap();
        let read = saved.plan(&bases()).unwrap();
        assert_eq!(read.id(), plan.id());
        assert_eq!(read.document(&stamp).steps, saved.steps);
        let refuses = |change: &dyn Fn(&mut crate::plan::file::StepDocument)| {
            let mut changed = saved.clone();
            change(&mut changed.steps[0]);
            changed.plan(&bases()).is_err()
        };
        assert!(refuses(&|step| drop(step.referrers.pop())), "another intent has another id");
        assert!(refuses(&|step| step.referrers[0].artifact_type = None));
        assert!(refuses(&|step| step.referrers[0].artifact_type = Some("a b".to_owned())));
        assert!(refuses(&|step| step.referrers[1].tag = Some("latest".to_owned())));
        assert!(refuses(&|step| step.referrers[1].tag = Some(tag.replace(".sig", ""))));
        assert!(refuses(&|step| step.referrers[1].target_digest = Some(digest("E").to_string())));
        assert!(refuses(&|step| step.referrers[0].target_digest = Some(digest("E").to_string())));
        assert!(refuses(&|step| step.referrers[1].digest = "sha256:../..".to_owned()));
        assert!(refuses(&|step| step.referrers.clear()));
    }

    #[test]
    fn the_canonical_form_of_an_intent_has_its_members_in_order() {
        let plan = plan_of(Some("D"), Ok(missing(vec![referrer("sbom", None)])));
        let (image, sbom) = (digest("D"), digest("sbom"));
        let canonical = format!(
            r#"[{{"action":"update","digest":"{image}","referrers":[{{"artifact_type":"application/spdx+json","digest":"{sbom}","tag":null}}],"source":{{"digest":"{image}","repository":"{UP}"}},"target":{{"digest":"{image}","reference":"{DOWN}:1"}},"trim":null}}]"#
        );
        assert_eq!(plan.id(), Digest::sha256(canonical.as_bytes()));
    }

    #[test]
    fn a_tag_of_referrers_moves_as_tags_may() {
        let tag = format!("sha256-{}.sig", digest("D").hex());
        let found = missing(vec![Referrer { before: Some(digest("other")), ..referrer("signature", Some(&tag)) }]);
        let glob = || vec![TagGlob::new("sha256-*").unwrap()];
        for (on_tag_move, immutable_tags, reason, warnings) in [
            (OnTagMove::Update, Vec::new(), "referrers-missing", 1),
            (OnTagMove::Update, glob(), "in-sync", 2),
            (OnTagMove::Block, Vec::new(), "in-sync", 2),
            (OnTagMove::Keep, Vec::new(), "in-sync", 1),
        ] {
            let mut wanted = desired(vec![mirror(3, UP, &[DOWN], exact(&["1"]))]);
            (wanted.mirrors[0].on_tag_move, wanted.mirrors[0].immutable_tags) = (on_tag_move, immutable_tags);
            let plan = planned(&wanted, &seen(Some("D"), Ok(found.clone())));
            assert_eq!((plan.steps[0].reason.as_str(), plan.steps[0].warnings.len()), (reason, warnings));
        }
    }

    #[test]
    fn another_image_has_other_referrers() {
        let mut seen = seen(Some("D"), Ok(missing(vec![referrer("sbom", None)])));
        seen.sources = observed(&[(UP, "1", "F")], &[]).sources;
        let plan = planned(&desired(vec![mirror(3, UP, &[DOWN], exact(&["1"]))]), &seen);
        assert_eq!((plan.steps[0].reason.as_str(), plan.steps[0].referrers.len()), ("tag-moved", 0));
    }
}
