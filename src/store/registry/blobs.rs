//! Blobs: asked for and mounted.

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, HeaderValue};

use super::call::Call;
use super::repository::RegistryRepository;
use super::retry::{Fault, is_transient};
use super::scope::{Access, Scope};
use crate::image::{Code, Descriptor, Digest, Repository};
use crate::store::{Error, Mount};

impl RegistryRepository {
    /// [`crate::store::ImageTarget::has_blob`].
    pub(super) async fn find_blob(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        if let Some(here) = self.knows_blob(&descriptor.digest) {
            return Ok(here);
        }
        let request = format!("look for the blob {} in {}", descriptor.digest, self.repository());
        let (request, digest) = (request.as_str(), &descriptor.digest);
        self.transport().retrying(request, |_| Box::pin(self.head_blob(request, digest, false))).await
    }

    /// Whether the blob is there. `holds_permit` inside of an upload.
    pub(super) async fn head_blob(&self, request: &str, digest: &Digest, holds_permit: bool) -> Result<bool, Fault> {
        let scope = Scope::new(self.repository(), if holds_permit { Access::Push } else { Access::Pull });
        let mut call = Call::new(request, Method::HEAD, self.blob_url(digest), scope);
        call.holds_permit = holds_permit;
        let answer = self.transport().exchange(call).await?;
        match answer.status() {
            200 | 404 => {
                let here = answer.status() == 200;
                self.remember_blob(digest, here);
                Ok(here)
            }
            _ => Err(answer.refusal().await),
        }
    }

    /// [`crate::store::ImageTarget::mount_blob`]. A mount is a favour: whatever refuses it, the upload is still open.
    pub(super) async fn ask_to_mount(&self, descriptor: &Descriptor, from: &Repository) -> Result<Mount, Error> {
        if self.knows_blob(&descriptor.digest) == Some(true) {
            return Ok(Mount::Mounted);
        }
        let elsewhere = from.registry() != self.repository().registry() || from == self.repository();
        if elsewhere || self.doubts_blob(&descriptor.digest) {
            return Ok(Mount::Declined(None));
        }
        let request = format!("mount the blob {} of {from} in {}", descriptor.digest, self.repository());
        let (request, digest) = (request.as_str(), &descriptor.digest);
        let outcome = self.transport().retrying(request, |_| Box::pin(self.post_mount(request, digest, from))).await;
        match outcome {
            // Realms that know no two scopes, or not the other repository.
            Err(error)
                if matches!(error.code, Code::NoCredentials | Code::Auth | Code::Denied) && !is_transient(&error) =>
            {
                Ok(Mount::Declined(None))
            }
            outcome => outcome,
        }
    }

    async fn post_mount(&self, request: &str, digest: &Digest, from: &Repository) -> Result<Mount, Fault> {
        let mut url = self.uploads_url();
        url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from.name());
        let scope = Scope { from: Some(from.clone()), ..Scope::new(self.repository(), Access::Push) };
        let call = Call::new(request, Method::POST, url, scope).header(CONTENT_LENGTH, HeaderValue::from_static("0"));
        let answer = self.transport().exchange(call).await?;
        match answer.status() {
            201 => {
                self.remember_blob(digest, true);
                Ok(Mount::Mounted)
            }
            202 => Ok(Mount::Declined(self.left_open(&answer))),
            429 => Err(answer.refusal().await),
            _ => Ok(Mount::Declined(None)),
        }
    }

    pub(super) fn blob_url(&self, digest: &Digest) -> reqwest::Url {
        self.transport().url(&format!("/v2/{}/blobs/{digest}", self.repository().name()))
    }

    /// The slash at the end belongs to it.
    pub(super) fn uploads_url(&self) -> reqwest::Url {
        self.transport().url(&format!("/v2/{}/blobs/uploads/", self.repository().name()))
    }
}
