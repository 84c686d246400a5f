//! Manifests: raw bytes first, meaning second.
//!
//! The bytes are what is copied and what the digest is over; the parsed view only says which other content belongs
//! to them. A manifest is never serialised again. Documents that two readers could understand differently are refused.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::{Descriptor, Digest, MediaType, descriptor};

/// A manifest or index with the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    bytes: Bytes,
    digest: Digest,
    media_type: MediaType,
    view: View,
}

/// What a manifest refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// Refers to blobs.
    Image(ImageManifest),
    /// Refers to manifests.
    Index(Index),
    /// A manifest of unknown kind: nothing in it is known to be a reference, so it is copied as it is.
    Opaque,
}

/// The blobs of an image or artifact manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageManifest {
    /// The configuration; absent only in the withdrawn artifact manifest.
    pub config: Option<Descriptor>,
    /// The layers (or an artifact's blobs), in their order, repetitions included.
    pub layers: Vec<Descriptor>,
}

impl ImageManifest {
    /// The blobs that must be at a target before the manifest: configuration first, foreign layers left out.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(self.layers.iter().filter(|layer| !layer.media_type.is_foreign_layer()))
    }
}

/// The children of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The children in their order: the first that fits a platform wins, so the order has meaning.
    pub manifests: Vec<Descriptor>,
}

/// Why bytes are not a manifest that can be copied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The bytes do not hash to the digest they were asked for by.
    #[error("the content has the digest {found}, not {wanted}")]
    Digest {
        /// The digest asked for.
        wanted: Digest,
        /// The digest of the bytes received.
        found: Digest,
    },
    /// Not JSON, or JSON of another shape.
    #[error("not a manifest: {0}")]
    Syntax(String),
    /// Two readers could take it for different things (CVE-2021-41190).
    #[error("ambiguous manifest: {0}")]
    Ambiguous(String),
    /// The media type of the transport and that of the document differ.
    #[error("served as `{header}` but says `{body}` of itself")]
    MediaType {
        /// What the registry or descriptor said.
        header: MediaType,
        /// What the document says.
        body: MediaType,
    },
    /// Docker schema 1.
    #[error("docker schema 1 manifests cannot be copied")]
    Schema1,
}

impl Manifest {
    /// Reads `bytes` that were asked for by `digest` and announced as `announced` (a `Content-Type` or a descriptor's
    /// media type). The digest is checked first: nothing else of wrong bytes is looked at.
    pub fn verify(bytes: Bytes, announced: &MediaType, digest: &Digest) -> Result<Self, ManifestError> {
        let found = digest.algorithm().digest(&bytes);
        if found != *digest {
            return Err(ManifestError::Digest { wanted: digest.clone(), found });
        }
        let (media_type, view) = read(&bytes, announced)?;
        Ok(Self { bytes, digest: found, media_type, view })
    }

    /// Reads `bytes` that were asked for by a tag: their SHA-256 is their name.
    pub fn identify(bytes: Bytes, announced: &MediaType) -> Result<Self, ManifestError> {
        let digest = Digest::sha256(&bytes);
        Self::verify(bytes, announced, &digest)
    }

    /// The bytes, exactly as received.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The type to send it as.
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// What it refers to.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// A descriptor of the manifest itself.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type.clone(), self.digest.clone(), self.bytes.len() as u64)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<descriptor::Wire>,
    #[serde(default)]
    layers: Option<Vec<descriptor::Wire>>,
    #[serde(default)]
    manifests: Option<Vec<descriptor::Wire>>,
    #[serde(default)]
    blobs: Option<Vec<descriptor::Wire>>,
}

/// Fields whose meaning must not depend on which of two equal or case-variant names a reader takes.
const DECISIVE: [&str; 7] = ["schemaVersion", "mediaType", "config", "layers", "manifests", "blobs", "fsLayers"];

fn read(bytes: &[u8], announced: &MediaType) -> Result<(MediaType, View), ManifestError> {
    str::from_utf8(bytes).map_err(|e| ManifestError::Syntax(e.to_string()))?; // RFC 8259 §8.1, in skipped fields too
    let names = serde_json::from_slice::<Names>(bytes).map_err(|e| ManifestError::Syntax(e.to_string()))?.0;
    refuse_ambiguity(&names)?;
    if announced.is_schema1() || names.iter().any(|name| name == "fsLayers") {
        return Err(ManifestError::Schema1);
    }
    let known = announced.is_index() || announced.is_image();
    let wire = match serde_json::from_slice::<Wire>(bytes) {
        Ok(wire) => wire,
        Err(_) if !known && !announced.is_vague() => return Ok((announced.clone(), View::Opaque)),
        Err(error) => return Err(ManifestError::Syntax(error.to_string())),
    };
    if wire.schema_version == Some(1) {
        return Err(ManifestError::Schema1);
    }
    let media_type = settle_type(announced, &wire)?;
    refuse_contradiction(&media_type, &names)?;
    let view = view(&media_type, wire)?;
    Ok((media_type, view))
}

