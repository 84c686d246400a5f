//! Workload identity federation: an ID token is exchanged for a federated token, and that for one of a service account.
//!
//! <https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>,
//! <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AccessToken, advice, endpoint};
use crate::auth::exchange::{Answer, Ask, Exchange};
use crate::auth::identity::IdToken;
use crate::auth::provider::generic::seconds;
use crate::auth::{ProviderError, Secret};

/// Artifact Registry knows no narrower scope; what the token may do is said by the roles of whom it is for.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// What is shown to Google.
pub(super) struct Shown<'a> {
    pub(super) token: &'a IdToken,
    /// The provider that is to believe it.
    pub(super) provider: &'a str,
    /// What kind of token it is, in words of the exchange (RFC 8693 §3).
    pub(super) kind: &'a str,
}

/// An ID token, where nobody says otherwise.
pub(super) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

#[derive(Deserialize)]
struct Federated {
    access_token: Secret,
    expires_in: Option<Value>,
}

/// What the ID token is worth: a federated token, or with `account` one of that service account.
pub(super) async fn token(
    exchange: &Exchange,
    shown: &Shown<'_>,
    account: Option<&str>,
) -> Result<AccessToken, ProviderError> {
    let federated = federate(exchange, shown).await?;
    match account {
        Some(account) => impersonate(exchange, &federated, (account, shown)).await,
        None => Ok(federated),
    }
}

/// The federated token for what is shown.
async fn federate(exchange: &Exchange, shown: &Shown<'_>) -> Result<AccessToken, ProviderError> {
    let audience = format!("//iam.googleapis.com/{}", shown.provider);
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", &audience),
        ("scope", SCOPE),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", shown.kind),
        ("subject_token", shown.token.text.expose()),
    ];
    let ask = Ask::post("a federated token", endpoint::sts(exchange)?).form(&form).secret(&shown.token.text);
    let answer = exchange.send(ask.again(advice::is_accident)).await?;
    let federated: Federated = answer.json().map_err(|error| advice::of_federation(error, &answer, shown))?;
    let lifetime = federated.expires_in.as_ref().and_then(seconds);
    AccessToken::received(exchange, federated.access_token, lifetime, &answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: Secret,
    /// RFC 3339.
    expire_time: Option<String>,
}

/// A token of the service account `account`, which the holder of `federated` may act as.
async fn impersonate(
    exchange: &Exchange,
    federated: &AccessToken,
    (account, shown): (&str, &Shown<'_>),
) -> Result<AccessToken, ProviderError> {
    let endpoint = endpoint::service_account(exchange, account)?;
    let ask = Ask::post("a token of the service account", endpoint).bearer(&federated.text);
    let answer = exchange.send(ask.json(&json!({"scope": [SCOPE], "lifetime": "3600s"}))).await?;
    let impersonated = read(exchange, &answer);
    impersonated.map_err(|error| advice::of_impersonation(error, &answer, (account, shown)))
}

fn read(exchange: &Exchange, answer: &Answer) -> Result<AccessToken, ProviderError> {
    let impersonated: Impersonated = answer.json()?;
    let end = impersonated.expire_time.and_then(|end| end.parse::<Timestamp>().ok());
    let left = end.map(|end| end.duration_since(exchange.now()));
    // One that has ended by our clock is still what the service just gave: the clock is wrong, and the registry will say.
    let lifetime = left.and_then(|left| Duration::try_from(left).ok()).filter(|left| !left.is_zero());
    AccessToken::received(exchange, impersonated.access_token, lifetime, answer)
}
