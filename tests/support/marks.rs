//! What came first: a line among what a run writes to stderr for each request that a server is sent.
//!
//! A test of an order reads like this:
//!
//! ```ignore
//! let regsync = Regsync::new().config(&yaml).marked(&[&registry, &service]);
//! regsync.run(["plan"]).assert_masked_first();
//! ```
//!
//! Run and servers write into the same pipe: what is before a mark was written before that request had come.

use std::io::{PipeWriter, Write as _};
use std::sync::Mutex;

use super::server::{Call, decode_pairs};
use super::tripwire;

const MARK: &str = "::sent::";
const MASK: &str = "::add-mask::";

/// Where the servers of a test write, while a run is under way.
#[derive(Default)]
pub struct Marks(Mutex<Option<PipeWriter>>);

impl Marks {
    /// The stderr of a run that begins, or `None` where it has ended.
    pub(super) fn stderr(&self, pipe: Option<PipeWriter>) {
        *self.0.lock().unwrap() = pipe;
    }

    /// Notes a request, as far as secrets can be in it.
    pub(super) fn note(&self, call: &Call) {
        let body = String::from_utf8_lossy(&call.body[..call.body.len().min(4096)]).into_owned();
        let pairs = [&call.query, &body].into_iter().flat_map(|text| decode_pairs(text)).map(|(_, value)| value);
        let headers = call.headers.iter().flat_map(|(_, value)| [value.clone(), tripwire::shown(value)]);
        let texts: Vec<String> = headers.chain(pairs).chain([call.path.clone(), body.clone()]).collect();
        let line = texts.join(" ").replace(['\r', '\n'], " ");
        if let Some(pipe) = self.0.lock().unwrap().as_mut() {
            pipe.write_all(format!("\n{MARK}{line}\n").as_bytes()).unwrap();
        }
    }
}

/// What was hidden and what was sent, in order.
#[derive(Clone, Debug)]
pub enum Moment {
    /// What GitHub's runner was told to hide.
    Masked(String),
    /// A request: its headers, its body and their parts.
    Sent(String),
}

/// What a runner of GitHub takes for itself and what servers have noted; and what is shown.
pub(super) fn read(stderr: &str) -> (Vec<Moment>, String) {
    let (mut moments, mut shown) = (Vec::new(), String::new());
    for line in stderr.split_inclusive('\n') {
        if let Some(mask) = line.strip_prefix(MASK) {
            moments.push(Moment::Masked(mask.trim_end_matches('\n').replace("%25", "%")));
        } else if let Some(sent) = line.strip_prefix(MARK) {
            moments.push(Moment::Sent(sent.to_owned()));
            // The line break before it is the mark's own.
            shown.pop();
        } else {
            shown.push_str(line);
        }
    }
    (moments, shown)
}

/// Panics unless each secret in a request was hidden before that came, with its pair where it was one's password; and
/// where there was none.
#[track_caller]
pub(super) fn assert_masked_first(moments: &[Moment]) {
    let (mut masks, mut secrets): (Vec<&str>, usize) = (Vec::new(), 0);
    for moment in moments {
        match moment {
            Moment::Masked(mask) => masks.push(mask),
            Moment::Sent(text) => {
                for secret in tripwire::secrets(text) {
                    assert!(masks.iter().any(|mask| mask.contains(secret)), "{secret} was sent before {moments:#?}");
                    secrets += 1;
                }
                for pair in text.split(' ').skip_while(|word| *word != "Basic").skip(1).take(1) {
                    assert!(masks.contains(&pair), "{pair} was sent before {moments:#?}");
                }
            }
        }
    }
    assert!(secrets > 0, "no secret was sent at all: {moments:#?}");
}

/// Panics unless each line of `secret` was hidden before any request came.
#[track_caller]
pub(super) fn assert_masked_at_first(moments: &[Moment], secret: &str) {
    let before = moments.iter().map_while(|moment| match moment {
        Moment::Masked(mask) => Some(mask.as_str()),
        Moment::Sent(_) => None,
    });
    let masks: Vec<&str> = before.collect();
    assert!(masks.len() < moments.len(), "no request came");
    for line in secret.lines() {
        assert!(masks.contains(&line), "{line} was not hidden by then: {moments:#?}");
    }
}
