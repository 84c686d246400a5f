//! What providers have in common whose service takes an ID token and gives a password: where the service is, how long what
//! it gives lives, and what becomes of it.
//!
//! Refuses to take the place of a service from anywhere but this program and the environment.

use std::time::Duration;

use super::Issued;
use crate::auth::exchange::{Answer, Endpoint, Exchange};
use crate::auth::{Claims, Credential, ProviderError};
use crate::image::Registry;

/// The service for `registry`: where the environment says that it is, otherwise as the provider has it.
pub(super) fn endpoint(
    exchange: &Exchange,
    registry: &Registry,
    own: impl FnOnce() -> Result<Endpoint, ProviderError>,
) -> Result<Endpoint, ProviderError> {
    let name = registry.in_variable().map(|host| format!("REGSYNC_ENDPOINT_{host}"));
    match name.and_then(|name| Some((exchange.environment.get(&name)?.to_owned(), name))) {
        Some((url, name)) => Endpoint::given(&name, &url),
        None => own(),
    }
}

/// A user name and the password that `answer` holds.
pub(super) fn issued(
    answer: &Answer,
    (username, password): (&str, &str),
    lifetime: Option<Duration>,
    claims: Claims,
) -> Result<Issued, ProviderError> {
    let credential = Credential::basic(username, password);
    let credential = credential.map_err(|_| answer.nonsense("sent something that is no credential"))?;
    Ok(Issued { credential, lifetime, renewable: true, claims: Some(claims) })
}

/// How long a token lives from now on, where it is a JWT that says so.
pub(super) fn lifetime(exchange: &Exchange, token: &str) -> Option<Duration> {
    let left = Claims::of(token)?.expires?.saturating_sub(exchange.now().as_second());
    // By a clock that goes wrong it may have ended before it was made: then only the registry knows.
    u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_secs)
}
