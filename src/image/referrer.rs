//! Referrers: manifests that name another one as their subject (image-spec `manifest.md`), and tags that do the same.
//!
//! Owns what a manifest says of itself as a referrer, the names of the tags (distribution-spec "Referrers Tag Schema", and
//! cosign's), and the index that stands in for a list of referrers. Refuses to know where any of them is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::manifest::Names;
use super::{Descriptor, Digest, Manifest, ManifestError, MediaType, Tag, View, descriptor};

/// The longest type that is taken for one, in bytes (RFC 6838 §4.2: two names of at most 127 characters).
const LONGEST_TYPE: usize = 255;
/// How much of a digest a tag of the fallback schema holds, in hex digits.
const FALLBACK_HEX: usize = 64;

/// The type of an artifact: what a signature, an attestation or an SBOM says that it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactType(Arc<str>);

impl ArtifactType {
    /// The type in `text`; `None` where that is none: empty, too long, or with other than printable ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let sound = (1..=LONGEST_TYPE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| Self(text.into()))
    }

    /// The text, as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArtifactType({:?})", self.as_str())
    }
}

/// Which referrers are meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferrerTypes {
    /// All of them.
    All,
    /// Those of these types.
    Only(Vec<ArtifactType>),
}

impl ReferrerTypes {
    /// Whether referrers of this type are among them. Types are compared without regard to case, as media types are.
    pub fn admit(&self, artifact_type: Option<&ArtifactType>) -> bool {
        match (self, artifact_type) {
            (Self::All, _) => true,
            (Self::Only(types), Some(found)) => {
                types.iter().any(|wanted| wanted.as_str().eq_ignore_ascii_case(found.as_str()))
            }
            (Self::Only(_), None) => false,
        }
    }
}

/// What cosign keeps under a tag that is made of its subject's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CosignKind {
    /// Signatures: `.sig`.
    Signature,
    /// Attestations: `.att`.
    Attestation,
    /// An SBOM: `.sbom`.
    Sbom,
}

impl CosignKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Signature, Self::Attestation, Self::Sbom];

    fn suffix(self) -> &'static str {
        match self {
            Self::Signature => ".sig",
            Self::Attestation => ".att",
            Self::Sbom => ".sbom",
        }
    }

    /// The type by which cosign itself calls such an artifact where it attaches it as a referrer. Under a tag, its manifest
    /// has the type of an image, which says nothing.
    pub fn artifact_type(self) -> ArtifactType {
        ArtifactType(format!("application/vnd.dev.cosign.artifact{}.v1+json", self.suffix()).into())
    }

    /// The tag of this kind for `subject`: `sha256-<hex>.sig`. None for digests that make too long a name.
    pub fn tag(self, subject: &Digest) -> Option<Tag> {
        format!("{}-{}{}", subject.algorithm().as_str(), subject.hex(), self.suffix()).parse().ok()
    }

    /// Whether `tag` is one of these tags, for `subject`.
    pub fn is_for(tag: &Tag, subject: &Digest) -> bool {
        Self::of(tag).and_then(|kind| kind.tag(subject)).as_ref() == Some(tag)
    }

    /// What `tag` is for, where it is one of these tags.
    pub fn of(tag: &Tag) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| tag.as_str().strip_suffix(kind.suffix()).is_some_and(is_digest))
    }
}

/// The tag of the index that lists the referrers of `subject` where a registry does not: `sha256-<hex>`
/// (distribution-spec "Referrers Tag Schema"; longer digests are cut).
pub fn fallback_tag(subject: &Digest) -> Option<Tag> {
    let hex = &subject.hex()[..FALLBACK_HEX.min(subject.hex().len())];
    format!("{}-{hex}", subject.algorithm().as_str()).parse().ok()
}

/// Whether `tag` is of either schema: made of a digest.
pub fn is_referrer_tag(tag: &Tag) -> bool {
    CosignKind::of(tag).is_some() || is_digest(tag.as_str())
}

