//! What `auth check` says: for each registry the sources asked, the credential, and what it is good for.
//!
//! No value of a credential gets here but the user name.

use std::fmt::{Display, Write as _};

use super::{Access, Count};
use crate::auth::{Consulted, Credential, Found, Origin, Verdict};
use crate::command::providers::Purpose;
use crate::image::{Code, Registry};
use crate::report::Untrusted;
use crate::store::Error;
use crate::store::registry::Checked;

fn clean(text: &impl Display) -> String {
    Untrusted::of(text).to_string()
}

/// The line that a registry's part begins with; `purpose` where there is a part for each.
pub(super) fn head(registry: &Registry, purpose: Option<Purpose>) -> String {
    let verb = match purpose {
        Some(Purpose::Plan) => ", to plan",
        Some(Purpose::Apply) => ", to apply",
        None => "",
    };
    format!("{}{verb}\n", clean(registry))
}

/// The credential that is used, and the sources in the order they were asked: why each is not the one.
pub(super) fn credential(trace: &[Consulted], found: Option<&Found>) -> String {
    let origin = trace.last().map(|last| clean(&last.origin)).unwrap_or_default();
    let what = match found.map(|found| &found.credential) {
        None => format!("none can be had: {}", trace.last().map(broken).unwrap_or_default()),
        Some(Credential::Anonymous) if matches!(trace.last().map(|last| &last.origin), Some(Origin::Anonymous)) => {
            "none, anonymous: nothing is configured for this registry".to_owned()
        }
        Some(Credential::Anonymous) => format!("none, by {origin}"),
        Some(Credential::Basic { username, .. }) => format!("user {} with a password, from {origin}", clean(username)),
        Some(Credential::Identity(_)) => format!("an identity token, from {origin}"),
        Some(Credential::Bearer(_)) => format!("a registry token, from {origin}"),
    };
    let mut text = format!("  credential: {what}\n");
    if let Some(Verdict::Broken(error)) = trace.last().map(|last| &last.verdict) {
        let hint = error.hint();
        text.extend(hint.map(|hint| format!("    help: {}\n", clean(&hint))));
    }
    let claims = found.and_then(|found| found.lease.as_ref()?.claims.as_ref());
    if let Some(claims) = claims {
        let _ = writeln!(text, "    got with an ID token: {}", clean(claims));
    }
    let sources = trace.iter().filter(|consulted| consulted.origin != Origin::Anonymous);
    let rows: Vec<_> = sources.map(|consulted| (clean(&consulted.origin), verdict(&consulted.verdict))).collect();
    let width = rows.iter().map(|(origin, _)| origin.chars().count()).max().unwrap_or_default();
    for (origin, verdict) in rows {
        let _ = writeln!(text, "    {origin:width$}   {verdict}");
    }
    text
}

/// What is wrong with a source; it names the source itself.
fn broken(consulted: &Consulted) -> String {
    match &consulted.verdict {
        Verdict::Broken(error) => clean(error),
        other => clean(other),
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Broken(_) => "broken: nothing after it is tried".to_owned(),
        other => clean(other),
    }
}

/// One access and what became of it.
pub(super) fn access(access: &Access<'_>, trace: &[Consulted]) -> String {
    let name = access.repository.map(|repository| format!(" {}", clean(&repository.name()))).unwrap_or_default();
    let subject = format!("  {}{name}: ", access.kind);
    match &access.answer {
        None => format!("{subject}FAILED, not asked without its credential\n"),
        Some(Err(error)) => {
            let is_about_credentials = matches!(error.code, Code::Auth | Code::NoCredentials | Code::Denied);
            let advice = is_about_credentials.then(|| advice(access, trace));
            subject + &failed(error, advice.as_deref().or(error.hint.as_deref()))
        }
        Some(Ok(checked)) if checked.granted == Some(false) => {
            let whose = if access.anonymous { "the public" } else { "this credential" };
            format!("{subject}FAILED, not granted to {whose}\n    help: {}\n", advice(access, trace))
        }
        Some(Ok(checked)) => format!("{subject}{}\n{}", allowed(access, checked), remark(checked)),
    }
}

/// What is known of an access that was not refused. Writing is never tried, so it is known only where a token tells.
fn allowed(access: &Access<'_>, checked: &Checked) -> &'static str {
    match (access.kind, checked.granted, checked.read) {
        (_, Some(true), _) => "granted",
        ("push", _, Some(true)) => "reading works; whether writing does shows only when it is used",
        (_, _, Some(true)) => "works",
        _ if checked.scheme.is_none() => "the registry asks for no credential",
        _ if access.anonymous => "let in without a credential; what that allows shows only when it is used",
        _ => "the credential is accepted; what it allows shows only when it is used",
    }
}

fn remark(checked: &Checked) -> String {
    checked.remark.as_ref().map(|remark| format!("    note: {}\n", clean(remark))).unwrap_or_default()
}

/// What to do about an access that is refused.
fn advice(access: &Access<'_>, trace: &[Consulted]) -> String {
    let variable = trace.iter().find_map(|consulted| match &consulted.origin {
        Origin::Variable(name) => Some(name),
        _ => None,
    });
    match (access.anonymous, variable) {
        (true, Some(variable)) => format!("set {variable}=user:password, or log in with docker or podman"),
        (true, None) => "log in with docker or podman".to_owned(),
        (false, _) => format!(
            "see that the credential is right and has not expired, and that its account may {}",
            if access.kind == "access" { "log in" } else { access.kind }
        ),
    }
}

/// A registry that cannot even be asked.
pub(super) fn unreachable(error: &Error) -> String {
    format!("  access: {}", failed(error, error.hint.as_deref()))
}

fn failed(error: &Error, hint: Option<&str>) -> String {
    let mut text = format!("FAILED, {} {}\n", error.code, clean(error));
    if let Some(hint) = hint {
        let _ = writeln!(text, "    help: {}", clean(&hint));
    }
    text
}

/// The last line.
pub(super) fn closing(count: &Count) -> String {
    let many = |number: usize, one: &str, more: &str| format!("{number} {}", if number == 1 { one } else { more });
    let accesses = many(count.accesses, "access", "accesses");
    let registries = many(count.registries, "registry", "registries");
    match count.failed {
        0 => format!("Checked {accesses} at {registries}: none failed.\n"),
        failed => format!("Checked {accesses} at {registries}: {failed} failed.\n"),
    }
}
