//! `create-repositories`, key by key.

use super::value::{boolean, mapping, text, word};
use super::{Place, unknown};
use crate::config::problem::{Diagnosis, ProblemCode, shown};
use crate::config::schema::{CreateRepositories, EncryptionKind, Field};
use crate::config::text::At;
use crate::config::yaml::Entry;

/// The most tags of a repository at AWS, and the longest name and value of one, in characters.
const TAG_LIMIT: usize = 50;
const NAME_LIMIT: usize = 128;
const VALUE_LIMIT: usize = 256;

pub(super) fn creation(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<CreateRepositories> {
    let Some(entries) = mapping(entry, diagnosis) else { return Field::Broken };
    let mut creation = CreateRepositories::default();
    for entry in entries {
        match &*entry.key.value {
            "immutable-tags" => creation.immutable_tags = boolean(entry, diagnosis),
            "scan-on-push" => creation.scan_on_push = boolean(entry, diagnosis),
            "encryption" => {
                let words = [("aes256", EncryptionKind::Aes256), ("kms", EncryptionKind::Kms)];
                creation.encryption = word(entry, &words, diagnosis);
            }
            "kms-key" => creation.kms_key = text(entry, diagnosis),
            "tags" => creation.tags = tags(entry, diagnosis),
            _ => drop(unknown::report(entry, Place::CreateRepositories, diagnosis)),
        }
    }
    Field::Given(At { value: creation, span: entry.key.span })
}

fn tags(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Vec<(String, String)> {
    let entries = mapping(entry, diagnosis).unwrap_or_default();
    if entries.len() > TAG_LIMIT {
        let message = format!("{} tags, more than the limit of {TAG_LIMIT}", entries.len());
        let problem = diagnosis.problem(ProblemCode::TooLarge, entry.key.span, message);
        diagnosis.report(problem);
        return Vec::new();
    }
    let mut tags = Vec::new();
    for entry in entries {
        let (name, field) = (entry.key.value.to_string(), text(entry, diagnosis));
        let Some(value) = field.given() else { continue };
        if !fits(&name, NAME_LIMIT) || name.is_empty() || !fits(&value.value, VALUE_LIMIT) {
            let message = format!("{} cannot be a tag", shown(&name));
            let problem = diagnosis.problem(ProblemCode::Value, entry.key.span, message);
            diagnosis.report(problem.with_help("letters, numbers, spaces and `_.:/=+-@`, as AWS takes them"));
            continue;
        }
        tags.push((name, value.value.clone()));
    }
    tags
}

/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-using-tags.html#tag-restrictions>
fn fits(text: &str, limit: usize) -> bool {
    let fits = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    text.chars().count() <= limit && text.chars().all(fits)
}
