//! `auth`: a word, or one provider with its keys.

use std::collections::BTreeMap;

use super::unknown;
use super::value::{found, is_missing, mapping, text, type_problem, word, wrong_type};
use crate::config::problem::{Diagnosis, ProblemCode, shown};
use crate::config::provider::{Key, Provider, ProviderKind, Setting, Shape};
use crate::config::schema::{Auth, Field};
use crate::config::suggest::{closest, listed};
use crate::config::text::At;
use crate::config::yaml::{Content, Entry};

/// The most fields of an exchange.
const FIELD_LIMIT: usize = 64;

/// The value of `auth`.
pub(super) fn auth(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<Auth> {
    const HELP: &str = "`anonymous`, or a provider with its keys; without the key, credentials come from the environment \
                        and from docker's files";
    let (code, message) = match &*entry.value.content {
        Content::Scalar(scalar) if scalar.text == "anonymous" => {
            return Field::Given(At { value: Auth::Anonymous, span: entry.value.met() });
        }
        Content::Map(entries) => return one_provider(entry, entries, diagnosis),
        Content::Scalar(scalar) if ProviderKind::named(&scalar.text).is_some() => {
            let problem = type_problem(entry, "`anonymous` or a mapping", diagnosis);
            diagnosis.report(problem.with_help(format!("write `auth: {{ {}: {{}} }}`", scalar.text)));
            return Field::Broken;
        }
        // Never repeated: docker's files have base64 of user and password below this name.
        Content::Scalar(scalar) if scalar.text.len() > 12 => (ProblemCode::Secret, "this may be a secret"),
        Content::Scalar(_) if !is_missing(&entry.value) => (ProblemCode::Value, "this is not a value of `auth`"),
        _ => {
            wrong_type(entry, "`anonymous` or a mapping", diagnosis);
            return Field::Broken;
        }
    };
    let problem = diagnosis.problem(code, entry.value.met(), message);
    diagnosis.report(problem.with_help(HELP));
    Field::Broken
}

fn one_provider(entry: &Entry, entries: &[Entry], diagnosis: &mut Diagnosis<'_>) -> Field<Auth> {
    let known: Vec<_> =
        entries.iter().filter_map(|entry| Some((ProviderKind::named(&entry.key.value)?, entry))).collect();
    for other in entries.iter().filter(|entry| ProviderKind::named(&entry.key.value).is_none()) {
        unknown_provider(other, diagnosis);
    }
    let [(kind, chosen)] = known.as_slice() else {
        if entries.is_empty() {
            let problem = diagnosis.problem(ProblemCode::Empty, entry.key.span, "`auth` names no provider");
            diagnosis.report(problem.with_help(format!("the providers are {}", listed(&ProviderKind::names()))));
        } else if let [_, (_, second), ..] = known.as_slice() {
            let message = "`auth` has more than one provider";
            let problem = diagnosis.problem(ProblemCode::Exclusive, second.key.span, message);
            diagnosis.report(problem.with_help("leave one of them"));
        }
        return Field::Broken;
    };
    if entries.len() > 1 {
        return Field::Broken;
    }
    let Some(settings) = settings(*kind, chosen, diagnosis) else { return Field::Broken };
    let provider = At { value: Provider { kind: *kind, settings }, span: chosen.key.span };
    Field::Given(At { span: chosen.key.span, value: Auth::Provider(provider) })
}

fn unknown_provider(entry: &Entry, diagnosis: &mut Diagnosis<'_>) {
    // Keys that are reported wherever they stand: secrets, and commands.
    if unknown::is_reported_elsewhere(entry, diagnosis) {
        return;
    }
    let name = &*entry.key.value;
    let message = format!("{} is no credential provider", shown(name));
    let problem = diagnosis.problem(ProblemCode::UnknownKey, entry.key.span, message);
    let help = match closest(name, &ProviderKind::names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the providers are {}", listed(&ProviderKind::names())),
    };
    diagnosis.report(problem.with_help(help));
}

/// The keys of one provider; `None` where something was reported.
fn settings(
    kind: ProviderKind,
    chosen: &Entry,
    diagnosis: &mut Diagnosis<'_>,
) -> Option<BTreeMap<&'static str, Setting>> {
    let spec = kind.spec();
    let entries = mapping(chosen, diagnosis)?;
    let (mut settings, mut clean) = (BTreeMap::new(), true);
    let mut met = Vec::new();
    for entry in entries {
        let Some(key) = spec.key(&entry.key.value) else {
            met.extend(unknown_key(kind, entry, diagnosis));
            clean = false;
            continue;
        };
        met.push(key.name);
        match setting(key, entry, diagnosis) {
            Some(setting) => drop(settings.insert(key.name, setting)),
            None => clean = false,
        }
    }
    for key in spec.keys.iter().filter(|key| key.needed && !met.contains(&key.name)) {
        let message = format!("`{}` needs `{}`", kind.name(), key.name);
        let problem = diagnosis.problem(ProblemCode::Missing, chosen.key.span, message);
        diagnosis.report(match key.shape {
            Shape::Text { example, .. } => problem.with_help(format!("such as `{}: \"{example}\"`", key.name)),
            _ => problem,
        });
        clean = false;
    }
    clean.then_some(settings)
}

/// The key that was most likely meant.
fn unknown_key(kind: ProviderKind, entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Option<&'static str> {
    if unknown::is_reported_elsewhere(entry, diagnosis) {
        return None;
    }
    let (name, names) = (&*entry.key.value, kind.spec().names());
    let message = format!("unknown key {} in `{}`", shown(name), kind.name());
    let problem = diagnosis.problem(ProblemCode::UnknownKey, entry.key.span, message);
    let near = closest(name, &names);
    diagnosis.report(problem.with_help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => format!("`{}` takes no keys: write `{}: {{}}`", kind.name(), kind.name()),
        None => format!("the keys of `{}` are {}", kind.name(), listed(&names)),
    }));
    near
}

fn setting(key: &'static Key, entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Option<Setting> {
    match key.shape {
        Shape::Text { fits, example } => {
            let field = text(entry, diagnosis);
            let given = field.given()?;
            if fits(&given.value) {
                return Some(Setting::Text(given.value.clone()));
            }
            let message = format!("`{}` cannot be {}", key.name, shown(&given.value));
            let problem = diagnosis.problem(ProblemCode::Value, given.span, message);
            diagnosis.report(problem.with_help(format!("it looks like `{example}`")));
            None
        }
        Shape::Word(words) => {
            let words: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
            word(entry, &words, diagnosis).value().map(|word| Setting::Text(word.to_owned()))
        }
        Shape::Fields => fields(entry, diagnosis).map(Setting::Fields),
    }
}

fn fields(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Option<BTreeMap<String, String>> {
    let entries = mapping(entry, diagnosis)?;
    if entries.len() > FIELD_LIMIT {
        let message = format!("{} fields, more than the limit of {FIELD_LIMIT}", entries.len());
        let problem = diagnosis.problem(ProblemCode::TooLarge, entry.key.span, message);
        diagnosis.report(problem);
        return None;
    }
    let mut fields = BTreeMap::new();
    for entry in entries {
        if let Content::Map(_) | Content::List(_) = &*entry.value.content {
            let message = format!("a field is text, found {}", found(&entry.value));
            let problem = diagnosis.problem(ProblemCode::Type, entry.value.met(), message);
            diagnosis.report(problem);
            return None;
        }
        let field = text(entry, diagnosis);
        fields.insert(entry.key.value.to_string(), field.given()?.value.clone());
    }
    Some(fields)
}
