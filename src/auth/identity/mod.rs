//! ID tokens: what the CI system says this job is, signed, for one audience.
//!
//! | source | audience | |
//! |---|---|---|
//! | `REGSYNC_ID_TOKEN_<HOST>`, `REGSYNC_ID_TOKEN_<PROVIDER>`, `REGSYNC_ID_TOKEN` | fixed | GitLab's `id_tokens`, and any other |
//! | `REGSYNC_ID_TOKEN_FILE` | fixed; read anew each time | projected service account tokens |
//! | GitHub Actions | as asked for; made anew each time | `github` |
//! | the file that a provider's own variable names | fixed; read anew each time | `AWS_WEB_IDENTITY_TOKEN_FILE` and its like |
//! | `CIRCLE_OIDC_TOKEN_V2`, `BITBUCKET_STEP_OIDC_TOKEN` | fixed | |
//!
//! Owns the choice among them, which the environment alone makes: the configuration cannot name a variable or a file, or it
//! could have any of them sent away.

mod claims;
mod github;

use std::path::Path;

pub use claims::Claims;
pub(super) use claims::in_command;
use zeroize::Zeroizing;

use super::exchange::Exchange;
use super::{ProviderError, Secret};
use crate::image::Registry;

/// What an ID token is for.
pub(super) struct Wish<'a> {
    /// The name of the provider.
    pub(super) provider: &'static str,
    pub(super) registry: &'a Registry,
    /// For whom it is to be made.
    pub(super) audience: &'a str,
    /// The provider's own variable for a file with a token, where it has one.
    pub(super) file_variable: Option<&'static str>,
    /// Whether a token made for another audience must stay here: where the service is not one of the provider's own. One
    /// that the environment has for this very host may go there.
    pub(super) exact: bool,
}

/// An ID token. Hidden from the CI system's log already.
pub(super) struct IdToken {
    pub(super) text: Secret,
    /// What it says of itself; empty where it is not a JWT.
    pub(super) claims: Claims,
}

/// Where a token came from.
struct Source {
    name: String,
    text: Secret,
    /// Whether the environment has it for this very registry.
    bound: bool,
}

/// A token for `wish`: made anew where the source can.
pub(super) async fn obtain(exchange: &Exchange, wish: &Wish<'_>) -> Result<IdToken, ProviderError> {
    let source = match named(exchange, wish)? {
        Some(source) => source,
        None => match github::mint(exchange, wish.audience).await? {
            Some(text) => Source { name: "GitHub Actions".to_owned(), text, bound: true },
            None => of_the_machine(exchange, wish)?.ok_or_else(|| absent(exchange, wish))?,
        },
    };
    exchange.mask(&source.text);
    let claims = Claims::of(source.text.expose()).unwrap_or_default();
    check(exchange, wish, &source, &claims)?;
    Ok(IdToken { text: source.text, claims })
}

/// The token in the file that the provider's own `variable` names, and no other: for who is there by that variable.
pub(super) fn of_file(exchange: &Exchange, variable: &'static str) -> Result<IdToken, ProviderError> {
    let problem = "names no file";
    let source = file(exchange, variable)?.ok_or(ProviderError::Variable { name: variable.into(), problem })?;
    source.accepted(exchange)
}

/// A token that something else gave; `name` says what, in words.
pub(super) fn given(exchange: &Exchange, name: &str, text: &str) -> Result<Option<IdToken>, ProviderError> {
    let source = token(text.trim()).map(|text| Source { name: name.to_owned(), text, bound: false });
    source.map(|source| source.accepted(exchange)).transpose()
}

impl Source {
    /// The token, unless it has expired; hidden from here on.
    fn accepted(self, exchange: &Exchange) -> Result<IdToken, ProviderError> {
        exchange.mask(&self.text);
        let claims = Claims::of(self.text.expose()).unwrap_or_default();
        check_time(exchange, &self, &claims)?;
        Ok(IdToken { text: self.text, claims })
    }
}

/// The variables and the file that are ours.
fn named(exchange: &Exchange, wish: &Wish<'_>) -> Result<Option<Source>, ProviderError> {
    let host = wish.registry.in_variable().map(|host| (format!("REGSYNC_ID_TOKEN_{host}"), true));
    let provider = wish.provider.replace('-', "__").to_ascii_uppercase();
    let names = [(format!("REGSYNC_ID_TOKEN_{provider}"), false), ("REGSYNC_ID_TOKEN".to_owned(), false)];
    for (name, bound) in host.into_iter().chain(names) {
        if let Some(text) = variable(exchange, &name)? {
            return Ok(Some(Source { name: format!("`{name}`"), text, bound }));
        }
    }
    file(exchange, "REGSYNC_ID_TOKEN_FILE")
}

