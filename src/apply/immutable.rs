//! Tags that the target's registry itself does not let move (ECR, Harbor, Quay and ACR have rules for that).
//!
//! Owns how such a refusal ends: in place where the tag names the wanted digest by now, stale where it names something new,
//! and else blocked, as by a rule of the configuration. Refuses to call it a conflict where there is no other digest.

use super::Job;
use crate::copy::{Error, Passage};
use crate::event::Ending;
use crate::image::{Digest, Failure};

const HINT: &str = "to move it, delete the tag there or change the registry's rule; to leave it, pin the digest that is \
                    there, or cover it with `immutable-tags`, by which plans say so, or `on-tag-move: keep`";

impl Job<'_> {
    /// The ending where the registry has refused to move the tag.
    pub(super) async fn kept_by_registry(&self, passage: &Passage, error: Error) -> Ending {
        match (self.settled(passage).await, self.before) {
            (Ok(Some(ending)), _) => ending,
            (_, Some(now)) => Ending::Blocked(self.conflict(now, error.into())),
            (_, None) => Ending::Failed(error.into()),
        }
    }

    fn conflict(&self, now: &Digest, refusal: Failure) -> Failure {
        let (target, wanted) = (self.target, self.digest);
        let rule = refusal.cause();
        let message =
            format!("{target} names {now}, its registry lets it name no other, and {wanted} is wanted: {rule}");
        Failure { message, hint: Some(HINT.to_owned()), ..refusal }
    }
}
