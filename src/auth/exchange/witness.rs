//! For tests and fuzzing: token services that answer at once, and a note of all that they are sent. Nothing leaves the
//! process while it watches.

use std::cell::RefCell;

use reqwest::Url;

use super::{Answer, Ask};

/// One request that would have been made.
pub(crate) struct Sent {
    /// Where to.
    pub(crate) url: Url,
    /// Its headers and body. What is in `Authorization: Basic` can be read.
    pub(crate) text: String,
}

/// The body of each answer.
type Reply = Box<dyn Fn(&Sent) -> String>;

thread_local! {
    static WATCH: RefCell<Option<(Reply, Vec<Sent>)>> = const { RefCell::new(None) };
}

/// Does `work` on this thread, with all requests to token services answered by `reply`; and what they were sent.
pub(crate) fn watch<T>(reply: impl Fn(&Sent) -> String + 'static, work: impl FnOnce() -> T) -> (T, Vec<Sent>) {
    WATCH.with_borrow_mut(|watch| *watch = Some((Box::new(reply), Vec::new())));
    let done = work();
    let seen = WATCH.with_borrow_mut(Option::take);
    (done, seen.map(|(_, sent)| sent).unwrap_or_default())
}

/// The answer, where somebody watches.
pub(super) fn answer(ask: &Ask) -> Option<Answer> {
    WATCH.with_borrow_mut(|watch| {
        let (reply, seen) = watch.as_mut()?;
        let sent = Sent { url: ask.endpoint.url.clone(), text: ask.spoken() };
        let body = reply(&sent);
        seen.push(sent);
        Some(Answer::made_up(ask, &body))
    })
}
