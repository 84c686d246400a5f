//! Comments on pull and merge requests, over the API of GitHub and GitLab: one for each label, kept up to date.
//!
//! Owns which comment is ours, and when it is left alone. Ours is what begins with our [`Marker`] *and* was written by
//! whoever the token is: anybody may write the marker, and would own the comment that is shown as a plan later. A comment
//! of a newer run is never overwritten by an older one that ends late. Refuses to know what a comment says, and to retry
//! anything by itself that might then stand there twice: what failed by accident is tried again from the list on.
//!
//! ```text
//! keep ─▶ thread   where comments are listed, written and changed; who the token is
//!           └─▶ api   one request: where the token goes, how long is waited, what may be said of a refusal
//! ```

mod alike;
mod api;
mod error;
mod link;
mod marker;
mod thread;

use std::time::Duration;

pub use error::Error;
pub use marker::{Marker, Run};
pub use thread::Thread;

use self::alike::is_alike;
use self::api::Caller;
use self::thread::Comment;
use crate::auth::{Connect, Secret};

/// For all of it, the waits included: the runner kills a job that was cancelled after ten seconds, and nobody waits for a
/// comment.
const TIME: Duration = Duration::from_secs(30);
const BACKOFF: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// A service that asks for more is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Who comments, and how the service is reached.
pub struct Access {
    /// What is shown to the service, and to nobody else.
    pub token: Secret,
    /// Makes the HTTP client.
    pub connect: Connect,
}

/// A comment to be.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What tells it from others.
    pub marker: Marker,
    /// What it says, without the marker.
    pub text: String,
    /// When there is to be one.
    pub mode: Mode,
}

/// When there is to be a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One that is kept up to date.
    Sticky,
    /// The same, and none is begun: what is there is kept up to date.
    Update,
    /// One for each run.
    AlwaysNew,
}

/// What became of a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It says what the draft says. Its address, where the service gave one.
    Written(Option<String>),
    /// A newer run has written it. Its address.
    Newer(Option<String>),
    /// There is none, and none was to be begun.
    None,
}

/// Has the comment of `draft` say what the draft says, within 30 s.
pub async fn keep(thread: &Thread, draft: &Draft, access: &Access) -> Result<Kept, Error> {
    let caller = Caller::new(thread.way(), access)?;
    let rounds = rounds(thread, draft, &caller);
    tokio::time::timeout(TIME, rounds).await.unwrap_or_else(|_| Err(Error::late(thread.who(), TIME)))
}

async fn rounds(thread: &Thread, draft: &Draft, caller: &Caller) -> Result<Kept, Error> {
    for wait in BACKOFF {
        let error = match round(thread, draft, caller).await {
            Err(error) if error.is_transient() => error,
            ended => return ended,
        };
        let wait = error.wait().unwrap_or(wait);
        if wait > LONGEST_WAIT {
            return Err(error);
        }
        tracing::debug!(%error, "comment tried again");
        tokio::time::sleep(wait).await;
    }
    round(thread, draft, caller).await
}

async fn round(thread: &Thread, draft: &Draft, caller: &Caller) -> Result<Kept, Error> {
    let Draft { marker, text, mode } = draft;
    let mut marked = thread.marked(caller, marker).await?;
    marked.retain(|(run, _)| *mode != Mode::AlwaysNew || *run == marker.run);
    if !marked.is_empty() {
        let login = thread.login(caller).await?;
        marked.retain(|(_, comment)| comment.is_by(&login));
    }
    let line = marker.line();
    match marked.into_iter().max_by_key(|(run, _)| *run) {
        Some((run, comment)) if run > marker.run => Ok(Kept::Newer(thread.address(&comment))),
        Some((run, comment)) => {
            let body = match said(&comment, text) {
                Some(_) if run == marker.run => return Ok(Kept::Written(thread.address(&comment))),
                // What is seen stays. The hidden line keeps runs that were begun in between from writing over this one.
                Some(there) => format!("{line}{there}"),
                None => format!("{line}{text}"),
            };
            let changed = thread.update(caller, comment.id, &body).await?;
            Ok(Kept::Written(thread.address(&changed)))
        }
        None if *mode == Mode::Update => Ok(Kept::None),
        None => {
            let created = thread.create(caller, &format!("{line}{text}")).await?;
            Ok(Kept::Written(thread.address(&created)))
        }
    }
}

/// What a comment says below its marker, where that is `text` already.
fn said<'a>(comment: &'a Comment, text: &str) -> Option<&'a str> {
    let (_, there) = comment.body.split_once('\n')?;
    is_alike(there, text).then_some(there)
}
