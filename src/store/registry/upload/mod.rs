//! Uploads of blobs.
//!
//! Owns the course of one upload: the session, the form in which the blob is sent, one change of form, and what of it is
//! begun again after a failure: a part, or the blob, never more. Refuses to complete an upload whose content was wrong: its
//! stream fails before the last bytes.
//!
//! ```text
//! forms      which form for which host, size, and what the host has taught     pure
//! session    opened, asked, given up
//! chunks     the form in parts, and where it goes on
//! outgoing   the body of one request, watched
//! ```

mod chunks;
mod forms;
mod outgoing;
mod session;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};

use self::chunks::Cut;
use self::forms::{Family, Form, Parcel, Refusal, chunk_length};
use self::outgoing::Sent;
use self::session::{Opened, Session};
use super::answer::Answer;
use super::call::{Patience, Payload};
use super::error::Said;
use super::manifests::content_digest;
use super::repository::RegistryRepository;
use super::retry::{Again, Fault};
use crate::image::{Code, Descriptor, Digest};
use crate::store::limits::RESTARTS;
use crate::store::mutex::lock;
use crate::store::{BlobStream, Error, OpenBlob, Progress, PushError, UploadSession};

pub(super) use forms::Lessons;
#[cfg(any(test, fuzzing))]
pub(super) use session::offset as session_offset;

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// One blob on its way.
struct Upload<'a, 'b> {
    request: &'a str,
    descriptor: &'a Descriptor,
    open: &'a OpenBlob<'b>,
    parcel: Parcel,
    /// The session that a mount has left open, until it is used.
    left_open: Mutex<Option<UploadSession>>,
    /// A session that nobody has closed.
    abandoned: Mutex<Option<Session>>,
    /// The form that came to be used instead of the usual one, and why.
    adapted: Mutex<Option<(Form, Error)>>,
    restarts: AtomicU32,
    /// Whether the last failure was the source's.
    source_failed: AtomicBool,
}

/// An upload that came to nothing.
struct Failed {
    fault: Fault,
    /// What the registry said, where it refused.
    said: Option<Said>,
}

impl RegistryRepository {
    /// [`crate::store::ImageTarget::push_blob`].
    pub(super) async fn write_blob(
        &self,
        descriptor: &Descriptor,
        open: &OpenBlob<'_>,
        session: Option<UploadSession>,
    ) -> Result<(), PushError> {
        if self.knows_blob(&descriptor.digest) == Some(true) {
            return Ok(());
        }
        let request = format!("write the blob {} to {}", descriptor.digest, self.repository());
        let upload = Upload {
            request: &request,
            descriptor,
            open,
            parcel: Parcel { family: Family::of(self.repository().registry()), size: descriptor.size },
            left_open: Mutex::new(session),
            abandoned: Mutex::default(),
            adapted: Mutex::default(),
            restarts: AtomicU32::new(0),
            source_failed: AtomicBool::new(false),
        };
        let upload = &upload;
        let outcome = self.transport().retrying(&request, |attempt| Box::pin(self.upload(upload, attempt))).await;
        let Err(error) = outcome else {
            self.sent_blob(&descriptor.digest);
            return Ok(());
        };
        // Where nobody answers, nobody is told either.
        let abandoned = lock(&upload.abandoned).take().filter(|_| error.status.is_some());
        if let Some(session) = abandoned {
            self.cancel(upload, session).await;
        }
        Err(if upload.is_source_failed() { PushError::Source(error) } else { PushError::Target(error) })
    }

