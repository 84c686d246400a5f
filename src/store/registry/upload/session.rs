//! Upload sessions: opened, asked how far they are, given up.
//!
//! Owns the reading of what registries say of a session. Refuses to go on where one leads to another origin, and to believe
//! an offset that can be read in two ways.

use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, Url};
use tokio::time::Instant;

use super::Upload;
use crate::image::{Code, Digest};
use crate::store::limits::{LARGEST_LEAST_CHUNK, LONGEST_PAUSE};
use crate::store::mutex::lock;
use crate::store::registry::answer::Answer;
use crate::store::registry::call::Call;
use crate::store::registry::manifests::content_digest;
use crate::store::registry::repository::RegistryRepository;
use crate::store::registry::retry::Fault;
use crate::store::registry::scope::{Access, Scope};
use crate::store::{Error, UploadSession};

/// An open session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Where it goes on: what the latest answer said.
    pub(super) url: Url,
    /// The least number of bytes of each chunk but the last.
    pub(super) least_chunk: u64,
}

/// What a POST came to.
pub(super) enum Opened {
    /// The blob is there.
    Stored,
    /// It can be sent.
    Session(Session),
}

impl RegistryRepository {
    pub(super) async fn open_session(&self, upload: &Upload<'_, '_>) -> Result<Opened, Fault> {
        let left_open = lock(&upload.left_open).take();
        if let Some(UploadSession { location, least_chunk, opened }) = left_open
            && opened.elapsed() < LONGEST_PAUSE
            && let Some(url) = location.parse().ok().filter(|url| self.transport().clients.boundary.is_home(url))
        {
            return Ok(Opened::Session(Session { url, least_chunk }));
        }
        let call = self.upload_call(upload, Method::POST, self.uploads_url());
        let answer = self.transport().exchange(call.header(CONTENT_LENGTH, HeaderValue::from_static("0"))).await?;
        let digest = &upload.descriptor.digest;
        match answer.status() {
            201 if self.says_it_is_stored(upload.request, digest, &answer).await? => Ok(Opened::Stored),
            // Quay's load balancer, in place of Quay: `Healthcheck requested`.
            200 if answer.headers().get(LOCATION).is_none() => {
                let error = answer.nonsense("answered 200 where an upload was to be opened");
                Err(Error { code: Code::Unavailable, ..error }.into())
            }
            200..=299 => {
                let url = self.location(&answer)?;
                Ok(Opened::Session(Session { url, least_chunk: least_chunk(answer.headers()) }))
            }
            _ => Err(answer.refusal().await),
        }
    }

    /// Whether an answer of 201 means this blob.
    async fn says_it_is_stored(&self, request: &str, digest: &Digest, answer: &Answer) -> Result<bool, Fault> {
        match content_digest(answer.headers()) {
            Some(stated) if stated == *digest => Ok(true),
            _ => self.head_blob(request, digest, true).await,
        }
    }

    /// A request that is a part of an upload.
    pub(super) fn upload_call<'a>(&self, upload: &Upload<'a, '_>, method: Method, url: Url) -> Call<'a> {
        let mut call = Call::new(upload.request, method, url, Scope::new(self.repository(), Access::Push));
        call.holds_permit = true;
        call
    }

    /// What a mount that was declined has left open.
    pub(in crate::store::registry) fn left_open(&self, answer: &Answer) -> Option<UploadSession> {
        let url = self.location(answer).ok()?;
        Some(UploadSession { location: url.into(), least_chunk: least_chunk(answer.headers()), opened: Instant::now() })
    }

    /// Where the upload goes on, according to `answer`.
    pub(super) fn location(&self, answer: &Answer) -> Result<Url, Error> {
        let location = answer.headers().get(LOCATION);
        let location = location.ok_or_else(|| answer.nonsense("opened an upload without saying where it goes on"))?;
        let checked = self.transport().clients.boundary.upload(&answer.url, location);
        checked.map_err(|breach| breach.error(&answer.request, "upload location"))
    }

    /// Follows the session where `answer` moves it; each answer may.
    pub(super) fn moved(&self, session: &mut Session, answer: &Answer) -> Result<(), Error> {
        if answer.headers().get(LOCATION).is_some() {
            session.url = self.location(answer)?;
        }
        Ok(())
    }

    /// How many bytes the registry has (distribution-spec, "Pushing a blob in chunks": GET of the location); `None` where
    /// it does not say, or has no such session.
    pub(super) async fn ask_offset(
        &self,
        upload: &Upload<'_, '_>,
        session: &mut Session,
    ) -> Result<Option<u64>, Fault> {
        let call = self.upload_call(upload, Method::GET, session.url.clone());
        let answer = self.transport().exchange(call).await?;
        match answer.status() {
            200..=299 => {
                self.moved(session, &answer)?;
                Ok(offset(answer.headers()))
            }
            400..=499 if answer.status() != 408 && answer.status() != 429 => Ok(None),
            _ => Err(answer.refusal().await),
        }
    }

    /// Lets the registry forget a session (distribution-spec, "Cancelling a blob upload"). A courtesy: whatever comes of it,
    /// nobody hears of it. Many registries want more rights for it than pushing needs; they are not asked for.
    pub(super) async fn cancel(&self, upload: &Upload<'_, '_>, session: Session) {
        let call = self.upload_call(upload, Method::DELETE, session.url);
        self.transport().courtesy(call).await;
    }
}

/// `OCI-Chunk-Min-Length`; what cannot be read is no wish.
fn least_chunk(headers: &HeaderMap) -> u64 {
    let stated = headers.get("oci-chunk-min-length").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    stated.unwrap_or(0).min(LARGEST_LEAST_CHUNK)
}

/// How many bytes a session has, by its `Range: 0-<last>`. Also with `bytes=`, as Quay writes it. `0-0` is one byte by its
/// words, and none at Docker's registry: that is not known, as nothing is of a range that cannot be read.
pub(in crate::store::registry) fn offset(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?.trim();
    let last = text.strip_prefix("bytes=").unwrap_or(text).strip_prefix("0-")?;
    let digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let last: u64 = last.parse().ok().filter(|last| digits && *last > 0)?;
    last.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        headers
    }

    #[test]
    fn the_offset_of_a_session() {
        for (text, expected) in [("0-1", 2), ("bytes=0-99", 100), (" 0-16777215 ", 16_777_216)] {
            assert_eq!(offset(&with("range", text)), Some(expected), "{text}");
        }
        let doubtful =
            ["0-0", "bytes=0--1", "0--1", "", "0-", "1-5", "0-x", "-5", "5", "0-+5", "0-18446744073709551615"];
        for text in doubtful.into_iter().chain(["0-99999999999999999999", "bytes 0-5", "0-5/6", "\u{e9}"]) {
            assert_eq!(offset(&with("range", text)), None, "{text}");
        }
        assert_eq!(offset(&HeaderMap::new()), None);
    }

    #[test]
    fn the_least_length_of_a_chunk() {
        let table = [("5242880", 5_242_880), ("0", 0), ("-1", 0), ("many", 0), ("1099511627776", LARGEST_LEAST_CHUNK)];
        for (text, expected) in table {
            assert_eq!(least_chunk(&with("oci-chunk-min-length", text)), expected, "{text}");
        }
        assert_eq!(least_chunk(&HeaderMap::new()), 0);
    }
}