/// What a machine or another CI system offers.
fn of_the_machine(exchange: &Exchange, wish: &Wish<'_>) -> Result<Option<Source>, ProviderError> {
    if let Some(name) = wish.file_variable
        && let Some(source) = file(exchange, name)?
    {
        return Ok(Some(source));
    }
    for name in ["CIRCLE_OIDC_TOKEN_V2", "BITBUCKET_STEP_OIDC_TOKEN"] {
        if let Some(text) = variable(exchange, name)? {
            return Ok(Some(Source { name: format!("`{name}`"), text, bound: false }));
        }
    }
    Ok(None)
}

fn variable(exchange: &Exchange, name: &str) -> Result<Option<Secret>, ProviderError> {
    let flawed = |problem| ProviderError::Variable { name: name.into(), problem };
    let value = exchange.environment.text(name).map_err(|_| flawed("is not valid UTF-8"))?;
    value.map(|text| token(text.trim()).ok_or_else(|| flawed("does not hold a token"))).transpose()
}

/// The token in the file that the variable `name` names.
fn file(exchange: &Exchange, name: &str) -> Result<Option<Source>, ProviderError> {
    /// Tokens stay far below this many bytes.
    const LONGEST: u64 = 64 * 1024;
    let Some(path) = exchange.environment.path(name) else { return Ok(None) };
    let text = read(&path, LONGEST).map_err(|kind| ProviderError::File { name: name.into(), kind })?;
    let text = token(text.expose().trim());
    let text =
        text.ok_or(ProviderError::Variable { name: name.into(), problem: "names a file that holds no token" })?;
    Ok(Some(Source { name: format!("the file that `{name}` names"), text, bound: false }))
}

/// The text of a file, cut at `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Secret, std::io::ErrorKind> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|error| error.kind())?;
    let found = file.metadata().ok().filter(std::fs::Metadata::is_file).ok_or(std::io::ErrorKind::InvalidInput)?;
    // Room for all of it, and for the reader to see that there is no more: it never moves.
    let room = usize::try_from(found.len().min(limit)).unwrap_or_default() + 64;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(limit).read_to_end(&mut bytes).map_err(|error| error.kind())?;
    str::from_utf8(&bytes).map(Secret::new).map_err(|_| std::io::ErrorKind::InvalidData)
}

/// Tokens travel in headers and forms: visible ASCII, nothing else.
fn token(text: &str) -> Option<Secret> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Secret::new(text))
}

/// What can be known before the token is sent anywhere.
fn check(exchange: &Exchange, wish: &Wish<'_>, source: &Source, claims: &Claims) -> Result<(), ProviderError> {
    check_time(exchange, source, claims)?;
    if wish.exact && !source.bound && !claims.audience.iter().any(|audience| audience == wish.audience) {
        let problem = format!("is made for another audience than {}: it is not sent there ({claims})", wish.audience);
        let place = wish.registry.in_variable().unwrap_or_default();
        let hint = format!("make one for that audience, or hand it over for this host in `REGSYNC_ID_TOKEN_{place}`");
        return Err(ProviderError::Token { source_name: source.name.clone(), problem, hint });
    }
    Ok(())
}

fn check_time(exchange: &Exchange, source: &Source, claims: &Claims) -> Result<(), ProviderError> {
    if claims.expires.is_none_or(|end| end > exchange.now().as_second()) {
        return Ok(());
    }
    let hint = "it lives as long as its CI system says, and cannot be renewed here; get it later in the job".to_owned();
    Err(ProviderError::Token { source_name: source.name.clone(), problem: "has expired".to_owned(), hint })
}

fn absent(exchange: &Exchange, wish: &Wish<'_>) -> ProviderError {
    let provider = wish.provider.replace('-', "__").to_ascii_uppercase();
    let is_set = |name: &str| exchange.environment.get(name).is_some();
    let hint = if is_set("GITHUB_ACTIONS") {
        "give the job `permissions: id-token: write`; pull requests from forks get no ID token, whatever it says"
            .to_owned()
    } else if is_set("GITLAB_CI") {
        format!("give the job `id_tokens: {{ REGSYNC_ID_TOKEN_{provider}: {{ aud: \"{}\" }} }}`", wish.audience)
    } else {
        format!("put it into `REGSYNC_ID_TOKEN_{provider}`, or its path into `REGSYNC_ID_TOKEN_FILE`")
    };
    ProviderError::Absent { missing: format!("there is no ID token for {}", wish.audience), hint }
}
