//! Values of one kind: text, lists of text, words, booleans, numbers.

use crate::config::problem::{Diagnosis, Problem, ProblemCode, looks_secret, shown};
use crate::config::schema::Field;
use crate::config::suggest::{closest, listed};
use crate::config::text::{At, Span};
use crate::config::yaml::{Content, Entry, Implied, Node, Scalar, implied};

/// The entries of a mapping; reports anything else.
pub(super) fn mapping<'n>(entry: &'n Entry, diagnosis: &mut Diagnosis<'_>) -> Option<&'n [Entry]> {
    if let Content::Map(entries) = &*entry.value.content {
        return Some(entries);
    }
    wrong_type(entry, "a mapping", diagnosis);
    None
}

/// The items of a list; reports anything else.
pub(super) fn list<'n>(entry: &'n Entry, diagnosis: &mut Diagnosis<'_>) -> Option<&'n [Node]> {
    if let Content::List(items) = &*entry.value.content {
        return Some(items);
    }
    wrong_type(entry, "a list", diagnosis);
    None
}

/// The text of a key that takes text.
pub(super) fn text(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<String> {
    match &*entry.value.content {
        Content::Scalar(scalar) if !is_missing(&entry.value) => {
            checked(scalar, entry.value.met(), diagnosis).map_or(Field::Broken, Field::Given)
        }
        _ => {
            wrong_type(entry, "text", diagnosis);
            Field::Broken
        }
    }
}

/// The list of a key that takes a list of text. Items that were reported are left out.
pub(super) fn texts(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<Vec<At<String>>> {
    if let Content::Scalar(scalar) = &*entry.value.content
        && !is_missing(&entry.value)
        && !looks_secret(&scalar.text)
    {
        let problem = type_problem(entry, "a list", diagnosis);
        // Within double quotes a backslash is YAML's.
        let quote = if scalar.text.contains('\\') { "'" } else { "\"" };
        let quoted = shown(&scalar.text).replace('`', quote);
        diagnosis.report(problem.with_help(format!("write `{}: [{quoted}]`", entry.key.value)));
        return Field::Broken;
    }
    let Some(items) = list(entry, diagnosis) else { return Field::Broken };
    let mut value = Vec::new();
    for item in items {
        match &*item.content {
            Content::Scalar(scalar) => value.extend(checked(scalar, item.met(), diagnosis)),
            Content::Broken => {}
            _ => {
                let message = format!("the items of `{}` are text, found {}", entry.key.value, found(item));
                let problem = diagnosis.problem(ProblemCode::Type, item.met(), message);
                diagnosis.report(problem);
            }
        }
        if diagnosis.is_full() {
            break;
        }
    }
    // A list that lost all its items says nothing about what was meant.
    if value.is_empty() && !items.is_empty() {
        return Field::Broken;
    }
    Field::Given(At { value, span: entry.value.met() })
}

/// One of a few words.
pub(super) fn word<T: Copy>(entry: &Entry, words: &[(&str, T)], diagnosis: &mut Diagnosis<'_>) -> Field<T> {
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let scalar = match &*entry.value.content {
        Content::Scalar(scalar) if !is_missing(&entry.value) => scalar,
        _ => {
            wrong_type(entry, &listed(&names).replace(" and ", " or "), diagnosis);
            return Field::Broken;
        }
    };
    let span = entry.value.met();
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == scalar.text) {
        return Field::Given(At { value: *value, span });
    }
    let key = &entry.key.value;
    let problem = diagnosis.problem(ProblemCode::Value, span, format!("`{key}` cannot be {}", shown(&scalar.text)));
    let help = match closest(&scalar.text, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.len() == 1 => format!("the only value is {}", listed(&names)),
        None => format!("the values are {}", listed(&names)),
    };
    diagnosis.report(problem.with_help(help));
    Field::Broken
}

/// `true` or `false`, and nothing that only some readers take for them.
pub(super) fn boolean(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<bool> {
    let span = entry.value.met();
    match &*entry.value.content {
        Content::Scalar(scalar) if scalar.plain && scalar.text == "true" => Field::Given(At { value: true, span }),
        Content::Scalar(scalar) if scalar.plain && scalar.text == "false" => Field::Given(At { value: false, span }),
        Content::Scalar(scalar) if !is_missing(&entry.value) => {
            let problem = type_problem(entry, "`true` or `false`", diagnosis);
            let quoted = !scalar.plain && matches!(scalar.text.as_str(), "true" | "false");
            let help = if quoted {
                "leave out the quotes"
            } else {
                "other words for them mean different things to different readers"
            };
            diagnosis.report(problem.with_help(help));
            Field::Broken
        }
        _ => {
            wrong_type(entry, "`true` or `false`", diagnosis);
            Field::Broken
        }
    }
}

/// A whole number from 1 to `limit`, in plain digits.
pub(super) fn number(entry: &Entry, limit: u32, diagnosis: &mut Diagnosis<'_>) -> Field<u32> {
    let span = entry.value.met();
    let key = &entry.key.value;
    match &*entry.value.content {
        Content::Scalar(scalar) if scalar.plain && !is_missing(&entry.value) => {
            let text = scalar.text.as_str();
            let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
            match text.parse::<u32>().ok().filter(|value| digits && (1..=limit).contains(value)) {
                Some(value) => return Field::Given(At { value, span }),
                None if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                    let message = format!("`{key}` is a whole number from 1 to {limit}, not {}", shown(text));
                    let problem = diagnosis.problem(ProblemCode::Range, span, message);
                    diagnosis.report(problem);
                }
                None => wrong_type(entry, "a number", diagnosis),
            }
        }
        Content::Scalar(scalar) if !scalar.plain && scalar.text.parse::<u32>().is_ok() => {
            let problem = type_problem(entry, "a number", diagnosis);
            diagnosis.report(problem.with_help("leave out the quotes"));
        }
        _ => wrong_type(entry, "a number", diagnosis),
    }
    Field::Broken
}

/// Text that every reader of YAML takes for text, and that holds no template.
fn checked(scalar: &Scalar, span: Span, diagnosis: &mut Diagnosis<'_>) -> Option<At<String>> {
    let text = &scalar.text;
    if looks_secret(text) {
        return None;
    }
    let problem = match implied(text) {
        Some(implied) if scalar.plain => not_text(text, implied, span, diagnosis),
        _ if is_template(text) => {
            let message = format!("{} is a template, and files are taken as they are written", shown(text));
            let problem = diagnosis.problem(ProblemCode::Template, span, message);
            problem.with_help("write the value out; nothing from the environment reaches a configuration")
        }
        _ => return Some(At { value: text.clone(), span }),
    };
    diagnosis.report(problem);
    None
}

fn not_text(text: &str, implied: Implied, span: Span, diagnosis: &Diagnosis<'_>) -> Problem {
    if span.start == span.end || text == "~" {
        return diagnosis.problem(ProblemCode::NotString, span, "there is nothing here; text is expected");
    }
    let message = format!("{} is {} to YAML, not text", shown(text), implied.as_str());
    let help = format!("quote it: {}", shown(&format!("\"{text}\"")));
    diagnosis.problem(ProblemCode::NotString, span, message).with_help(help)
}

/// `${VAR}`, `$(command)`, `{{ … }}` (but not the globs `{{a,b},c}`), `<% … %>`.
fn is_template(text: &str) -> bool {
    let braces = text.find("{{").is_some_and(|at| {
        let inside = &text[at + 2..];
        inside.contains("}}") && !inside.contains(',')
    });
    braces || ["${", "$(", "<%", "%("].iter().any(|open| text.contains(open))
}

/// `key:` with nothing behind it.
pub(super) fn is_missing(node: &Node) -> bool {
    matches!(&*node.content, Content::Scalar(scalar) if scalar.plain && node.span.start == node.span.end)
}

/// Reports that the value of `entry` is not what `expected` says, unless something was already reported.
pub(super) fn wrong_type(entry: &Entry, expected: &str, diagnosis: &mut Diagnosis<'_>) {
    if !matches!(*entry.value.content, Content::Broken) {
        let problem = type_problem(entry, expected, diagnosis);
        diagnosis.report(problem);
    }
}

pub(super) fn type_problem(entry: &Entry, expected: &str, diagnosis: &Diagnosis<'_>) -> Problem {
    let key = &entry.key.value;
    if is_missing(&entry.value) {
        let message = format!("{} has no value; it takes {expected}", shown(key));
        return diagnosis.problem(ProblemCode::Type, entry.key.span, message);
    }
    let message = format!("{} takes {expected}, found {}", shown(key), found(&entry.value));
    diagnosis.problem(ProblemCode::Type, entry.value.met(), message)
}

/// What a node is, with its article.
pub(super) fn found(node: &Node) -> &'static str {
    match &*node.content {
        Content::List(_) => "a list",
        Content::Map(_) => "a mapping",
        Content::Scalar(_) if is_missing(node) => "nothing",
        Content::Scalar(scalar) if scalar.plain => implied(&scalar.text).map_or("text", Implied::as_str),
        Content::Scalar(_) => "quoted text",
        Content::Broken => "something else",
    }
}
