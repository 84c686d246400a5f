//! A blob in parts: a PATCH for each, then a PUT without a body.
//!
//! Owns where an upload goes on after a part of it went wrong: at the offset that the registry names, read again from the
//! last point that is known to the byte. Refuses to go on at an offset that cannot be, or that does not grow, and to join
//! two readings of the source that differ.

use std::future::poll_fn;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue};

use super::session::{Session, offset};
use super::{Failed, OCTETS, Upload, with_digest};
use crate::image::Code;
use crate::store::registry::answer::Answer;
use crate::store::registry::call::{Patience, Payload};
use crate::store::registry::repository::RegistryRepository;
use crate::store::registry::retry::{Again, Fault};
use crate::store::registry::tries::Tries;
use crate::store::{BlobStream, Error, Progress};

/// How a blob is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// The bytes of each part but the last.
    pub(super) length: u64,
    /// Whether each part says where it belongs. One part that is everything does not: it is no chunk.
    pub(super) ranged: bool,
    /// Whether a session that met an error can be gone on with.
    pub(super) resumes: bool,
}

/// An upload in parts, under way.
struct Course<'a, 'b, 'c> {
    upload: &'a Upload<'b, 'c>,
    session: &'a mut Session,
    cut: Cut,
    source: Option<BlobStream>,
    tries: Tries,
    /// Where it was gone on at last after a failure.
    resumed_at: Option<u64>,
}

/// Why a part did not arrive.
enum Setback {
    /// It may be gone on with, at the offset that the registry states, if it does.
    Interrupted(Fault, Option<u64>),
    /// The session is of no use any more.
    Lost(Fault),
    /// Neither this session nor another one would help.
    Refused(Failed),
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        Self::Refused(Fault::from(error).into())
    }
}

impl RegistryRepository {
    /// Sends all of `source` in parts, and closes the session.
    pub(super) async fn send_in_parts(
        &self,
        upload: &Upload<'_, '_>,
        (session, source): (&mut Session, BlobStream),
        cut: Cut,
    ) -> Result<(), Failed> {
        let mut course =
            Course { upload, session, cut, source: Some(source), tries: Tries::default(), resumed_at: None };
        course.tries.next();
        loop {
            let start = course.progress()?;
            if start.offset() >= upload.descriptor.size {
                return self.close(course).await;
            }
            match self.part(&mut course, &start).await {
                Ok(()) => course.tries.progressed(),
                Err(Setback::Interrupted(fault, stated)) => self.resume(&mut course, start, (fault, stated)).await?,
                Err(Setback::Lost(fault)) => return Err(upload.restart(fault).into()),
                Err(Setback::Refused(failed)) => return Err(failed),
            }
        }
    }

    /// One part, from `start` on.
    async fn part(&self, course: &mut Course<'_, '_, '_>, start: &Progress) -> Result<(), Setback> {
        let (upload, from) = (course.upload, start.offset());
        let length = course.cut.length.min(upload.descriptor.size - from);
        let mut call = self.upload_call(upload, Method::PATCH, course.session.url.clone());
        call = call.header(CONTENT_TYPE, OCTETS).header(CONTENT_LENGTH, HeaderValue::from(length));
        if course.cut.ranged {
            call = call.header(CONTENT_RANGE, part_range(from, length));
        }
        let sent = match self.send(upload, call, (&mut course.source, length)).await {
            Ok(sent) => sent,
            Err(fault) if upload.is_source_failed() => return Err(Setback::Refused(fault.into())),
            Err(fault) => return Err(interrupted(fault)),
        };
        let answer = sent.answer;
        match answer.status() {
            // 201 is ECR's, 204 that of Pulp. The `Range` of a success is not looked at: ECR's stays that of the first part.
            201 | 202 | 204 if sent.whole => Ok(self.moved(course.session, &answer)?),
            200..=299 => {
                let error =
                    Error { code: Code::Unavailable, ..answer.nonsense("took a part without all of its bytes") };
                Err(Setback::Interrupted(error.into(), None))
            }
            _ => Err(self.setback(course, answer).await),
        }
    }

    async fn setback(&self, course: &mut Course<'_, '_, '_>, answer: Answer) -> Setback {
        let status = answer.status();
        let stated = if status == 416 { offset(answer.headers()) } else { None };
        if stated.is_some()
            && let Err(error) = self.moved(course.session, &answer)
        {
            return error.into();
        }
        let failed = Failed::from(answer.refusal_with_words().await);
        let ended =
            failed.said.as_ref().is_some_and(|said| said.has("BLOB_UPLOAD_UNKNOWN") || said.has("BLOB_UPLOAD_INVALID"));
        match status {
            _ if failed.is_about_size() => Setback::Refused(failed),
            416 => Setback::Interrupted(Fault { again: Again::Backoff, ..failed.fault }, stated),
            404 => Setback::Lost(failed.fault),
            400..=499 if ended => Setback::Lost(failed.fault),
            _ if failed.fault.again == Again::Never => Setback::Refused(failed),
            _ => Setback::Interrupted(failed.fault, None),
        }
    }

