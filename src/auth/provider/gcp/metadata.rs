//! The metadata service: a token of the service account that a machine of Google's runs as.
//!
//! <https://cloud.google.com/compute/docs/metadata/overview>

use reqwest::header::HeaderName;
use serde::Deserialize;
use serde_json::Value;

use super::AccessToken;
use super::ambient::METADATA;
use crate::auth::exchange::{Ask, Endpoint, Exchange};
use crate::auth::provider::generic::seconds;
use crate::auth::{ProviderError, Secret};

const WHAT: &str = "a token of the service account";
/// Not its name, which somebody else may resolve.
const ADDRESS: &str = "169.254.169.254";
const TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
/// Requests and answers bear it: what does not is something else at the same address.
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

#[derive(Deserialize)]
struct Wire {
    access_token: Secret,
    expires_in: Option<Value>,
}

pub(super) async fn token(exchange: &Exchange) -> Result<AccessToken, ProviderError> {
    let nobody = ProviderError::Nobody { who: "Google's metadata service" };
    let named = exchange.environment.get(METADATA);
    let service = Endpoint::metadata(METADATA, &format!("http://{}{TOKEN}", named.unwrap_or(ADDRESS)))?;
    let ask = |endpoint| Ask::get(WHAT, endpoint).header(FLAVOR, "Google");
    // It answers at once here: so it is found, and may then take the seconds that a token may need.
    match exchange.send(ask(service.clone().with_path("/"))).await {
        Err(error @ ProviderError::Unreachable { .. }) => return Err(if named.is_some() { error } else { nobody }),
        other => other?,
    };
    let answer = exchange.send(ask(service.found())).await?;
    if answer.header(FLAVOR) != Some("Google") {
        return Err(answer.nonsense("is no metadata service of Google"));
    }
    if answer.status == 404 {
        return Err(nobody);
    }
    let wire: Wire = answer.json()?;
    AccessToken::received(exchange, wire.access_token, wire.expires_in.as_ref().and_then(seconds), &answer)
}
