//! A platform subset of an index: which children stay, and the bytes of what is left. Pure.
//!
//! Owns the canonical bytes, which are part of the interface: another version of this program must give the same digest, or
//! every subset in the world is copied anew. So they follow from the source's bytes alone, and from no library's way to
//! write JSON:
//!
//! 1. The children that stay are those whose `platform` is asked for, and the attestations (`vnd.docker.reference.type:
//!    attestation-manifest`) whose `vnd.docker.reference.digest` names one of these. All others go.
//! 2. Nothing goes: the bytes are the source's, whatever they look like.
//! 3. Otherwise they are the source's bytes without the children that go, and without the white space between JSON's
//!    tokens. Members stay in their order, numbers and strings as they were written, and members that nobody knows where
//!    they were: `annotations`, `subject`, `artifactType` of the index, and everything in a descriptor. Nothing is added.
//! 4. The media type is the source's, the digest the SHA-256 of the bytes.
//!
//! Nothing of the source's digest is in them: where only other platforms change, the subset stays what it was. Refuses to
//! guess: an index below the index that says no platform could hold any.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Descriptor, Digest, Manifest, Platform, PlatformName, Single, Subset, View};

/// What BuildKit writes beside the platform of an attestation (moby/buildkit `docs/attestations/attestation-storage.md`).
const KIND: &str = "vnd.docker.reference.type";
const ATTESTATION: &str = "attestation-manifest";
const DESCRIBED: &str = "vnd.docker.reference.digest";

/// So many of the platforms that are there are named where none of them fits.
const NAMED: usize = 20;

/// An index cut down to some platforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trimmed {
    /// What stands in the place of the index.
    pub root: Root,
    /// The platforms that are left, in the order of the index.
    pub platforms: Vec<Platform>,
    /// How many platforms the index has.
    pub of: usize,
    /// What was asked for and is not there.
    pub absent: Vec<PlatformName>,
}

/// The root of a subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The index itself: all of its children stay.
    Whole,
    /// An index of the children that stay. No registry has it yet.
    Index(Manifest),
    /// The one child that is wanted in place of the index.
    Child(Descriptor),
}

/// Why an index has no such subset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrimError {
    /// The manifest is none.
    #[error("it is no index")]
    NotAnIndex,
    /// None of its children is for a platform that is asked for. What is said of them is untrusted text.
    #[error("none of its platforms is {wanted}: {}", listed(.there))]
    NoPlatform {
        /// What is asked for.
        wanted: Subset,
        /// What is there, each once, in the order of the index.
        there: Vec<String>,
    },
    /// A child is an index that says no platform.
    #[error("the index {0} below it has no platform of its own, so that its platforms are not known")]
    Nested(Digest),
    /// The child that would stand in place of the index is an index too, of whatever platforms.
    #[error("what it has for that platform is an index itself, {0}, and no manifest")]
    Deeper(Digest),
    /// Not the JSON that it was read as.
    #[error("not an index: {0}")]
    Syntax(String),
}

