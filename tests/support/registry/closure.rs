//! The closing oracle: what an image refers to, and what of it a repository lacks.

use std::collections::BTreeSet;

use serde_json::Value;

use super::store::{Repository, is_true};

/// What a descriptor in a manifest says, as far as completeness goes.
pub(in crate::support) struct Reference {
    pub(in crate::support) digest: String,
    pub(in crate::support) size: Option<u64>,
    /// From the list of an index.
    pub(in crate::support) is_child: bool,
    /// Distributed elsewhere: may be absent.
    pub(in crate::support) is_foreign: bool,
}

/// All that a manifest refers to and that must be beside it. `subject` is not among it: it may be absent.
pub(in crate::support) fn references(manifest: &Value) -> Vec<Reference> {
    let list = |key: &str| manifest[key].as_array().into_iter().flatten();
    let children = list("manifests").map(|descriptor| reference(descriptor, true));
    let config = Some(&manifest["config"]).filter(|config| config.is_object());
    let blobs = config.into_iter().chain(list("layers")).chain(list("blobs"));
    children.chain(blobs.map(|descriptor| reference(descriptor, false))).collect()
}

/// The digests of all that a manifest in JSON refers to, foreign layers included; none where it is no JSON.
pub fn digests_in(manifest: &[u8]) -> Vec<String> {
    let parsed = serde_json::from_slice(manifest).ok();
    parsed.as_ref().map(references).unwrap_or_default().into_iter().map(|reference| reference.digest).collect()
}

fn reference(descriptor: &Value, is_child: bool) -> Reference {
    let media_type = descriptor["mediaType"].as_str().unwrap_or_default();
    Reference {
        digest: descriptor["digest"].as_str().unwrap_or_default().to_owned(),
        size: descriptor["size"].as_u64(),
        is_child,
        is_foreign: media_type.contains(".foreign.") || media_type.contains(".nondistributable."),
    }
}

impl Repository {
    /// Whether the thing is here under its digest, as a manifest where it may be one. Its bytes are not looked at.
    pub(super) fn has(&self, reference: &Reference) -> bool {
        let digest = &reference.digest;
        // The child of an unknown type may have been stored as a blob.
        self.blobs.contains_key(digest) || (reference.is_child && self.manifests.contains_key(digest))
    }

    /// One line for each thing of the image under a tag or digest that is absent or not what its descriptor says.
    pub(super) fn missing_of(&self, tag: &str) -> Vec<String> {
        let Some(root) = self.tags.get(tag) else {
            return vec!["no such tag".to_owned()];
        };
        let root = Reference { digest: root.clone(), size: None, is_child: true, is_foreign: false };
        let (mut missing, mut seen, mut open) = (Vec::new(), BTreeSet::new(), vec![root]);
        while let Some(reference) = open.pop() {
            if !seen.insert(reference.digest.clone()) {
                continue;
            }
            match self.check(&reference) {
                Ok(further) => open.extend(further),
                Err(lack) => missing.push(lack),
            }
        }
        missing
    }

    /// What the thing itself refers to; `Err` says what is wrong with it.
    fn check(&self, reference: &Reference) -> Result<Vec<Reference>, String> {
        let digest = &reference.digest;
        let manifest = self.manifests.get(digest).filter(|_| reference.is_child);
        let Some(bytes) = manifest.map(|manifest| &manifest.bytes).or_else(|| self.blobs.get(digest)) else {
            let kind = if reference.is_child { "manifest" } else { "blob" };
            return if reference.is_foreign { Ok(Vec::new()) } else { Err(format!("{kind} {digest} is missing")) };
        };
        if !is_true(digest, reference.size, bytes) {
            return Err(format!("{digest} is there with {} bytes, but not with the right content", bytes.len()));
        }
        let parsed = manifest.and_then(|manifest| serde_json::from_slice(&manifest.bytes).ok());
        Ok(parsed.as_ref().map(references).unwrap_or_default())
    }
}
