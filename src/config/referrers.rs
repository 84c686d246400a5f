//! Which referrers come along with an image, and when an image in sync is checked for new ones.

use schemars::JsonSchema;

use crate::image::ReferrerTypes;

/// `referrers` and `referrers-check` of a mirror as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrerRule {
    /// Which ones; none where `None`.
    pub types: Option<ReferrerTypes>,
    /// When images in sync are checked.
    pub check: ReferrersCheck,
}

impl Default for ReferrerRule {
    fn default() -> Self {
        Self { types: Some(ReferrerTypes::All), check: ReferrersCheck::default() }
    }
}

/// `referrers-check`: when an image that is in sync is checked for referrers that its target lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub enum ReferrersCheck {
    /// Never: they come with the image, or not at all.
    Never,
    /// Only by their tags, where the tags of the source are listed anyway.
    #[default]
    Changed,
    /// In each run: a look-up for each image, on both sides.
    Always,
}