/// Cuts `index` down to the platforms that are `wanted`.
pub fn trim(index: &Manifest, wanted: &Subset) -> Result<Trimmed, TrimError> {
    let View::Index(view) = index.view() else { return Err(TrimError::NotAnIndex) };
    let children = &view.manifests;
    let is_open =
        |child: &&Descriptor| platform(child).is_none() && child.media_type.is_index() && !is_attestation(child);
    if let Some(nested) = children.iter().find(is_open) {
        return Err(TrimError::Nested(nested.digest.clone()));
    }
    let mut fits: Vec<bool> =
        children.iter().map(|child| platform(child).is_some_and(|own| wanted.matches(own))).collect();
    if !fits.contains(&true) {
        return Err(TrimError::NoPlatform { wanted: wanted.clone(), there: platforms_of(children) });
    }
    let absent = |name: &&PlatformName| !children.iter().filter_map(platform).any(|own| name.matches(own));
    let absent = wanted.platforms().filter(absent).cloned().collect();
    let of = children.iter().filter_map(platform).count();
    let first = children.iter().zip(&fits).find_map(|(child, fits)| fits.then_some(child));
    if let (Single::Manifest, Some(child)) = (wanted.single(), first) {
        if child.media_type.is_index() {
            return Err(TrimError::Deeper(child.digest.clone()));
        }
        // image-spec `image-index.md`: of several that match, the first one is used.
        let platforms = platform(child).cloned().into_iter().collect();
        return Ok(Trimmed { root: Root::Child(child.clone()), platforms, of, absent });
    }
    let kept = |fits: &[bool]| {
        children.iter().zip(fits.to_vec()).filter_map(|(child, fits)| fits.then_some(child)).collect::<Vec<_>>()
    };
    let platforms = kept(&fits).into_iter().filter_map(platform).cloned().collect();
    let described: BTreeSet<String> = kept(&fits).into_iter().map(|child| child.digest.to_string()).collect();
    for (child, fits) in children.iter().zip(&mut fits) {
        *fits |= is_attestation(child) && child.annotations.get(DESCRIBED).is_some_and(|of| described.contains(of));
    }
    let root = if fits.contains(&false) { Root::Index(without_others(index, &fits)?) } else { Root::Whole };
    Ok(Trimmed { root, platforms, of, absent })
}

/// The platform of a child that something runs on.
fn platform(child: &Descriptor) -> Option<&Platform> {
    child.platform.as_ref().filter(|platform| !platform.is_unknown() && !is_attestation(child))
}

fn is_attestation(child: &Descriptor) -> bool {
    child.annotations.get(KIND).is_some_and(|kind| kind == ATTESTATION)
}

fn platforms_of(children: &[Descriptor]) -> Vec<String> {
    let mut there: Vec<String> = Vec::new();
    for platform in children.iter().filter_map(platform) {
        let text = platform.described();
        if !there.contains(&text) && there.len() <= NAMED {
            there.push(text);
        }
    }
    there
}

fn listed(there: &[String]) -> String {
    match there {
        [] => "it names none".to_owned(),
        _ if there.len() > NAMED => format!("it has {}, and more", there[..NAMED].join(", ")),
        _ => format!("it has {}", there.join(", ")),
    }
}

/// The index without the children that do not fit.
fn without_others(index: &Manifest, fits: &[bool]) -> Result<Manifest, TrimError> {
    let syntax = |error: serde_json::Error| TrimError::Syntax(error.to_string());
    let Members(members) = serde_json::from_slice(index.bytes()).map_err(syntax)?;
    let mut out = String::with_capacity(index.bytes().len());
    out.push('{');
    for (position, (key, value)) in members.into_iter().enumerate() {
        out.push_str(if position > 0 { "," } else { "" });
        compact(key, &mut out);
        out.push(':');
        if serde_json::from_str::<String>(key.get()).map_err(syntax)? == "manifests" {
            let children: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(syntax)?;
            out.push('[');
            let kept = children.into_iter().zip(fits).filter(|(_, fits)| **fits);
            for (position, (child, _)) in kept.enumerate() {
                out.push_str(if position > 0 { "," } else { "" });
                compact(child, &mut out);
            }
            out.push(']');
        } else {
            compact(value, &mut out);
        }
    }
    out.push('}');
    Manifest::identify(Bytes::from(out), index.media_type()).map_err(|error| TrimError::Syntax(error.to_string()))
}

/// Writes a value without the white space between its tokens (RFC 8259 §2), and otherwise as it stands.
fn compact(value: &RawValue, out: &mut String) {
    let (mut in_string, mut escaped) = (false, false);
    for c in value.get().chars() {
        if !in_string && matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        in_string ^= c == '"' && !escaped;
        escaped = in_string && c == '\\' && !escaped;
        out.push(c);
    }
}

/// The members of an object as they were written, in their order, repetitions included.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests;
