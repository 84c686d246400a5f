//! Manifests: looked up, read and written.
//!
//! Owns the rule that a digest comes from bytes, or from a header only where it is not yet acted on. Refuses manifests
//! beyond the limits of size, and answers that contradict their bytes.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};

use super::answer::Answer;
use super::call::{Call, Patience, Payload};
use super::error::Said;
use super::repository::RegistryRepository;
use super::retry::Fault;
use super::scope::{Access, Scope};
use crate::image::{
    Code, Descriptor, Digest, MANIFEST_ACCEPT, Manifest, ManifestError, MediaType, Repository, Tag, TagOrDigest,
};
use crate::store::Error;

/// The largest manifest that is read, in bytes; the specification asks registries to take 4 MiB.
const READ_LIMIT: usize = 8 * 1024 * 1024;
/// The largest manifest that is written, in bytes.
const WRITE_LIMIT: usize = 4 * 1024 * 1024;
/// How much of what was read is kept for a second reading, in bytes.
const CACHE_LIMIT: usize = 8 * 1024 * 1024;

/// A manifest on its way.
#[derive(Clone, Copy)]
struct Writing<'a> {
    request: &'a str,
    manifest: &'a Manifest,
    version: &'a TagOrDigest,
}

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
        while self.bytes > CACHE_LIMIT {
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
        self.transport().retrying(request, |_| Box::pin(self.head_manifest(request, version))).await
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

    async fn head_manifest(&self, request: &str, version: &TagOrDigest) -> Result<Option<Descriptor>, Fault> {
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
    async fn get_manifest(
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
        let bytes = answer.read(READ_LIMIT).await?;
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
        Call::new(request, method, url, scope).header(ACCEPT, HeaderValue::from_static(MANIFEST_ACCEPT))
    }

    /// [`crate::store::ImageTarget::push_manifest`].
    pub(super) async fn write_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<(), Error> {
        let version = match tag {
            Some(tag) => TagOrDigest::Tag(tag.clone()),
            None => TagOrDigest::Digest(manifest.digest().clone()),
        };
        let request = format!("write the manifest {}", self.reference(&version));
        let size = manifest.bytes().len();
        if size > WRITE_LIMIT {
            let message = format!("it has {size} bytes, and registries need not take more than {WRITE_LIMIT}");
            return Err(Error::new(Code::Limit, request, message));
        }
        let writing = Writing { request: &request, manifest, version: &version };
        self.transport().retrying(&request, |attempt| Box::pin(self.put_manifest(writing, attempt))).await
    }

    async fn put_manifest(&self, writing: Writing<'_>, attempt: u32) -> Result<(), Fault> {
        let Writing { request, manifest, version } = writing;
        // A failure after a PUT does not say whether it was stored.
        if attempt > 1 && self.is_stored(writing).await {
            return Ok(());
        }
        let media_type = HeaderValue::from_str(manifest.media_type().as_str())
            .map_err(|_| Error::new(Code::Manifest, request, "its media type cannot be sent"))?;
        let url = self.transport().url(&format!("/v2/{}/manifests/{version}", self.repository().name()));
        let mut call = Call::new(request, Method::PUT, url, Scope::new(self.repository(), Access::Push))
            .header(CONTENT_TYPE, media_type)
            .header(CONTENT_LENGTH, HeaderValue::from(manifest.bytes().len()));
        call.body = Payload::Bytes(Bytes::clone(manifest.bytes()));
        call.patience = Patience::For(self.transport().limits.commit);
        let answer = self.transport().exchange(call).await?;
        match answer.status() {
            201 => return check_stored(&answer, manifest),
            200..=299 => return self.surely_stored(writing, answer).await,
            _ => {}
        }
        let (fault, said) = answer.refusal_with_words().await;
        self.not_stored(writing, fault, &said).await
    }

    /// After a success that is not the one of the specification ("Pushing Manifests": 201): a proxy's page says 200, too.
    async fn surely_stored(&self, writing: Writing<'_>, answer: Answer) -> Result<(), Fault> {
        check_stored(&answer, writing.manifest)?;
        let doubtful = answer.nonsense("did not say that the manifest is stored");
        drop(answer);
        if self.is_stored(writing).await { Ok(()) } else { Err(doubtful.into()) }
    }

    async fn not_stored(&self, writing: Writing<'_>, mut fault: Fault, said: &Said) -> Result<(), Fault> {
        if is_immutable(fault.error.status.unwrap_or_default(), said) {
            // Some registries refuse even the digest that is there (ECR).
            if self.is_stored(writing).await {
                return Ok(());
            }
            let hint = "the registry lets this tag name no other digest; it was left alone";
            return Err(Fault::last(Error { code: Code::Immutable, ..fault.error }.hint(hint)));
        }
        if said.has("MANIFEST_BLOB_UNKNOWN") || said.has("BLOB_UNKNOWN") {
            // What we believed to be there is not.
            fault.error.missing_blobs = true;
            self.doubt_blobs(writing.manifest);
        }
        if fault.error.status == Some(413) && said.words.is_none() {
            fault.error = fault.error.hint("the registry takes no manifest of this size");
        }
        Err(fault)
    }

    /// Whether the registry already has what is being written; a doubt is a no.
    async fn is_stored(&self, Writing { request, manifest, version }: Writing<'_>) -> bool {
        let found = self.head_manifest(request, version).await.ok().flatten();
        found.is_some_and(|descriptor| descriptor.digest == *manifest.digest())
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

/// A registry that stored other bytes than it was sent says so here, at the latest.
fn check_stored(answer: &Answer, manifest: &Manifest) -> Result<(), Fault> {
    match content_digest(answer.headers()) {
        Some(stated) if !stated.matches(manifest.bytes()) => {
            let message = format!("{} stored it as {stated}, not as {}", answer.who, manifest.digest());
            Err(Error::new(Code::Digest, &answer.request, message).into())
        }
        _ => Ok(()),
    }
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

/// The ways in which registries say that a tag cannot be moved: Quay 409, ECR 400, Harbor 412, ACR 405, and words.
fn is_immutable(status: u16, said: &Said) -> bool {
    let words = said.words.as_deref().unwrap_or_default().to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    match status {
        405 if said.has("REGISTRY_DISALLOWED_OPERATION") => true,
        409 if said.has("TAG_IMMUTABLE") || said.has("TAG_ALREADY_EXISTS") => true,
        400..=499 if status != 401 && status != 404 && status != 429 => {
            says(&["immutab", "cannot be overwritten", "already exists", "does not allow updating"])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::registry::redact::Redactor;

    #[test]
    fn every_registrys_way_of_refusing_to_move_a_tag() {
        let said = |body: &str| Said::read(body.as_bytes(), &Redactor::default());
        let one =
            |code: &str, message: &str| said(&format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#));
        assert!(is_immutable(409, &one("TAG_IMMUTABLE", "")));
        assert!(is_immutable(
            400,
            &one("TAG_INVALID", "The image tag 'x' cannot be overwritten because the tag is immutable.")
        ));
        assert!(is_immutable(
            412,
            &one("PRECONDITION", "Failed to process request due to 'a:1' configured as immutable.")
        ));
        assert!(is_immutable(405, &one("REGISTRY_DISALLOWED_OPERATION", "operation is disallowed")));
        assert!(is_immutable(400, &one("MANIFEST_INVALID", "Repository does not allow updating assets")));
        assert!(!is_immutable(405, &one("UNSUPPORTED", "The operation is unsupported.")));
        assert!(!is_immutable(403, &one("DENIED", "requested access to the resource is denied")));
        assert!(!is_immutable(500, &one("UNKNOWN", "immutable")));
    }

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
        assert!(cache.get(&repository, first.digest()).is_none() && cache.bytes <= CACHE_LIMIT);
        assert!(cache.get(&repository, manifest(9).digest()).is_some());
    }
}
