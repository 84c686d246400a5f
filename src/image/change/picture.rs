//! What is looked at of an image: its platforms, and the manifest and configuration for one of them.
//!
//! Owns which fields of a configuration count, and their text: a line for each value, those without an order sorted.
//! Refuses to guess: an index whose children do not say what they are for has platforms that nobody knows.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::{Descriptor, Manifest, Platform, View};
use super::bounded;

/// What images say of their version (image-spec `annotations.md`).
const VERSION: &str = "org.opencontainers.image.version";
/// What `BuildKit` writes beside the platform of an attestation.
const ATTESTATION: &str = "vnd.docker.reference.type";

/// An image that is offered for a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What it is for; `None` for what is for no platform, such as a chart.
    pub platform: Option<Platform>,
    /// Where it is below the root; `None` for the root itself.
    pub child: Option<Descriptor>,
}

/// What a root manifest offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offers {
    /// The children of an index.
    Children(Vec<Offer>),
    /// Itself, for the platform that this configuration says.
    Configured(Descriptor),
    /// Itself, for no platform.
    Plain,
    /// What cannot be known without reading everything below it.
    Unknown,
}

impl Offers {
    /// What `root` offers.
    pub fn of(root: &Manifest) -> Self {
        match root.view() {
            View::Index(index) => {
                let nameless = |child: &&Descriptor| {
                    let is_image = child.media_type.is_image() || child.media_type.is_index();
                    let is_other = child.artifact_type.is_some() || child.annotations.contains_key(ATTESTATION);
                    child.platform.is_none() && is_image && !is_other
                };
                if index.manifests.iter().any(|child| nameless(&child)) {
                    return Self::Unknown;
                }
                let offer = |child: &Descriptor| {
                    let platform = child.platform.clone().filter(|platform| !platform.is_unknown())?;
                    Some(Offer { platform: Some(platform), child: Some(child.clone()) })
                };
                Self::Children(index.manifests.iter().filter_map(offer).collect())
            }
            View::Image(image) => match image.config.as_ref().filter(|config| config.media_type.is_image_config()) {
                Some(config) => Self::Configured(config.clone()),
                None => Self::Plain,
            },
            View::Opaque => Self::Plain,
        }
    }
}

impl Offer {
    /// What the configuration of an image without an index says that it is for.
    pub fn configured(config: &[u8]) -> Self {
        let platform = serde_json::from_slice::<Platform>(config).ok();
        let is_one = |platform: &Platform| !platform.os.is_empty() && !platform.architecture.is_empty();
        Self { platform: platform.filter(|platform| is_one(platform) && !platform.is_unknown()), child: None }
    }

    /// A root that is for no platform.
    pub fn plain() -> Self {
        Self { platform: None, child: None }
    }
}

/// The offers of two images for one platform: `linux/amd64`, else the first that both have.
pub fn common<'o>(old: &'o [Offer], new: &'o [Offer]) -> Option<(&'o Offer, &'o Offer)> {
    let is_same = |a: &Offer, b: &Offer| match (&a.platform, &b.platform) {
        (Some(a), Some(b)) => a.is_as(b),
        (None, None) => true,
        _ => false,
    };
    let pair = |offer: &'o Offer| Some((old.iter().find(|before| is_same(before, offer))?, offer));
    let is_usual = |offer: &&Offer| {
        let platform = offer.platform.as_ref();
        platform.is_some_and(|platform| platform.os == "linux" && platform.architecture == "amd64")
    };
    new.iter().filter(is_usual).find_map(pair).or_else(|| new.iter().find_map(pair))
}

/// What is looked at of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portrait {
    /// Its platforms.
    pub platforms: Vec<Platform>,
    /// What its root says of its version.
    pub stated: Option<String>,
    /// The image for one platform, where it was read.
    pub image: Option<Picture>,
}

impl Portrait {
    /// What `root` and the platforms that it offers say; the image for one platform is yet to come.
    pub fn new(root: &Manifest, offers: &[Offer]) -> Self {
        let platforms = offers.iter().filter_map(|offer| offer.platform.clone()).collect();
        Self { platforms, stated: annotated(root), image: None }
    }

