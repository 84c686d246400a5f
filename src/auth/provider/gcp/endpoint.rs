//! Where Google's token services are: fixed, unless a variable of the environment that its own tools obey says otherwise.

use crate::auth::ProviderError;
use crate::auth::exchange::{Endpoint, Exchange};

/// The base of the Security Token Service: gcloud's `api_endpoint_overrides/sts`.
const STS: (&str, &str) = ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", "https://sts.googleapis.com");
/// The base of the Service Account Credentials API: gcloud's `api_endpoint_overrides/iamcredentials`.
const IAM: (&str, &str) = ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", "https://iamcredentials.googleapis.com");

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
