//! Cloudsmith: a service account that an OIDC provider of the organisation may act as.
//!
//! The exchange is that of cloudsmith-io/cloudsmith-cli-action (`src/oidc-auth.js`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Issued, service};
use crate::auth::exchange::{Answer, Ask, Endpoint, Exchange};
use crate::auth::identity::{self, Wish};
use crate::auth::{ProviderError, Secret};
use crate::image::Registry;

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cloudsmith {
    /// The organisation.
    pub organization: String,
    /// The slug of the account.
    pub service: String,
}

const SERVICE: &str = "https://api.cloudsmith.io";
/// The user name that goes with a token at the registry.
const USER: &str = "token";

#[derive(Deserialize)]
struct Wire {
    token: Option<Secret>,
}

impl Cloudsmith {
    pub(super) async fn obtain(&self, exchange: &Exchange, registry: &Registry) -> Result<Issued, ProviderError> {
        let path = format!("/openid/{}/", self.organization);
        let endpoint = service::endpoint(exchange, registry, || Ok(Endpoint::fixed(SERVICE)))?.below(&path);
        let wish = Wish { provider: "cloudsmith", registry, audience: SERVICE, file_variable: None, exact: true };
        let token = identity::obtain(exchange, &wish).await?;
        let document = BTreeMap::from([("oidc_token", token.text.expose()), ("service_slug", &self.service)]);
        let answer = exchange.send(Ask::post("an access token", endpoint).json(&document).secret(&token.text)).await?;
        let wire: Wire = answer.json().map_err(|error| self.advise(&answer, error).about(&token.claims))?;
        let password = wire.token.ok_or_else(|| answer.nonsense("sent no `token`"))?;
        let lifetime = service::lifetime(exchange, password.expose());
        service::issued(&answer, (USER, password.expose()), lifetime, token.claims)
    }

    fn advise(&self, answer: &Answer, error: ProviderError) -> ProviderError {
        match answer.status {
            400..=404 | 422 => error.advise(format!(
                "see that `{}` has an OIDC provider for this issuer with these claims, and that it names the service \
                 account `{}`",
                self.organization, self.service
            )),
            _ => error,
        }
    }
}
