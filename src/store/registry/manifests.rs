//! Manifests: looked up and read.
//!
//! Owns the rule that a digest comes from bytes, or from a header only where it is not yet acted on. Refuses manifests
//! beyond the limits of size, and answers that contradict their bytes.

use std::collections::{BTreeMap, HashMap, VecDeque};

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};

use super::answer::Answer;
use super::call::Call;
use super::repository::RegistryRepository;
use super::retry::Fault;
use super::scope::{Access, Scope};
use crate::auth::Reading;
use crate::image::{
    Code, Descriptor, Digest, MANIFEST_ACCEPT, Manifest, ManifestError, MediaType, Repository, Tag, TagOrDigest,
};
use crate::store::Error;
use crate::store::limits::{MANIFEST_CACHE, MANIFEST_READ};

/// Manifests read in this run, by the repository they were read from: what was planned is applied without a second GET.
#[derive(Default)]
pub(super) struct ManifestCache {
    held: HashMap<(Repository, Digest), Manifest>,
    oldest_first: VecDeque<(Repository, Digest)>,
    bytes: usize,
}

impl ManifestCache {
    /// The manifest with this digest, if it was read from this repository.
    pub(super) fn get(&self, repository: &Repository, digest: &Digest) -> Option<Manifest> {
        self.held.get(&(repository.clone(), digest.clone())).cloned()
    }

    /// Keeps a manifest, and lets the oldest go.
    pub(super) fn put(&mut self, repository: &Repository, manifest: &Manifest) {
        let key = (repository.clone(), manifest.digest().clone());
        if self.held.insert(key.clone(), manifest.clone()).is_some() {
            return;
        }
        self.bytes += manifest.bytes().len();
        self.oldest_first.push_back(key);
        while self.bytes > MANIFEST_CACHE {
            let Some(oldest) = self.oldest_first.pop_front() else { return };
            self.bytes -= self.held.remove(&oldest).map_or(0, |manifest| manifest.bytes().len());
        }
    }
}

impl RegistryRepository {
    /// [`crate::store::ImageSource::resolve`].
    pub(super) async fn look_up(&self, version: &TagOrDigest) -> Result<Option<Descriptor>, Error> {
        let request = format!("look up {}", self.reference(version));
        let request = request.as_str();
        let found = self.transport().retrying(request, |_| Box::pin(self.head_manifest(request, version))).await;
        if matches!(found, Ok(Some(_))) {
            // Whoever asks for the repository itself later has the answer then; or it had been asked for before.
            let _ = self.missing().set(false);
        }
        found
    }

    /// [`crate::store::ImageTarget::resolve_together`]. The request goes to the cloud that the registry is part of.
    pub(super) async fn look_up_together(&self, tags: &[Tag]) -> BTreeMap<Tag, Option<Descriptor>> {
        let found = match self.keychain().read(self.repository(), tags).await {
            Some(Reading::Tags(found)) => found,
            Some(Reading::NoRepository) => {
                let _ = self.missing().set(true);
                return tags.iter().map(|tag| (tag.clone(), None)).collect();
            }
            None => return BTreeMap::new(),
        };
        if found.values().any(Option::is_some) {
            let _ = self.missing().set(false);
        }
        found
    }

    /// [`crate::store::ImageSource::manifest`].
    pub(super) async fn read_manifest(
        &self,
        digest: &Digest,
        media_type: &MediaType,
    ) -> Result<Option<Manifest>, Error> {
        if let Some(manifest) = self.cached(digest) {
            return Ok(Some(manifest));
        }
        let version = TagOrDigest::Digest(digest.clone());
        let request = format!("read the manifest {}", self.reference(&version));
        let (request, version, announced) = (request.as_str(), &version, Some(media_type));
        self.transport().retrying(request, |_| Box::pin(self.get_manifest(request, version, announced))).await
    }

    /// [`crate::store::ImageSource::tagged`].
    pub(super) async fn read_tagged(&self, tag: &Tag) -> Result<Option<Manifest>, Error> {
        let version = TagOrDigest::Tag(tag.clone());
        let request = format!("read the manifest {}", self.reference(&version));
        let (request, version) = (request.as_str(), &version);
        self.transport().retrying(request, |_| Box::pin(self.get_manifest(request, version, None))).await
    }

    pub(super) async fn head_manifest(
        &self,
        request: &str,
        version: &TagOrDigest,
    ) -> Result<Option<Descriptor>, Fault> {
        let answer = self.transport().exchange(self.manifest_call(request, Method::HEAD, version)).await?;
        match answer.status() {
            200 => {
                if let Some(descriptor) = described(&answer, version)? {
                    return Ok(Some(descriptor));
                }
            }
            404 => return Ok(None),
            // No HEAD here, or a refusal without words: the GET has the answer, or the words.
            403 | 405 | 501 => {}
            _ => return Err(answer.refusal().await),
        }
        drop(answer);
        let manifest = self.get_manifest(request, version, None).await?;
        Ok(manifest.map(|manifest| manifest.descriptor()))
    }

