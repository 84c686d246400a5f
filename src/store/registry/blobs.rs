//! Blobs: asked for.

use reqwest::Method;

use super::call::Call;
use super::repository::RegistryRepository;
use super::retry::Fault;
use super::scope::{Access, Scope};
use crate::image::{Descriptor, Digest};
use crate::store::Error;

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

    pub(super) fn blob_url(&self, digest: &Digest) -> reqwest::Url {
        self.transport().url(&format!("/v2/{}/blobs/{digest}", self.repository().name()))
    }

    /// The slash at the end belongs to it.
    pub(super) fn uploads_url(&self) -> reqwest::Url {
        self.transport().url(&format!("/v2/{}/blobs/uploads/", self.repository().name()))
    }
}
