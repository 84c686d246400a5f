//! Problems: what is wrong with a configuration, where, and what to do about it.
//!
//! Owns the form in which every mistake is reported, whoever finds it, and its rendering. Refuses to hold a secret: a
//! message is made of words of ours and of text that has been through [`shown`].

mod code;
mod conceal;
mod diagnosis;
mod render;

use std::fmt;
use std::ops::Range;

pub use code::ProblemCode;
pub(super) use conceal::{is_secret_key, looks_secret, shown};
pub(super) use diagnosis::Diagnosis;

use super::{Place, SourceFile};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of mistake it is.
    pub code: ProblemCode,
    /// Where it is.
    pub place: Place,
    /// The bytes of the file that it is about.
    pub span: Range<usize>,
    /// What is wrong: a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
}

/// Another place that belongs to a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where it is.
    pub place: Place,
    /// The bytes of the file.
    pub span: Range<usize>,
    /// What stands there.
    pub label: String,
}

impl Problem {
    /// A problem with nothing but its kind, its place and its words.
    pub fn new(code: ProblemCode, place: Place, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, place, span, message: message.into(), help: None, related: Vec::new() }
    }

    /// The same problem, with what to do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same problem, with another place that belongs to it.
    #[must_use]
    pub fn with_related(mut self, related: Related) -> Self {
        self.related.push(related);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} [{}]", self.place, self.place.column, self.message, self.code)
    }
}

/// Everything that is wrong with a configuration: all problems of all files, sorted by place. Never empty when it is an
/// error of [`parse`](super::parse), which stops looking after 500.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl From<Vec<Problem>> for Problems {
    /// Sorts; equal problems become one.
    fn from(mut problems: Vec<Problem>) -> Self {
        let key = |problem: &Problem| (problem.place.clone(), problem.code, problem.span.end);
        problems.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message)));
        problems.dedup_by(|a, b| a.place == b.place && a.code == b.code && a.message == b.message);
        Self(problems)
    }
}

impl Problems {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// The problems as text for a terminal, each with its line of `files` and a caret below what it is about. Secrets
    /// in those lines are masked, invisible characters are shown escaped. Ends with a line break.
    pub fn render(&self, files: &[SourceFile], color: bool) -> String {
        render::render(&self.0, files, color)
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    /// One line for each problem, without the source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