    /// `announced` is what is known of the media type, for registries that do not say.
    pub(super) async fn get_manifest(
        &self,
        request: &str,
        version: &TagOrDigest,
        announced: Option<&MediaType>,
    ) -> Result<Option<Manifest>, Fault> {
        let answer = self.transport().exchange(self.manifest_call(request, Method::GET, version)).await?;
        match answer.status() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(answer.refusal().await),
        }
        let media_type = MediaType::new(&answer.text(CONTENT_TYPE).unwrap_or_default());
        let media_type = match announced {
            Some(announced) if media_type.is_vague() => announced.clone(),
            _ => media_type,
        };
        let stated = content_digest(answer.headers());
        let who = answer.who.clone();
        let permit = self.transport().body_permit(request, answer.content_length()).await?;
        let bytes = answer.read(MANIFEST_READ).await?;
        drop(permit);
        let read = match (version, &stated) {
            (TagOrDigest::Digest(digest), _) | (TagOrDigest::Tag(_), Some(digest)) => {
                Manifest::verify(bytes, &media_type, digest)
            }
            (TagOrDigest::Tag(_), None) => Manifest::identify(bytes, &media_type),
        };
        let manifest = read.map_err(|error| unsound(request, &who, &media_type, &error))?;
        self.keep(&manifest);
        Ok(Some(manifest))
    }

    fn manifest_call<'a>(&self, request: &'a str, method: Method, version: &TagOrDigest) -> Call<'a> {
        let url = self.transport().url(&format!("/v2/{}/manifests/{version}", self.repository().name()));
        let scope = Scope::new(self.repository(), Access::Pull);
        let call = Call::new(request, method, url, scope).header(ACCEPT, HeaderValue::from_static(MANIFEST_ACCEPT));
        Call { for_manifest: true, ..call }
    }
}

/// The descriptor that the headers of a HEAD make up; `None` where they are not enough.
fn described(answer: &Answer, version: &TagOrDigest) -> Result<Option<Descriptor>, Fault> {
    let stated = content_digest(answer.headers());
    let digest = match (version, stated) {
        (TagOrDigest::Digest(wanted), Some(stated))
            if stated != *wanted && stated.algorithm() == wanted.algorithm() =>
        {
            let message = format!("{} answered with another digest, {stated}", answer.who);
            return Err(Fault::once(Error::new(Code::Digest, &answer.request, message)));
        }
        (TagOrDigest::Digest(wanted), Some(_)) => wanted.clone(),
        (TagOrDigest::Tag(_), Some(stated)) => stated,
        (_, None) => return Ok(None),
    };
    let Some(size) = answer.content_length().filter(|size| *size > 0) else { return Ok(None) };
    let media_type = MediaType::new(&answer.text(CONTENT_TYPE).unwrap_or_default());
    Ok(Some(Descriptor::new(media_type, digest, size)))
}

/// `Docker-Content-Digest`, if there is exactly one and it is a digest; a hint that bytes overrule.
pub(super) fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    let mut values = headers.get_all("docker-content-digest").iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()?.trim().parse().ok()
}

fn unsound(request: &str, who: &str, media_type: &MediaType, error: &ManifestError) -> Fault {
    let code = match error {
        ManifestError::Digest { .. } => Code::Digest,
        ManifestError::Schema1 => Code::Unsupported,
        ManifestError::Syntax(_) | ManifestError::Ambiguous(_) | ManifestError::MediaType { .. } => Code::Manifest,
    };
    let mut failed = Error::new(code, request, format!("what {who} sent cannot be used: {error}"));
    if media_type.as_str() == "text/html" {
        failed = failed.hint("the answer is a web page: is there a captive portal or a proxy in between?");
    }
    if code == Code::Digest { Fault::once(failed) } else { Fault::last(failed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_header_is_read_strictly() {
        const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("docker-content-digest", HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            content_digest(&headers).map(|digest| digest.to_string())
        };
        assert_eq!(read(&[DIGEST]).as_deref(), Some(DIGEST));
        for junk in [&[][..], &["junk"], &[&DIGEST.to_uppercase()], &[DIGEST, DIGEST], &["\u{e9}"], &[&DIGEST[..70]]] {
            assert_eq!(read(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn the_cache_lets_the_oldest_go() {
        let repository = Repository::new("r.io".parse().unwrap(), "a").unwrap();
        let manifest = |number: usize| {
            let filler = "x".repeat(1024 * 1024);
            let text = format!(r#"{{"schemaVersion":2,"manifests":[],"annotations":{{"{number}":"{filler}"}}}}"#);
            Manifest::identify(text.into(), &MediaType::oci_index()).unwrap()
        };
        let mut cache = ManifestCache::default();
        let first = manifest(0);
        cache.put(&repository, &first);
        cache.put(&repository, &first);
        assert!(cache.get(&repository, first.digest()).is_some() && cache.held.len() == 1);
        let elsewhere = Repository::new("r.io".parse().unwrap(), "b").unwrap();
        assert!(cache.get(&elsewhere, first.digest()).is_none());
        (1..10).for_each(|number| cache.put(&repository, &manifest(number)));
        assert!(cache.get(&repository, first.digest()).is_none() && cache.bytes <= MANIFEST_CACHE);
        assert!(cache.get(&repository, manifest(9).digest()).is_some());
    }
}
