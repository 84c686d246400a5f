//! What must be in a layout before a tag may name a manifest: everything that the manifest leads to.
//!
//! Refuses to let the index name an incomplete image, whatever the caller believes to have written.

use std::collections::HashSet;

use super::files::{Dir, Fault};
use super::{content, directory};
use crate::image::{Code, Descriptor, Digest, Manifest, View};
use crate::store::limits::{MANIFESTS, NESTING};
use crate::store::listed::Listed;

/// Refuses unless everything that `root` leads to is in the layout: manifests with the right content, blobs with the
/// right size. Foreign layers may be absent.
pub(super) fn require(dir: &Dir, root: &Manifest) -> Result<(), Fault> {
    let mut seen: HashSet<Digest> = HashSet::from([root.digest().clone()]);
    let mut listed = Listed::default();
    let mut pending = references(dir, root, (1, &mut listed))?;
    while let Some((child, depth)) = pending.pop() {
        if !seen.insert(child.digest.clone()) {
            continue;
        }
        if depth > NESTING || seen.len() > MANIFESTS {
            let message = format!("more than {NESTING} levels or {MANIFESTS} manifests belong to {}", root.digest());
            return Err(Fault::new(Code::Limit, message));
        }
        if let Some(manifest) = manifest(dir, &child)? {
            pending.extend(references(dir, &manifest, (depth + 1, &mut listed))?);
        }
    }
    Ok(())
}

/// The children of `manifest`, its blobs being there.
fn references(
    dir: &Dir,
    manifest: &Manifest,
    (depth, listed): (usize, &mut Listed),
) -> Result<Vec<(Descriptor, usize)>, Fault> {
    match manifest.view() {
        View::Index(index) => {
            let note = |child| listed.note(child).map_err(|message| Fault::new(Code::Manifest, message));
            index.manifests.iter().try_for_each(note)?;
            Ok(index.manifests.iter().map(|child| (child.clone(), depth)).collect())
        }
        View::Image(image) => {
            for blob in image.blobs() {
                require_blob(dir, blob)?;
            }
            Ok(Vec::new())
        }
        View::Opaque => Ok(Vec::new()),
    }
}

fn require_blob(dir: &Dir, blob: &Descriptor) -> Result<(), Fault> {
    match directory::blob(dir, &blob.digest)? {
        Some((_, size)) if size == blob.size => Ok(()),
        Some((_, size)) => {
            Err(Fault::layout(format!("{} has {size} bytes here, not the {} stated", blob.digest, blob.size)))
        }
        None => Err(Fault::layout(format!("{} is not there", blob.digest))),
    }
}

/// The manifest that an index has as a child. An index may list content of any type: what is of no type we know, and
/// cannot be read as a manifest, leads nowhere.
fn manifest(dir: &Dir, child: &Descriptor) -> Result<Option<Manifest>, Fault> {
    let media_type = &child.media_type;
    let must_be_one = media_type.is_index() || media_type.is_image() || media_type.is_vague();
    require_blob(dir, child)?;
    match content::manifest(dir, &child.digest, media_type) {
        Err(fault) if !must_be_one && matches!(fault.code, Code::Manifest | Code::Limit) => Ok(None),
        found => found,
    }
}
