//! The decision: what one target tag needs, given what was seen on both sides. The first row that fits wins.
//!
//! | wanted (source) | target now | policy | reason | action |
//! |---|---|---|---|---|
//! | unreadable | any | any | `source-unreadable`, `no-credentials` | error |
//! | absent | any | any | `source-missing` | error |
//! | a kind that cannot be copied | any | any | `unsupported` | error |
//! | has none of the platforms | any | any | `no-platform` | error |
//! | D | unreadable | any | `target-unreadable`, `no-credentials` | error |
//! | D | absent | any | `new` | copy |
//! | D | D, referrers complete or not asked for | any | `in-sync` | skip |
//! | D | D, referrers missing | any | `referrers-missing` | update |
//! | D | E | immutable and not pinned, or `block` | `tag-would-move` | blocked |
//! | D | E | `keep` | `kept` | skip |
//! | D | E | may move | `tag-moved` | update |
//!
//! Where a mirror wants some platforms only, D is the digest of what is left of the source's image.
//! Where the referrers could not be read, what would be copied, updated or skipped as in sync is an error.
//!
//! Conflicts between mirrors are found over all steps at once, afterwards: they need more than one row to see.

use super::{Reason, Sighting};
use crate::config::{TagPolicy, Wanted};
use crate::image::{Code, Descriptor, Digest, Failure, Reference, Side};

/// The reason for one step, where the target is to get `image`, which is `at_source` under another digest where it is a part.
/// Total: every pair of sightings has an answer.
pub(super) fn decide(
    wanted: &Wanted,
    (image, at_source): (&Sighting, Option<&Digest>),
    target: (&Reference, &Sighting),
) -> Reason {
    let (reference, target) = target;
    match (image, target, wanted.policy) {
        (Sighting::Unreadable(failure), _, _) => unreadable(failure, Side::Source),
        (Sighting::Absent, _, _) => Reason::SourceMissing(missing(wanted)),
        (Sighting::Present(wanted), _, _) if wanted.media_type.is_schema1() => Reason::Unsupported(schema1(reference)),
        (_, Sighting::Unreadable(failure), _) => unreadable(failure, Side::Target),
        (_, Sighting::Absent, _) => Reason::New,
        (Sighting::Present(new), Sighting::Present(now), _) if new.digest == now.digest => Reason::InSync,
        (Sighting::Present(new), Sighting::Present(now), TagPolicy::Block | TagPolicy::Immutable) => {
            Reason::TagWouldMove(would_move(wanted, at_source, (reference, now, new)))
        }
        (Sighting::Present(_), Sighting::Present(_), TagPolicy::Keep) => Reason::Kept,
        (Sighting::Present(_), Sighting::Present(_), TagPolicy::Move) => Reason::TagMoved,
    }
}

/// What the referrers of an image make of the reason for its step: whether any are missing, or why nobody can tell. `None`
/// where it stays as it is.
pub(super) fn with_referrers(reason: &Reason, missing: Result<bool, &Failure>) -> Option<Reason> {
    match (reason, missing) {
        (Reason::New | Reason::TagMoved | Reason::InSync, Err(failure)) => {
            Some(unreadable(failure, failure.side.unwrap_or(Side::Source)))
        }
        (Reason::InSync, Ok(true)) => Some(Reason::ReferrersMissing),
        _ => None,
    }
}

/// The reason for a failed read.
pub(super) fn unreadable(failure: &Failure, side: Side) -> Reason {
    let failure = failure.clone().on(side);
    match (failure.code, side) {
        (Code::NoCredentials, _) => Reason::NoCredentials(failure),
        (Code::NoPlatform, _) => Reason::NoPlatform(failure),
        (Code::Unsupported, _) => Reason::Unsupported(failure),
        (_, Side::Source) => Reason::SourceUnreadable(failure),
        (_, Side::Target) => Reason::TargetUnreadable(failure),
    }
}

fn missing(wanted: &Wanted) -> Failure {
    let source = &wanted.source;
    let what = match &source.pin {
        Some(digest) => format!("{}@{digest}", source.location),
        None => source.reference().to_string(),
    };
    let hint = match source.location.registry() {
        Some(_) => "check the spelling; some registries also answer 404 where access is denied",
        None => "the layout's index.json does not name it",
    };
    let failure = Failure::new(Code::NotFound, format!("{what} does not exist at the source")).on(Side::Source);
    Failure { hint: Some(hint.to_owned()), ..failure }
}

fn schema1(reference: &Reference) -> Failure {
    let message = format!("the image for {reference} is a docker schema 1 manifest, which cannot be copied by digest");
    let hint = "rebuild or re-push it at its source with a current tool";
    let failure = Failure::new(Code::Unsupported, message).on(Side::Source);
    Failure { hint: Some(hint.to_owned()), ..failure }
}

