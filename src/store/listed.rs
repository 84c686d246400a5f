//! What the indexes of one image list, and as what.
//!
//! Owns the rule that a digest is listed as one thing. Refuses a second media type or size for it: content that is listed as
//! an image and as something unknown has layers for one reader and none for the other, and a copy made by the second reading
//! would lack them. The same entry again, for another platform, is no contradiction.

use std::collections::HashMap;

use crate::image::{Descriptor, Digest, MediaType};

/// The children of all indexes met so far.
#[derive(Default)]
pub(super) struct Listed(HashMap<Digest, (MediaType, u64)>);

impl Listed {
    /// Notes a child. An error says what it was listed as before.
    pub(super) fn note(&mut self, child: &Descriptor) -> Result<(), String> {
        let (media_type, size) = (&child.media_type, child.size);
        let known = self.0.entry(child.digest.clone()).or_insert_with(|| (media_type.clone(), size));
        if (&known.0, known.1) == (media_type, size) {
            return Ok(());
        }
        let digest = &child.digest;
        Err(format!("{digest} is listed as `{}` of {} bytes and as `{media_type}` of {size} bytes", known.0, known.1))
    }
}
