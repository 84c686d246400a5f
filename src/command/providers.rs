//! From the words of the configuration to the providers that are asked, and what they are given to work with.

use std::collections::BTreeMap;

use super::session::clock;
use crate::auth::{
    Aws, Azure, Chainguard, Cloudsmith, DockerHub, Environment, Gcp, Generic, Jfrog, Mask, Place, Provider, Quay, Rule,
    Send, Surroundings,
};
use crate::config::{self, Auth, ProviderKind, RegistryKey, RegistryRules};
use crate::store::registry::{Proxies, Roots, connector};

/// What a run does to targets: some identities are for reading only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Nothing is written.
    Plan,
    /// Targets are written.
    Apply,
}

/// What the configuration says of credentials.
pub(super) fn rules(registries: &BTreeMap<RegistryKey, RegistryRules>, purpose: Purpose) -> Vec<(Place, Rule)> {
    let rule = |rules: &RegistryRules| match &rules.auth {
        Auth::Keychain => None,
        Auth::Anonymous => Some(Rule::Anonymous),
        Auth::Provider(written) => provider(written, purpose).map(Rule::Provider),
    };
    let entries = registries.iter().filter_map(|(key, rules)| Some((key, rule(rules)?)));
    entries.map(|(key, rule)| ((key.registry.clone(), key.namespace.clone()), rule)).collect()
}

/// The provider that is written there; `None` for what the configuration has refused already.
fn provider(written: &config::Provider, purpose: Purpose) -> Option<Provider> {
    let text = |key: &str| written.text(key).map(str::to_owned);
    let who = |key: &str| written.identity(key, purpose == Purpose::Plan).map(str::to_owned);
    Some(match written.kind {
        ProviderKind::Aws => {
            Provider::Aws(Aws { role: Some(who("role")?), session_name: text("session-name"), region: text("region") })
        }
        ProviderKind::Azure => {
            Provider::Azure(Azure::Federated { tenant: text("tenant-id")?, client: who("client-id")? })
        }
        ProviderKind::Gcp => Provider::Gcp(Gcp::Federated {
            provider: text("workload-identity-provider")?,
            service_account: who("service-account"),
        }),
        ProviderKind::Github => Provider::Github,
        ProviderKind::Gitlab => Provider::Gitlab,
        ProviderKind::Chainguard => Provider::Chainguard(Chainguard { identity: who("identity")? }),
        ProviderKind::Cloudsmith => {
            Provider::Cloudsmith(Cloudsmith { organization: text("organization")?, service: who("service")? })
        }
        ProviderKind::DockerHub => {
            Provider::DockerHub(DockerHub { organization: text("organization")?, connection: who("connection-id")? })
        }
        ProviderKind::Jfrog => Provider::Jfrog(Jfrog { integration: who("provider-name")? }),
        ProviderKind::Quay => Provider::Quay(Quay { robot: who("robot")? }),
        ProviderKind::Exchange => Provider::Exchange(Generic {
            url: text("url")?,
            send: match written.text("send") {
                Some("json") => Send::Json,
                Some("query") => Send::Query,
                _ => Send::Form,
            },
            id_token_field: text("id-token-field"),
            fields: written.fields("fields"),
            response_field: text("response-field").unwrap_or_else(|| "access_token".to_owned()),
            username: text("username"),
        }),
    })
}

/// What providers work with.
pub(super) fn surroundings(environment: &Environment, user_agent: &str, roots: Roots, mask: Mask) -> Surroundings {
    let proxies = Proxies::from_environment(|name| environment.get(name).map(str::to_owned));
    Surroundings { connect: connector(user_agent, proxies, roots), mask, clock, environment: environment.clone() }
}
