//! Azure: a refresh token of the registry itself, which it gives for a token of Microsoft Entra.
//!
//! | whose identity | how |
//! |---|---|
//! | an application's that trusts the job, or that has a secret | `entra`: ID token or secret → Entra token |
//! | the machine's | `managed`: its metadata service → Entra token |
//!
//! With the Entra token the registry is asked at `/oauth2/exchange`; what it gives is an identity token for its own realm
//! (<https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md>). Owns that last exchange. Which cloud a registry is in is
//! `cloud`'s to say, what refusals mean `advice`'s.

mod advice;
mod ambient;
mod cloud;
mod entra;
mod managed;

use std::time::Duration;

use serde::Deserialize;

pub(super) use ambient::ambient;
use cloud::Cloud;
use entra::Application;

use super::Issued;
use crate::auth::exchange::{Answer, Ask, Endpoint, Exchange};
use crate::auth::identity::{self, IdToken, Wish};
use crate::auth::{Claims, Credential, ProviderError, Secret};
use crate::image::Registry;

/// Whose identity is used at Azure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Azure {
    /// An application's, or a user-assigned managed identity's, with a federated credential for the job.
    Federated {
        /// The directory that it is in: its id or a domain.
        tenant: String,
        /// The application's (client's) id.
        client: String,
    },
    /// The application's that the environment names, which has a federated credential for the job.
    Job,
    /// An application's, by the ID token in the file that `AZURE_FEDERATED_TOKEN_FILE` names.
    TokenFile,
    /// An application's, by its `AZURE_CLIENT_SECRET`.
    Secret,
    /// The machine's, or the app's.
    Managed,
}

/// A token of Microsoft Entra for registries, and for whom it is.
struct EntraToken {
    text: Secret,
    tenant: Option<String>,
    client: Option<String>,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: Secret,
}

const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// The ID token of the job.
async fn of_job(exchange: &Exchange, registry: &Registry) -> Result<IdToken, ProviderError> {
    let audience = Cloud::of(registry).audience();
    let wish = Wish { provider: "azure", registry, audience, file_variable: Some(TOKEN_FILE), exact: false };
    identity::obtain(exchange, &wish).await
}

impl Azure {
    pub(super) async fn obtain(&self, exchange: &Exchange, registry: &Registry) -> Result<Issued, ProviderError> {
        let cloud = Cloud::of(registry);
        match self {
            Self::Federated { tenant, client } => {
                let token = of_job(exchange, registry).await?;
                let entra = Application::new(cloud, tenant, client)?.federated(exchange, &token).await?;
                entra.redeem(exchange, registry, Some(token.claims)).await
            }
            Self::Job => {
                // Nobody is taken in the application's place: the machine is somebody else.
                let instead = "unset `AZURE_TENANT_ID` to act as the machine";
                let token = of_job(exchange, registry).await.map_err(|error| error.or_else(instead))?;
                let entra = Application::of_environment(cloud, exchange)?.federated(exchange, &token).await?;
                entra.redeem(exchange, registry, Some(token.claims)).await
            }
            Self::TokenFile => {
                let token = identity::of_file(exchange, TOKEN_FILE)?;
                let entra = Application::of_environment(cloud, exchange)?.federated(exchange, &token).await?;
                entra.redeem(exchange, registry, Some(token.claims)).await
            }
            Self::Secret => {
                let secret = Secret::new(exchange.environment.get("AZURE_CLIENT_SECRET").unwrap_or_default());
                let entra = Application::of_environment(cloud, exchange)?.proven(exchange, &secret).await?;
                entra.redeem(exchange, registry, None).await
            }
            Self::Managed => managed::token(exchange).await?.redeem(exchange, registry, None).await,
        }
    }
}

impl EntraToken {
    /// Text that was received: hidden from here on.
    fn received(exchange: &Exchange, text: Secret, from: &Answer) -> Result<Secret, ProviderError> {
        if text.expose().is_empty() || !text.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(from.nonsense("sent something that is no token"));
        }
        exchange.mask(&text);
        Ok(text)
    }

    /// What the registry gives for it.
    async fn redeem(
        &self,
        exchange: &Exchange,
        registry: &Registry,
        claims: Option<Claims>,
    ) -> Result<Issued, ProviderError> {
        let mut form = vec![("grant_type", "access_token"), ("service", registry.api_host())];
        form.extend(self.tenant.as_deref().map(|tenant| ("tenant", tenant)));
        form.push(("access_token", self.text.expose()));
        let endpoint = Endpoint::at(registry, "/oauth2/exchange")?;
        let ask = Ask::post("a refresh token", endpoint).form(&form).secret(&self.text);
        let answer = exchange.send(ask).await?;
        let whose = (registry, self.client.as_deref());
        let refresh: Refresh =
            answer.json().map_err(|error| advice::of_registry(error, &answer, whose, claims.as_ref()))?;
        let text = refresh.refresh_token.expose();
        let credential = Credential::identity(text).map_err(|_| answer.nonsense("sent something that is no token"))?;
        Ok(Issued { lifetime: lifetime(exchange, text), credential, renewable: true, claims })
    }
}

/// What a token says of its end: a few hours ahead. One that has ended by our clock tells of the clock, not of the token.
fn lifetime(exchange: &Exchange, token: &str) -> Option<Duration> {
    let left = Claims::of(token)?.expires?.checked_sub(exchange.now().as_second())?;
    u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_secs)
}
