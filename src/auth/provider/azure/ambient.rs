//! What the environment and the machine offer for registries of Azure, in the order of Azure's own libraries.
//!
//! <https://learn.microsoft.com/python/api/overview/azure/identity-readme#environment-variables>

use super::Azure;
use crate::auth::Environment;
use crate::auth::provider::Provider;
use crate::auth::provider::ambient::{Ambient, is_bound, is_made_by};
use crate::image::Registry;

const DOMAINS: [&str; 3] = [".azurecr.io", ".azurecr.cn", ".azurecr.us"];
/// By which each virtual machine of Azure is known (cloud-init, `DataSourceAzure`).
const CHASSIS: (&str, &str) = ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77");

/// The source for `registry`; `None` where it is none of Azure's.
pub(in crate::auth::provider) fn ambient(registry: &Registry, environment: &Environment) -> Option<Ambient> {
    let own = DOMAINS.iter().any(|domain| registry.as_str().strip_suffix(domain).is_some_and(|name| !name.is_empty()));
    if !own && !is_bound(registry, environment, "azure") {
        return None;
    }
    let (name, azure) = match source(environment) {
        Some((name, azure)) => (name, Some(azure)),
        None => ("Azure's environment", None),
    };
    Some(Ambient { name, provider: azure.map(Provider::Azure) })
}

fn source(environment: &Environment) -> Option<(&'static str, Azure)> {
    let all = |names: &[&str]| names.iter().all(|name| environment.get(name).is_some());
    let any = |names: &[&str]| names.iter().any(|name| environment.get(name).is_some());
    let application = all(&["AZURE_TENANT_ID", "AZURE_CLIENT_ID"]);
    match () {
        () if application && all(&["AZURE_CLIENT_SECRET"]) => Some(("AZURE_CLIENT_SECRET", Azure::Secret)),
        () if application && all(&["AZURE_FEDERATED_TOKEN_FILE"]) => {
            Some(("AZURE_FEDERATED_TOKEN_FILE", Azure::TokenFile))
        }
        () if application => Some(("AZURE_CLIENT_ID with an ID token", Azure::Job)),
        () if all(&["IDENTITY_ENDPOINT", "IDENTITY_HEADER"]) => {
            Some(("IDENTITY_ENDPOINT (a managed identity)", Azure::Managed))
        }
        () if any(&["AZURE_CLIENT_ID", "AZURE_POD_IDENTITY_AUTHORITY_HOST"]) || is_made_by(CHASSIS.0, CHASSIS.1) => {
            Some(("the managed identity of this machine", Azure::Managed))
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(host: &str, names: &[&str]) -> Option<&'static str> {
        let environment: Environment = names.iter().map(|name| (*name, "x")).collect();
        let ambient = ambient(&host.parse().unwrap(), &environment)?;
        ambient.provider.map(|_| ambient.name)
    }

    #[test]
    fn the_first_that_is_complete_is_taken() {
        let application = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"];
        let machine = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"];
        let with = |more: &[&'static str]| [&application[..], &machine, more].concat();
        let host = "acme.azurecr.io";
        let all = with(&["AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "ACTIONS_ID_TOKEN_REQUEST_URL"]);
        assert_eq!(offered(host, &all), Some("AZURE_CLIENT_SECRET"));
        let file = with(&["AZURE_FEDERATED_TOKEN_FILE", "ACTIONS_ID_TOKEN_REQUEST_URL"]);
        assert_eq!(offered(host, &file), Some("AZURE_FEDERATED_TOKEN_FILE"));
        let job = with(&["ACTIONS_ID_TOKEN_REQUEST_URL"]);
        assert_eq!(offered(host, &job), Some("AZURE_CLIENT_ID with an ID token"));
        assert_eq!(offered(host, &with(&[])), Some("AZURE_CLIENT_ID with an ID token"));
        assert_eq!(offered(host, &application), Some("AZURE_CLIENT_ID with an ID token"));
        assert_eq!(offered(host, &machine), Some("IDENTITY_ENDPOINT (a managed identity)"));
        assert_eq!(offered(host, &["AZURE_CLIENT_ID"]), Some("the managed identity of this machine"));
        let incomplete = ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID"];
        assert_eq!(offered(host, &incomplete), Some("the managed identity of this machine"));
    }

    #[test]
    fn nothing_is_offered_to_others() {
        for host in ["azurecr.io", "acme.azurecr.de", "acme.azurecr.io.evil.example", "acme.azurecr.io:444", "ghcr.io"]
        {
            assert_eq!(offered(host, &["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"]), None, "{host}");
        }
        let registry: Registry = "registry.example.com".parse().unwrap();
        let bound = [("REGSYNC_PROVIDER_REGISTRY_EXAMPLE_COM", "azure"), ("AZURE_CLIENT_ID", "x")];
        assert!(ambient(&registry, &bound.into_iter().collect()).is_some());
        let other = [("REGSYNC_PROVIDER_REGISTRY_EXAMPLE_COM", "gcp"), ("AZURE_CLIENT_ID", "x")];
        assert!(ambient(&registry, &other.into_iter().collect()).is_none());
    }
}
