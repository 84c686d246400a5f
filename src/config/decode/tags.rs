//! `tags`, a list or a mapping of rules, and `rename`.

use super::value::{mapping, number, text, texts, type_problem};
use super::{Place, unknown};
use crate::config::problem::Diagnosis;
use crate::config::schema::{Field, NEWEST_LIMIT, Tags};
use crate::config::text::At;
use crate::config::yaml::{Content, Entry};

/// A list is a mapping with nothing but `include`.
pub(super) fn tags(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<Tags> {
    if !matches!(*entry.value.content, Content::Map(_)) {
        return match texts(entry, diagnosis) {
            Field::Absent => Field::Absent,
            Field::Broken => Field::Broken,
            Field::Given(list) => {
                let span = list.span;
                Field::Given(At { value: Tags { include: Field::Given(list), ..Tags::default() }, span })
            }
        };
    }
    let Some(entries) = mapping(entry, diagnosis) else { return Field::Broken };
    let mut tags = Tags::default();
    for entry in entries {
        match &*entry.key.value {
            "include" => tags.include = texts(entry, diagnosis),
            "regex" => tags.regex = texts(entry, diagnosis),
            "semver" => tags.semver = text(entry, diagnosis),
            "exclude" => tags.exclude = texts(entry, diagnosis),
            "newest" => tags.newest = number(entry, NEWEST_LIMIT, diagnosis),
            _ => match unknown::report(entry, Place::Tags, diagnosis) {
                Some("regex") => tags.regex.not_missing(),
                Some("semver") => tags.semver.not_missing(),
                Some("exclude") => tags.exclude.not_missing(),
                Some("newest") => tags.newest.not_missing(),
                _ => tags.include.not_missing(),
            },
        }
    }
    Field::Given(At { value: tags, span: entry.key.span })
}

/// Without quotes, `{tag}` is a mapping.
pub(super) fn rename(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<String> {
    if matches!(*entry.value.content, Content::Map(_)) {
        let problem = type_problem(entry, "text", diagnosis);
        diagnosis.report(problem.with_help("quote it: `rename: \"{tag}\"`"));
        return Field::Broken;
    }
    text(entry, diagnosis)
}
