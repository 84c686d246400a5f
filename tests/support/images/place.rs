//! Puts an image somewhere: into a fake registry's state, over HTTP, or into an OCI layout.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::Image;
use crate::support::http::{Reply, send, send_as};
use crate::support::registry::FakeRegistry;

impl Image {
    /// Puts it straight into the registry's state; leaves no trace in the log.
    pub fn push_to(&self, registry: &FakeRegistry, repository: &str, tag: &str) {
        for blob in &self.blobs {
            registry.store.put_blob_as(repository, &blob.digest, blob.bytes.clone());
        }
        for child in &self.children {
            registry.put_manifest(repository, &child.digest, &child.media_type, child.bytes.clone());
        }
        registry.put_manifest(repository, tag, &self.root.media_type, self.root.bytes.clone());
    }

    /// Panics unless every part of it is at the registry, with the right bytes and types, and the tag names it.
    #[track_caller]
    pub fn assert_at(&self, registry: &FakeRegistry, repository: &str, tag: &str) {
        let name = format!("{repository}:{tag}");
        assert_eq!(registry.tag_digest(repository, tag).as_deref(), Some(self.digest()), "{name}");
        for manifest in self.children.iter().chain([&self.root]) {
            let Some(found) = registry.store.manifest(repository, &manifest.digest) else {
                // A child of unknown type may stand beside the manifests.
                let as_blob = registry.has_blob(repository, &manifest.digest);
                assert!(as_blob, "{name}: {} is missing", manifest.digest);
                continue;
            };
            assert_eq!(found.bytes, manifest.bytes, "{name}: other bytes");
            assert_eq!(found.media_type, manifest.media_type, "{name}: another media type");
        }
        for blob in &self.blobs {
            let found = registry.store.blob(repository, &blob.digest);
            assert_eq!(found.as_deref(), Some(&blob.bytes[..]), "{name}: the blob {}", blob.digest);
        }
    }

    /// Pushes it over plain HTTP to a registry that lets anybody in. Panics when anything is refused.
    pub fn push_to_url(&self, base_url: &str, repository: &str, tag: &str) {
        self.push_as(base_url, repository, tag, None);
    }

    /// As [`Image::push_to_url`], with `user:password`.
    pub fn push_as(&self, base_url: &str, repository: &str, tag: &str, login: Option<&str>) {
        let put = |url: &str, media_type: &str, bytes: &[u8]| {
            let reply = send_as(login, "PUT", url, &[("Content-Type", media_type)], bytes).unwrap();
            assert_eq!(reply.status, 201, "PUT {url}: {}", reply.text());
        };
        for blob in &self.blobs {
            let opened =
                send_as(login, "POST", &format!("{base_url}/v2/{repository}/blobs/uploads/"), &[], &[]).unwrap();
            assert_eq!(opened.status, 202, "POST {repository}: {}", opened.text());
            put(&upload_url(base_url, &opened, &blob.digest), "application/octet-stream", &blob.bytes);
        }
        let references = self.children.iter().map(|child| (child.digest.as_str(), child));
        for (reference, manifest) in references.chain([(tag, &self.root)]) {
            put(&format!("{base_url}/v2/{repository}/manifests/{reference}"), &manifest.media_type, &manifest.bytes);
        }
    }
}

/// Where to PUT a blob, after the answer that opened an upload.
pub fn upload_url(base_url: &str, opened: &Reply, digest: &str) -> String {
    let location = opened.header("location").expect("an opened upload has a location");
    let base = if location.starts_with('/') { base_url } else { "" };
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{base}{location}{separator}digest={}", digest.replace(':', "%3A"))
}

/// The manifest under a tag or digest as the server gives it: media type and bytes. Panics unless it is there.
pub fn pull_manifest(base_url: &str, repository: &str, reference: &str) -> (String, Vec<u8>) {
    let url = format!("{base_url}/v2/{repository}/manifests/{reference}");
    let reply = send("GET", &url, &[("Accept", ACCEPT)], &[]).unwrap();
    assert_eq!(reply.status, 200, "GET {url}: {}", reply.text());
    (reply.header("content-type").unwrap_or_default().to_owned(), reply.body)
}

/// Every type of manifest there is.
pub const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json, */*;q=0.1";

/// Writes an OCI image layout with these images under these tags.
pub fn write_layout(dir: &Path, images: &[(&Image, &str)]) {
    let mut descriptors = Vec::new();
    for (image, tag) in images {
        for content in image.blobs.iter().chain(&image.children).chain([&image.root]) {
            let (algorithm, encoded) = content.digest.split_once(':').unwrap();
            let blobs = dir.join("blobs").join(algorithm);
            fs::create_dir_all(&blobs).unwrap();
            fs::write(blobs.join(encoded), &content.bytes).unwrap();
        }
        let name = json!({"annotations": {"org.opencontainers.image.ref.name": tag}});
        descriptors.push(image.root.descriptor_with(&name));
    }
    let index = json!({"schemaVersion": 2, "mediaType": super::media_type::OCI_INDEX, "manifests": descriptors});
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}
