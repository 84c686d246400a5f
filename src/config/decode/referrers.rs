//! `referrers`: a word, or a list of artifact types.

use super::value::{texts, word};
use crate::config::problem::{Diagnosis, ProblemCode, shown};
use crate::config::schema::{Field, Referrers, ReferrersWord};
use crate::config::text::At;
use crate::config::yaml::{Content, Entry};
use crate::image::ArtifactType;

/// Decodes the value of `referrers`.
pub(super) fn referrers(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<Referrers> {
    if !matches!(&*entry.value.content, Content::List(_)) {
        let words = [("all", ReferrersWord::All), ("none", ReferrersWord::None)];
        return match word(entry, &words, diagnosis) {
            Field::Given(At { value, span }) => Field::Given(At { value: Referrers::Word(value), span }),
            Field::Absent => Field::Absent,
            Field::Broken => Field::Broken,
        };
    }
    let Field::Given(At { value: items, span }) = texts(entry, diagnosis) else { return Field::Broken };
    if items.is_empty() {
        let problem = diagnosis.problem(ProblemCode::EmptySelector, span, "`referrers` is empty and selects nothing");
        diagnosis.report(problem.with_help("write `referrers: none`, or name artifact types"));
        return Field::Broken;
    }
    let mut types = Vec::new();
    for item in &items {
        // RFC 6838 §4.2: two names with a slash between them.
        if let Some(found) = ArtifactType::new(&item.value).filter(|found| found.as_str().contains('/')) {
            types.push(found);
        } else {
            let message = format!("{} is not an artifact type", shown(&item.value));
            let problem = diagnosis.problem(ProblemCode::Value, item.span, message);
            diagnosis.report(problem.with_help("write it in full: `application/spdx+json`"));
        }
    }
    if types.len() == items.len() { Field::Given(At { value: Referrers::Types(types), span }) } else { Field::Broken }
}
