//! What changes where a tag that named one image comes to name another. Pure.
//!
//! Owns the comparison of two images: their platforms, what they say of their version, and for one platform that both have
//! the layers and the configuration. Refuses to be longer than its limits, whatever images hold: a change stands in plans,
//! comments and logs. Its texts are the images' own and untrusted; none holds a line break.

mod differ;
mod picture;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::picture::{Offer, Offers, Picture, Portrait, common};
use super::{Descriptor, Platform};

/// So many platforms are named that go, and that come.
const PLATFORMS: usize = 100;
/// The longest name of a platform, and of a version, in characters.
const NAME: usize = 100;
/// The most lines of a diff.
pub const DIFF_LINES: usize = 60;
/// The most bytes of a diff.
pub const DIFF_BYTES: usize = 4 << 10;

/// Follows the name of an environment variable of which both images have a value, each its own.
const CHANGED: &str = " (changed)";

/// What changes where a tag moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The platforms that only one of the two images has.
    pub platforms: PlatformChange,
    /// What the images say of their version.
    pub version: VersionChange,
    /// What changes in the image for one platform; null where the two could not be compared.
    pub image: Option<ImageChange>,
}

/// The platforms that only one of two images has: `os/architecture[/variant]`, each once, the first hundred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlatformChange {
    /// Those that the new image lacks.
    pub removed: Vec<String>,
    /// Those that the old image lacked.
    pub added: Vec<String>,
}

/// The `org.opencontainers.image.version` of two images: of the annotation, or else of the label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionChange {
    /// What the old image says; null where it says nothing.
    pub before: Option<String>,
    /// What the new image says; null where it says nothing.
    pub after: Option<String>,
}

/// What changes in the image for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageChange {
    /// The platform; null where both images are for none.
    pub platform: Option<String>,
    /// The layers.
    pub layers: LayerChange,
    /// A unified diff of configuration, platforms and layers, a line for each value. `***` is the value of an environment
    /// variable that is not told; `(changed)` follows it where the old image has another.
    pub diff: String,
    /// How many lines of the diff are left out at its end.
    pub diff_left_out: u64,
}

/// The layers of two images, told apart by their digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayerChange {
    /// How many of the new image's the old one has.
    pub kept: u64,
    /// Those that only the new image has.
    pub added: Amount,
    /// Those that only the old image has.
    pub removed: Amount,
}

/// A number of layers and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// Their bytes together, compressed as they are.
    pub bytes: u64,
}

impl Change {
    /// What is different in `new`.
    pub fn between(old: &Portrait, new: &Portrait) -> Self {
        let only = |one: &[Platform], other: &[Platform]| {
            let lacks = one.iter().filter(|platform| !other.iter().any(|there| there.is_as(platform)));
            let names: BTreeSet<String> = lacks.map(|platform| bounded(&platform.described())).collect();
            names.into_iter().take(PLATFORMS).collect()
        };
        let image = old.image.as_ref().zip(new.image.as_ref()).map(|(before, after)| {
            let texts = (old.lines(before), new.lines(after));
            let (diff, diff_left_out) = differ::diff(&texts.0, &texts.1);
            let platform = after.platform.as_ref().map(|platform| bounded(&platform.described()));
            ImageChange { platform, layers: layers(&before.layers, &after.layers), diff, diff_left_out }
        });
        Self {
            platforms: PlatformChange {
                removed: only(&old.platforms, &new.platforms),
                added: only(&new.platforms, &old.platforms),
            },
            version: VersionChange { before: old.version(), after: new.version() },
            image,
        }
    }

    /// The same without its diff, which is counted as left out.
    #[must_use]
    pub fn without_diff(mut self) -> Self {
        if let Some(image) = &mut self.image {
            image.diff_left_out = image.diff_left_out.saturating_add(image.diff.lines().count() as u64);
            image.diff.clear();
        }
        self
    }

    /// The same with the names of environment variables alone: their values may be nobody's business but the image's. A value
    /// that changes is still a line that goes and one that comes, and the latter says so: they would look the same.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        if let Some(image) = &mut self.image {
            let lines: Vec<String> = image.diff.lines().map(valueless).collect();
            let going: BTreeSet<&str> = lines.iter().filter_map(|line| line.strip_prefix("-Env: ")).collect();
            let is_changed = |line: &str| {
                let coming = line.strip_prefix("+Env: ").filter(|variable| variable.ends_with("=***"));
                coming.is_some_and(|variable| going.contains(variable))
            };
            let told =
                lines.iter().map(|line| if is_changed(line) { format!("{line}{CHANGED}") } else { line.clone() });
            let (diff, left_out) = differ::limited(told);
            (image.diff, image.diff_left_out) = (diff, image.diff_left_out.saturating_add(left_out));
        }
        self
    }

    /// What is wrong with a change that was read from a document: it is longer than any that is made here.
    pub fn check(&self) -> Result<(), String> {
        let PlatformChange { removed, added } = &self.platforms;
        if removed.len() > PLATFORMS || added.len() > PLATFORMS {
            return Err(format!("a change of more than {PLATFORMS} platforms"));
        }
        let versions = [&self.version.before, &self.version.after].into_iter().flatten();
        let platform = self.image.iter().filter_map(|image| image.platform.as_ref());
        let mut names = removed.iter().chain(added).chain(versions).chain(platform);
        if names.any(|name| name.chars().count() > NAME || name.chars().any(char::is_control)) {
            return Err(format!("a change with a name of more than {NAME} characters, or with control characters"));
        }
        let diff = self.image.as_ref().map_or("", |image| &image.diff);
        if diff.len() > DIFF_BYTES || diff.lines().count() > DIFF_LINES {
            return Err(format!("a diff of more than {DIFF_LINES} lines or {DIFF_BYTES} bytes"));
        }
        Ok(())
    }
}

/// A line of a diff, without the value where it is of an environment variable. What has no `=` is a name only if it looks like
/// one: a line may have been cut before.
fn valueless(line: &str) -> String {
    let Some((sign, variable)) = line.split_once("Env: ").filter(|(sign, _)| matches!(*sign, "+" | "-" | " ")) else {
        return line.to_owned();
    };
    match variable.split_once('=') {
        Some((name, _)) => format!("{sign}Env: {name}=***"),
        None if variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => line.to_owned(),
        None => format!("{sign}Env: ***"),
    }
}

/// A name in as many characters as one may have.
fn bounded(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if clean.chars().count() <= NAME {
        return clean;
    }
    let start: String = clean.chars().take(NAME - 1).collect();
    start + "…"
}

fn layers(old: &[Descriptor], new: &[Descriptor]) -> LayerChange {
    let digests = |layers: &[Descriptor]| layers.iter().map(|layer| layer.digest.clone()).collect::<BTreeSet<_>>();
    let (before, after) = (digests(old), digests(new));
    let mut change = LayerChange::default();
    for layer in new {
        if before.contains(&layer.digest) { change.kept += 1 } else { change.added.add(layer.size) }
    }
    for layer in old.iter().filter(|layer| !after.contains(&layer.digest)) {
        change.removed.add(layer.size);
    }
    change
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}
