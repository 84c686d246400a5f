//! Whether a provider may serve a registry: by the name of its host, or because the environment says so.

use super::Reading;
use crate::config::problem::{Problem, ProblemCode, shown};
use crate::config::provider::{Provider, ProviderKind};
use crate::config::text::At;
use crate::image::Registry;

/// Reports a provider that may not serve `registry`, and settings that do not go with its host.
pub(super) fn check(registry: &Registry, written: &At<Provider>, reading: &mut Reading<'_, '_, '_>) {
    let problem = foreign(registry, written, reading).or_else(|| setting(registry, written, reading));
    if let Some(problem) = problem {
        reading.diagnosis.report(problem);
    }
}

fn foreign(registry: &Registry, written: &At<Provider>, reading: &Reading<'_, '_, '_>) -> Option<Problem> {
    let kind = written.value.kind;
    if kind.is_at(registry) || binding("PROVIDER", registry, reading) == Some(kind.name()) {
        return None;
    }
    let message = match kind {
        ProviderKind::Exchange => {
            format!("a token exchange for {} must be bound by the environment", shown(registry.as_str()))
        }
        _ => format!("{} is not a host of the provider `{}`", shown(registry.as_str()), kind.name()),
    };
    let problem = reading.diagnosis.problem(ProblemCode::Provider, written.span, message);
    Some(match registry.in_variable() {
        Some(host) => problem.with_help(format!(
            "whoever runs regsync can say that it is, in the environment: `REGSYNC_PROVIDER_{host}={}`",
            kind.name()
        )),
        None => problem,
    })
}

/// What only makes sense at some hosts.
fn setting(registry: &Registry, written: &At<Provider>, reading: &Reading<'_, '_, '_>) -> Option<Problem> {
    let provider = &written.value;
    let problem = |message: String| reading.diagnosis.problem(ProblemCode::Provider, written.span, message);
    match provider.kind {
        ProviderKind::Aws if provider.text("region").is_some() && provider.kind.is_at(registry) => {
            Some(problem("the host names its region".to_owned()).with_help("leave `region` out"))
        }
        ProviderKind::Exchange
            if provider.text("send") == Some("query") && provider.text("id-token-field").is_some() =>
        {
            let help = "leave `id-token-field` out: the ID token is sent as `Authorization: Bearer`";
            Some(problem("an ID token is not sent in a URL, which ends up in logs".to_owned()).with_help(help))
        }
        ProviderKind::Exchange => {
            let url = provider.text("url")?;
            let bound = binding("ENDPOINT", registry, reading);
            if is_bound(url, registry, bound) {
                return None;
            }
            let place = registry.in_variable().unwrap_or_default();
            let help = format!(
                "whoever runs regsync can name the service in the environment: `REGSYNC_ENDPOINT_{place}=https://…`"
            );
            let message = format!("{} is not at the registry's own host, with https", shown(url));
            Some(problem(message).with_help(help))
        }
        _ => None,
    }
}

/// Whether ID tokens for `registry` may go to `url`: at its own origin, or at the URL that the environment names.
fn is_bound(url: &str, registry: &Registry, bound: Option<&str>) -> bool {
    if bound.is_some_and(|bound| bound == url) {
        return true;
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let host = rest.split('/').next().unwrap_or_default();
    let same = host.parse::<Registry>().is_ok_and(|host| host == *registry);
    same && (scheme == "https" || (scheme == "http" && registry.is_loopback()))
}

/// What the environment says of a registry.
pub(super) fn binding<'r>(what: &str, registry: &Registry, reading: &'r Reading<'_, '_, '_>) -> Option<&'r str> {
    let name = format!("REGSYNC_{what}_{}", registry.in_variable()?);
    reading.rules.bindings.get(&name).map(String::as_str)
}
