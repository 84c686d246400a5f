//! A blob as it comes from a registry: one stream, over as many answers as it takes.
//!
//! Owns the resumption of a read that broke: the rest is asked for, of the registry anew, so that tokens and signed addresses
//! are fresh. Refuses parts that are not exactly the rest, and to go on for ever without getting on.

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use reqwest::Method;
use reqwest::header::RANGE;

use super::answer::Answer;
use super::call::Call;
use super::flow::Flow;
use super::range;
use super::repository::RegistryRepository;
use super::retry::{Again, Fault, Whose};
use super::scope::{Access, Scope};
use super::tries::Tries;
use crate::image::{Code, Descriptor};
use crate::store::limits::GAIN;
use crate::store::{BlobStream, Error, Progress};

/// A blob under way.
struct Download {
    repository: RegistryRepository,
    request: String,
    descriptor: Descriptor,
    /// Where the next byte to be handed on lies.
    offset: u64,
    part: Option<Part>,
    tries: Tries,
    /// Bytes since `tries` last heard of an achievement.
    gained: u64,
}

/// One answer, and what it brings of a blob.
struct Part {
    answer: Answer,
    /// Bytes still to come that were handed on before: the server has begun at the start again.
    skip: u64,
    flow: Flow,
}

impl RegistryRepository {
    /// [`crate::store::ImageSource::blob`].
    pub(super) async fn read_blob(&self, from: Progress) -> Result<BlobStream, Error> {
        let (descriptor, offset) = (from.descriptor().clone(), from.offset());
        let request = format!("read the blob {} of {}", descriptor.digest, self.repository());
        if offset > 0 && offset == descriptor.size {
            // There is no range of no bytes.
            return Ok(BlobStream::new(from, request, stream::empty().boxed()));
        }
        let (asked, wanted) = (request.as_str(), &descriptor);
        let part = self.transport().retrying(asked, |_| Box::pin(self.get_blob(asked, wanted, offset))).await?;
        let mut tries = Tries::default();
        tries.next();
        let (repository, part) = (self.clone(), Some(part));
        let download = Download { repository, request: request.clone(), descriptor, offset, part, tries, gained: 0 };
        Ok(BlobStream::new(from, request, download.stream()))
    }

    async fn get_blob(&self, request: &str, descriptor: &Descriptor, offset: u64) -> Result<Part, Fault> {
        let scope = Scope::new(self.repository(), Access::Pull);
        let mut call = Call::new(request, Method::GET, self.blob_url(&descriptor.digest), scope);
        call.blob_size = descriptor.size;
        if offset > 0 {
            call = call.header(RANGE, range::from(offset));
        }
        let answer = self.transport().exchange(call).await?;
        let part = |answer, skip| Ok(Part { answer, skip, flow: Flow::default() });
        match answer.status() {
            // To a question for a part, too: whoever does not know ranges sends all of it (RFC 9110 §14.2).
            200 => match answer.content_length() {
                Some(length) if length != descriptor.size => {
                    let stated = descriptor.size;
                    let message = format!("{} announces {length} bytes, not the {stated} stated", answer.who);
                    Err(Fault::once(Error::new(Code::Size, request, message)))
                }
                _ => part(answer, offset),
            },
            206 if offset > 0 => match range::check(answer.headers(), offset, descriptor.size) {
                Ok(()) => part(answer, 0),
                Err(misfit) => {
                    let message = format!("asked for the bytes from {offset} on, {} sent {misfit}", answer.who);
                    Err(Fault::last(Error::new(Code::Protocol, request, message)))
                }
            },
            416 if offset > 0 => {
                let message = format!("{} has no more than the {offset} bytes that came", answer.who);
                let error = Error::new(Code::Size, request, message);
                Err(Fault::last(Error { status: Some(416), ..error }))
            }
            _ => Err(answer.refusal().await),
        }
    }
}

impl Download {
    fn stream(self) -> BoxStream<'static, Result<Bytes, Error>> {
        let step = |state: Option<Self>| async move {
            let mut download = state?;
            match download.next().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(download))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        };
        stream::unfold(Some(self), step).boxed()
    }

    /// The next bytes, of this answer or of another one.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let fault = match self.advance().await {
                Ok(Some(chunk)) => {
                    self.gain(chunk.len() as u64);
                    return Ok(Some(chunk));
                }
                // Where all has come, how the answer ended says nothing.
                _ if self.offset >= self.descriptor.size => return Ok(None),
                Ok(None) => self.ended_early(),
                Err(fault) => fault,
            };
            // Its permit with it: nobody waits for a place that a wait of ours keeps.
            self.part = None;
            self.repository.transport().before_another(&self.request, &self.tries, fault).await?;
            self.tries.next();
        }
    }

    /// The next bytes of one answer, asked for where there is none.
    async fn advance(&mut self) -> Result<Option<Bytes>, Fault> {
        let part = match &mut self.part {
            Some(part) => part,
            part => {
                let opened = self.repository.get_blob(&self.request, &self.descriptor, self.offset).await?;
                part.insert(opened)
            }
        };
        while let Some(mut chunk) = part.answer.flowing(&mut part.flow).await? {
            let known = usize::try_from(part.skip).unwrap_or(usize::MAX).min(chunk.len());
            chunk.advance(known);
            part.skip -= known as u64;
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    fn gain(&mut self, bytes: u64) {
        self.offset = self.offset.saturating_add(bytes);
        self.gained = self.gained.saturating_add(bytes);
        if self.gained >= GAIN {
            self.gained = 0;
            self.tries.progressed();
        }
    }

    /// The answer came to an orderly end before the blob did: one without a length that was cut short, or a part of the rest.
    fn ended_early(&self) -> Fault {
        let (offset, size) = (self.offset, self.descriptor.size);
        let message = format!("it ended after {offset} bytes of the {size} stated");
        Fault { error: Error::new(Code::Size, &self.request, message), again: Again::Backoff, whose: Whose::Own }
    }
}
