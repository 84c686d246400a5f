//! One name, pin or glob of a list of tags.

use super::{Reading, reference};
use crate::config::problem::{Problem, ProblemCode, looks_secret, shown};
use crate::config::text::Span;
use crate::config::{TagGlob, TagRule};
use crate::image::{Digest, Tag};

/// A mistake in an item: its kind, what is wrong, what to do.
pub(super) type Wrong = (ProblemCode, String, Option<String>);

pub(super) fn report((code, message, help): Wrong, span: Span, reading: &mut Reading<'_, '_, '_>) {
    let problem = reading.diagnosis.problem(code, span, message);
    reading.diagnosis.report(Problem { help, ..problem });
}

pub(super) fn rule(text: &str) -> Result<TagRule, Wrong> {
    if let Some((name, digest)) = text.split_once('@') {
        let tag = tag(name)?;
        let digest = digest.parse::<Digest>().map_err(|error| {
            let help = "a pin is `name@sha256:…`, with all 64 digits".to_owned();
            (ProblemCode::DigestFormat, error.to_string(), Some(help))
        })?;
        return Ok(TagRule::Pin(tag, digest));
    }
    if TagGlob::is_glob(text) { glob(text).map(TagRule::Glob) } else { tag(text).map(TagRule::Exact) }
}

fn tag(text: &str) -> Result<Tag, Wrong> {
    let hint = |text: &str| {
        if text.contains(['\\', '+', '$', '^', '(', '|']) {
            Some("regular expressions belong into `regex`: `tags: { regex: ['v1\\.\\d+'] }`".to_owned())
        } else if text.starts_with("sha256:") {
            Some("a pin needs the name that it goes by: `name@sha256:…`".to_owned())
        } else if text.contains('/') || text.contains(':') {
            Some("a tag is only what stands behind the `:` of a reference".to_owned())
        } else {
            Some("a tag has letters, digits, `_`, `.` and `-`, and starts with none of `.` and `-`".to_owned())
        }
    };
    text.parse().map_err(|_| match text {
        "" => (ProblemCode::RefTag, "an empty text is not a tag".to_owned(), None),
        _ if text.len() > 128 => (ProblemCode::RefLength, "the tag is longer than 128 characters".to_owned(), None),
        _ if looks_secret(text) => (ProblemCode::RefTag, "this is not a tag".to_owned(), None),
        _ if !text.is_ascii() => {
            let wrong = text.chars().find(|c| !c.is_ascii_graphic()).unwrap_or_default();
            let message = format!("{} has the character U+{:04X}, which no tag holds", shown(text), u32::from(wrong));
            (ProblemCode::RefChar, message, reference::character_help(wrong).map(str::to_owned))
        }
        _ => (ProblemCode::RefTag, format!("{} is not a tag", shown(text)), hint(text)),
    })
}

pub(super) fn glob(text: &str) -> Result<TagGlob, Wrong> {
    // Longer than any tag, several times over: nobody means that, and compiling it costs.
    if text.len() > 512 {
        return Err((ProblemCode::RefLength, "the glob is longer than 512 characters".to_owned(), None));
    }
    if let Some(c) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "_.-*?[]{}!,^".contains(*c))) {
        let message = format!("{} can match no tag: tags hold no {}", shown(text), shown(&c.to_string()));
        let help = r"\+($|"
            .contains(c)
            .then(|| "regular expressions belong into `regex`: `tags: { regex: ['v1\\.\\d+'] }`".to_owned());
        return Err((ProblemCode::EmptySelector, message, help));
    }
    if text.starts_with(['.', '-']) {
        let message = format!("{} can match no tag: tags start with a letter, a digit or `_`", shown(text));
        return Err((ProblemCode::EmptySelector, message, None));
    }
    if text.is_empty() {
        return Err((ProblemCode::EmptySelector, "an empty text can match no tag".to_owned(), None));
    }
    TagGlob::new(text).map_err(|error| {
        let help = "`*` is any text, `?` one character, `[0-9]` one of these, `{a,b}` either".to_owned();
        (ProblemCode::Glob, format!("{} is not a glob: {error}", shown(text)), Some(help))
    })
}
