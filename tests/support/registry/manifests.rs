//! Manifests: HEAD, GET, PUT and DELETE by tag or digest.

use serde_json::{Value, json};

use super::closure::references;
use super::store::{Repository, StoredManifest};
use super::{Answer, Call, Site, method_not_allowed, name_unknown};
use crate::support::digest::{self, Algorithm, sha256};

/// Docker's distribution takes no larger ones.
const LARGEST: usize = 4 * 1024 * 1024;

/// Types that are only served to who names them; others are served to who takes `*/*`.
const NAMED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

impl Site {
    pub(super) fn manifests(&self, call: &Call, repository: &str, reference: &str) -> Answer {
        match call.method.as_str() {
            "GET" | "HEAD" => self.get_manifest(call, repository, reference),
            "PUT" => self.put_manifest(call, repository, reference),
            "DELETE" => self.delete_manifest(repository, reference),
            _ => method_not_allowed(),
        }
    }

    fn get_manifest(&self, call: &Call, repository: &str, reference: &str) -> Answer {
        let contents = self.store.lock();
        let Some(found) = contents.repositories.get(repository) else {
            return name_unknown();
        };
        match found.resolve(reference) {
            None => manifest_unknown(reference),
            Some((_, manifest)) if !accepts(call, &manifest.media_type) => {
                let message = format!("the Accept header does not name {}", manifest.media_type);
                Answer::error(404, "MANIFEST_UNKNOWN", &message)
            }
            Some((digest, manifest)) => Answer::status(200)
                .header("Content-Type", &manifest.media_type)
                .header("Docker-Content-Digest", digest)
                .body(manifest.bytes.clone()),
        }
    }

    fn put_manifest(&self, call: &Call, repository: &str, reference: &str) -> Answer {
        let mut contents = self.store.lock();
        let contents = &mut *contents;
        let known = contents.repositories.get(repository);
        let checked = self.check_manifest(call, known.unwrap_or(&Repository::default()), reference);
        if let Err(refusal) = checked {
            return refusal;
        }
        let found = contents.repositories.entry(repository.to_owned()).or_default();
        let by_digest = reference.contains(':');
        let digest = if by_digest { reference.to_owned() } else { sha256(&call.body) };
        let media_type = call.header("content-type").unwrap_or_default().to_owned();
        found.manifests.insert(digest.clone(), StoredManifest { media_type, bytes: call.body.clone() });
        if !by_digest {
            found.tags.insert(reference.to_owned(), digest.clone());
            let missing = found.missing_of(reference).into_iter();
            contents.violations.extend(missing.map(|lack| format!("{repository}:{reference} when pushed: {lack}")));
            contents.tag_writes.push((repository.to_owned(), reference.to_owned(), digest.clone()));
        }
        let answer = Answer::status(201)
            .header("Location", format!("{}/v2/{repository}/manifests/{digest}", self.base))
            .header("Docker-Content-Digest", digest);
        match self.subject_of(&call.body) {
            Some(subject) => answer.header("OCI-Subject", subject),
            None => answer,
        }
    }

    fn check_manifest(&self, call: &Call, found: &Repository, reference: &str) -> Result<(), Answer> {
        check_reference(call, reference)?;
        let invalid = |message: &str| Answer::error(400, "MANIFEST_INVALID", message);
        if !call.complete {
            return Err(invalid("the body broke off"));
        }
        let content_type = call.header("content-type").ok_or_else(|| invalid("no Content-Type"))?;
        let manifest = serde_json::from_slice::<Value>(&call.body);
        let manifest = manifest.map_err(|error| invalid(&error.to_string()))?;
        let declared = manifest["mediaType"].as_str().unwrap_or(content_type);
        if declared != content_type {
            return Err(invalid("mediaType and Content-Type differ"));
        }
        if self.options.checks_references { check_references(found, &manifest) } else { Ok(()) }
    }

    fn delete_manifest(&self, repository: &str, reference: &str) -> Answer {
        let mut contents = self.store.lock();
        let Some(found) = contents.repositories.get_mut(repository) else {
            return name_unknown();
        };
        if found.tags.remove(reference).is_some() {
            return Answer::status(202);
        }
        if found.manifests.remove(reference).is_none() {
            return manifest_unknown(reference);
        }
        found.tags.retain(|_, digest| digest != reference);
        Answer::status(202)
    }
}

fn check_reference(call: &Call, reference: &str) -> Result<(), Answer> {
    let by_digest = reference.contains(':');
    if call.body.len() > LARGEST {
        return Err(Answer::error(413, "MANIFEST_INVALID", "the manifest is too large"));
    }
    if by_digest && !digest::matches(reference, &call.body) {
        let message = "provided digest did not match uploaded content";
        return Err(Answer::error(400, "DIGEST_INVALID", message));
    }
    if !by_digest && !is_tag(reference) {
        return Err(Answer::error(400, "TAG_INVALID", "manifest tag did not match URI"));
    }
    Ok(())
}

fn check_references(repository: &Repository, manifest: &Value) -> Result<(), Answer> {
    for reference in references(manifest) {
        if Algorithm::of(&reference.digest).is_none() {
            return Err(Answer::error(400, "MANIFEST_INVALID", "a descriptor has no valid digest"));
        }
        if !reference.is_foreign && !repository.has(&reference) {
            let detail = json!({"digest": reference.digest});
            let message = "manifest references a manifest or blob unknown to registry";
            return Err(Answer::error_about(400, "MANIFEST_BLOB_UNKNOWN", message, &detail));
        }
    }
    Ok(())
}

/// Qualities are ignored, as Docker's distribution does.
fn accepts(call: &Call, media_type: &str) -> bool {
    let essence = |value: &str| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let media_type = essence(media_type);
    let values = call.headers.iter().filter(|(name, _)| name == "accept").flat_map(|(_, value)| value.split(','));
    let anything_will_do = !NAMED.contains(&media_type.as_str());
    values.map(essence).any(|accepted| accepted == media_type || (anything_will_do && accepted == "*/*"))
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let inner = |byte: u8| word(byte) || byte == b'.' || byte == b'-';
    (1..=128).contains(&tag.len()) && word(tag.as_bytes()[0]) && tag.bytes().all(inner)
}

fn manifest_unknown(reference: &str) -> Answer {
    Answer::error_about(404, "MANIFEST_UNKNOWN", "manifest unknown to registry", &json!({"reference": reference}))
}
