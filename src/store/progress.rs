//! How far the reading of a blob has come: the point at which it can go on, elsewhere or later.

use super::Error;
use crate::image::{Code, Descriptor, Digest, Hasher};

/// The first bytes of a blob, as far as they were handed on: how many, and the state of their hash.
///
/// Whoever goes on here reads the rest alone, and the digest is still that of the whole. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Progress {
    descriptor: Descriptor,
    offset: u64,
    hasher: Hasher,
}

impl Progress {
    /// Nothing of the blob yet.
    pub fn start(descriptor: &Descriptor) -> Self {
        let hasher = Hasher::new(descriptor.digest.algorithm());
        Self { descriptor: descriptor.clone(), offset: 0, hasher }
    }

    /// The blob.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// How many of its bytes were handed on; the next one has this index.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Adds the next bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.offset = self.offset.saturating_add(bytes.len() as u64);
        self.hasher.update(bytes);
    }

    /// Whether two readings of the blob that have come this far have read the same bytes.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.offset == other.offset && self.hasher.clone().finish() == other.hasher.clone().finish()
    }

    /// Whether these bytes are the blob: all of it, and nothing else. `request` is for messages.
    pub(super) fn prove(&self, request: &str) -> Result<(), Error> {
        let size = self.descriptor.size;
        if self.offset != size {
            let message = format!("{} bytes came, not the {size} stated", self.offset);
            return Err(Error::new(Code::Size, request, message));
        }
        let found: Digest = self.hasher.clone().finish();
        if found == self.descriptor.digest {
            return Ok(());
        }
        let hint =
            "what is served there is not what was pushed: push the image anew, or look for a proxy that alters it";
        Err(Error::new(Code::Digest, request, format!("the content has the digest {found}")).hint(hint))
    }
}
