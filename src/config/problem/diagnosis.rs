//! Collecting problems while files are read.

use std::borrow::Cow;

use super::{Problem, ProblemCode, Related};
use crate::config::Place;
use crate::config::text::{Span, Text};

/// After this many problems nobody reads on, and a hostile file has had its share of time.
const PROBLEM_LIMIT: usize = 500;

/// The files under examination and what was found in them.
#[derive(Debug)]
pub(crate) struct Diagnosis<'a> {
    texts: Vec<Text<'a>>,
    problems: Vec<Problem>,
}

impl<'a> Diagnosis<'a> {
    pub(crate) fn new(texts: Vec<Text<'a>>) -> Self {
        Self { texts, problems: Vec::new() }
    }

    pub(crate) fn text(&self, file: usize) -> &Text<'a> {
        &self.texts[file]
    }

    /// Where `span` begins.
    pub(crate) fn place(&self, span: Span) -> Place {
        self.texts[span.file].place(span.start)
    }

    /// A problem at `span`, not yet reported.
    pub(crate) fn problem<'m>(&self, code: ProblemCode, span: Span, message: impl Into<Cow<'m, str>>) -> Problem {
        Problem::new(code, self.place(span), span.range(), message.into())
    }

    /// Another place, for a problem that concerns it too.
    pub(crate) fn related(&self, span: Span, label: impl Into<String>) -> Related {
        Related { place: self.place(span), span: span.range(), label: label.into() }
    }

    pub(crate) fn report(&mut self, problem: Problem) {
        if !self.is_full() {
            self.problems.push(problem);
        }
    }

    /// Whether enough was found: loops over what a file holds stop here.
    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= PROBLEM_LIMIT
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
