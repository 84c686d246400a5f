//! Which platforms of an image are wanted, and in which form.
//!
//! Owns how many there may be. Refuses to look at an image: see [`trim`](super::trim()).

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Platform, PlatformName};

/// In which form one platform of an index is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Single {
    /// An index, be it an index of one.
    #[default]
    Index,
    /// The manifest of the one platform itself.
    Manifest,
}

impl Single {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Manifest => "manifest",
        }
    }
}

/// The platforms that are wanted of an image. Never none, and exactly one for [`Single::Manifest`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subset {
    platforms: BTreeSet<PlatformName>,
    single: Single,
}

impl Subset {
    /// These platforms in this form; `None` where there are too few or too many.
    pub fn new(platforms: BTreeSet<PlatformName>, single: Single) -> Option<Self> {
        let fits = match single {
            Single::Index => !platforms.is_empty(),
            Single::Manifest => platforms.len() == 1,
        };
        fits.then_some(Self { platforms, single })
    }

    /// The platforms, sorted.
    pub fn platforms(&self) -> impl Iterator<Item = &PlatformName> {
        self.platforms.iter()
    }

    /// The form.
    pub fn single(&self) -> Single {
        self.single
    }

    /// Whether an image for `platform` is among those asked for.
    pub fn matches(&self, platform: &Platform) -> bool {
        self.platforms.iter().any(|name| name.matches(platform))
    }
}

/// `linux/amd64, linux/arm64`.
impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.platforms.iter().map(ToString::to_string).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_has_as_many_platforms_as_its_form_allows() {
        let set = |texts: &[&str]| texts.iter().map(|text| text.parse::<PlatformName>().expect(text)).collect();
        assert_eq!(Subset::new(set(&[]), Single::Index), None);
        assert_eq!(Subset::new(set(&["linux/amd64", "linux/arm64"]), Single::Manifest), None);
        assert_eq!(
            Subset::new(set(&["linux/amd64", "linux/arm64"]), Single::Index).unwrap().to_string(),
            "linux/amd64, linux/arm64"
        );
    }
}
