//! Tags of cosign's at a target: whether they may come to name something else.
//!
//! Owns the rule that no signature is lost there. Refuses to know of `on-tag-move`: that is the plan's.

use std::collections::BTreeSet;

use super::{Error, ImageTarget};
use crate::image::{Digest, Manifest, Tag, View};

/// Why a tag of cosign's is left as it is.
pub fn has_own(tag: &Tag, target: &dyn ImageTarget) -> String {
    format!("{}:{tag} holds what the source's does not; it was left alone", target.location())
}

/// Why a tag of cosign's is left as it is, where it is no longer what was seen.
pub fn has_moved(tag: &Tag, target: &dyn ImageTarget) -> String {
    format!("{}:{tag} is not what it was when this was planned; it was left alone", target.location())
}

/// Whether nothing would be lost where `tag` came to name `new`: cosign adds to the layers of what is there, and a target
/// may have been signed by others.
pub async fn may_move(target: &dyn ImageTarget, tag: &Tag, new: &Manifest) -> Result<bool, Error> {
    let Some(now) = target.tagged(tag).await? else { return Ok(true) };
    let (View::Image(now), View::Image(new)) = (now.view(), new.view()) else { return Ok(false) };
    let kept: BTreeSet<&Digest> = new.layers.iter().map(|layer| &layer.digest).collect();
    Ok(now.layers.iter().all(|layer| kept.contains(&layer.digest)))
}
