//! Managed identities: what Azure says of a machine (IMDS), or of an app (App Service, Container Apps).
//!
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>,
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>

use reqwest::header::HeaderName;
use serde::Deserialize;

use super::{EntraToken, entra};
use crate::auth::exchange::{Ask, Endpoint, Exchange};
use crate::auth::{ProviderError, Secret};

const WHAT: &str = "an Entra token";
const IMDS: &str = "http://169.254.169.254";
/// The variable by which Azure's own libraries are told of another metadata service.
const IMDS_VARIABLE: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
const CLIENT: &str = "AZURE_CLIENT_ID";

#[derive(Deserialize)]
struct Wire {
    access_token: Secret,
}

/// A token of the identity; of the user-assigned one that `AZURE_CLIENT_ID` names.
pub(super) async fn token(exchange: &Exchange) -> Result<EntraToken, ProviderError> {
    let variable = |name: &str| exchange.environment.get(name);
    let ask = match (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER")) {
        (Some(url), Some(header)) => of_app(exchange, url, &Secret::new(header))?,
        _ => of_machine(exchange).await?,
    };
    let answer = exchange.send(ask).await?;
    // Each machine of Azure has such a service: not to be known there is not to have an identity.
    let unknown = answer.status == 400 && answer.words().contains("Identity not found");
    if unknown && variable(CLIENT).is_none() {
        return Err(ProviderError::Nobody { who: "Azure's metadata service" });
    }
    let wire: Wire = answer.json().map_err(|error| match variable(CLIENT) {
        Some(client) if unknown => error.advise(format!("assign the identity {client} of `{CLIENT}` to this machine")),
        _ => error,
    })?;
    let text = EntraToken::received(exchange, wire.access_token, &answer)?;
    Ok(EntraToken { text, tenant: None, client: variable(CLIENT).map(str::to_owned) })
}

fn of_app(exchange: &Exchange, url: &str, header: &Secret) -> Result<Ask, ProviderError> {
    let endpoint = Endpoint::neighbour("IDENTITY_ENDPOINT", url)?.with_pair("api-version", "2019-08-01");
    let ask = Ask::get(WHAT, for_registries(exchange, endpoint)).secret(header);
    Ok(ask.header(HeaderName::from_static("x-identity-header"), header.expose()))
}

async fn of_machine(exchange: &Exchange) -> Result<Ask, ProviderError> {
    let named = exchange.environment.get(IMDS_VARIABLE);
    let base = named.unwrap_or(IMDS).trim_end_matches('/');
    let endpoint = Endpoint::metadata(IMDS_VARIABLE, &format!("{base}/metadata/identity/oauth2/token"))?;
    // It answers at once to what lacks its header: so it is found, and may then take the seconds that it needs.
    let found = exchange.send(Ask::get(WHAT, endpoint.clone())).await;
    if let Err(error @ ProviderError::Unreachable { .. }) = found {
        let is_told = named.is_some() || exchange.environment.get(CLIENT).is_some();
        return Err(if is_told { error } else { ProviderError::Nobody { who: "Azure's metadata service" } });
    }
    let endpoint = for_registries(exchange, endpoint.found().with_pair("api-version", "2018-02-01"));
    Ok(Ask::get(WHAT, endpoint).header(HeaderName::from_static("metadata"), "true"))
}

fn for_registries(exchange: &Exchange, endpoint: Endpoint) -> Endpoint {
    let endpoint = endpoint.with_pair("resource", entra::RESOURCE);
    match exchange.environment.get(CLIENT) {
        Some(client) => endpoint.with_pair("client_id", client),
        None => endpoint,
    }
}
