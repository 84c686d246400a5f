//! Manifests written: by digest, or under a tag that is not somebody else's by now.
//!
//! Owns what is done about a write whose outcome is not known, and the proof that a registry stores what it is sent. Refuses
//! to move a tag before that proof, and to repeat a write over what somebody else has written meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use tokio::time::Instant;

use super::answer::Answer;
use super::call::{Call, Patience, Payload};
use super::error::Said;
use super::manifests::content_digest;
use super::repository::RegistryRepository;
use super::retry::{Again, Fault};
use super::scope::{Access, Scope};
use crate::image::{Code, Digest, Manifest, Tag, TagOrDigest};
use crate::store::Error;
use crate::store::limits::MANIFEST_WRITTEN;

/// A manifest on its way.
#[derive(Clone, Copy)]
struct Writing<'a> {
    request: &'a str,
    manifest: &'a Manifest,
    version: &'a TagOrDigest,
    /// What was seen of the tag; `None` for a manifest that gets none.
    seen: Option<Seen<'a>>,
    /// Set where the registry says that it lists the manifest as a referrer (`OCI-Subject`).
    named: Option<&'a AtomicBool>,
}

/// A look at a tag.
#[derive(Clone, Copy)]
struct Seen<'a> {
    /// What it named.
    digest: Option<&'a Digest>,
    at: Instant,
}

/// What is known of a manifest that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    /// The registry has it under its digest: it said so.
    Named,
    /// It was taken.
    Taken,
}

/// How long a look at a tag counts as one just before it is written. What comes between may take minutes: the proof below,
/// a pause that the registry asks for, a turn, a token.
const LOOK_HOLDS: Duration = Duration::from_secs(2);

const UNKNOWN: &str = "the registry took it, and does not know it";

impl RegistryRepository {
    /// [`crate::store::ImageTarget::push_manifest`].
    pub(super) async fn write_manifest(&self, manifest: &Manifest) -> Result<(), Error> {
        let version = TagOrDigest::Digest(manifest.digest().clone());
        let stored = self.write(manifest, &version, (None, None)).await?;
        if stored == Stored::Named {
            // Whoever asks for a proof later has it.
            let _ = self.fidelity().set(());
        }
        Ok(())
    }

    /// Writes a manifest with a subject, and sets `named` where the registry says that it lists it.
    pub(super) async fn write_linked(&self, manifest: &Manifest, named: &AtomicBool) -> Result<(), Error> {
        let version = TagOrDigest::Digest(manifest.digest().clone());
        self.write(manifest, &version, (None, Some(named))).await.map(drop)
    }

    /// [`crate::store::ImageTarget::push_tag`]. Its caller has just looked at the tag.
    pub(super) async fn write_tag(&self, manifest: &Manifest, tag: &Tag, before: Option<&Digest>) -> Result<(), Error> {
        let seen = Seen { digest: before, at: Instant::now() };
        self.fidelity().get_or_try_init(|| self.prove_fidelity(manifest)).await?;
        self.write(manifest, &TagOrDigest::Tag(tag.clone()), (Some(seen), None)).await.map(drop)
    }

    /// Before the first tag of a run is moved: shows that the registry stores a manifest as it is. One that writes manifests
    /// anew would have the tag name something else, and say so only afterwards. Children of an index have shown it on their
    /// way; otherwise the manifest is written by its digest first, and read again where the answer does not name it.
    async fn prove_fidelity(&self, manifest: &Manifest) -> Result<(), Error> {
        let version = TagOrDigest::Digest(manifest.digest().clone());
        if self.write(manifest, &version, (None, None)).await? == Stored::Named {
            return Ok(());
        }
        let request = format!("read back the manifest {}", self.reference(&version));
        let (request, version) = (request.as_str(), &version);
        self.transport().retrying(request, |_| Box::pin(self.read_back(request, version))).await
    }

    async fn read_back(&self, request: &str, version: &TagOrDigest) -> Result<(), Fault> {
        match self.get_manifest(request, version, None).await? {
            Some(_) => Ok(()),
            // What has just been written may not be everywhere yet.
            None => Err(Fault { again: Again::Backoff, ..Fault::last(Error::new(Code::NotFound, request, UNKNOWN)) }),
        }
    }

