//! An image for one platform, with the knobs the tests turn.

use serde_json::{Value, json};

use super::archive::{gzip, tar};
use super::{Content, Image, add_once, media_type, platform_json, seeded_bytes};
use crate::support::digest::{Algorithm, sha256};

/// Whose words the manifest speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Oci,
    Docker,
}

/// Builds an [`Image`] for one platform; same settings, same bytes.
#[derive(Clone, Debug)]
pub struct Single {
    seed: String,
    platform: String,
    format: Format,
    algorithm: Algorithm,
    layers: usize,
    layer_size: usize,
    zero_byte_layer: bool,
    foreign_url: Option<String>,
    shared_layers: Vec<String>,
    run: Value,
}

struct Layer {
    content: Content,
    /// The digest of the archive before compression.
    diff_id: String,
    /// Where it is distributed, if not by registries.
    url: Option<String>,
}

impl Layer {
    fn descriptor(&self) -> Value {
        match &self.url {
            None => self.content.descriptor(),
            Some(url) => self.content.descriptor_with(&json!({"urls": [url]})),
        }
    }
}

impl Single {
    /// Two layers of 300 bytes for `linux/amd64`, in OCI words.
    pub fn new(seed: &str) -> Self {
        Self {
            seed: seed.to_owned(),
            platform: "linux/amd64".to_owned(),
            format: Format::Oci,
            algorithm: Algorithm::Sha256,
            layers: 2,
            layer_size: 300,
            zero_byte_layer: false,
            foreign_url: None,
            shared_layers: Vec::new(),
            run: Value::Null,
        }
    }

    /// For `os/architecture[/variant]`.
    pub fn platform(self, platform: &str) -> Self {
        Self { platform: platform.to_owned(), ..self }
    }

    /// In these words.
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// With digests of this algorithm for config and layers.
    pub fn algorithm(self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// With so many layers, each with a file of so many bytes.
    pub fn layers(self, layers: usize, layer_size: usize) -> Self {
        Self { layers, layer_size, ..self }
    }

    /// With one more layer of no bytes at all.
    pub fn zero_byte_layer(self) -> Self {
        Self { zero_byte_layer: true, ..self }
    }

    /// With one more layer that is distributed elsewhere; its bytes are in [`Single::foreign_bytes`].
    pub fn foreign_layer(self, url: &str) -> Self {
        Self { foreign_url: Some(url.to_owned()), ..self }
    }

    /// With one more layer that depends on this seed alone: images with the same one share it.
    pub fn shared_layer(mut self, seed: &str) -> Self {
        self.shared_layers.push(seed.to_owned());
        self
    }

    /// With these members in its configuration of how it runs: `{"Env": ["A=1"]}`.
    pub fn run(self, members: &Value) -> Self {
        Self { run: members.clone(), ..self }
    }

    /// What the foreign layer holds.
    pub fn foreign_bytes(&self) -> Vec<u8> {
        self.layer(&format!("{} foreign", self.seed)).1
    }

    /// Builds the image.
    pub fn build(&self) -> Image {
        let (config_type, manifest_type) = match self.format {
            Format::Oci => (media_type::OCI_CONFIG, media_type::OCI_MANIFEST),
            Format::Docker => (media_type::DOCKER_CONFIG, media_type::DOCKER_MANIFEST),
        };
        let layers = self.build_layers();
        let config = self.config(&layers).to_string();
        let config = Content::by(self.algorithm, config_type, config);
        let descriptors: Vec<_> = layers.iter().map(Layer::descriptor).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": config.descriptor(),
            "layers": descriptors,
        });
        let mut blobs = vec![config];
        for layer in layers.iter().filter(|layer| layer.url.is_none()) {
            add_once(&mut blobs, &layer.content);
        }
        let root = Content::manifest(manifest_type, &manifest);
        let platform = Some(self.platform.clone());
        Image { blobs, children: Vec::new(), root, platform }
    }

    fn build_layers(&self) -> Vec<Layer> {
        let (own_type, foreign_type) = match self.format {
            Format::Oci => (media_type::OCI_LAYER, media_type::OCI_FOREIGN_LAYER),
            Format::Docker => (media_type::DOCKER_LAYER, media_type::DOCKER_FOREIGN_LAYER),
        };
        let layer = |media_type, (diff_id, bytes): (String, Vec<u8>), url| {
            let content = Content::by(self.algorithm, media_type, bytes);
            Layer { content, diff_id, url }
        };
        let own = (0..self.layers).map(|n| format!("{} {} layer {n}", self.seed, self.platform));
        let seeds = own.chain(self.shared_layers.iter().cloned());
        let mut layers: Vec<_> = seeds.map(|seed| layer(own_type, self.layer(&seed), None)).collect();
        if self.zero_byte_layer {
            layers.push(layer(own_type, (sha256(&[]), Vec::new()), None));
        }
        if let Some(url) = &self.foreign_url {
            let foreign = self.layer(&format!("{} foreign", self.seed));
            layers.push(layer(foreign_type, foreign, Some(url.clone())));
        }
        layers
    }

    /// The digest of the archive, and the layer itself.
    fn layer(&self, seed: &str) -> (String, Vec<u8>) {
        let archive = tar("content.txt", &seeded_bytes(seed, self.layer_size));
        (sha256(&archive), gzip(&archive))
    }

    fn config(&self, layers: &[Layer]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|layer| &layer.diff_id).collect();
        let mut config = platform_json(&self.platform);
        config["config"] = json!({"Cmd": ["/content.txt"], "Labels": {"seed": self.seed}});
        for (key, value) in self.run.as_object().into_iter().flatten() {
            config["config"][key] = value.clone();
        }
        config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
        config["history"] = diff_ids.iter().map(|_| json!({"created_by": "COPY content.txt /"})).collect();
        config
    }
}
