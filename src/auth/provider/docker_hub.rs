//! Docker Hub: an OIDC connection of an organisation, whose rules say which jobs may do what.
//!
//! The exchange is that of docker's login action (docker/login-action, `src/dockerhub.ts`).

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::generic::seconds;
use super::{Issued, service};
use crate::auth::exchange::{Answer, Ask, Endpoint, Exchange};
use crate::auth::identity::{self, Wish};
use crate::auth::{ProviderError, Secret};
use crate::image::Registry;

/// An OIDC connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DockerHub {
    /// The organisation, which is the user name at the registry.
    pub organization: String,
    /// The connection's id.
    pub connection: String,
}

const SERVICE: &str = "https://identity.docker.com";
/// How long a token is to live, in seconds; docker's login action reads the same variable.
const EXPIRE_IN: &str = "DOCKERHUB_OIDC_EXPIREIN";
/// The shortest life that can be had; it is replaced in time.
const SHORTEST: u64 = 300;
const LONGEST: u64 = 21_600;

#[derive(Deserialize)]
struct Wire {
    access_token: Option<Secret>,
    #[serde(default)]
    expires_in: Value,
}

impl DockerHub {
    pub(super) async fn obtain(&self, exchange: &Exchange, registry: &Registry) -> Result<Issued, ProviderError> {
        let endpoint = service::endpoint(exchange, registry, || Ok(Endpoint::fixed(SERVICE)))?.below("/oauth/token");
        let wish = Wish { provider: "docker-hub", registry, audience: SERVICE, file_variable: None, exact: true };
        let wanted = lifetime(exchange)?;
        let token = identity::obtain(exchange, &wish).await?;
        let expires_in = wanted.as_secs().to_string();
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
            ("subject_token", token.text.expose()),
            ("connection_id", &self.connection),
            ("expires_in", &expires_in),
        ];
        let ask = Ask::post("an access token", endpoint).form(&form).secret(&token.text);
        let answer = exchange.send(ask).await?;
        let wire: Wire = answer.json().map_err(|error| self.advise(&answer, error).about(&token.claims))?;
        let password = wire.access_token.ok_or_else(|| answer.nonsense("sent no `access_token`"))?;
        let lifetime = seconds(&wire.expires_in).unwrap_or(wanted);
        service::issued(&answer, (&self.organization, password.expose()), Some(lifetime), token.claims)
    }

    fn advise(&self, answer: &Answer, error: ProviderError) -> ProviderError {
        match answer.status {
            400..=404 => error.advise(format!(
                "see that `connection-id` is a connection of `{}`, and that one of its rulesets has this subject",
                self.organization
            )),
            _ => error,
        }
    }
}

fn lifetime(exchange: &Exchange) -> Result<Duration, ProviderError> {
    let problem = "is not a number of seconds from 300 to 21600";
    let wrong = || ProviderError::Variable { name: EXPIRE_IN.into(), problem };
    let Some(text) = exchange.environment.get(EXPIRE_IN) else { return Ok(Duration::from_secs(SHORTEST)) };
    let number = text.trim().parse().ok().filter(|number| (SHORTEST..=LONGEST).contains(number));
    number.map(Duration::from_secs).ok_or_else(wrong)
}