    async fn write(
        &self,
        manifest: &Manifest,
        version: &TagOrDigest,
        (seen, named): (Option<Seen<'_>>, Option<&AtomicBool>),
    ) -> Result<Stored, Error> {
        let request = format!("write the manifest {}", self.reference(version));
        let size = manifest.bytes().len();
        if size > MANIFEST_WRITTEN {
            let message = format!("it has {size} bytes, and registries need not take more than {MANIFEST_WRITTEN}");
            return Err(Error::new(Code::Limit, request, message));
        }
        let writing = Writing { request: &request, manifest, version, seen, named };
        self.transport().retrying(&request, |attempt| Box::pin(self.put_manifest(writing, attempt))).await
    }

    async fn put_manifest(&self, writing: Writing<'_>, attempt: u32) -> Result<Stored, Fault> {
        let mut seen_at = writing.seen.map(|seen| seen.at);
        let (mut holds, mut must_look) = (LOOK_HOLDS, attempt > 1);
        loop {
            if must_look {
                if self.was_stored(writing).await? {
                    return Ok(Stored::Named);
                }
                seen_at = seen_at.map(|_| Instant::now());
            }
            let mut call = self.put_call(writing)?;
            call.holds_until = seen_at.map(|at| at + holds);
            match self.transport().exchange(call).await {
                Ok(answer) => return self.answered(writing, answer).await,
                // Longer each time: where every request waits for long, the write would never follow its look soon enough.
                Err(fault) if fault.error.code == Code::Stale => (must_look, holds) = (true, holds * 2),
                Err(fault) => return Err(fault),
            }
        }
    }

    fn put_call<'a>(&self, Writing { request, manifest, version, .. }: Writing<'a>) -> Result<Call<'a>, Error> {
        let media_type = HeaderValue::from_str(manifest.media_type().as_str())
            .map_err(|_| Error::new(Code::Manifest, request, "its media type cannot be sent"))?;
        let url = self.transport().url(&format!("/v2/{}/manifests/{version}", self.repository().name()));
        let mut call = Call::new(request, Method::PUT, url, Scope::new(self.repository(), Access::Push))
            .header(CONTENT_TYPE, media_type)
            .header(CONTENT_LENGTH, HeaderValue::from(manifest.bytes().len()));
        call.body = Payload::Bytes(Bytes::clone(manifest.bytes()));
        call.patience = Patience::For(self.transport().limits.commit);
        Ok(call)
    }

    async fn answered(&self, writing: Writing<'_>, answer: Answer) -> Result<Stored, Fault> {
        if let (200..=299, Some(named)) = (answer.status(), writing.named) {
            named.store(answer.headers().contains_key("oci-subject"), Ordering::Relaxed);
        }
        match answer.status() {
            201 => return check_stored(&answer, writing.manifest),
            200..=299 => return self.surely_stored(writing, answer).await,
            _ => {}
        }
        let (fault, said) = answer.refusal_with_words().await;
        self.not_stored(writing, fault, &said).await
    }

    /// Before a write is repeated, for a failure does not say whether it was done: whether it was. And before one that had
    /// to wait: a tag that names neither this nor what it named before is somebody else's by now.
    async fn was_stored(&self, writing: Writing<'_>) -> Result<bool, Fault> {
        let Writing { request, manifest, version, seen, .. } = writing;
        let Some(Seen { digest: before, .. }) = seen else { return Ok(self.is_stored(writing).await) };
        let now = self.head_manifest(request, version).await?.map(|descriptor| descriptor.digest);
        match now.as_ref() {
            now if now == Some(manifest.digest()) => Ok(true),
            now if now == before => Ok(false),
            _ => Err(Fault::last(Error::new(Code::Stale, request, "somebody else has moved the tag meanwhile"))),
        }
    }

    /// After a success that is not the one of the specification ("Pushing Manifests": 201): a proxy's page says 200, too.
    async fn surely_stored(&self, writing: Writing<'_>, answer: Answer) -> Result<Stored, Fault> {
        check_stored(&answer, writing.manifest)?;
        let doubtful = answer.nonsense("did not say that the manifest is stored");
        drop(answer);
        if self.is_stored(writing).await { Ok(Stored::Named) } else { Err(doubtful.into()) }
    }

    async fn not_stored(&self, writing: Writing<'_>, mut fault: Fault, said: &Said) -> Result<Stored, Fault> {
        if is_immutable(fault.error.status.unwrap_or_default(), said) {
            // Some registries refuse even the digest that is there (ECR).
            if self.is_stored(writing).await {
                return Ok(Stored::Named);
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
    async fn is_stored(&self, Writing { request, manifest, version, .. }: Writing<'_>) -> bool {
        let found = self.head_manifest(request, version).await.ok().flatten();
        found.is_some_and(|descriptor| descriptor.digest == *manifest.digest())
    }
}

/// A registry that stored other bytes than it was sent says so here, at the latest.
fn check_stored(answer: &Answer, manifest: &Manifest) -> Result<Stored, Fault> {
    match content_digest(answer.headers()) {
        Some(stated) if !stated.matches(manifest.bytes()) => {
            let message = format!("{} stored it as {stated}, not as {}", answer.who, manifest.digest());
            Err(Error::new(Code::Digest, &answer.request, message).into())
        }
        Some(_) => Ok(Stored::Named),
        None => Ok(Stored::Taken),
    }
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
    use crate::auth::Redactor;

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
}