    /// Each attempt opens the blob anew and begins a session of its own.
    async fn upload(&self, upload: &Upload<'_, '_>, attempt: u32) -> Result<(), Fault> {
        let _permit = self.transport().upload_permit(upload.request, upload.descriptor.size).await?;
        upload.source_failed.store(false, Ordering::Relaxed);
        if attempt > 1 && self.is_stored_after_all(upload).await {
            return Ok(());
        }
        let adapted = lock(&upload.adapted).as_ref().map(|(form, _)| *form);
        let form = adapted.unwrap_or_else(|| self.lessons().form(upload.parcel));
        match self.upload_as(upload, form).await {
            Err(failed) => match self.another_form(upload, form, &failed) {
                Some(other) => {
                    *lock(&upload.adapted) = Some((other, failed.fault.error));
                    let failed = self.upload_as(upload, other).await.err();
                    failed.map_or(Ok(()), |failed| {
                        self.another_form(upload, other, &failed);
                        Err(upload.refused(failed))
                    })
                }
                None => Err(upload.refused(failed)),
            },
            Ok(()) => Ok(()),
        }
    }

    /// What the host has taught with a refusal; another form for this blob, if there is one, and it is the first one.
    fn another_form(&self, upload: &Upload<'_, '_>, form: Form, failed: &Failed) -> Option<Form> {
        let (status, said) = (failed.fault.error.status?, failed.said.as_ref()?);
        let other = self.lessons().other(upload.parcel, form, Refusal { status, said });
        other.filter(|_| lock(&upload.adapted).is_none())
    }

    /// A failure after the last byte does not say whether it was stored.
    async fn is_stored_after_all(&self, upload: &Upload<'_, '_>) -> bool {
        let digest = &upload.descriptor.digest;
        !self.doubts_blob(digest) && self.head_blob(upload.request, digest, true).await.unwrap_or(false)
    }

    async fn upload_as(&self, upload: &Upload<'_, '_>, form: Form) -> Result<(), Failed> {
        // Both are a round trip; neither needs the other.
        let start = Progress::start(upload.descriptor);
        let (opened, source) = tokio::join!(self.open_session(upload), (upload.open)(start));
        let Opened::Session(mut session) = opened? else { return Ok(()) };
        let sent = match source {
            Ok(source) => self.send_as(upload, (&mut session, source), form).await,
            Err(error) => Err(upload.source_failed_for_good(error).into()),
        };
        match &sent {
            Ok(()) => self.lessons().worked(form),
            // Not after other failures: a registry that gave no answer, or a proxy's, may be at work on the blob still.
            Err(failed) if upload.is_source_failed() || failed.is_refusal() => self.cancel(upload, session).await,
            Err(_) => *lock(&upload.abandoned) = Some(session),
        }
        sent
    }

    async fn send_as(
        &self,
        upload: &Upload<'_, '_>,
        (session, source): (&mut Session, BlobStream),
        form: Form,
    ) -> Result<(), Failed> {
        let size = upload.descriptor.size;
        let cut = match form {
            Form::Put => return self.put_blob(upload, session, source).await,
            Form::Patch => Cut { length: size, ranged: false, resumes: false },
            Form::Chunks(length) => {
                let length = chunk_length(length, session.least_chunk);
                Cut { length, ranged: true, resumes: upload.parcel.family.resumes() }
            }
        };
        self.send_in_parts(upload, (session, source), cut).await
    }

    async fn put_blob(&self, upload: &Upload<'_, '_>, session: &Session, mut source: BlobStream) -> Result<(), Failed> {
        let size = upload.descriptor.size;
        let url = with_digest(session.url.clone(), &upload.descriptor.digest);
        let call = self.upload_call(upload, Method::PUT, url).header(CONTENT_TYPE, OCTETS);
        let mut call = call.header(CONTENT_LENGTH, HeaderValue::from(size));
        let sent = if size > 0 {
            self.send(upload, call, (&mut Some(source), size)).await?
        } else {
            // Nothing is sent of a blob without bytes, so that is proven before.
            if let Some(Err(error)) = source.next().await {
                return Err(upload.source_failed(error).into());
            }
            (call.body, call.patience) = (Payload::Bytes(Bytes::new()), Patience::For(self.transport().limits.commit));
            Sent { answer: self.transport().exchange(call).await?, whole: true }
        };
        self.completed(upload, sent.answer, sent.whole).await
    }

