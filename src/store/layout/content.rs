//! The manifests of a layout, read and checked.
//!
//! What is damaged is told apart from what is hostile: damage at a target is repaired by writing again, everything else
//! is refused.

use bytes::Bytes;

use super::directory::{self, Directory};
use super::files::{self, Dir, Fault};
use crate::image::{Code, Descriptor, Digest, Manifest, MediaType, Role, Tag, TagOrDigest};

pub(super) const LIMIT: u64 = crate::store::limits::MANIFEST_READ as u64;

/// What a tag or digest names.
///
/// A name whose manifest is missing, cut short or has other content is damage: an error at a source. A target has not
/// got the image then, so it is written again, which repairs it; refused, it would need repairs by hand for ever.
pub(super) fn resolve(layout: &Directory, version: &TagOrDigest) -> Result<Option<Descriptor>, Fault> {
    let Some(dir) = layout.read()? else { return Ok(None) };
    let (found, damage) = match version {
        TagOrDigest::Tag(tag) => match named(&dir, layout.role(), tag)? {
            Some(entry) => (look(&dir, &entry.digest, Some(&entry))?, "the tag's manifest"),
            None => return Ok(None),
        },
        TagOrDigest::Digest(digest) => match look(&dir, digest, None)? {
            Found::Missing => return Ok(None),
            found => (found, "it"),
        },
    };
    match found {
        Found::Sound(descriptor) => Ok(Some(descriptor)),
        Found::Missing | Found::Damaged(_) if layout.role() == Role::Target => Ok(None),
        Found::Missing => Err(Fault::layout(format!("{damage} is not in `blobs`"))),
        Found::Damaged(fault) => Err(Fault::new(fault.code, format!("{damage} is damaged: {}", fault.message))),
    }
}

fn named(dir: &Dir, role: Role, tag: &Tag) -> Result<Option<Descriptor>, Fault> {
    Ok(directory::read_index(dir, role)?.find(tag)?.cloned())
}

/// What a tag of a target names and has, whole; see [`resolve`].
pub(super) fn tagged(dir: &Dir, tag: &Tag) -> Result<Option<Digest>, Fault> {
    let Some(entry) = named(dir, Role::Target, tag)? else { return Ok(None) };
    match look(dir, &entry.digest, Some(&entry))? {
        Found::Sound(descriptor) => Ok(Some(descriptor.digest)),
        Found::Missing | Found::Damaged(_) => Ok(None),
    }
}

enum Found {
    Sound(Descriptor),
    Missing,
    Damaged(Fault),
}

/// Looks whether the content of a manifest is there and right. Its type is the entry's, or what it says of itself.
fn look(dir: &Dir, digest: &Digest, entry: Option<&Descriptor>) -> Result<Found, Fault> {
    let Some((file, size)) = directory::blob(dir, digest)? else { return Ok(Found::Missing) };
    if let Some(entry) = entry.filter(|entry| entry.size != size) {
        return Ok(Found::Damaged(Fault::layout(format!("it has {size} bytes, not the {} stated", entry.size))));
    }
    let bytes = Bytes::from(files::drain(file, digest.hex(), LIMIT)?);
    let found = digest.algorithm().digest(&bytes);
    if found != *digest {
        return Ok(Found::Damaged(Fault::new(Code::Digest, format!("its content has the digest {found}"))));
    }
    let size = bytes.len() as u64;
    let stated = entry.map(|entry| entry.media_type.clone()).filter(|media_type| !media_type.is_vague());
    let media_type = stated.unwrap_or_else(|| {
        // What says nothing of itself is not judged here: reading it as a manifest is.
        let vague = MediaType::new("application/octet-stream");
        Manifest::verify(bytes, &vague, digest).map_or(vague, |manifest| manifest.media_type().clone())
    });
    Ok(Found::Sound(Descriptor::new(media_type, digest.clone(), size)))
}

/// The manifest with this digest, where its file is there.
pub(super) fn manifest(dir: &Dir, digest: &Digest, media_type: &MediaType) -> Result<Option<Manifest>, Fault> {
    let Some((file, _)) = directory::blob(dir, digest)? else { return Ok(None) };
    let bytes = files::drain(file, digest.hex(), LIMIT)?;
    Ok(Some(Manifest::verify(bytes.into(), media_type, digest)?))
}

/// The file has another size than was stated.
pub(super) fn wrong_size(size: u64, descriptor: &Descriptor) -> Fault {
    Fault::new(Code::Size, format!("the file has {size} bytes, not the {} stated", descriptor.size))
}
