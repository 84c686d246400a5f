//! What a person wrote, and what it asks for: YAML text → [`Desired`]. Pure.
//!
//! Owns the file's grammar, its diagnostics and the selection of tags. Refuses to read files, environment or network:
//! it is handed text and gives back values.
//!
//! ```text
//! bytes ─ yaml ─▶ Node tree ─ decode ─▶ schema::File ─ validate ─▶ Desired
//!            └──────────┴──── every mistake, with its bytes ─┴────▶ Problems
//! ```
//! Each stage goes on after a mistake, so that one run names them all.

mod circles;
mod decode;
mod desired;
mod glob;
mod paths;
mod problem;
mod provider;
mod referrers;
mod repositories;
mod schema;
mod select;
mod suggest;
mod text;
mod validate;
mod yaml;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use circles::Circle;
pub use desired::{
    Auth, ConfigFile, Desired, Mirror, OnEmpty, OnTagMove, Place, RegistryKey, RegistryRules, SourceImage, TagPolicy,
    Tls, Wanted,
};
pub use glob::TagGlob;
pub use paths::{PathKind, WrittenPath};
pub use problem::{Problem, ProblemCode, Problems, Related};
pub use provider::{Provider, ProviderKind};
pub use referrers::{ReferrerRule, ReferrersCheck};
pub use repositories::{MirrorGlob, RepositoryGlob, TargetTemplate};
pub use schema::json_schema;
pub use select::{
    Because, Constraint, Rename, Rule, Selection, Sieve, Stage, TagRegex, TagRule, Tally, Trail, Verdict, version_order,
};
pub use text::FILE_LIMIT;

use problem::Diagnosis;
use text::Text;

/// A configuration file that was read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The path, as named on the command line.
    pub path: Arc<str>,
    /// The directory that its relative paths start from; best absolute.
    pub directory: PathBuf,
    /// Its bytes, whatever they are.
    pub bytes: Vec<u8>,
}

/// What the command line and the environment permit beyond the files themselves.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Directories that paths may lead to although they are not below the directory of their file: `--allow-path`.
    pub allowed_paths: Vec<PathBuf>,
    /// What the environment says of providers: `REGSYNC_PROVIDER_<HOST>` and `REGSYNC_ENDPOINT_<HOST>`, by their names.
    pub bindings: BTreeMap<String, String>,
}

/// Reads all `files` as one configuration.
///
/// Total and bounded: any bytes give an answer, after an effort proportional to their number. The error holds everything
/// that is wrong, not the first of it.
pub fn parse(files: &[SourceFile], rules: &Rules) -> Result<Desired, Problems> {
    let mut diagnosis = Diagnosis::new(files.iter().map(Text::new).collect());
    let mut decoded = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let root = yaml::read(&file.bytes, number, &mut diagnosis);
        decoded.push(root.and_then(|root| decode::file(&root, &mut diagnosis)));
    }
    let desired = validate::desired(files, &decoded, rules, &mut diagnosis);
    if diagnosis.is_clean() { Ok(desired) } else { Err(Problems::from(diagnosis.into_problems())) }
}
