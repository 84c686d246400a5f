//! What globs and regular expressions cost while files are read: each expression is compiled once, and there is an end to it.

use std::collections::BTreeMap;

use super::item::Wrong;
use crate::config::TagRegex;
use crate::config::problem::{ProblemCode, shown};

/// The most different regular expressions of one run. A file may hold many thousand, each of them made to be slow to compile.
const REGEXES: usize = 1000;
/// How many globs are compared with names before the rest is left to whoever reads the file.
const EFFORT: usize = 200_000;

/// What was compiled, and how much may still be done.
pub(super) struct Patterns {
    /// By their text.
    pub(super) compiled: BTreeMap<String, Result<TagRegex, String>>,
    effort: usize,
}

impl Default for Patterns {
    fn default() -> Self {
        Self { compiled: BTreeMap::new(), effort: EFFORT }
    }
}

impl Patterns {
    /// Whether there is effort left for this.
    pub(super) fn spend(&mut self, cost: usize) -> bool {
        let left = self.effort.checked_sub(cost);
        self.effort = left.unwrap_or_default();
        left.is_some()
    }

    /// Compiles `text`, unless that was done or there were too many.
    pub(super) fn compile(&mut self, text: &str) {
        if self.compiled.len() < REGEXES && !self.compiled.contains_key(text) {
            self.compiled.insert(text.to_owned(), TagRegex::new(text));
        }
    }

    /// What became of `text`.
    pub(super) fn find(compiled: &BTreeMap<String, Result<TagRegex, String>>, text: &str) -> Result<TagRegex, Wrong> {
        match compiled.get(text) {
            _ if text.is_empty() => {
                Err((ProblemCode::EmptySelector, "an empty expression matches no tag".to_owned(), None))
            }
            Some(Ok(regex)) => Ok(regex.clone()),
            Some(Err(error)) => {
                let message = format!("{} is not a regular expression: {error}", shown(text));
                // Globs are written where expressions belong more often than the other way round.
                let help = text.starts_with(['*', '?']).then(|| "globs belong into `include`".to_owned());
                Err((ProblemCode::Regex, message, help))
            }
            None => {
                let message = format!("more than {REGEXES} different regular expressions");
                Err((ProblemCode::TooLarge, message, Some("several files can be planned one by one".to_owned())))
            }
        }
    }
}
