//! Whose each secret of the stage is: a server that is sent one of another's fails its test, when it is dropped.
//!
//! It cannot be left out: whoever lets somebody in by a password or token says here whose it is, and every server looks at
//! every request. Secrets that nobody lets in by (a mistyped password) are nobody's, and may go anywhere.

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};

use super::canary::PREFIX;
use super::token::basic_pair;

static OWNERS: LazyLock<Mutex<HashMap<String, BTreeSet<String>>>> = LazyLock::new(Mutex::default);

/// Notes that `secret` may be shown to `host`.
pub fn belongs(secret: &str, host: &str) {
    OWNERS.lock().unwrap().entry(secret.to_owned()).or_default().insert(host.to_owned());
}

/// The secrets in `text` that are others' than `host`'s.
pub fn strangers(host: &str, text: &str) -> Vec<String> {
    let owners = OWNERS.lock().unwrap();
    let is_strange = |secret: &&str| owners.get(*secret).is_some_and(|owners| !owners.contains(host));
    secrets(text).filter(is_strange).map(str::to_owned).collect()
}

/// All that looks like a secret of the stage.
pub fn secrets(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(PREFIX).map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(rest.len());
        &rest[..end]
    })
}

/// What a header shows: a pair is read as one.
pub fn shown(value: &str) -> String {
    basic_pair(value).map_or_else(|| value.to_owned(), |(user, password)| format!("{user}:{password}"))
}
