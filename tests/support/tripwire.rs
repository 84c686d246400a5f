//! Whose each secret of the stage is: a server that is sent one of another's, or one of nobody's, fails its test when it is
//! dropped.
//!
//! It cannot be left out: every server looks at every request. Whoever lets somebody in by a password or token says here
//! whose it is, and a test that sends a secret that lets nobody in (a mistyped password) says where that may go.

use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::canary::{PREFIX, holds};
use super::token::basic_pair;

/// What the signatures of ID tokens begin with, after [`PREFIX`].
pub const ID_TOKEN: &str = "id-token-";

static OWNERS: LazyLock<Mutex<HashMap<String, BTreeSet<String>>>> = LazyLock::new(Mutex::default);
static SERVICES: LazyLock<Mutex<BTreeSet<String>>> = LazyLock::new(Mutex::default);

/// Notes that what `text` has of secrets may be shown to `host`.
pub fn belongs(text: &str, host: &str) {
    let mut owners = OWNERS.lock().unwrap();
    for secret in secrets(text) {
        owners.entry(secret.to_owned()).or_default().insert(host.to_owned());
    }
}

/// Notes that `host` exchanges ID tokens: those that are nobody's in particular may be shown to it.
pub fn exchanges(host: &str) {
    SERVICES.lock().unwrap().insert(host.to_owned());
}

/// Whether a secret may be shown to `host`.
pub fn is_known(secret: &str, host: &str) -> bool {
    let is_id_token = secret.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with(ID_TOKEN));
    match OWNERS.lock().unwrap().get(secret) {
        Some(owners) => owners.contains(host),
        None => is_id_token && SERVICES.lock().unwrap().contains(host),
    }
}

/// The secrets in a text: as they are, or in base64.
pub fn found(text: &str) -> Vec<String> {
    let plain: Vec<String> = secrets(text).map(str::to_owned).collect();
    if !plain.is_empty() || !holds(text, PREFIX) {
        return plain;
    }
    let decoded = text.split(' ').filter_map(|word| String::from_utf8(STANDARD.decode(word).ok()?).ok());
    let encoded: Vec<String> = decoded.flat_map(|text| secrets(&text).map(str::to_owned).collect::<Vec<_>>()).collect();
    if encoded.is_empty() { vec![format!("a secret in base64: {text}")] } else { encoded }
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
