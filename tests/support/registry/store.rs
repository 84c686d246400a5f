//! What a registry holds, and direct access to it: no validation, so that a test can build broken states.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Bytes, BytesMut};

use crate::support::digest::{self, sha256};

/// The state of one registry; clones are the same state.
#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<Contents>>);

#[derive(Default)]
pub(super) struct Contents {
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) opened: usize,
    /// Tags that named an incomplete image when they were pushed, and what else no client may do.
    pub(super) violations: Vec<String>,
    /// Repository, tag and digest of each tag that was written, in order.
    pub(super) tag_writes: Vec<(String, String, String)>,
    /// Every request is looked after.
    pub(super) watched: bool,
}

#[derive(Default)]
pub(super) struct Repository {
    pub(super) blobs: BTreeMap<String, Bytes>,
    pub(super) manifests: BTreeMap<String, StoredManifest>,
    pub(super) tags: BTreeMap<String, String>,
}

/// A manifest as it was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    pub media_type: String,
    pub bytes: Bytes,
}

/// An open upload session.
#[derive(Default)]
pub(super) struct Upload {
    pub(super) repository: String,
    pub(super) bytes: BytesMut,
    /// Counts the finished chunks; part of the location.
    pub(super) state: usize,
    /// A chunk shorter than the least length came: only the last one may be.
    pub(super) had_last: bool,
}

impl Repository {
    /// The digest a tag or digest stands for, where there is such a manifest.
    pub(super) fn resolve(&self, reference: &str) -> Option<(&str, &StoredManifest)> {
        let digest = self.tags.get(reference).map_or(reference, String::as_str);
        self.manifests.get_key_value(digest).map(|(digest, manifest)| (digest.as_str(), manifest))
    }
}

impl Contents {
    /// One line per thing that a tag's image lacks now.
    fn missing(&self) -> Vec<String> {
        let tags =
            self.repositories.iter().flat_map(|(name, found)| found.tags.keys().map(move |tag| (name, found, tag)));
        let lacks = tags.flat_map(|(name, found, tag)| {
            found.missing_of(tag).into_iter().map(move |lack| format!("{name}:{tag}: {lack}"))
        });
        lacks.collect()
    }
}

