//! GitHub Actions: an ID token for any audience, from the service that the runner names.
//!
//! <https://docs.github.com/en/actions/reference/security/oidc>. Its tokens live for minutes: one is made for each exchange.

use serde::Deserialize;

use super::token;
use crate::auth::exchange::{Ask, Endpoint, Exchange};
use crate::auth::{ProviderError, Secret};

const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

#[derive(Deserialize)]
struct Wire {
    value: Option<Secret>,
}

/// A token for `audience`; `None` where the job may ask for none.
pub(super) async fn mint(exchange: &Exchange, audience: &str) -> Result<Option<Secret>, ProviderError> {
    let (Some(url), Some(token_of_job)) = (exchange.environment.get(URL), exchange.environment.get(TOKEN)) else {
        return Ok(None);
    };
    let endpoint = Endpoint::given(URL, url)?;
    if endpoint.has("audience") {
        return Err(ProviderError::Variable { name: URL.into(), problem: "names an audience already" });
    }
    let ask = Ask::get("the ID token", endpoint.with_pair("audience", audience)).bearer(&Secret::new(token_of_job));
    let answer = exchange.send(ask).await?;
    let wire: Wire = answer.json()?;
    let value = wire.value.as_ref().and_then(|value| token(value.expose()));
    value.map(Some).ok_or_else(|| answer.nonsense("sent none"))
}