fn is_digest(text: &str) -> bool {
    let hex = ["sha256-", "sha512-"].iter().find_map(|algorithm| text.strip_prefix(algorithm));
    hex.is_some_and(|hex| {
        hex.len() == FALLBACK_HEX && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// What a manifest says of itself as a referrer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referring {
    /// What it refers to, where it refers to anything.
    pub subject: Option<Descriptor>,
    /// Its type: `artifactType`, or the type of its configuration.
    pub artifact_type: Option<ArtifactType>,
    /// Its annotations, which a list of referrers repeats.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    subject: Option<descriptor::Wire>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    media_type: Option<String>,
}

impl Manifest {
    /// What it says of itself as a referrer. Fails where two readers could take another manifest for its subject.
    pub fn referring(&self) -> Result<Referring, ManifestError> {
        let syntax = |error: serde_json::Error| ManifestError::Syntax(error.to_string());
        let names = serde_json::from_slice::<Names>(self.bytes()).map_err(syntax)?.0;
        for decisive in ["subject", "artifactType"] {
            if names.iter().any(|name| name != decisive && name.eq_ignore_ascii_case(decisive)) {
                return Err(ManifestError::Ambiguous(format!("`{decisive}` occurs in another case")));
            }
        }
        let wire: Wire = serde_json::from_slice(self.bytes()).map_err(syntax)?;
        let config = wire.config.and_then(|config| config.media_type);
        let artifact_type = wire.artifact_type.filter(|text| !text.is_empty()).or(config);
        Ok(Referring {
            subject: wire.subject.map(Descriptor::try_from).transpose().map_err(ManifestError::Syntax)?,
            artifact_type: artifact_type.as_deref().and_then(ArtifactType::new),
            annotations: wire.annotations.unwrap_or_default(),
        })
    }
}

/// An entry of a list of referrers (distribution-spec "Listing Referrers": type and annotations come from the manifest).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    media_type: &'a str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

/// The list as it is, as far as it is kept when something is added.
#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    manifests: Option<Vec<Box<RawValue>>>,
    #[serde(default)]
    annotations: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewIndex<'a> {
    schema_version: u8,
    media_type: &'a str,
    manifests: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Box<RawValue>>,
}

/// The index of the fallback schema with `referrers` added to what `now` lists; `None` where it lists all of them. What is
/// listed already keeps its place and its bytes.
pub fn with_referrers(
    now: Option<&Manifest>,
    referrers: &[(Manifest, Referring)],
) -> Result<Option<Manifest>, ManifestError> {
    let syntax = |error: serde_json::Error| ManifestError::Syntax(error.to_string());
    let known: Vec<&Digest> = match now.map(Manifest::view) {
        Some(View::Index(index)) => index.manifests.iter().map(|entry| &entry.digest).collect(),
        None => Vec::new(),
        Some(_) => return Err(ManifestError::Syntax("it is not an index".to_owned())),
    };
    let new: BTreeMap<&Digest, &(Manifest, Referring)> = referrers
        .iter()
        .filter(|(manifest, _)| !known.contains(&manifest.digest()))
        .map(|referrer| (referrer.0.digest(), referrer))
        .collect();
    if new.is_empty() {
        return Ok(None);
    }
    let listed = match now {
        Some(now) => serde_json::from_slice(now.bytes()).map_err(syntax)?,
        None => Listed { manifests: None, annotations: None },
    };
    let mut manifests = listed.manifests.unwrap_or_default();
    for (manifest, referring) in new.into_values() {
        let entry = Entry {
            media_type: manifest.media_type().as_str(),
            digest: manifest.digest().to_string(),
            size: manifest.bytes().len(),
            artifact_type: referring.artifact_type.as_ref().map(ArtifactType::as_str),
            annotations: &referring.annotations,
        };
        manifests.push(to_raw_value(&entry).map_err(syntax)?);
    }
    let media_type = MediaType::oci_index();
    let annotations = listed.annotations.filter(|value| value.get() != "null");
    let index = NewIndex { schema_version: 2, media_type: media_type.as_str(), manifests, annotations };
    let bytes = serde_json::to_vec(&index).map_err(syntax)?;
    Manifest::identify(bytes.into(), &media_type).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = r#"{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;

    fn digest(content: &str) -> Digest {
        Digest::sha256(content.as_bytes())
    }

    fn manifest(more: &str) -> Manifest {
        let text = format!(r#"{{"schemaVersion":2,"config":{EMPTY},"layers":[{EMPTY}]{more}}}"#);
        Manifest::identify(text.into(), &MediaType::oci_manifest()).unwrap()
    }

    #[test]
    fn tags_of_both_schemas_are_told_apart() {
        let subject = digest("x");
        let tag = |text: String| text.parse::<Tag>().unwrap();
        let plain = tag(format!("sha256-{}", subject.hex()));
        assert_eq!(fallback_tag(&subject), Some(plain.clone()));
        assert_eq!((CosignKind::of(&plain), is_referrer_tag(&plain)), (None, true));
        for kind in CosignKind::ALL {
            let found = kind.tag(&subject).unwrap();
            assert_eq!(found.as_str(), format!("{plain}{}", kind.suffix()));
            assert_eq!((CosignKind::of(&found), is_referrer_tag(&found)), (Some(kind), true));
        }
        for other in ["1.2.sig", "sha256-44.sig", "latest", "sha256-x", "sha256_"] {
            assert!(!is_referrer_tag(&tag(other.to_owned())), "{other}");
        }
        assert!(!is_referrer_tag(&tag(format!("{plain}.sig.bak"))));
    }

    #[test]
    fn longer_digests_are_cut_for_the_fallback_schema_and_make_no_tags_of_cosign() {
        let long: Digest = format!("sha512:{}", "ab".repeat(64)).parse().unwrap();
        assert_eq!(fallback_tag(&long).unwrap().as_str(), format!("sha512-{}", "ab".repeat(32)));
        assert_eq!(CosignKind::Signature.tag(&long), None);
    }

    #[test]
    fn a_type_is_that_of_the_artifact_or_of_its_configuration() {
        let read = |more: &str| manifest(more).referring().unwrap().artifact_type.map(|found| found.to_string());
        assert_eq!(read(r#","artifactType":"a/b""#).as_deref(), Some("a/b"));
        assert_eq!(read("").as_deref(), Some("application/vnd.oci.empty.v1+json"));
        assert_eq!(read(r#","artifactType":"""#).as_deref(), Some("application/vnd.oci.empty.v1+json"));
        assert_eq!(read(r#","artifactType":"a\u001b[2Jb""#), None);
    }

    #[test]
    fn types_are_admitted_by_name_whatever_their_case() {
        let kind = |text: &str| ArtifactType::new(text).unwrap();
        let only = ReferrerTypes::Only(vec![kind("a/B"), kind("c/d")]);
        assert!(only.admit(Some(&kind("A/b"))) && !only.admit(Some(&kind("a"))) && !only.admit(None));
        assert!(ReferrerTypes::All.admit(None));
        assert!(ArtifactType::new("").is_none() && ArtifactType::new(&"a".repeat(256)).is_none());
    }

    #[test]
    fn a_subject_that_readers_could_take_differently_is_refused() {
        for more in [
            format!(r#","Subject":{EMPTY}"#),
            format!(r#","subject":{EMPTY},"SUBJECT":{EMPTY}"#),
            format!(r#","subject":{EMPTY},"subject":{EMPTY}"#),
            r#","subject":"sha256:44""#.to_owned(),
            format!(r#","subject":{}"#, EMPTY.replace("\"digest\"", "\"Digest\"")),
        ] {
            assert!(manifest(&more).referring().is_err(), "{more}");
        }
        let found = manifest(&format!(r#","subject":{EMPTY}"#)).referring().unwrap();
        assert_eq!(found.subject.unwrap().size, 2);
    }

    #[test]
    fn an_index_keeps_what_it_lists_and_gets_what_it_lacks() {
        let referrer = |more: &str| {
            let manifest = manifest(more);
            let referring = manifest.referring().unwrap();
            (manifest, referring)
        };
        let one = referrer(r#","artifactType":"a/one","annotations":{"k":"v"}"#);
        let first = with_referrers(None, std::slice::from_ref(&one)).unwrap().unwrap();
        let text = String::from_utf8(first.bytes().to_vec()).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"artifactType":"a/one","annotations":{{"k":"v"}}}}]}}"#,
                one.0.digest(),
                one.0.bytes().len()
            )
        );
        assert_eq!(with_referrers(Some(&first), std::slice::from_ref(&one)), Ok(None));
        let theirs = format!(r#"{{ "size": 7, "digest": "{}", "mediaType": "a/b", "x": 1.50 }}"#, digest("theirs"));
        let now = format!(r#"{{"manifests":[{theirs}],"annotations":{{"b":"1"}}}}"#);
        let now = Manifest::identify(now.into(), &MediaType::oci_index()).unwrap();
        let both = with_referrers(Some(&now), &[one.clone(), one]).unwrap().unwrap();
        let text = String::from_utf8(both.bytes().to_vec()).unwrap();
        assert!(text.contains(&theirs) && text.ends_with(r#"],"annotations":{"b":"1"}}"#), "{text}");
        assert_eq!(text.matches("a/one").count(), 1);
        assert!(with_referrers(Some(&manifest("")), &[]).is_err());
    }
}
