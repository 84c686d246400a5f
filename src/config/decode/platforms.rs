//! `platforms` and `single`: `all` or a list, and one of two words.

use super::value::{is_missing, texts, type_problem, word, wrong_type};
use crate::config::problem::{Diagnosis, ProblemCode, shown};
use crate::config::schema::{Field, Platforms};
use crate::config::text::At;
use crate::config::yaml::{Content, Entry};
use crate::image::Single;

/// The value of `platforms`.
pub(super) fn platforms(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<Platforms> {
    match &*entry.value.content {
        Content::Scalar(scalar) if scalar.text == "all" => {
            Field::Given(At { value: Platforms::All, span: entry.value.met() })
        }
        Content::Scalar(scalar) if scalar.text.contains('/') => {
            let problem = diagnosis.problem(ProblemCode::Platform, entry.value.met(), "this is a list, even of one");
            let help = format!("write `platforms: [{}]`", shown(&scalar.text).replace('`', ""));
            diagnosis.report(problem.with_help(help));
            Field::Broken
        }
        Content::Scalar(_) if !is_missing(&entry.value) => {
            let problem = type_problem(entry, "`all` or a list", diagnosis);
            diagnosis.report(problem.with_help("write `platforms: [linux/amd64, linux/arm64]`"));
            Field::Broken
        }
        Content::List(_) => match texts(entry, diagnosis) {
            Field::Given(At { value, span }) => Field::Given(At { value: Platforms::These(value), span }),
            Field::Broken | Field::Absent => Field::Broken,
        },
        _ => {
            wrong_type(entry, "`all` or a list", diagnosis);
            Field::Broken
        }
    }
}

/// The value of `single`.
pub(super) fn single(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<Single> {
    word(entry, &[("index", Single::Index), ("manifest", Single::Manifest)], diagnosis)
}