impl Store {
    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap()
    }

    /// Puts a blob under its sha256 digest; returns the digest.
    pub fn put_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> String {
        let bytes = bytes.into();
        let digest = sha256(&bytes);
        self.put_blob_as(repository, &digest, bytes);
        digest
    }

    /// Puts a blob under a digest of the caller's choice, true or not.
    pub fn put_blob_as(&self, repository: &str, digest: &str, bytes: impl Into<Bytes>) {
        let mut contents = self.lock();
        let repository = contents.repositories.entry(repository.to_owned()).or_default();
        repository.blobs.insert(digest.to_owned(), bytes.into());
    }

    /// Puts a manifest under a tag, or a digest of the caller's choice; returns the digest.
    pub fn put_manifest(&self, repository: &str, reference: &str, media_type: &str, bytes: impl Into<Bytes>) -> String {
        let manifest = StoredManifest { media_type: media_type.to_owned(), bytes: bytes.into() };
        let by_digest = reference.contains(':');
        let digest = if by_digest { reference.to_owned() } else { sha256(&manifest.bytes) };
        let mut contents = self.lock();
        let repository = contents.repositories.entry(repository.to_owned()).or_default();
        repository.manifests.insert(digest.clone(), manifest);
        if !by_digest {
            repository.tags.insert(reference.to_owned(), digest.clone());
        }
        digest
    }

    /// Points a tag at a digest, whether there is such a manifest or not.
    pub fn tag(&self, repository: &str, tag: &str, digest: &str) {
        let mut contents = self.lock();
        let repository = contents.repositories.entry(repository.to_owned()).or_default();
        repository.tags.insert(tag.to_owned(), digest.to_owned());
    }

    /// Repository, tag and digest of each tag that was written over HTTP, in order.
    pub fn tag_writes(&self) -> Vec<(String, String, String)> {
        self.lock().tag_writes.clone()
    }

    /// The digest a tag names.
    pub fn tag_digest(&self, repository: &str, tag: &str) -> Option<String> {
        self.lock().repositories.get(repository)?.tags.get(tag).cloned()
    }

    /// All tags of a repository, sorted; none where there is no such repository.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let contents = self.lock();
        contents.repositories.get(repository).map(|found| found.tags.keys().cloned().collect()).unwrap_or_default()
    }

    /// Whether a repository holds the blob.
    pub fn has_blob(&self, repository: &str, digest: &str) -> bool {
        self.lock().repositories.get(repository).is_some_and(|found| found.blobs.contains_key(digest))
    }

    /// The bytes of a blob.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.lock().repositories.get(repository)?.blobs.get(digest).cloned()
    }

    /// A blob of any repository, as a content delivery network sees it.
    pub fn blob_anywhere(&self, digest: &str) -> Option<Bytes> {
        self.lock().repositories.values().find_map(|repository| repository.blobs.get(digest).cloned())
    }

    /// The digests of a repository's blobs, sorted.
    pub fn blobs(&self, repository: &str) -> Vec<String> {
        let contents = self.lock();
        contents.repositories.get(repository).map(|found| found.blobs.keys().cloned().collect()).unwrap_or_default()
    }

    /// The manifest under a tag or digest.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<StoredManifest> {
        self.lock().repositories.get(repository)?.resolve(reference).map(|(_, manifest)| manifest.clone())
    }

    /// The exact bytes of the manifest under a tag or digest.
    pub fn manifest_bytes(&self, repository: &str, reference: &str) -> Option<Bytes> {
        self.manifest(repository, reference).map(|manifest| manifest.bytes)
    }

    /// The names of all repositories, sorted.
    pub fn repositories(&self) -> Vec<String> {
        self.lock().repositories.keys().cloned().collect()
    }

    /// How many upload sessions are open.
    pub fn open_uploads(&self) -> usize {
        self.lock().uploads.len()
    }

    /// Removes a tag; its manifest stays.
    pub fn delete_tag(&self, repository: &str, tag: &str) {
        self.in_repository(repository, |found| drop(found.tags.remove(tag)));
    }

    /// Removes a blob, as a hasty garbage collection does.
    pub fn delete_blob(&self, repository: &str, digest: &str) {
        self.in_repository(repository, |found| drop(found.blobs.remove(digest)));
    }

    /// Removes a manifest; tags that name it dangle.
    pub fn delete_manifest(&self, repository: &str, digest: &str) {
        self.in_repository(repository, |found| drop(found.manifests.remove(digest)));
    }

    /// Adds bytes to all open uploads, as if the last answer had been lost.
    pub fn grow_uploads(&self, bytes: &[u8]) {
        self.lock().uploads.values_mut().for_each(|upload| upload.bytes.extend_from_slice(bytes));
    }

    /// Forgets all upload sessions.
    pub fn delete_uploads(&self) {
        self.lock().uploads.clear();
    }

    /// One line per thing that a tag's image lacks, now or when the tag was pushed.
    pub fn incomplete(&self) -> Vec<String> {
        let contents = self.lock();
        let mut missing = contents.violations.clone();
        missing.extend(contents.missing());
        missing
    }

    /// From now on `assert_closed` is also about every moment in between: after each request all tags are complete, and no
    /// content was sent whole that is not what its digest says.
    pub fn watch(&self) {
        self.lock().watched = true;
    }

    /// Keeps in mind what any tag's image lacks after this request, if that is watched.
    pub(super) fn look_after(&self, request: &str) {
        let mut contents = self.lock();
        let missing = if contents.watched { contents.missing() } else { Vec::new() };
        contents.violations.extend(missing.into_iter().map(|lack| format!("after {request}: {lack}")));
    }

    fn in_repository(&self, repository: &str, change: impl FnOnce(&mut Repository)) {
        if let Some(found) = self.lock().repositories.get_mut(repository) {
            change(found);
        }
    }
}

/// Whether the bytes are what a descriptor promises.
pub(in crate::support) fn is_true(digest: &str, size: Option<u64>, bytes: &[u8]) -> bool {
    digest::matches(digest, bytes) && size.is_none_or(|size| size == bytes.len() as u64)
}
