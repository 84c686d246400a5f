//! References, as configurations write them: what is wrong with one, in the words of this room.

use std::borrow::Cow;
use std::path::Path;

use super::Reading;
use crate::config::paths::{Outside, root_of};
use crate::config::problem::{Problem, ProblemCode, shown};
use crate::config::text::{At, Span};
use crate::config::{PathKind, WrittenPath};
use crate::image::{DigestError, LayoutPath, Location, ReferenceError, Role, Written};

/// Reads the value of `source`, `target` or an item of `targets`; what is wrong with it is reported.
pub(super) fn read(text: &At<String>, role: Role, reading: &mut Reading<'_, '_, '_>) -> Option<Written> {
    let written = match Written::parse(&text.value, role, reading.directory) {
        Ok(written) => written,
        Err(error) => {
            let problem = problem(&error, text, reading);
            reading.diagnosis.report(problem);
            return None;
        }
    };
    if let Location::Layout(layout) = &written.location {
        keep_layout(layout, role, text.span, reading)?;
    }
    Some(written)
}

/// A layout must lie where the file may point to.
fn keep_layout(layout: &LayoutPath, role: Role, span: Span, reading: &mut Reading<'_, '_, '_>) -> Option<()> {
    let kind = match role {
        Role::Source => PathKind::SourceLayout,
        Role::Target => PathKind::TargetLayout,
    };
    let written = Path::new(layout.written());
    match root_of(written, reading.directory, &reading.rules.allowed_paths) {
        Ok(root) => {
            let (place, path) = (reading.diagnosis.place(span), layout.directory().to_path_buf());
            reading.paths.push(WrittenPath { kind, path, root: root.to_path_buf(), place, span: span.range() });
            Some(())
        }
        Err(outside) => {
            let problem = outside_problem(ProblemCode::LayoutPath, outside, (layout.written(), span), reading);
            reading.diagnosis.report(problem);
            None
        }
    }
}

/// The problem of a path that leads outside.
pub(super) fn outside_problem(
    code: ProblemCode,
    outside: Outside,
    (written, span): (&str, Span),
    reading: &Reading<'_, '_, '_>,
) -> Problem {
    let message = match outside {
        Outside::Absolute => format!("the path {} is absolute", shown(written)),
        Outside::Escapes => format!("the path {} leads out of the directory of this file", shown(written)),
    };
    let help =
        "paths are relative to this file and stay below its directory; `--allow-path DIR` permits another directory";
    reading.diagnosis.problem(code, span, message).with_help(help)
}

/// Turns the error of a reference into a problem.
pub(super) fn problem(error: &ReferenceError, text: &At<String>, reading: &Reading<'_, '_, '_>) -> Problem {
    let (code, message, help) = words(error, &text.value);
    let problem = reading.diagnosis.problem(code, text.span, message);
    Problem { help, ..problem }
}

type Words = (ProblemCode, Cow<'static, str>, Option<String>);

fn words(error: &ReferenceError, text: &str) -> Words {
    use ReferenceError as E;
    let whole = shown(text);
    match error {
        E::Character(_) => character(text),
        E::Scheme(rest) => scheme(rest, text),
        // `@sha256:../..`: a slash where only a digest can be.
        E::UserInfo if text.split_once('@').is_some_and(|(_, after)| after.starts_with("sha")) => {
            (ProblemCode::DigestFormat, DigestError::Format.to_string().into(), None)
        }
        E::UserInfo => user_info(),
        E::Case(lower) => (
            ProblemCode::RefCase,
            format!("{whole} has upper-case letters, and names of repositories have none").into(),
            Some(format!("did you mean {}?", shown(&lowered(text, lower)))),
        ),
        E::Path(part) => path(part, text),
        E::Length { what, limit } => {
            (ProblemCode::RefLength, format!("the {what} is longer than {limit} characters").into(), None)
        }
        E::Tag(tag) => (
            ProblemCode::RefTag,
            format!("{} is not a tag", shown(tag)).into(),
            Some("a tag has letters, digits, `_`, `.` and `-`, and starts with none of `.` and `-`".into()),
        ),
        E::Incomplete(separator) => (
            ProblemCode::RefIncomplete,
            format!("something is missing behind the {} of {whole}", shown(separator)).into(),
            None,
        ),
        E::TargetDigest => (
            ProblemCode::RefTargetDigest,
            "a target names no digest: what is written there follows from the source".into(),
            Some("write the digest at the source: `name:tag@sha256:…`".into()),
        ),
        E::Digest(error) => (ProblemCode::DigestFormat, format!("{error}").into(), digest_help(text)),
        E::Port(_) => {
            (ProblemCode::RefPort, format!("the port in {whole} is not a number from 1 to 65535").into(), None)
        }
        E::NoRegistry(full) => (
            ProblemCode::RefAmbiguous,
            format!("{whole} does not say which registry is written to").into(),
            Some(format!("write the host: `ghcr.io/…`, or {} if Docker Hub is meant", shown(full))),
        ),
        E::Host(host) => host_words(host),
    }
}

fn scheme(rest: &str, text: &str) -> Words {
    let authority = text.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if authority.contains('@') {
        return user_info();
    }
    let mut help = format!("write {}", shown(rest));
    if text.starts_with("http://") {
        help.push_str("; registries without TLS get `plain-http: true` below `registries`");
    }
    (ProblemCode::RefScheme, "a reference has no scheme".into(), Some(help))
}

fn user_info() -> Words {
    let help = "credentials come from the environment or from docker's files, bound to the host";
    (ProblemCode::RefUserInfo, "a reference holds no user name and no password".into(), Some(help.to_owned()))
}

fn character(text: &str) -> Words {
    let trimmed = text.trim();
    let wrong = |c: &char| !c.is_ascii_graphic();
    let layout = text.starts_with("oci:");
    let found = text.chars().find(|c| if layout { !c.is_alphanumeric() && wrong(c) && *c != ' ' } else { wrong(c) });
    let message = match found {
        Some(c) if trimmed.len() < text.len() && trimmed.chars().all(|c| c.is_ascii_graphic()) => {
            format!("{} begins or ends with white space (U+{:04X})", shown(text), u32::from(c))
        }
        Some(c) => format!("{} has the character U+{:04X}, which no reference holds", shown(text), u32::from(c)),
        None => format!("{} begins or ends with white space", shown(text)),
    };
    (ProblemCode::RefChar, message.into(), found.and_then(character_help).map(str::to_owned))
}

/// Why a character that looks harmless is refused.
pub(super) fn character_help(c: char) -> Option<&'static str> {
    if c.is_alphabetic() {
        Some("it may look like a letter of the Latin alphabet, but it is another; type the name again")
    } else if c.is_ascii() {
        None
    } else {
        Some("it may be invisible, or look like another; type the name again")
    }
}