/// The type the manifest is pushed as: what was announced, unless that says nothing.
fn settle_type(announced: &MediaType, wire: &Wire) -> Result<MediaType, ManifestError> {
    let body = wire.media_type.as_deref().map(MediaType::new);
    match body {
        Some(body) if announced.is_vague() => Ok(body),
        Some(body) if body != *announced => Err(ManifestError::MediaType { header: announced.clone(), body }),
        Some(body) => Ok(body),
        None if !announced.is_vague() => Ok(announced.clone()),
        None if wire.manifests.is_some() => Ok(MediaType::oci_index()),
        None if wire.config.is_some() && wire.layers.is_some() => Ok(MediaType::oci_manifest()),
        None => Err(ManifestError::Syntax("nothing in it says what it is".to_owned())),
    }
}

fn view(media_type: &MediaType, wire: Wire) -> Result<View, ManifestError> {
    let blobs = wire.config.is_some() || wire.layers.is_some() || wire.blobs.is_some();
    if media_type.is_index() || (!media_type.is_image() && wire.manifests.is_some() && !blobs) {
        return Ok(View::Index(Index { manifests: descriptors(wire.manifests)? }));
    }
    if media_type.is_image() || blobs {
        let config = wire.config.map(Descriptor::try_from).transpose().map_err(ManifestError::Syntax)?;
        let mut layers = descriptors(wire.layers)?;
        layers.extend(descriptors(wire.blobs)?);
        return Ok(View::Image(ImageManifest { config, layers }));
    }
    Ok(View::Opaque)
}

fn descriptors(wires: Option<Vec<descriptor::Wire>>) -> Result<Vec<Descriptor>, ManifestError> {
    let read = wires.unwrap_or_default().into_iter().map(Descriptor::try_from).collect::<Result<Vec<_>, _>>();
    read.map_err(ManifestError::Syntax)
}

fn refuse_ambiguity(names: &[String]) -> Result<(), ManifestError> {
    for decisive in DECISIVE {
        let mut variants = names.iter().filter(|name| name.eq_ignore_ascii_case(decisive));
        if let (Some(first), second) = (variants.next(), variants.next()) {
            if second.is_some() {
                return Err(ManifestError::Ambiguous(format!("`{decisive}` occurs more than once")));
            }
            if first != decisive {
                return Err(ManifestError::Ambiguous(format!("`{first}` is not `{decisive}`")));
            }
        }
    }
    let has = |name: &str| names.iter().any(|other| other == name);
    if has("manifests") && (has("layers") || has("config") || has("blobs")) {
        return Err(ManifestError::Ambiguous("both an index and an image".to_owned()));
    }
    Ok(())
}

/// A type that promises other references than the document has would hide those it has: an index read as an image, or an
/// image as an index, refers to nothing, and its tag would be written without anything below it.
fn refuse_contradiction(media_type: &MediaType, names: &[String]) -> Result<(), ManifestError> {
    let has = |name: &str| names.iter().any(|other| other == name);
    let ambiguous = |what: &str| Err(ManifestError::Ambiguous(format!("served as `{media_type}`, {what}")));
    if media_type.is_index() && !has("manifests") {
        return ambiguous("but it has no `manifests`");
    }
    if media_type.is_image() && has("manifests") {
        return ambiguous("but it has `manifests`");
    }
    if media_type.is_image() && !media_type.is_artifact() && !(has("config") && has("layers")) {
        return ambiguous("but it lacks `config` or `layers`");
    }
    Ok(())
}