    /// Waits, and finds the point to go on from.
    async fn resume(
        &self,
        course: &mut Course<'_, '_, '_>,
        start: Progress,
        (mut fault, mut stated): (Fault, Option<u64>),
    ) -> Result<(), Failed> {
        let upload = course.upload;
        if !course.cut.resumes {
            return Err(upload.restart(fault).into());
        }
        let last_words = fault.clone();
        loop {
            self.transport().before_another(upload.request, &course.tries, fault).await.map_err(Fault::last)?;
            course.tries.next();
            if stated.is_some() {
                break;
            }
            match self.ask_offset(upload, course.session).await {
                Ok(known) => {
                    stated = known;
                    break;
                }
                Err(asking) if asking.again == Again::Never => return Err(asking.into()),
                Err(asking) => fault = asking,
            }
        }
        let sent = course.progress()?.offset();
        let grows = |at: &u64| (start.offset()..=sent).contains(at) && course.resumed_at.is_none_or(|last| *at > last);
        let Some(at) = stated.filter(grows) else { return Err(upload.restart(last_words).into()) };
        course.resumed_at = Some(at);
        if at < sent {
            // First: two reads at once would need two places at the source, and could wait for each other for ever.
            let readings = course.source.take().map(|source| source.readings()).unwrap_or_default();
            let source = (upload.open)(start).await.map_err(|error| upload.source_failed_for_good(error))?;
            // The session has bytes of the earlier readings: the digest of this one alone would not be that of the whole.
            course.source = Some(self.skip(upload, source.agreeing_with(readings), at).await?);
        }
        Ok(())
    }

    /// Reads up to `offset` without sending: the registry has these bytes, and the hash wants them.
    async fn skip(&self, upload: &Upload<'_, '_>, mut source: BlobStream, offset: u64) -> Result<BlobStream, Failed> {
        loop {
            let left = offset.saturating_sub(source.progress().offset());
            if left == 0 {
                return Ok(source);
            }
            match poll_fn(|context| source.poll_up_to(context, left)).await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(upload.source_failed(error).into()),
                None => return Err(Fault::last(upload.lost_source()).into()),
            }
        }
    }

    /// Closes a session that has everything. The request has no body, so it can be asked again; and what became of it when
    /// no answer came, the blob's presence tells.
    async fn close(&self, mut course: Course<'_, '_, '_>) -> Result<(), Failed> {
        let upload = course.upload;
        loop {
            let url = with_digest(course.session.url.clone(), &upload.descriptor.digest);
            let mut call = self.upload_call(upload, Method::PUT, url).header(CONTENT_TYPE, OCTETS);
            call.body = Payload::Bytes(Bytes::new());
            call.patience = Patience::For(self.transport().limits.commit);
            let call = call.header(CONTENT_LENGTH, HeaderValue::from_static("0"));
            let outcome = match self.transport().exchange(call).await {
                Ok(answer) => self.completed(upload, answer, true).await,
                Err(fault) => Err(fault.into()),
            };
            let failed = match outcome {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            match failed.fault.again {
                Again::Never => return Err(failed),
                Again::Once => return Err(upload.restart(failed.fault).into()),
                _ => {}
            }
            self.transport().before_another(upload.request, &course.tries, failed.fault).await.map_err(Fault::last)?;
            course.tries.next();
            if self.is_stored_after_all(upload).await {
                return Ok(());
            }
        }
    }
}

impl Course<'_, '_, '_> {
    /// How far the source was handed on.
    fn progress(&self) -> Result<Progress, Fault> {
        let source = self.source.as_ref().ok_or_else(|| Fault::last(self.upload.lost_source()))?;
        Ok(source.progress())
    }
}

/// A request that got no answer, or was refused for an old token: what of it arrived, only the registry knows.
fn interrupted(fault: Fault) -> Setback {
    match fault.again {
        Again::Never => Setback::Refused(fault.into()),
        Again::Once => Setback::Interrupted(Fault { again: Again::Backoff, ..fault }, None),
        _ => Setback::Interrupted(fault, None),
    }
}

/// `<first>-<last>`: no unit and no total, unlike HTTP's own (distribution-spec, "Pushing a blob in chunks"). ACR refuses
/// any other form.
fn part_range(from: u64, length: u64) -> HeaderValue {
    let last = from.saturating_add(length).saturating_sub(1);
    HeaderValue::from_str(&format!("{from}-{last}")).unwrap_or(HeaderValue::from_static("0-0"))
}