fn path(part: &str, text: &str) -> Words {
    if text.starts_with("oci:") {
        let help = "a path has no backslashes and no control characters";
        return (
            ProblemCode::LayoutPath,
            format!("{} is not the path of a layout", shown(part)).into(),
            Some(help.into()),
        );
    }
    if text.is_empty() {
        return (ProblemCode::RefIncomplete, "an empty text is not a reference".into(), None);
    }
    let message = match part {
        ":" | "@" => format!("{} has no name before the `{part}`", shown(text)),
        "" => format!("{} names no repository", shown(text)),
        _ if part.contains("//") => format!("{} has an empty path component", shown(text)),
        _ if part.ends_with('/') => format!("{} ends with `/`", shown(text)),
        _ if part.starts_with('/') => format!("{} starts with `/`", shown(text)),
        _ if part.split('/').any(|component| matches!(component, "." | "..")) => {
            format!("{} has a component `.` or `..`", shown(text))
        }
        _ => format!("{} is not the name of a repository", shown(part)),
    };
    let help = "components are lower-case letters and digits, with single `.`, `_`, `__` or any `-` between them";
    let code = if part == ":" || part == "@" { ProblemCode::RefIncomplete } else { ProblemCode::RefPath };
    (code, message.into(), (code == ProblemCode::RefPath).then(|| help.to_owned()))
}

fn digest_help(text: &str) -> Option<String> {
    let digest = text.rsplit('@').next().unwrap_or_default();
    let hex = digest.rsplit(':').next().unwrap_or_default();
    if text.len() == 64 && !text.contains('@') {
        return Some("this looks like the identifier of an image; write the name of its repository".to_owned());
    }
    if digest.starts_with("sha256:") && hex.len() != 64 {
        let short = if hex.len() < 64 { "; short digests are not accepted" } else { "" };
        return Some(format!("this one has {} digits{short}", hex.len()));
    }
    hex.bytes().any(|b| b.is_ascii_uppercase()).then(|| "write the digits in lower case".to_owned())
}

fn host_words(host: &str) -> Words {
    let message = format!("{} is not the name of a registry", shown(host));
    let help = if host.split('.').any(|label| label.starts_with("xn--")) {
        "names in punycode can look like others and are not accepted"
    } else if host.starts_with("0x") || host.bytes().all(|b| b.is_ascii_digit() || b".:".contains(&b)) {
        "an address is written with four numbers: `192.0.2.1`"
    } else if host.starts_with('[') {
        "an IPv6 address stands between brackets: `[2001:db8::1]:5000`"
    } else {
        "a host has letters, digits, `-` and `.`, and perhaps a port"
    };
    (ProblemCode::RefHost, message.into(), Some(help.to_owned()))
}

/// The whole reference with its repository in lower case.
fn lowered(text: &str, lower: &str) -> String {
    let start = text.to_ascii_lowercase().find(lower);
    start.map_or_else(|| lower.to_owned(), |at| format!("{}{lower}{}", &text[..at], &text[at + lower.len()..]))
}
