//! What a run has written, for those who attest it.
//!
//! Owns which images these are, and the form of both lists: a file of the user's, and the one in which GitHub's runner takes
//! artifacts. Refuses images that were in place: somebody else answers for those.

use std::collections::BTreeSet;

use super::files::write_file;
use super::github::{Conclusion, append, is_runner};
use super::output::say_error;
use crate::cli::ReportArg;
use crate::event::Outcome;
use crate::image::Reference;
use crate::plan::Plan;

/// How many artifacts the runner takes from a job, and how many bytes of them from a step.
const MOST: usize = 500;
const MOST_BYTES: usize = 1 << 20;

impl Conclusion<'_> {
    /// Lists what was written.
    pub(super) fn list_subjects(&self) {
        let Some((plan, outcomes)) = self.account.plan.as_ref().zip(self.account.outcomes.as_deref()) else { return };
        let subjects = subjects(plan, outcomes);
        let text: Vec<String> = subjects.iter().map(|subject| format!("{subject}\n")).collect();
        let text = text.concat();
        let files = self.told.files(ReportArg::Subjects).map(|file| write_file(file, &text));
        for refusal in files.filter_map(Result::err) {
            say_error(&refusal, self.session.error_color());
        }
        // Where reports are joined, each of the runs has said what it wrote.
        if self.told.scope.is_some() && !subjects.is_empty() {
            self.give_artifacts(&subjects);
        }
    }

    fn give_artifacts(&self, subjects: &[String]) {
        const VARIABLE: &str = "GITHUB_ARTIFACTS";
        let environment = self.session.environment();
        let Some(file) = environment.get(VARIABLE).filter(|_| is_runner(environment)) else { return };
        let there = std::fs::metadata(file).map_or(0, |found| usize::try_from(found.len()).unwrap_or(usize::MAX));
        let (taken, number) = artifacts(subjects, MOST_BYTES.saturating_sub(there));
        if let Err(refusal) = append(environment, VARIABLE, &taken) {
            say_error(&refusal, self.session.error_color());
        }
        if number < subjects.len() {
            let left = subjects.len() - number;
            self.notice(format!("{VARIABLE} takes no more: {left} of {} images are not listed in it", subjects.len()));
        }
    }
}

/// `repository@digest` of each image that was written to a registry, once each: an attestation is about the digest, whatever
/// tags it has. An image in a layout has no name that others know.
fn subjects(plan: &Plan, outcomes: &[Outcome]) -> Vec<String> {
    let mut known = BTreeSet::new();
    let written = plan.steps.iter().zip(outcomes).filter(|(_, outcome)| outcome.ending.wrote());
    let subject = written.filter_map(|(step, _)| {
        let location = &step.target.as_ref()?.reference.location;
        location.registry()?;
        Some(Reference::pinned(location.clone(), step.digest.clone()?).to_string())
    });
    subject.filter(|subject| known.insert(subject.clone())).collect()
}

/// As many of them, in whole lines, as the runner takes within `room` bytes; and how many these are.
fn artifacts(subjects: &[String], room: usize) -> (String, usize) {
    let (mut text, mut number) = (String::new(), 0);
    for subject in subjects.iter().take(MOST) {
        let line = format!("oci://{subject}\n");
        if text.len() + line.len() > room {
            break;
        }
        text.push_str(&line);
        number += 1;
    }
    (text, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_are_cut_on_a_line_and_at_the_number_that_is_taken() {
        let subjects: Vec<String> = (0..=MOST).map(|n| format!("ghcr.io/acme/app@sha256:{n:064}")).collect();
        let line = "oci://".len() + subjects[0].len() + 1;
        let (text, number) = artifacts(&subjects, MOST_BYTES);
        assert_eq!((text.lines().count(), number), (MOST, MOST));
        assert!(text.starts_with("oci://ghcr.io/acme/app@sha256:000"), "{text}");
        assert_eq!(artifacts(&subjects, 3 * line), (text[..3 * line].to_owned(), 3));
        assert_eq!(artifacts(&subjects, 3 * line - 1), (text[..2 * line].to_owned(), 2));
        assert_eq!(artifacts(&subjects, 0), (String::new(), 0));
    }
}