    /// What the answer to the closing PUT means. `whole`: all bytes had been sent when it came.
    async fn completed(&self, upload: &Upload<'_, '_>, answer: Answer, whole: bool) -> Result<(), Failed> {
        let digest = &upload.descriptor.digest;
        match answer.status() {
            201 | 204 if whole => match content_digest(answer.headers()) {
                Some(stated) if stated != *digest && stated.algorithm() == digest.algorithm() => {
                    let message = format!("{} stored it as {stated}", answer.who);
                    Err(Error::new(Code::Digest, upload.request, message).into())
                }
                _ => Ok(()),
            },
            200..=299 => {
                let doubtful = answer.nonsense("did not say that the upload is complete");
                drop(answer);
                let stored = self.head_blob(upload.request, digest, true).await?;
                if stored { Ok(()) } else { Err(doubtful.into()) }
            }
            status => {
                let (fault, said) = answer.refusal_with_words().await;
                let session_lost = matches!(status, 404 | 416) || said.has("DIGEST_INVALID");
                let fault = if session_lost { Fault::once(fault.error) } else { fault };
                Err(Failed { fault, said: Some(said) })
            }
        }
    }
}

impl Upload<'_, '_> {
    fn is_source_failed(&self) -> bool {
        self.source_failed.load(Ordering::Relaxed)
    }

    /// What the source failed with on its way. Wrong bytes may be an accident of one transfer; what broke was gone on with
    /// by the source itself, as often as may be.
    fn source_failed(&self, error: Error) -> Fault {
        self.source_failed.store(true, Ordering::Relaxed);
        if error.is_about_content() { Fault::once(error) } else { Fault::last(error) }
    }

    /// What the source failed with where it was opened: it has been tried often enough there.
    fn source_failed_for_good(&self, error: Error) -> Fault {
        self.source_failed.store(true, Ordering::Relaxed);
        Fault::last(error)
    }

    /// The stream was not given back: nothing does that.
    fn lost_source(&self) -> Error {
        Error::new(Code::Internal, self.request, "the source was lost")
    }

    /// A failure after which the blob is begun again with a new session, unless that was done too often.
    fn restart(&self, fault: Fault) -> Fault {
        if self.restarts.fetch_add(1, Ordering::Relaxed) >= RESTARTS {
            return Fault::last(fault.error);
        }
        let again = if matches!(fault.again, Again::Never | Again::Once) { Again::Backoff } else { fault.again };
        Fault { again, ..fault }
    }

    /// A failure as it is reported. Where another form was refused as well, what was said first counts: nobody asked for the
    /// other one.
    fn refused(&self, failed: Failed) -> Fault {
        let mut fault = failed.fault;
        let refused = matches!(fault.error.status, Some(400..=499)) && fault.again == Again::Never;
        if let Some((_, first)) = lock(&self.adapted).as_ref().filter(|_| refused) {
            fault = Fault::last(first.clone());
        }
        if fault.error.status == Some(413) {
            let size = self.descriptor.size;
            let hint = format!("the registry, or a proxy before it, does not take the {size} bytes of this blob");
            fault.error = fault.error.hint(hint);
        }
        fault
    }
}

impl Failed {
    fn is_refusal(&self) -> bool {
        matches!(self.fault.error.status, Some(400..=499)) && self.said.is_some()
    }

    fn is_about_size(&self) -> bool {
        let (status, said) = (self.fault.error.status, self.said.as_ref());
        let refusal = status.zip(said).map(|(status, said)| Refusal { status, said });
        status == Some(413) || refusal.is_some_and(Refusal::is_about_the_size_of_chunks)
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, said: None }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}

impl From<(Fault, Said)> for Failed {
    fn from((fault, said): (Fault, Said)) -> Self {
        Self { fault, said: Some(said) }
    }
}

/// Appended, not rebuilt: the session's own query must keep its bytes.
fn with_digest(mut url: Url, digest: &Digest) -> Url {
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    url
}
