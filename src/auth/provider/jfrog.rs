//! Artifactory: an OIDC integration of the platform that it is part of, whose identity mappings say which jobs get what.
//!
//! The exchange is that of jfrog/setup-jfrog-cli (`src/utils.ts`), as is how the user's name is read from the token.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::generic::seconds;
use super::{Issued, service};
use crate::auth::exchange::{Answer, Ask, Endpoint, Exchange};
use crate::auth::identity::{self, Wish};
use crate::auth::{Claims, ProviderError, Secret};
use crate::image::Registry;

/// An OIDC integration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Jfrog {
    /// Its name.
    pub integration: String,
}

#[derive(Deserialize)]
struct Wire {
    access_token: Option<Secret>,
    username: Option<String>,
    #[serde(default)]
    expires_in: Value,
}

impl Jfrog {
    pub(super) async fn obtain(&self, exchange: &Exchange, registry: &Registry) -> Result<Issued, ProviderError> {
        let platform = service::endpoint(exchange, registry, || Endpoint::at(registry, ""))?;
        // Whoever runs the integration chooses its audience: the platform's own name is for nobody else.
        let audience = format!("https://{}", platform.authority());
        let wish = Wish { provider: "jfrog", registry, audience: &audience, file_variable: None, exact: true };
        let token = identity::obtain(exchange, &wish).await?;
        let document = BTreeMap::from([
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
            ("subject_token", token.text.expose()),
            ("provider_name", &self.integration),
        ]);
        let endpoint = platform.below("/access/api/v1/oidc/token");
        let answer = exchange.send(Ask::post("an access token", endpoint).json(&document).secret(&token.text)).await?;
        let wire: Wire = answer.json().map_err(|error| self.advise(&answer, error).about(&token.claims))?;
        let password = wire.access_token.ok_or_else(|| answer.nonsense("sent no `access_token`"))?;
        let user = wire.username.filter(|name| !name.is_empty()).or_else(|| user(&password));
        let user = user.ok_or_else(|| answer.nonsense("sent an access token that names no user"))?;
        let lifetime = seconds(&wire.expires_in).or_else(|| service::lifetime(exchange, password.expose()));
        service::issued(&answer, (&user, password.expose()), lifetime, token.claims)
    }

    fn advise(&self, answer: &Answer, error: ProviderError) -> ProviderError {
        match answer.status {
            400..=403 => error.advise(format!(
                "see that the integration `{}` exists, and that one of its identity mappings has these claims",
                self.integration
            )),
            404 | 405 => error.advise(
                "see that this is the JFrog platform; where its host is another than the registry's, \
                 `REGSYNC_ENDPOINT_<HOST>` names it",
            ),
            _ => error,
        }
    }
}

/// Whose the token is: `jfac@…/users/name`, `jfrt@…/name`, or the name alone.
fn user(token: &Secret) -> Option<String> {
    let subject = Claims::of(token.expose())?.subject?;
    let has_path = subject.starts_with("jfrt@") || subject.contains("/users/");
    let name = if has_path { subject.rsplit('/').next().unwrap_or_default() } else { &subject };
    (!name.is_empty()).then(|| name.to_owned())
}
