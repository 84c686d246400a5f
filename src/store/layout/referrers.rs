//! What a layout lists as referrers of an image. The format has no such lists (image-spec `image-layout.md`): tools keep
//! referrers as entries of `index.json` without a name (oras), or in the index of the fallback schema (regclient).
//!
//! Blocking. Both are read. Refuses to read more manifests for it than an image may have referrers.

use std::collections::BTreeMap;

use super::directory::{self, Directory};
use super::files::{Dir, Fault};
use super::{content, index::Index};
use crate::image::{Code, Descriptor, Digest, Manifest, MediaType, Tag, View, fallback_tag};
use crate::store::limits::REFERRERS;

/// What is listed as a referrer of `subject`, sorted.
pub(super) fn of(layout: &Directory, subject: &Digest) -> Result<Vec<Descriptor>, Fault> {
    let Some(dir) = layout.read()? else { return Ok(Vec::new()) };
    let index = directory::read_index(&dir, layout.role())?;
    let mut found = BTreeMap::new();
    let candidates = index.nameless().filter(|entry| entry.media_type.is_image() || entry.media_type.is_index());
    for (number, entry) in candidates.enumerate() {
        if number >= REFERRERS {
            return Err(Fault::new(Code::Limit, format!("more than {REFERRERS} entries of its index have no name")));
        }
        if let Some(descriptor) = referring(&dir, entry, subject)? {
            found.insert(descriptor.digest.clone(), descriptor);
        }
    }
    let listed = match fallback_tag(subject) {
        Some(tag) => tagged(&dir, &index, &tag)?,
        None => None,
    };
    if let Some(View::Index(list)) = listed.as_ref().filter(|list| list.digest() != subject).map(Manifest::view) {
        found.extend(list.manifests.iter().map(|entry| (entry.digest.clone(), entry.clone())));
    }
    Ok(found.into_values().collect())
}

/// The manifest that `tag` names, where it is there and whole.
pub(super) fn named(layout: &Directory, tag: &Tag) -> Result<Option<Manifest>, Fault> {
    let Some(dir) = layout.read()? else { return Ok(None) };
    tagged(&dir, &directory::read_index(&dir, layout.role())?, tag)
}

fn tagged(dir: &Dir, index: &Index, tag: &Tag) -> Result<Option<Manifest>, Fault> {
    let Some(entry) = index.find(tag)? else { return Ok(None) };
    content::manifest(dir, &entry.digest, &entry.media_type)
}

/// The entry with its type, where its manifest names `subject`. What is not there, or no manifest, refers to nothing.
fn referring(dir: &Dir, entry: &Descriptor, subject: &Digest) -> Result<Option<Descriptor>, Fault> {
    let vague = MediaType::new("application/octet-stream");
    let manifest = match content::manifest(dir, &entry.digest, &vague) {
        Ok(Some(manifest)) => manifest,
        Err(fault) if matches!(fault.code, Code::Io) => return Err(fault),
        Ok(None) | Err(_) => return Ok(None),
    };
    let Ok(referring) = manifest.referring() else { return Ok(None) };
    let is_meant = referring.subject.is_some_and(|found| found.digest == *subject);
    Ok(is_meant.then(|| Descriptor { artifact_type: referring.artifact_type, ..manifest.descriptor() }))
}