    /// The version that the image says it is.
    pub(super) fn version(&self) -> Option<String> {
        let of_image = || self.image.as_ref().and_then(|image| image.version.clone());
        self.stated.clone().or_else(of_image).map(|version| bounded(&version))
    }

    /// What is compared, line by line.
    pub(super) fn lines(&self, picture: &Picture) -> Vec<String> {
        let mut platforms: Vec<String> =
            self.platforms.iter().map(|platform| format!("platform: {}", platform.described())).collect();
        platforms.sort();
        let layer = |layer: &Descriptor| format!("layer: {} ({} bytes)", layer.digest.short(), layer.size);
        let layers = picture.layers.iter().map(layer);
        platforms.into_iter().chain(picture.settings.iter().cloned()).chain(layers).collect()
    }
}

/// An image for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub(super) platform: Option<Platform>,
    pub(super) layers: Vec<Descriptor>,
    settings: Vec<String>,
    version: Option<String>,
}

impl Picture {
    /// The image of `manifest`, offered for `platform`, with the configuration that says how it runs; `None` for what has
    /// none. Nothing where that is not one, or where the manifest is no image: then it is not known what is in it.
    pub fn new(manifest: &Manifest, platform: Option<&Platform>, config: Option<&[u8]>) -> Option<Self> {
        let layers = match manifest.view() {
            View::Image(image) => image.layers.clone(),
            View::Index(_) => return None,
            View::Opaque => Vec::new(),
        };
        let config: Option<Value> = match config {
            Some(bytes) => Some(serde_json::from_slice(bytes).ok().filter(Value::is_object)?),
            None => None,
        };
        let label = || text(config.as_ref()?.pointer("/config/Labels")?.get(VERSION)?);
        Some(Self {
            version: annotated(manifest).or_else(label),
            platform: platform.cloned(),
            layers,
            settings: config.as_ref().map(settings).unwrap_or_default(),
        })
    }
}

fn annotated(manifest: &Manifest) -> Option<String> {
    #[derive(Deserialize)]
    struct Annotated {
        #[serde(default)]
        annotations: Option<BTreeMap<String, Value>>,
    }
    let read: Annotated = serde_json::from_slice(manifest.bytes()).ok()?;
    text(read.annotations?.get(VERSION)?)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The fields of a configuration that say what runs (image-spec `config.md`).
fn settings(config: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for field in ["created", "architecture", "variant", "os", "os.version"] {
        one(&mut lines, field, config.get(field));
    }
    let run = |field: &str| config.get("config").and_then(|run| run.get(field));
    for field in ["User", "WorkingDir", "Entrypoint", "Cmd", "StopSignal"] {
        one(&mut lines, field, run(field));
    }
    for field in ["Env", "ExposedPorts", "Volumes", "Labels"] {
        many(&mut lines, field, run(field));
    }
    lines
}

/// A value on one line: texts as they are, all else as JSON.
fn one(lines: &mut Vec<String>, field: &str, value: Option<&Value>) {
    match value {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(value) => lines.push(format!("{field}: {}", plain(value))),
    }
}

/// A line for each member, sorted: their order says nothing.
fn many(lines: &mut Vec<String>, field: &str, value: Option<&Value>) {
    let mut members: Vec<String> = match value {
        Some(Value::Array(members)) => members.iter().map(|member| format!("{field}: {}", plain(member))).collect(),
        Some(Value::Object(members)) => {
            members.iter().map(|(name, value)| format!("{field}: {}", pair(name, value))).collect()
        }
        value => return one(lines, field, value),
    };
    members.sort();
    lines.append(&mut members);
}

/// `name=value`; the name alone where the value says nothing, as in a set.
fn pair(name: &str, value: &Value) -> String {
    match value {
        Value::Null => name.to_owned(),
        Value::Object(members) if members.is_empty() => name.to_owned(),
        value => format!("{name}={}", plain(value)),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