/// The names at the top level of a JSON object, repetitions included, which a map would swallow.
pub(super) struct Names(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const EMPTY: &str = r#"{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;

    fn identify(text: &str, announced: &str) -> Result<Manifest, ManifestError> {
        Manifest::identify(Bytes::copy_from_slice(text.as_bytes()), &MediaType::new(announced))
    }

    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

    #[test]
    fn reads_an_index_and_an_image() {
        let index = identify(&format!(r#"{{"schemaVersion":2,"manifests":[{EMPTY}]}}"#), INDEX).unwrap();
        assert!(matches!(index.view(), View::Index(index) if index.manifests.len() == 1));
        let image = identify(&format!(r#"{{"schemaVersion":2,"config":{EMPTY},"layers":[{EMPTY}]}}"#), IMAGE).unwrap();
        assert!(matches!(image.view(), View::Image(image) if image.blobs().count() == 2));
    }

    #[test]
    fn empty_and_null_lists_are_read() {
        let image = identify(&format!(r#"{{"config":{EMPTY},"layers":null}}"#), IMAGE).unwrap();
        assert!(matches!(image.view(), View::Image(image) if image.layers.is_empty()));
        let index = identify(r#"{"manifests":[]}"#, INDEX).unwrap();
        assert!(matches!(index.view(), View::Index(index) if index.manifests.is_empty()));
    }

    #[test]
    fn foreign_layers_are_not_to_be_copied() {
        let foreign = EMPTY.replace(
            "application/vnd.oci.empty.v1+json",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        );
        let image = identify(&format!(r#"{{"config":{EMPTY},"layers":[{foreign}]}}"#), IMAGE).unwrap();
        assert!(matches!(image.view(), View::Image(image) if image.blobs().count() == 1 && image.layers.len() == 1));
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        for text in [
            format!(r#"{{"manifests":[],"layers":[{EMPTY}]}}"#),
            r#"{"manifests":[],"manifests":[]}"#.to_owned(),
            r#"{"manifests":[],"Manifests":[]}"#.to_owned(),
            r#"{"Manifests":[]}"#.to_owned(),
        ] {
            assert!(matches!(identify(&text, INDEX), Err(ManifestError::Ambiguous(_))), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_wherever_they_stand() {
        let bytes = Bytes::from_static(b"{\"manifests\":[],\"skipped\":\"\xff\"}");
        assert!(matches!(Manifest::identify(bytes, &MediaType::new(INDEX)), Err(ManifestError::Syntax(_))));
    }

    #[test]
    fn refuses_schema_1_however_it_is_announced() {
        for (text, announced) in [
            (r#"{"schemaVersion":1,"fsLayers":[]}"#, "application/json"),
            (r#"{"schemaVersion":1}"#, "application/json"),
            ("{}", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ] {
            assert_eq!(identify(text, announced).unwrap_err(), ManifestError::Schema1);
        }
    }

    #[test]
    fn the_announced_type_must_not_contradict_the_document() {
        let text = format!(r#"{{"mediaType":"{INDEX}","manifests":[]}}"#);
        assert!(matches!(identify(&text, IMAGE), Err(ManifestError::MediaType { .. })));
        assert_eq!(identify(&text, "text/plain").unwrap().media_type(), &MediaType::oci_index());
        assert!(matches!(identify("{}", "text/plain"), Err(ManifestError::Syntax(_))));
    }

    #[test]
    fn a_type_that_hides_the_references_of_a_document_is_refused() {
        let image = format!(r#"{{"schemaVersion":2,"config":{EMPTY},"layers":[{EMPTY}]}}"#);
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{EMPTY}]}}"#);
        let cases = [
            (&image, INDEX),
            (&image, "application/vnd.docker.distribution.manifest.list.v2+json"),
            (&index, IMAGE),
            (&index, "application/vnd.docker.distribution.manifest.v2+json"),
            (&index, "application/vnd.oci.artifact.manifest.v1+json"),
            (&"{}".to_owned(), INDEX),
            (&"{}".to_owned(), IMAGE),
            (&format!(r#"{{"layers":[{EMPTY}]}}"#), IMAGE),
        ];
        for (text, announced) in cases {
            let read = identify(text, announced);
            assert!(matches!(read, Err(ManifestError::Ambiguous(_))), "{announced}: {text}: {read:?}");
        }
        // A type that promises nothing hides nothing: the references are found by their names.
        let odd = identify(&image, "application/vnd.example.image+json").unwrap();
        assert!(matches!(odd.view(), View::Image(image) if image.blobs().count() == 2));
        let odd = identify(&index, "application/vnd.example.index+json").unwrap();
        assert!(matches!(odd.view(), View::Index(index) if index.manifests.len() == 1));
    }

    #[test]
    fn case_variants_inside_descriptors_are_refused() {
        for name in ["Digest", "SIZE", "mediatype"] {
            let broken = EMPTY.replacen('{', &format!(r#"{{"{name}":"x","#), 1);
            let text = format!(r#"{{"config":{broken},"layers":[]}}"#);
            assert!(identify(&text, IMAGE).is_err(), "{text}");
        }
    }

    #[test]
    fn a_manifest_of_unknown_type_is_carried_as_it_is() {
        let opaque = identify(r#"{"config":"not a descriptor"}"#, "application/vnd.example.thing+json").unwrap();
        assert_eq!(opaque.view(), &View::Opaque);
        assert_eq!(opaque.media_type().as_str(), "application/vnd.example.thing+json");
    }

    #[test]
    fn wrong_bytes_are_refused_before_they_are_read() {
        let other = Digest::sha256(b"something else");
        let error = Manifest::verify(Bytes::from_static(b"<html>"), &MediaType::oci_index(), &other).unwrap_err();
        assert!(matches!(error, ManifestError::Digest { .. }));
    }

    #[test]
    fn sizes_and_digests_of_descriptors_are_checked() {
        for broken in [
            EMPTY.replace("\"size\":2", "\"size\":-1"),
            EMPTY.replace("\"size\":2", "\"size\":9223372036854775808"),
            EMPTY.replace("sha256:4413", "sha256:../."),
            EMPTY.replace("sha256", "blake3"),
        ] {
            let text = format!(r#"{{"config":{broken},"layers":[]}}"#);
            assert!(matches!(identify(&text, IMAGE), Err(ManifestError::Syntax(_))), "{text}");
        }
    }
}
