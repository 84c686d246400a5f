//! The script of faults: which request, which fault. The faults are carried out in `respond`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::{Answer, Crowd, Gate, Spill};

/// Which requests a fault is for.
#[derive(Clone, Debug)]
pub struct Match {
    /// `*` is any method.
    pub method: &'static str,
    /// A part of the path with its query.
    pub path_contains: String,
    pub nth: Nth,
    counter: Option<Counter>,
}

/// Counts requests over the rules of several servers: `nth` then speaks of all of them together. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicUsize>);

/// Which of the fitting requests, counted from 1.
#[derive(Clone, Copy, Debug)]
pub enum Nth {
    Every,
    Only(usize),
    First(usize),
    From(usize),
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// An orderly end of the stream, though the message is not complete.
    Fin,
    /// RST: "connection reset by peer".
    Reset,
}

/// What goes wrong. Faults of several fitting rules are applied one after another, in the order they were set.
#[derive(Clone)]
pub enum Fault {
    /// Answers this; the request is not carried out.
    Reply(Answer),
    /// Carries the request out, then answers this instead: stored, and reported as failed.
    DoneBut(Answer),
    /// Resets the connection before any header; the request is not carried out.
    Reset,
    /// Carries the request out, then resets the connection instead of answering.
    DoneButReset,
    /// Resets the connection after so many bytes of the request's body.
    ResetUpload { after: usize },
    /// Redirects; `{digest}` in `to` becomes the last segment of the path.
    Redirect { status: u16, to: String },
    /// Answers later.
    Delay(Duration),
    /// Carries the request out when the gate opens.
    Hold(Gate),
    /// Carries the request out, then answers when the gate opens.
    HoldAnswer(Gate),
    /// Refuses it where too many others are being answered.
    Crowd(Crowd),
    /// Announces the whole body, sends so many bytes of it and closes the connection.
    CutBody { after: usize, close: Close },
    /// Announces the whole body, sends so many bytes of it and no more.
    StallBody { after: usize },
    /// Sends the body in pieces with a pause before each.
    Drip { piece: usize, pause: Duration },
    /// Flips the lowest bit of the byte at this place (the last byte, where the body is shorter).
    FlipBit { at: usize },
    /// Shortens body and `Content-Length` to so many bytes.
    Truncate { to: usize },
    /// Adds bytes to the body, and to `Content-Length`.
    Append(Bytes),
    /// Answers with another body; status and headers stay.
    ReplaceBody(Bytes),
    /// Leaves a header out. Without `content-length` the body is sent in chunks.
    DropHeader(&'static str),
    /// Sets a header to something else.
    SetHeader(&'static str, String),
    /// Adds one more value of a header.
    AddHeader(&'static str, String),
    /// Reads the request, does not carry it out, and writes this to the connection. Gets the request's stream of h2.
    Raw(Raw),
    /// The same without reading the body of the request.
    RawAtOnce(Raw),
}

/// Makes what is written to a connection in place of an answer.
pub type Raw = Arc<dyn Fn(u32) -> Spill + Send + Sync>;

impl Match {
    /// Every request with this method (`*`: any) and a path that contains `path_contains`.
    pub fn new(method: &'static str, path_contains: &str) -> Self {
        Self { method, path_contains: path_contains.to_owned(), nth: Nth::Every, counter: None }
    }

    /// Every request.
    pub fn any() -> Self {
        Self::new("*", "")
    }

    /// Counted together with what else this counter counts.
    pub fn counted_by(self, counter: &Counter) -> Self {
        Self { counter: Some(counter.clone()), ..self }
    }

    /// Only the `n`th, counted from 1.
    pub fn nth(self, n: usize) -> Self {
        Self { nth: Nth::Only(n), ..self }
    }

    /// Only the first `n`.
    pub fn first(self, n: usize) -> Self {
        Self { nth: Nth::First(n), ..self }
    }

    /// The `n`th and all after it.
    pub fn from(self, n: usize) -> Self {
        Self { nth: Nth::From(n), ..self }
    }

    fn fits(&self, method: &str, target: &str) -> bool {
        (self.method == "*" || self.method == method) && target.contains(&self.path_contains)
    }
}

impl Nth {
    fn holds(self, seen: usize) -> bool {
        match self {
            Self::Every => true,
            Self::Only(n) => seen == n,
            Self::First(n) => seen <= n,
            Self::From(n) => seen >= n,
        }
    }
}

impl Fault {
    /// A bare status, with an OCI error body.
    pub fn status(status: u16) -> Self {
        Self::Reply(Answer::error(status, "UNKNOWN", "scripted fault"))
    }

    /// `429` with a `Retry-After` header.
    pub fn too_many_requests(retry_after: &str) -> Self {
        let answer = Answer::error(429, "TOOMANYREQUESTS", "slow down");
        Self::Reply(answer.header("Retry-After", retry_after))
    }

    /// `200` with the log-in page of a captive portal or proxy.
    pub fn html() -> Self {
        let page = "<!DOCTYPE html><html><title>Sign in</title></html>\n";
        Self::Reply(Answer::status(200).header("Content-Type", "text/html; charset=utf-8").body(page))
    }

    /// These bytes in place of an answer over HTTP/1.1; then the connection ends.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        let head = bytes.into();
        Self::Raw(Arc::new(move |_| Spill { head: head.clone(), ..Spill::default() }))
    }

    /// These frames of h2 in place of an answer; the connection goes on.
    pub fn frames(make: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::RawAtOnce(Arc::new(move |stream| Spill { head: make(stream).into(), goes_on: true, ..Spill::default() }))
    }

    pub(super) fn at_once(&self, stream: u32) -> Option<Spill> {
        if let Self::RawAtOnce(make) = self { Some(make(stream)) } else { None }
    }

    pub(super) fn after_body(&self, stream: u32) -> Option<Spill> {
        if let Self::Raw(make) = self { Some(make(stream)) } else { None }
    }

    /// A `Docker-Content-Digest` that is well formed and not true.
    pub fn lying_digest() -> Self {
        Self::SetHeader("Docker-Content-Digest", format!("sha256:{}", "0badc0de".repeat(8)))
    }
}

type Hook = Arc<Mutex<dyn FnMut() + Send>>;

enum Effect {
    Fault(Fault),
    Hook(Hook),
}

struct Rule {
    matching: Match,
    seen: usize,
    struck: usize,
    effect: Effect,
}

impl Rule {
    /// Counts a request, and says the how-manieth it is.
    fn count(&mut self) -> usize {
        if let Some(Counter(counter)) = &self.matching.counter {
            return counter.fetch_add(1, Ordering::SeqCst) + 1;
        }
        self.seen += 1;
        self.seen
    }
}

/// The rules of one server.
#[derive(Default)]
pub(super) struct Script(Mutex<Vec<Rule>>);

impl Script {
    pub(super) fn fault(&self, matching: Match, fault: Fault) {
        self.add(matching, Effect::Fault(fault));
    }

    pub(super) fn hook(&self, matching: Match, hook: impl FnMut() + Send + 'static) {
        self.add(matching, Effect::Hook(Arc::new(Mutex::new(hook))));
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Counts from the beginning again.
    pub(super) fn rewind(&self) {
        self.0.lock().unwrap().iter_mut().for_each(|rule| (rule.seen, rule.struck) = (0, 0));
    }

    /// How often each rule has struck, in the order they were set.
    pub(super) fn strikes(&self) -> Vec<usize> {
        self.0.lock().unwrap().iter().map(|rule| rule.struck).collect()
    }

    /// Counts this request for each fitting rule, runs the hooks that are due and returns the faults that are.
    pub(super) fn due(&self, method: &str, target: &str) -> Vec<Fault> {
        let (mut faults, mut hooks) = (Vec::new(), Vec::new());
        for rule in self.0.lock().unwrap().iter_mut().filter(|rule| rule.matching.fits(method, target)) {
            let seen = rule.count();
            if !rule.matching.nth.holds(seen) {
                continue;
            }
            rule.struck += 1;
            match &rule.effect {
                Effect::Fault(fault) => faults.push(fault.clone()),
                Effect::Hook(hook) => hooks.push(Arc::clone(hook)),
            }
        }
        // Outside of the lock: a hook may set further faults.
        for hook in hooks {
            (hook.lock().unwrap())();
        }
        faults
    }

    fn add(&self, matching: Match, effect: Effect) {
        self.0.lock().unwrap().push(Rule { matching, seen: 0, struck: 0, effect });
    }
}
