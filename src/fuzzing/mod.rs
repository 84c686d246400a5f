//! What the fuzz targets of `fuzz/` run: for each kind of input from outside, a function that reads it and checks more than
//! that nothing panics. Exists under `cfg(fuzzing)` and in tests, where the same functions meet the seeds and mutations of
//! them, so that no target can rot.
//!
//! Owns the list of targets and what must hold of each. Refuses to be part of the program.

#![expect(clippy::missing_panics_doc, reason = "to panic is how a check says that something is wrong")]

mod documents;
mod shown;
#[cfg(test)]
mod tests;

pub use documents::{configuration, manifest, plan_file, reference};
pub use shown::error_body;

/// A check: panics where the input makes something untrue.
pub type Check = fn(&[u8]);

/// Every target by the name of its file in `fuzz/fuzz_targets`.
pub const TARGETS: &[(&str, Check)] = &[
    ("configuration", configuration),
    ("content_range", content_range),
    ("credentials", credentials),
    ("docker_config", docker_config),
    ("error_body", error_body),
    ("layout", layout),
    ("link", link),
    ("location", location),
    ("manifest", manifest),
    ("plan_file", plan_file),
    ("reference", reference),
    ("retry_after", retry_after),
    ("www_authenticate", www_authenticate),
];

/// `Content-Range` of a part, `Range` of a session: a part fits one place, and no bytes are taken for others.
pub fn content_range(bytes: &[u8]) {
    crate::store::registry::fuzzing::content_range(bytes);
}

/// `regsync.yaml` beside an environment with secrets: none of them goes to anybody but whose it is.
pub fn credentials(bytes: &[u8]) {
    crate::command::fuzzing::credentials(bytes);
}

/// docker's `config.json`: helpers have names and no paths, secrets are not shown.
pub fn docker_config(bytes: &[u8]) {
    crate::auth::fuzzing::docker_config(bytes);
}

/// The files of an OCI image layout: what is written into an index changes one tag and nothing else.
pub fn layout(bytes: &[u8]) {
    crate::store::layout_checks::index(bytes);
    crate::store::layout_checks::directory(bytes);
}

/// `Link`: the next page is at home or nowhere.
pub fn link(bytes: &[u8]) {
    crate::store::registry::fuzzing::link(bytes);
}

/// `Location` of redirects and uploads: no downgrade, no address inside, nothing private to another origin.
pub fn location(bytes: &[u8]) {
    crate::store::registry::fuzzing::location(bytes);
}

/// `Retry-After`: no wait beyond our patience.
pub fn retry_after(bytes: &[u8]) {
    crate::store::registry::fuzzing::retry_after(bytes);
}

/// `WWW-Authenticate`: what was understood reads back the same, and no realm is anywhere it must not be.
pub fn www_authenticate(bytes: &[u8]) {
    crate::store::registry::fuzzing::www_authenticate(bytes);
}
