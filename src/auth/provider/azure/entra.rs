//! Microsoft Entra: a token for registries, as an application.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>, its first and third case.

use serde::Deserialize;

use super::cloud::Cloud;
use super::{EntraToken, advice};
use crate::auth::exchange::{Ask, Exchange};
use crate::auth::identity::IdToken;
use crate::auth::{Claims, ProviderError, Secret};

/// What tokens are asked for: registries, in each cloud (azure-sdk-for-go, `azcontainerregistry/cloud_config.go`).
pub(super) const RESOURCE: &str = "https://containerregistry.azure.net";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An application of a directory.
pub(super) struct Application<'a> {
    pub(super) cloud: Cloud,
    pub(super) tenant: &'a str,
    pub(super) client: &'a str,
}

#[derive(Deserialize)]
struct Wire {
    access_token: Secret,
}

impl<'a> Application<'a> {
    pub(super) fn new(cloud: Cloud, tenant: &'a str, client: &'a str) -> Result<Self, ProviderError> {
        // It stands in a path.
        let is_word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        if !is_word(tenant) || tenant.starts_with('.') {
            let problem = "is no id and no domain of a directory";
            return Err(ProviderError::Variable { name: "AZURE_TENANT_ID".into(), problem });
        }
        Ok(Self { cloud, tenant, client })
    }

    /// The one that the environment names.
    pub(super) fn of_environment(cloud: Cloud, exchange: &'a Exchange) -> Result<Self, ProviderError> {
        let text = |name: &str| exchange.environment.get(name).unwrap_or_default();
        Self::new(cloud, text("AZURE_TENANT_ID"), text("AZURE_CLIENT_ID"))
    }

    /// As the application, by its secret.
    pub(super) async fn proven(&self, exchange: &Exchange, secret: &Secret) -> Result<EntraToken, ProviderError> {
        self.token(exchange, (&[("client_secret", secret.expose())], secret), None).await
    }

    /// As the application, by a federated credential that the ID token matches.
    pub(super) async fn federated(&self, exchange: &Exchange, token: &IdToken) -> Result<EntraToken, ProviderError> {
        let proof = [("client_assertion_type", ASSERTION), ("client_assertion", token.text.expose())];
        self.token(exchange, (&proof, &token.text), Some(&token.claims)).await
    }

    async fn token(
        &self,
        exchange: &Exchange,
        (proof, secret): (&[(&str, &str)], &Secret),
        claims: Option<&Claims>,
    ) -> Result<EntraToken, ProviderError> {
        let scope = format!("{RESOURCE}/.default");
        let mut form = vec![("grant_type", "client_credentials"), ("client_id", self.client), ("scope", &scope)];
        form.extend(proof);
        let endpoint = self.cloud.token_endpoint(exchange, self.tenant)?;
        let answer = exchange.send(Ask::post("an Entra token", endpoint).form(&form).secret(secret)).await?;
        let wire: Wire = answer.json().map_err(|error| advice::of_entra(error, &answer, (self, claims)))?;
        let text = EntraToken::received(exchange, wire.access_token, &answer)?;
        Ok(EntraToken { text, tenant: Some(self.tenant.to_owned()), client: Some(self.client.to_owned()) })
    }
}
