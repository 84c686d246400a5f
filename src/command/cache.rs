//! What earlier runs found to be left of images of which only some platforms are wanted, in a file of the user's cache.
//!
//! Owns the file. Refuses to make it matter: it saves reading an index again where every target is in place, it never decides
//! what is written, and a file that is gone, broken or not to be written costs requests and nothing else.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::files::write_file;
use super::session::Session;
use crate::image::{Digest, PlatformName, Single, Subset};
use crate::observe::KnownSubsets;
use crate::plan::Observed;

/// The version of the file, and of the bytes of a part that its digests are of: another one is not looked at.
const VERSION: u32 = 1;
/// The most entries that are kept; the oldest go first. Each is some 250 bytes.
const ENTRIES: usize = 20_000;
/// The largest file that is read, in bytes.
const FILE_LIMIT: u64 = 16 << 20;

/// The file as JSON.
#[derive(Deserialize, Serialize)]
struct Document {
    version: u32,
    subsets: Vec<Entry>,
}

/// What is left of one image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Entry {
    /// The digest of the source.
    source: String,
    platforms: Vec<String>,
    single: Single,
    /// The digest of what is left.
    digest: String,
}

/// What is remembered, oldest first.
pub(super) struct Cache {
    file: Option<PathBuf>,
    entries: Vec<((Digest, Subset), Digest)>,
}

impl Cache {
    /// Reads what is remembered in `directory`, or where the environment has caches.
    pub(super) fn open(directory: Option<&Path>, session: &Session) -> Self {
        let directory = directory.map(Path::to_owned).or_else(|| session.cache_directory());
        let file = directory.map(|directory| directory.join("subsets.json"));
        let document = file.as_deref().and_then(read::<Document>).filter(|document| document.version == VERSION);
        let entries = document.map_or(Vec::new(), |document| document.subsets);
        Self { entries: entries.iter().filter_map(Entry::value).collect(), file }
    }

    /// Remembers nothing.
    pub(super) fn none() -> Self {
        Self { file: None, entries: Vec::new() }
    }

    /// What is remembered.
    pub(super) fn known(&self) -> KnownSubsets {
        self.entries.iter().cloned().collect()
    }

    /// Remembers what was `observed`, too; nothing is written where that was known.
    pub(super) fn learn(&self, observed: &Observed) {
        let Some(file) = &self.file else { return };
        let cuts = observed.cuts.iter().filter_map(|(key, cut)| Some((key, cut.as_ref().ok()?)));
        let seen: KnownSubsets = cuts
            .map(|((_, digest, subset), cut)| ((digest.clone(), (**subset).clone()), cut.image.digest.clone()))
            .collect();
        let known = self.known();
        if seen.iter().all(|(key, digest)| known.get(key) == Some(digest)) {
            return;
        }
        let others = self.entries.iter().filter(|(key, _)| !seen.contains_key(key));
        let subsets: Vec<Entry> = others
            .map(|(key, digest)| Entry::of(key, digest))
            .chain(seen.iter().map(|(key, digest)| Entry::of(key, digest)))
            .collect();
        let document =
            Document { version: VERSION, subsets: subsets[subsets.len().saturating_sub(ENTRIES)..].to_vec() };
        if let Err(problem) = write(file, &document) {
            tracing::debug!("what is left of images is not remembered: {problem}");
        }
    }
}

impl Entry {
    fn of((source, subset): &(Digest, Subset), digest: &Digest) -> Self {
        Self {
            source: source.to_string(),
            platforms: subset.platforms().map(ToString::to_string).collect(),
            single: subset.single(),
            digest: digest.to_string(),
        }
    }

    /// What it says; `None` where that cannot be.
    fn value(&self) -> Option<((Digest, Subset), Digest)> {
        let platforms =
            self.platforms.iter().map(|name| name.parse::<PlatformName>().ok()).collect::<Option<BTreeSet<_>>>()?;
        let key = (self.source.parse().ok()?, Subset::new(platforms, self.single)?);
        Some((key, self.digest.parse().ok()?))
    }
}

/// The JSON in a file; `None` where there is none that could be read.
pub(super) fn read<T: DeserializeOwned>(file: &Path) -> Option<T> {
    // What is no file could keep its reader waiting.
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let read = File::open(file).ok()?.take(FILE_LIMIT + 1).read_to_string(&mut text).ok()? as u64;
    if read > FILE_LIMIT { None } else { serde_json::from_str(&text).ok() }
}

/// Writes a file as JSON, with the directory that it is in. Fails with the words of what went wrong.
pub(super) fn write<T: Serialize>(file: &Path, document: &T) -> Result<(), String> {
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    }
    let text = serde_json::to_string(document).map_err(|error| error.to_string())?;
    write_file(file, &(text + "\n")).map_err(|refusal| refusal.message)
}
