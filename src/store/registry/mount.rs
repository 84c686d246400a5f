//! Mounts: a blob of another repository made available in this one; and of this very one, which is a question and the
//! beginning of an upload in one request.
//!
//! Owns how far the answers are believed. That a blob is there is believed once the first one was seen to be there. That it
//! is not (the registry opens an upload instead) is believed only where it would have said so of a blob that is there: some
//! registries take no mounts at all (ECR, unless told to), and what they hold already would be sent again for ever.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, HeaderValue};
use tokio::sync::OnceCell;

use super::call::Call;
use super::repository::{Presence, RegistryRepository};
use super::retry::{Fault, is_transient};
use super::scope::{Access, Scope};
use crate::image::{Code, Descriptor, Digest, Repository};
use crate::store::{Error, Mount, UploadSession};

/// What is learnt of the mounts of one registry.
#[derive(Default)]
pub(super) struct Mounts {
    own: Way,
    across: Way,
}

/// One of the two ways to ask: for a blob of the same repository, or of another one.
#[derive(Default)]
struct Way {
    /// Whether the first blob that was said to be there was found there.
    word: OnceCell<bool>,
    /// Whether it is better not to ask this way.
    useless: AtomicBool,
}

/// What a registry made of a mount.
enum Reply {
    /// It says that the blob is there.
    There,
    /// It has opened an upload.
    Opened(Option<UploadSession>),
    /// It has no use for the question.
    Refused(u16),
}

/// One question.
#[derive(Clone, Copy)]
struct Question<'a> {
    request: &'a str,
    digest: &'a Digest,
    from: &'a Repository,
    way: &'a Way,
}

impl Way {
    fn is_useless(&self) -> bool {
        self.useless.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.useless.store(true, Ordering::Relaxed);
    }

    /// Whether it has told the truth of a blob that is there.
    fn is_proven(&self) -> bool {
        self.word.get() == Some(&true)
    }
}

impl Mounts {
    fn way(&self, own: bool) -> &Way {
        if own { &self.own } else { &self.across }
    }
}

impl RegistryRepository {
    /// [`crate::store::ImageTarget::mount_blob`]. A mount is a favour: whatever refuses it, the upload is still open.
    pub(super) async fn ask_to_mount(&self, descriptor: &Descriptor, from: &Repository) -> Result<Mount, Error> {
        let digest = &descriptor.digest;
        let own = from == self.repository();
        match self.presence(digest) {
            Some(Presence::Here) => return Ok(Mount::Here),
            Some(Presence::Doubted) => return Ok(Mount::Declined(None)),
            Some(Presence::Absent) if own => return Ok(Mount::Declined(None)),
            Some(Presence::Absent) | None => {}
        }
        let way = self.mounts().way(own);
        let mut session = None;
        if from.registry() == self.repository().registry() && !way.is_useless() {
            let request = format!("mount the blob {digest} of {from} in {}", self.repository());
            match self.ask(Question { request: &request, digest, from, way }).await? {
                Reply::There if own => return Ok(Mount::Here),
                Reply::There => return Ok(Mount::Mounted),
                Reply::Opened(opened) => session = opened,
                Reply::Refused(status) if own && is_about_the_way(status) => way.give_up(),
                Reply::Refused(_) => {}
            }
        }
        if !self.find_blob(descriptor).await? {
            return Ok(Mount::Declined(session));
        }
        if own {
            // It is there, and the registry said nothing of it.
            way.give_up();
        }
        Ok(Mount::Here)
    }

    async fn ask(&self, question: Question<'_>) -> Result<Reply, Error> {
        let Question { request, digest, from, way } = question;
        // Before the upload is opened, since that brings the repository into being at some registries. A mount from another
        // one most often leads to the blob: then it would be asked for nothing.
        let own = from == self.repository();
        let missing = if own { !way.is_proven() && self.prove_missing().await } else { self.is_known_missing() };
        let reply = match self.transport().retrying(request, |_| Box::pin(self.post_mount(request, digest, from))).await
        {
            // Realms that know no two scopes, or not the other repository.
            Err(error)
                if matches!(error.code, Code::NoCredentials | Code::Auth | Code::Denied) && !is_transient(&error) =>
            {
                Reply::Refused(error.status.unwrap_or(401))
            }
            // As often as may be: what it is too busy for may be this alone. A limit is one on whatever is asked.
            Err(error) if error.status == Some(503) => {
                way.give_up();
                Reply::Refused(503)
            }
            reply => reply?,
        };
        match reply {
            Reply::There if self.means_it(question).await? => {
                self.remember_blob(digest, true);
                Ok(Reply::There)
            }
            Reply::There => {
                way.give_up();
                Ok(Reply::Opened(None))
            }
            Reply::Opened(session) => {
                if missing || (own && way.is_proven()) {
                    self.remember_blob(digest, false);
                }
                Ok(Reply::Opened(session))
            }
            Reply::Refused(status) => Ok(Reply::Refused(status)),
        }
    }

    /// Whether a blob that is said to be there is to be believed in: the first one is looked for. Later ones are not; a
    /// registry that checks its manifests contradicts itself then ([`Error::missing_blobs`]), and the blob is sent.
    async fn means_it(&self, Question { request, digest, way, .. }: Question<'_>) -> Result<bool, Error> {
        let look = || self.transport().retrying(request, |_| Box::pin(self.head_blob(request, digest, false)));
        way.word.get_or_try_init(look).await.copied()
    }

    async fn post_mount(&self, request: &str, digest: &Digest, from: &Repository) -> Result<Reply, Fault> {
        let mut url = self.uploads_url();
        url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from.name());
        let other = Some(from).filter(|from| *from != self.repository()).cloned();
        let scope = Scope { from: other, ..Scope::new(self.repository(), Access::Push) };
        let call = Call::new(request, Method::POST, url, scope).header(CONTENT_LENGTH, HeaderValue::from_static("0"));
        let answer = self.transport().exchange(call).await?;
        match answer.status() {
            201 => Ok(Reply::There),
            202 => Ok(Reply::Opened(self.left_open(&answer))),
            429 | 503 => Err(answer.refusal().await),
            status => Ok(Reply::Refused(status)),
        }
    }
}

/// Whether a refusal is one of the question itself. Those about rights, or about a repository that is not there, come
/// whatever is asked; trouble passes.
fn is_about_the_way(status: u16) -> bool {
    matches!(status, 400..=501) && !matches!(status, 401 | 403 | 404 | 408)
}