fn would_move(
    wanted: &Wanted,
    at_source: Option<&Digest>,
    (reference, now, new): (&Reference, &Descriptor, &Descriptor),
) -> Failure {
    let (rule, hint) = match wanted.policy {
        TagPolicy::Immutable => (
            "`immutable-tags` protects it",
            // `tags` names what the source has, whatever becomes of it at the target.
            format!(
                "to approve this one move, pin it: `{}@{}`",
                wanted.source.tag.as_str(),
                at_source.unwrap_or(&new.digest)
            ),
        ),
        _ => ("`on-tag-move: block` protects it", "set `on-tag-move: update` to let it move".to_owned()),
    };
    let (now, new) = (now.digest.short(), new.digest.short());
    let message = format!("{reference} would move from {now} to {new}, and {rule}");
    Failure { hint: Some(hint), ..Failure::new(Code::TagWouldMove, message).on(Side::Target) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::SourceImage;
    use crate::image::{MediaType, Role, Written};

    fn present(content: &str) -> Sighting {
        let digest = Digest::sha256(content.as_bytes());
        Sighting::Present(Descriptor::new(MediaType::oci_index(), digest, 1))
    }

    fn unreadable(code: Code) -> Sighting {
        Sighting::Unreadable(Failure::new(code, "it broke"))
    }

    fn row(source: &Sighting, target: &Sighting, policy: TagPolicy) -> &'static str {
        let read = |text| Written::parse(text, Role::Source, Path::new("/")).unwrap();
        let (from, to) = (read("ghcr.io/up/app:1"), read("ghcr.io/down/app:1"));
        let tag = from.tag.unwrap();
        let reference = Reference::tagged(to.location, tag.clone());
        let source_image = SourceImage { location: from.location, tag, pin: None };
        let wanted = Wanted { source: source_image, targets: vec![reference.clone()], subset: None, policy };
        decide(&wanted, (source, None), (&reference, target)).as_str()
    }

    const POLICIES: [TagPolicy; 4] = [TagPolicy::Move, TagPolicy::Keep, TagPolicy::Block, TagPolicy::Immutable];

    #[test]
    fn what_cannot_be_read_is_an_error_under_every_policy() {
        for policy in POLICIES {
            for target in [present("E"), Sighting::Absent, unreadable(Code::Timeout)] {
                assert_eq!(row(&unreadable(Code::Timeout), &target, policy), "source-unreadable");
                assert_eq!(row(&unreadable(Code::NoCredentials), &target, policy), "no-credentials");
                assert_eq!(row(&Sighting::Absent, &target, policy), "source-missing");
            }
            assert_eq!(row(&present("D"), &unreadable(Code::Denied), policy), "target-unreadable");
            assert_eq!(row(&present("D"), &unreadable(Code::NoCredentials), policy), "no-credentials");
        }
    }

    #[test]
    fn absence_and_equality_do_not_ask_the_policy() {
        for policy in POLICIES {
            assert_eq!(row(&present("D"), &Sighting::Absent, policy), "new");
            assert_eq!(row(&present("D"), &present("D"), policy), "in-sync");
        }
    }

    #[test]
    fn a_difference_asks_the_policy() {
        let (new, now) = (present("D"), present("E"));
        assert_eq!(row(&new, &now, TagPolicy::Move), "tag-moved");
        assert_eq!(row(&new, &now, TagPolicy::Keep), "kept");
        assert_eq!(row(&new, &now, TagPolicy::Block), "tag-would-move");
        assert_eq!(row(&new, &now, TagPolicy::Immutable), "tag-would-move");
    }

    #[test]
    fn referrers_decide_what_is_in_sync_and_nothing_that_is_not_to_be_written() {
        let failure = Failure::new(Code::Timeout, "it broke").on(Side::Target);
        let name = |reason: &Reason, missing| with_referrers(reason, missing).map(|reason| reason.as_str());
        assert_eq!(name(&Reason::InSync, Ok(true)), Some("referrers-missing"));
        assert_eq!(name(&Reason::InSync, Ok(false)), None);
        for reason in [Reason::New, Reason::TagMoved] {
            assert_eq!(name(&reason, Ok(true)), None);
            assert_eq!(name(&reason, Err(&failure)), Some("target-unreadable"));
        }
        assert_eq!(name(&Reason::InSync, Err(&failure)), Some("target-unreadable"));
        assert_eq!(name(&Reason::Kept, Ok(true)), None);
        assert_eq!(name(&Reason::Kept, Err(&failure)), None);
    }

    #[test]
    fn schema_1_is_refused_before_the_target_matters() {
        let media_type = MediaType::new("application/vnd.docker.distribution.manifest.v1+prettyjws");
        let old = Sighting::Present(Descriptor::new(media_type, Digest::sha256(b"x"), 1));
        assert_eq!(row(&old, &Sighting::Absent, TagPolicy::Move), "unsupported");
    }
}
