//! The record of requests, and its text for snapshots. Of bodies only the beginning is kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;

use super::Call;
use super::call::header;
use crate::support::marks::Marks;
use crate::support::tripwire;

/// One request and how it was answered.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Order of arrival, over all servers of the process.
    pub sequence: usize,
    /// Host and port the client asked for.
    pub host: String,
    pub method: String,
    pub path: String,
    pub query: String,
    /// In order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body that arrived.
    pub body_length: usize,
    /// The first of them: enough for a form or a manifest.
    pub body_start: Bytes,
    /// Whether it came over HTTP/1.1, and not over h2.
    pub http1: bool,
    /// `None` where the connection ended without an answer.
    pub status: Option<u16>,
    /// When it was answered, on the scale of `sequence`: before all requests with a larger one.
    pub answered: Option<usize>,
    /// When its head had come.
    pub came_at: Instant,
    /// When its answer went out.
    pub answered_at: Option<Instant>,
}

/// The most of a body that is kept, in bytes.
const KEPT: usize = 4096;

impl RecordedRequest {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Path and query.
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// `GET /v2/ -> 200`.
    pub fn line(&self) -> String {
        let status = self.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        format!("{} {} -> {status}", self.method, self.target())
    }
}

static SEQUENCE: AtomicUsize = AtomicUsize::new(0);

/// The requests of one server.
#[derive(Default)]
pub(super) struct Log {
    requests: Mutex<Vec<RecordedRequest>>,
    /// Secrets that were sent here, and with what.
    sent: Mutex<Vec<(String, String)>>,
    /// Where requests are noted besides.
    marks: Mutex<Option<Arc<Marks>>>,
}

impl Log {
    /// Records the head of a request and returns its sequence number.
    pub(super) fn open(&self, call: &Call, host: String) -> usize {
        let mut requests = self.requests.lock().unwrap();
        let sequence = SEQUENCE.fetch_add(1, Ordering::SeqCst);
        requests.push(RecordedRequest {
            sequence,
            host,
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            headers: call.headers.clone(),
            body_length: 0,
            body_start: Bytes::new(),
            http1: call.http1,
            status: None,
            answered: None,
            came_at: Instant::now(),
            answered_at: None,
        });
        sequence
    }

    /// Notes each secret that the request holds.
    pub(super) fn watch(&self, call: &Call) {
        self.marks.lock().unwrap().iter().for_each(|marks| marks.note(call));
        let body = String::from_utf8_lossy(&call.body[..call.body.len().min(KEPT)]).into_owned();
        let headers = call.headers.iter().map(|(_, value)| tripwire::shown(value));
        for text in headers.chain([call.path.clone(), call.query.clone(), body]) {
            let found = tripwire::found(&text).into_iter();
            let told = found.map(|secret| (secret, format!("{} {}", call.method, call.path)));
            self.sent.lock().unwrap().extend(told);
        }
    }

    /// Notes each request there as well.
    pub(super) fn mark(&self, marks: Arc<Marks>) {
        *self.marks.lock().unwrap() = Some(marks);
    }

    /// What [`Self::watch`] has noted of secrets that are not `host`'s. To be asked at the end: a test may say so late.
    pub(super) fn trips(&self, host: &str) -> Vec<String> {
        let sent = self.sent.lock().unwrap();
        let strange = sent.iter().filter(|(secret, _)| !tripwire::is_known(secret, host));
        strange.map(|(secret, with)| format!("{host} was sent {secret}: {with}")).collect()
    }

    pub(super) fn received(&self, sequence: usize, body: &[u8]) {
        let start = Bytes::copy_from_slice(&body[..body.len().min(KEPT)]);
        self.change(sequence, |request| (request.body_length, request.body_start) = (body.len(), start));
    }

    pub(super) fn answered(&self, sequence: usize, status: u16) {
        let now = SEQUENCE.fetch_add(1, Ordering::SeqCst);
        self.change(sequence, |request| {
            (request.status, request.answered, request.answered_at) = (Some(status), Some(now), Some(Instant::now()));
        });
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn clear(&self) {
        self.requests.lock().unwrap().clear();
    }

    fn change(&self, sequence: usize, change: impl FnOnce(&mut RecordedRequest)) {
        // The log may have been cleared while the request was under way.
        let mut requests = self.requests.lock().unwrap();
        if let Some(request) = requests.iter_mut().find(|request| request.sequence == sequence) {
            change(request);
        }
    }
}

/// One line per different request, sorted, with how often it was seen.
pub(super) fn sorted_text(requests: &[RecordedRequest], names: &[(&str, &str)]) -> String {
    let mut lines = BTreeMap::new();
    for request in requests {
        *lines.entry(neutral_line(request, names)).or_insert(0) += 1;
    }
    lines.into_iter().fold(String::new(), |mut text, (line, count)| {
        let times = if count == 1 { String::new() } else { format!(" (x{count})") };
        writeln!(text, "{line}{times}").unwrap();
        text
    })
}

/// One line per request, by arrival.
pub(super) fn ordered_text(requests: &[RecordedRequest], names: &[(&str, &str)]) -> String {
    requests.iter().map(|request| neutral_line(request, names) + "\n").collect()
}

fn neutral_line(request: &RecordedRequest, names: &[(&str, &str)]) -> String {
    let mut line = request.line().replace("%3A", ":").replace("%2F", "/");
    for (digest, name) in names {
        line = line.replace(digest, &format!("[{name}]"));
    }
    short_digests(&nameless_sessions(&line))
}

/// Upload sessions are numbered by arrival, which concurrency makes arbitrary.
fn nameless_sessions(line: &str) -> String {
    let Some((before, session)) = line.split_once("/blobs/uploads/") else {
        return line.to_owned();
    };
    if !session.starts_with("session-") {
        return line.to_owned();
    }
    let end = |text: &str| text.find(['?', '&', ' ']).unwrap_or(text.len());
    let rest = &session[end(session)..];
    let rest = rest.split_once("_state=").map_or(rest.to_owned(), |(head, state)| {
        let tail = &state[end(state)..];
        format!("{head}_state=[state]{tail}")
    });
    format!("{before}/blobs/uploads/[session]{rest}")
}

/// Every `sha256:<64 hex>` and `sha512:<128 hex>` cut to twelve digits.
pub fn short_digests(text: &str) -> String {
    let mut short = text.to_owned();
    for prefix in ["sha256:", "sha512:"] {
        let mut from = 0;
        while let Some(found) = short[from..].find(prefix) {
            let start = from + found + prefix.len();
            let digits = short[start..].bytes().take_while(u8::is_ascii_hexdigit).count();
            if digits >= 64 {
                short.replace_range(start + 12..start + digits, "");
            }
            from = start;
        }
    }
    short
}
