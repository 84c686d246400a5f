//! Where Google's token services are: fixed, unless a variable of the environment that its own tools obey says otherwise.

use crate::auth::ProviderError;
use crate::auth::exchange::{Endpoint, Exchange};

/// The base of the Security Token Service: gcloud's `api_endpoint_overrides/sts`.
const STS: (&str, &str) = ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", "https://sts.googleapis.com");
/// The base of the Service Account Credentials API: gcloud's `api_endpoint_overrides/iamcredentials`.
const IAM: (&str, &str) = ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", "https://iamcredentials.googleapis.com");

/// Where tokens for signed assertions are made: gcloud's `auth/token_host`, a whole URL.
const OAUTH: &str = "CLOUDSDK_AUTH_TOKEN_HOST";

/// The one URL for the exchange of tokens that files may name.
pub(super) const STS_URL: &str = "https://sts.googleapis.com/v1/token";
/// What the one URL to act as a service account begins with, in files.
pub(super) const IMPERSONATION: &str = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/";
/// What key files name for one and the same service; the first is where assertions go, and whom they are for.
pub(super) const TOKEN_URIS: [&str; 3] = [
    "https://oauth2.googleapis.com/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://accounts.google.com/o/oauth2/token",
];

/// Where signed assertions are exchanged.
pub(super) fn oauth(exchange: &Exchange) -> Result<Endpoint, ProviderError> {
    Endpoint::given(OAUTH, exchange.environment.get(OAUTH).unwrap_or(TOKEN_URIS[0]))
}

/// Where tokens of others are exchanged for Google's.
pub(super) fn sts(exchange: &Exchange) -> Result<Endpoint, ProviderError> {
    below(exchange, STS, "/v1/token")
}

/// Where a service account's tokens are made.
pub(super) fn service_account(exchange: &Exchange, email: &str) -> Result<Endpoint, ProviderError> {
    below(exchange, IAM, &format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken"))
}

fn below(exchange: &Exchange, (variable, base): (&str, &str), path: &str) -> Result<Endpoint, ProviderError> {
    let base = exchange.environment.get(variable).unwrap_or(base);
    Endpoint::given(variable, &format!("{}{path}", base.trim_end_matches('/')))
}
