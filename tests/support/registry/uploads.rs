//! Upload sessions: open (with mount or in one go), append, ask, commit, cancel.

use bytes::BytesMut;

use super::store::{Contents, Upload};
use super::{Answer, Call, Site, method_not_allowed};
use crate::support::digest;

impl Site {
    /// `POST …/blobs/uploads/`.
    pub(super) fn uploads(&self, call: &Call, repository: &str) -> Answer {
        if call.method != "POST" {
            return method_not_allowed();
        }
        if let Some(refusal) = lengthless(call) {
            return refusal;
        }
        let mut contents = self.store.lock();
        if let Some(mounted) = self.mount(&mut contents, call, repository) {
            return mounted;
        }
        if let Some(digest) = call.parameter("digest") {
            let bytes = BytesMut::from(&call.body[..]);
            return self.commit(&mut contents, call, repository, &digest, bytes);
        }
        contents.opened += 1;
        let session = format!("session-{}", contents.opened);
        let upload = Upload { repository: repository.to_owned(), ..Upload::default() };
        let answer = self.progress(202, &session, &upload);
        contents.uploads.insert(session, upload);
        match self.options.chunk_min_length {
            Some(length) => answer.header("OCI-Chunk-Min-Length", length.to_string()),
            None => answer,
        }
    }

    fn mount(&self, contents: &mut Contents, call: &Call, repository: &str) -> Option<Answer> {
        let (digest, from) = (call.parameter("mount")?, call.parameter("from")?);
        let blob = contents.repositories.get(&from)?.blobs.get(&digest)?.clone();
        if !self.options.mounts {
            return None;
        }
        let target = contents.repositories.entry(repository.to_owned()).or_default();
        target.blobs.insert(digest.clone(), blob);
        Some(self.created(repository, &digest))
    }

    /// Requests to an upload's location.
    pub(super) fn upload(&self, call: &Call, repository: &str, session: &str) -> Answer {
        let mut contents = self.store.lock();
        let Some(upload) = contents.uploads.get_mut(session).filter(|upload| upload.repository == repository) else {
            return Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
        };
        // The query of a location is the registry's: a client that parses and writes it anew breaks real ones. Who asks how
        // far it is may have missed the latest one.
        let asks = call.method == "GET" && call.query.starts_with("_state=step");
        if !asks && !call.query.split('&').any(|pair| pair == state_parameter(upload)) {
            return Answer::error(400, "BLOB_UPLOAD_INVALID", "this is not the latest location of the upload");
        }
        match call.method.as_str() {
            "GET" => self.progress(204, session, upload),
            "PATCH" => self.append(call, session, upload),
            "PUT" => self.finish(&mut contents, call, session),
            "DELETE" => {
                contents.uploads.remove(session);
                Answer::status(204)
            }
            _ => method_not_allowed(),
        }
    }

    fn append(&self, call: &Call, session: &str, upload: &mut Upload) -> Answer {
        if let Some(refusal) = self.check_chunk(call, session, upload) {
            return refusal;
        }
        // As real registries do, what came of a broken chunk is kept; the location stays as it was.
        upload.bytes.extend_from_slice(&call.body);
        if !call.complete {
            return Answer::error(400, "BLOB_UPLOAD_INVALID", "the chunk broke off");
        }
        upload.had_last = self.options.chunk_min_length.is_some_and(|least| call.body.len() < least);
        upload.state += 1;
        self.progress(self.options.chunk_status, session, upload)
    }

    fn check_chunk(&self, call: &Call, session: &str, upload: &Upload) -> Option<Answer> {
        let range = call.header("content-range")?;
        let bounds = range.split_once('-').and_then(|(start, end)| Some((start.parse().ok()?, end.parse().ok()?)));
        let Some((start, end)): Option<(usize, usize)> = bounds else {
            return Some(Answer::error(400, "BLOB_UPLOAD_INVALID", "Content-Range is not <start>-<end>"));
        };
        if start != upload.bytes.len() || upload.had_last {
            return Some(self.progress(416, session, upload));
        }
        let length = (end + 1).saturating_sub(start);
        let wrong = call.complete && length != call.body.len();
        wrong.then(|| Answer::error(400, "SIZE_INVALID", "Content-Range and body differ in length"))
    }

    fn finish(&self, contents: &mut Contents, call: &Call, session: &str) -> Answer {
        if let Some(refusal) = lengthless(call) {
            return refusal;
        }
        if self.options.longest_put.is_some_and(|longest| call.body.len() > longest) {
            let page = "<html><head><title>413 Request Entity Too Large</title></head></html>";
            return Answer::status(413).header("Content-Type", "text/html").body(page);
        }
        if !call.complete {
            return Answer::error(400, "BLOB_UPLOAD_INVALID", "the body broke off");
        }
        let Some(digest) = call.parameter("digest") else {
            return Answer::error(400, "DIGEST_INVALID", "no digest parameter");
        };
        let Some(mut upload) = contents.uploads.remove(session) else {
            return Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
        };
        upload.bytes.extend_from_slice(&call.body);
        self.commit(contents, call, &upload.repository, &digest, upload.bytes)
    }

    fn commit(&self, contents: &mut Contents, call: &Call, repository: &str, digest: &str, bytes: BytesMut) -> Answer {
        let is_right = digest::matches(digest, &bytes);
        if contents.watched && call.complete && !is_right {
            contents.violations.push(format!("{repository}: a wrong {digest} was sent whole: {} bytes", bytes.len()));
        }
        if !call.complete || !is_right {
            return Answer::error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
        }
        contents.repositories.entry(repository.to_owned()).or_default().blobs.insert(digest.to_owned(), bytes.freeze());
        self.created(repository, digest)
    }

    fn created(&self, repository: &str, digest: &str) -> Answer {
        Answer::status(201)
            .header("Location", format!("{}/v2/{repository}/blobs/{digest}", self.base))
            .header("Docker-Content-Digest", digest)
    }

    fn progress(&self, status: u16, session: &str, upload: &Upload) -> Answer {
        let location = format!("{}/v2/{}/blobs/uploads/{session}", self.base, upload.repository);
        Answer::status(status)
            .header("Location", format!("{location}?{}", state_parameter(upload)))
            .header("Range", format!("0-{}", upload.bytes.len().saturating_sub(1)))
            .header("Docker-Upload-UUID", session)
    }
}

fn state_parameter(upload: &Upload) -> String {
    format!("_state=step{}%3D%3D", upload.state)
}

/// The specification demands `Content-Length` on POST and PUT.
fn lengthless(call: &Call) -> Option<Answer> {
    let missing = call.http1 && call.header("content-length").is_none();
    missing.then(|| Answer::error(411, "SIZE_INVALID", "Content-Length is required"))
}
