//! One repository of a registry, as a store of images.

use futures_util::future::BoxFuture;
use std::sync::Arc;

use super::RegistryClient;
use super::authorization::lock;
use super::transport::Transport;
use crate::image::{Descriptor, Digest, Location, Manifest, MediaType, Reference, Repository, Tag, TagOrDigest};
use crate::store::{Answer, BlobStream, ImageSource, ImageTarget, Mount, OpenBlob, PushError, UploadSession};

/// A repository behind the distribution API. Cheap to make: what is known of the registry is kept in its client.
pub struct RegistryRepository {
    client: Arc<RegistryClient>,
    repository: Repository,
    location: Location,
}

impl RegistryRepository {
    pub(super) fn new(client: Arc<RegistryClient>, repository: Repository) -> Self {
        let location = Location::Repository(repository.clone());
        Self { client, repository, location }
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.client.transport
    }

    /// An image of it in words.
    pub(super) fn reference(&self, version: &TagOrDigest) -> Reference {
        Reference { location: self.location.clone(), version: version.clone() }
    }

    /// Whether a blob is here, as far as this run has learnt it. A blob that was not here may have come meanwhile from
    /// somebody else: then it is sent once too often, which harms nobody.
    pub(super) fn knows_blob(&self, digest: &Digest) -> Option<bool> {
        lock(&self.client.blobs).get(&self.repository)?.get(digest).copied()
    }

    pub(super) fn remember_blob(&self, digest: &Digest, here: bool) {
        lock(&self.client.blobs).entry(self.repository.clone()).or_default().insert(digest.clone(), here);
    }

    /// Forgets all blobs of the repository: the registry has contradicted what we believed.
    pub(super) fn forget_blobs(&self) {
        lock(&self.client.blobs).remove(&self.repository);
    }

    pub(super) fn cached(&self, digest: &Digest) -> Option<Manifest> {
        lock(&self.client.manifests).get(&self.repository, digest)
    }

    pub(super) fn keep(&self, manifest: &Manifest) {
        lock(&self.client.manifests).put(&self.repository, manifest);
    }
}

impl ImageSource for RegistryRepository {
    fn location(&self) -> &Location {
        &self.location
    }

    fn resolve<'a>(&'a self, version: &'a TagOrDigest) -> Answer<'a, Option<Descriptor>> {
        Box::pin(self.look_up(version))
    }

    fn manifest<'a>(&'a self, digest: &'a Digest, media_type: &'a MediaType) -> Answer<'a, Option<Manifest>> {
        Box::pin(self.read_manifest(digest, media_type))
    }

    fn blob<'a>(&'a self, descriptor: &'a Descriptor) -> Answer<'a, BlobStream> {
        Box::pin(self.read_blob(descriptor))
    }

    fn tags(&self) -> Answer<'_, Vec<Tag>> {
        Box::pin(self.list_tags())
    }
}

impl ImageTarget for RegistryRepository {
    fn has_blob<'a>(&'a self, descriptor: &'a Descriptor) -> Answer<'a, bool> {
        Box::pin(self.find_blob(descriptor))
    }

    fn mount_blob<'a>(&'a self, descriptor: &'a Descriptor, from: &'a Repository) -> Answer<'a, Mount> {
        Box::pin(self.ask_to_mount(descriptor, from))
    }

    fn push_blob<'a>(
        &'a self,
        descriptor: &'a Descriptor,
        open: &'a OpenBlob<'a>,
        session: Option<UploadSession>,
    ) -> BoxFuture<'a, Result<(), PushError>> {
        Box::pin(self.write_blob(descriptor, open, session))
    }

    fn push_manifest<'a>(&'a self, manifest: &'a Manifest, tag: Option<&'a Tag>) -> Answer<'a, ()> {
        Box::pin(self.write_manifest(manifest, tag))
    }
}
