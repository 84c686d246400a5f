//! Chainguard: an assumable identity, whose claims say which jobs may assume it.
//!
//! Its issuer exchanges the ID token for one for the registry
//! (<https://edu.chainguard.dev/chainguard/administration/assumable-ids/assumable-ids/>, docker/login-action
//! `src/chainguard.ts`).

use serde::Deserialize;

use super::{Issued, service};
use crate::auth::exchange::{Answer, Ask, Endpoint, Exchange};
use crate::auth::identity::{self, Wish};
use crate::auth::{ProviderError, Secret};
use crate::image::Registry;

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chainguard {
    /// Its id.
    pub identity: String,
}

/// Who gives the token, and so for whom the ID token is made.
const ISSUER: &str = "https://issuer.enforce.dev";
/// For whom the token is that is got.
const REGISTRY: &str = "cgr.dev";
/// The user name that goes with a token at the registry; it is not looked at.
const USER: &str = "_token";

#[derive(Deserialize)]
struct Wire {
    token: Option<Secret>,
}

impl Chainguard {
    pub(super) async fn obtain(&self, exchange: &Exchange, registry: &Registry) -> Result<Issued, ProviderError> {
        let endpoint = service::endpoint(exchange, registry, || Ok(Endpoint::fixed(ISSUER)))?.below("/sts/exchange");
        let wish = Wish { provider: "chainguard", registry, audience: ISSUER, file_variable: None, exact: true };
        let token = identity::obtain(exchange, &wish).await?;
        let endpoint = endpoint.with_pair("aud", REGISTRY).with_pair("identity", &self.identity);
        let answer = exchange.send(Ask::get("a token for the registry", endpoint).bearer(&token.text)).await?;
        let wire: Wire = answer.json().map_err(|error| self.advise(&answer, error).about(&token.claims))?;
        let password = wire.token.ok_or_else(|| answer.nonsense("sent no `token`"))?;
        let lifetime = service::lifetime(exchange, password.expose());
        service::issued(&answer, (USER, password.expose()), lifetime, token.claims)
    }

    fn advise(&self, answer: &Answer, error: ProviderError) -> ProviderError {
        match answer.status {
            400..=404 => error
                .advise(format!("see that the identity `{}` exists, and that it matches these claims", self.identity)),
            _ => error,
        }
    }
}
