//! Tiny, real images: well-formed manifests, configs and layers, with the same bytes for the same seed.
//!
//! [`Image`] is one graph: blobs, child manifests, root. [`single`] builds one platform, [`zoo`] the rarer species.

pub mod archive;
pub mod attached;
mod place;
pub mod single;
pub mod zoo;

use serde_json::{Value, json};

pub use place::{ACCEPT, pull_manifest, upload_url, write_layout};
pub use single::{Format, Single};

use super::digest::{Algorithm, sha256};

/// Media types, spelled as in the specifications.
pub mod media_type {
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    pub const OCI_FOREIGN_LAYER: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    pub const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}

/// Content with its digest and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub media_type: String,
    pub digest: String,
    pub bytes: Vec<u8>,
}

impl Content {
    /// Content under its sha256.
    pub fn new(media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::by(Algorithm::Sha256, media_type, bytes)
    }

    /// Content under a digest of the given algorithm.
    pub fn by(algorithm: Algorithm, media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { media_type: media_type.to_owned(), digest: algorithm.digest(&bytes), bytes }
    }

    /// A manifest of this JSON. Pretty-printed: a client that writes it anew changes the digest.
    pub fn manifest(media_type: &str, value: &Value) -> Self {
        Self::new(media_type, serde_json::to_vec_pretty(value).unwrap())
    }

    /// The descriptor others refer to it by.
    pub fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }

    /// The descriptor with more members, `platform` and `annotations` for instance.
    pub fn descriptor_with(&self, more: &Value) -> Value {
        let mut descriptor = self.descriptor();
        for (key, value) in more.as_object().into_iter().flatten() {
            descriptor[key] = value.clone();
        }
        descriptor
    }
}

/// One image graph, in the order it has to be pushed.
#[derive(Clone, Debug)]
pub struct Image {
    /// Configs, layers and other blobs, each once.
    pub blobs: Vec<Content>,
    /// All manifests below the root, children before parents.
    pub children: Vec<Content>,
    pub root: Content,
    /// `linux/amd64`, where it is for one platform.
    pub platform: Option<String>,
}

impl Image {
    /// The root's digest.
    pub fn digest(&self) -> &str {
        &self.root.digest
    }

    /// The digests of all layers and configs.
    pub fn blob_digests(&self) -> Vec<&str> {
        self.blobs.iter().map(|blob| blob.digest.as_str()).collect()
    }

    /// The sum of the blobs' sizes in bytes.
    pub fn blob_bytes(&self) -> usize {
        self.blobs.iter().map(|blob| blob.bytes.len()).sum()
    }

    /// An index over images, in this order, each with its platform.
    pub fn index(media_type: &str, images: &[Self]) -> Self {
        let descriptors = images.iter().map(|image| {
            let platform = image.platform.as_deref().map(|platform| json!({"platform": platform_json(platform)}));
            image.root.descriptor_with(&platform.unwrap_or(Value::Null))
        });
        Self::index_of(media_type, &descriptors.collect::<Vec<_>>(), images)
    }

    /// An index with descriptors of the caller's own making.
    pub fn index_of(media_type: &str, descriptors: &[Value], images: &[Self]) -> Self {
        let value = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": descriptors});
        let mut index =
            Self { blobs: vec![], children: vec![], root: Content::manifest(media_type, &value), platform: None };
        for image in images {
            let (blobs, children) = (image.blobs.iter(), image.children.iter().chain([&image.root]));
            blobs.for_each(|blob| add_once(&mut index.blobs, blob));
            children.for_each(|child| add_once(&mut index.children, child));
        }
        index
    }

    /// The tag of a cosign signature for it: `sha256-<hex>.sig`.
    pub fn signature_tag(&self) -> String {
        format!("{}.sig", self.digest().replace(':', "-"))
    }

    /// `(digest, name)` for each part, for `Server::request_log`: `root`, `child 1`, `blob 1` and so on.
    pub fn names(&self) -> Vec<(String, String)> {
        let numbered =
            |kind: &'static str| move |(n, part): (usize, &Content)| (part.digest.clone(), format!("{kind} {}", n + 1));
        let children = self.children.iter().enumerate().map(numbered("child"));
        let blobs = self.blobs.iter().enumerate().map(numbered("blob"));
        [(self.root.digest.clone(), "root".to_owned())].into_iter().chain(children).chain(blobs).collect()
    }
}

fn add_once(list: &mut Vec<Content>, content: &Content) {
    if list.iter().all(|known| known.digest != content.digest) {
        list.push(content.clone());
    }
}

/// The `platform` object of `os/architecture[/variant]`.
pub fn platform_json(platform: &str) -> Value {
    let mut parts = platform.split('/');
    let mut next = || parts.next().map(str::to_owned);
    let (os, architecture, variant) = (next(), next(), next());
    match variant {
        None => json!({"os": os, "architecture": architecture}),
        Some(variant) => json!({"os": os, "architecture": architecture, "variant": variant}),
    }
}

/// Bytes that look random and are the same for the same seed.
pub fn seeded_bytes(seed: &str, length: usize) -> Vec<u8> {
    let block = |n: usize| sha256(format!("{seed} {n}").as_bytes()).into_bytes();
    (0..length.div_ceil(71)).flat_map(block).take(length).collect()
}
