//! One repository of a registry, as a store of images.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::RegistryClient;
use super::creation::Maker;
use super::mount::Mounts;
use super::transport::Transport;
use super::upload::Lessons;
use crate::auth::Keychain;
use crate::image::{Descriptor, Digest, Location, Manifest, MediaType, Reference, Repository, Tag, TagOrDigest, View};
use crate::store::mutex::lock;
use crate::store::{
    Answer, BlobStream, ImageSource, ImageTarget, Mount, OpenBlob, Progress, PushError, ReferrerList, UploadSession,
};

/// A repository behind the distribution API. Cheap to make: what is known of the registry is kept in its client.
#[derive(Clone)]
pub struct RegistryRepository {
    client: Arc<RegistryClient>,
    repository: Repository,
    location: Location,
}

/// What is known of a blob in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is there.
    Here,
    /// It is not.
    Absent,
    /// The registry said that it is there, and then that it is not: only sending it settles that.
    Doubted,
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

    /// What the registry has taught of its ways to take blobs.
    pub(super) fn lessons(&self) -> MutexGuard<'_, Lessons> {
        lock(&self.client.lessons)
    }

    pub(super) fn maker(&self) -> Option<&Maker> {
        self.client.maker.as_ref()
    }

    pub(super) fn keychain(&self) -> &Keychain {
        &self.client.keychain
    }

    pub(super) fn mounts(&self) -> &Mounts {
        &self.client.mounts
    }

    /// Whether the repository as a whole is missing, once that was asked; a tag that was found there is an answer, too.
    pub(super) fn missing(&self) -> Arc<OnceCell<bool>> {
        Arc::clone(lock(&self.client.missing).entry(self.repository.clone()).or_default())
    }

    /// An image of it in words.
    pub(super) fn reference(&self, version: &TagOrDigest) -> Reference {
        Reference { location: self.location.clone(), version: version.clone() }
    }

    /// Whether a blob is here, as far as this run has learnt it. A blob that was not here may have come meanwhile from
    /// somebody else: then it is sent once too often, which harms nobody.
    pub(super) fn knows_blob(&self, digest: &Digest) -> Option<bool> {
        self.presence(digest).map(|presence| presence == Presence::Here)
    }

    /// All that is known of it.
    pub(super) fn presence(&self, digest: &Digest) -> Option<Presence> {
        lock(&self.client.blobs).get(&self.repository)?.get(digest).copied()
    }

    /// Whether the registry has said that a blob is here, and meant it not.
    pub(super) fn doubts_blob(&self, digest: &Digest) -> bool {
        self.presence(digest) == Some(Presence::Doubted)
    }

    /// Notes what the registry says of a blob. Of one that it was wrong about, its word counts no more.
    pub(super) fn remember_blob(&self, digest: &Digest, here: bool) {
        if !self.doubts_blob(digest) {
            self.note(digest, if here { Presence::Here } else { Presence::Absent });
        }
    }

    /// Notes that a blob was sent.
    pub(super) fn sent_blob(&self, digest: &Digest) {
        self.note(digest, Presence::Here);
    }

    fn note(&self, digest: &Digest, presence: Presence) {
        lock(&self.client.blobs).entry(self.repository.clone()).or_default().insert(digest.clone(), presence);
    }

    /// Doubts all blobs of a manifest: the registry has contradicted what it said of one of them.
    pub(super) fn doubt_blobs(&self, manifest: &Manifest) {
        if let View::Image(image) = manifest.view() {
            image.blobs().for_each(|blob| self.note(&blob.digest, Presence::Doubted));
        }
    }

    /// Set once the registry has shown in this run that it stores manifests as they are.
    pub(super) fn fidelity(&self) -> &OnceCell<()> {
        &self.client.fidelity
    }

    /// Whether the repository lists referrers, once that was asked.
    pub(super) fn lists_referrers(&self) -> Arc<OnceCell<bool>> {
        Arc::clone(lock(&self.client.lists_referrers).entry(self.repository.clone()).or_default())
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

    fn blob(&self, from: Progress) -> Answer<'_, BlobStream> {
        Box::pin(self.read_blob(from))
    }

    fn tags(&self) -> Answer<'_, Vec<Tag>> {
        Box::pin(self.list_tags())
    }

    fn tagged<'a>(&'a self, tag: &'a Tag) -> Answer<'a, Option<Manifest>> {
        Box::pin(self.read_tagged(tag))
    }

    fn referrers<'a>(&'a self, subject: &'a Digest) -> Answer<'a, ReferrerList> {
        Box::pin(self.list_referrers(subject))
    }
}

impl ImageTarget for RegistryRepository {
    fn is_missing(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.prove_missing())
    }

    fn resolve_together<'a>(&'a self, tags: &'a [Tag]) -> BoxFuture<'a, BTreeMap<Tag, Option<Descriptor>>> {
        Box::pin(self.look_up_together(tags))
    }

    fn has_blob<'a>(&'a self, descriptor: &'a Descriptor) -> Answer<'a, bool> {
        Box::pin(self.find_blob(descriptor))
    }

    fn mount_blob<'a>(&'a self, descriptor: &'a Descriptor, from: &'a Repository) -> Answer<'a, Mount> {
        Box::pin(async move {
            self.prepare().await?;
            self.ask_to_mount(descriptor, from).await
        })
    }

    fn push_blob<'a>(
        &'a self,
        descriptor: &'a Descriptor,
        open: &'a OpenBlob<'a>,
        session: Option<UploadSession>,
    ) -> BoxFuture<'a, Result<(), PushError>> {
        Box::pin(async move {
            self.prepare().await.map_err(PushError::Target)?;
            self.write_blob(descriptor, open, session).await
        })
    }

    fn push_manifest<'a>(&'a self, manifest: &'a Manifest) -> Answer<'a, ()> {
        Box::pin(async move {
            self.prepare().await?;
            self.write_manifest(manifest).await
        })
    }

    fn push_referrer<'a>(&'a self, manifest: &'a Manifest, subject: &'a Digest) -> Answer<'a, bool> {
        Box::pin(async move {
            self.prepare().await?;
            self.write_referrer(manifest, subject).await
        })
    }

    fn push_tag<'a>(&'a self, manifest: &'a Manifest, tag: &'a Tag, before: Option<&'a Digest>) -> Answer<'a, ()> {
        Box::pin(async move {
            self.prepare().await?;
            self.write_tag(manifest, tag, before).await
        })
    }
}
