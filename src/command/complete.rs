//! Which indexes of referrers earlier runs found targets to have all of, in a file of the user's cache.
//!
//! Owns the file. Refuses to make it matter: it saves looking again at images in sync under `referrers-check: changed`, and a
//! file that is gone or broken costs requests and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::{read, write};
use super::session::Session;
use crate::observe::KnownComplete;
use crate::plan::Observed;

/// The version of the file: another one is not looked at.
const VERSION: u32 = 1;
/// The most entries that are kept; the oldest go first. Each is some 75 bytes.
const ENTRIES: usize = 50_000;

/// The file as JSON.
#[derive(Deserialize, Serialize)]
struct Document {
    version: u32,
    complete: Vec<String>,
}

/// What is remembered, oldest first.
pub(super) struct Complete {
    file: Option<PathBuf>,
    entries: Vec<String>,
}

impl Complete {
    /// Reads what is remembered in `directory`, or where the environment has caches.
    pub(super) fn open(directory: Option<&Path>, session: &Session) -> Self {
        let directory = directory.map(Path::to_owned).or_else(|| session.cache_directory());
        let file = directory.map(|directory| directory.join("referrers.json"));
        let document = file.as_deref().and_then(read::<Document>).filter(|document| document.version == VERSION);
        Self { file, entries: document.map_or(Vec::new(), |document| document.complete) }
    }

    /// Remembers nothing.
    pub(super) fn none() -> Self {
        Self { file: None, entries: Vec::new() }
    }

    /// What is remembered; what is no digest is passed over.
    pub(super) fn known(&self) -> KnownComplete {
        self.entries.iter().filter_map(|entry| entry.parse().ok()).collect()
    }

    /// Remembers what was `observed`, too; nothing is written where that was known.
    pub(super) fn learn(&self, observed: &Observed) {
        let Some(file) = &self.file else { return };
        let known: BTreeSet<&str> = self.entries.iter().map(String::as_str).collect();
        let new = observed.complete.iter().map(ToString::to_string);
        let new: Vec<String> = new.filter(|name| !known.contains(name.as_str())).collect();
        if new.is_empty() {
            return;
        }
        let all = [self.entries.clone(), new].concat();
        let document = Document { version: VERSION, complete: all[all.len().saturating_sub(ENTRIES)..].to_vec() };
        if let Err(problem) = write(file, &document) {
            tracing::debug!("what targets have of referrers is not remembered: {problem}");
        }
    }
}
