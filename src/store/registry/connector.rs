//! HTTP clients for those who get credentials: the same care as for registries, without being one.
//!
//! Owns which of them uses proxies, and which resolves names with suspicion. Refuses redirects, cookies and repetitions, as
//! all clients here do.

use std::sync::Arc;
use std::time::Duration;

use super::guard::{Guard, Rule};
use super::proxy::Proxies;
use super::settings::{Limits, Network};
use super::tls::{self, Roots, Trust};
use crate::auth::{Connect, Environment, Keychain, Way};
use crate::event::Silent;
use crate::store::Error;

/// How long a metadata service may take to accept a connection.
const METADATA_CONNECT: Duration = Duration::from_secs(1);

/// Makes HTTP clients for token services.
pub fn connector(user_agent: &str, proxies: Proxies, roots: Roots) -> Connect {
    // They are nobody's: what they send is for their users to say.
    let nobody = Arc::new(Keychain::new(Environment::default(), Vec::new()));
    let network = Network { proxies, roots, ..Network::new(user_agent, nobody, Arc::new(Silent)) };
    Arc::new(move |way| client(&network, way).map_err(|error| error.to_string()))
}

fn client(network: &Network, way: Way) -> Result<reqwest::Client, Error> {
    match way {
        Way::Open => guarded(network, Rule::Service),
        Way::Local | Way::Metadata => {
            let mut network = Network { proxies: Proxies::default(), ..network.clone() };
            if way == Way::Metadata {
                network.limits = Limits { connect: METADATA_CONNECT, ..network.limits };
            }
            guarded(&network, Rule::Anywhere)
        }
    }
}

fn guarded(network: &Network, rule: Rule) -> Result<reqwest::Client, Error> {
    let guard = Guard::new(&network.names, rule, network.proxies.hosts());
    let builder = tls::builder(network, (None, Trust::Roots), None, 1)?;
    tls::build(builder.dns_resolver(Arc::new(guard)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::registry::Names;

    async fn asked(network: &Network, way: Way, url: &str) -> String {
        let sent = client(network, way).unwrap().get(url).send().await;
        format!("{:?}", sent.unwrap_err())
    }

    #[tokio::test]
    async fn a_name_in_the_open_that_leads_to_this_machine_is_not_asked() {
        let nobody = Arc::new(Keychain::fixed([].into()));
        let direct = Network::new("regsync-test", nobody, Arc::new(Silent));
        for proxies in ["", "HTTP_PROXY=http://proxy.example:1", "HTTPS_PROXY=http://proxy.example:1"] {
            let lookup = |name: &str| match name {
                "NO_PROXY" => Some(".inside.example".to_owned()),
                _ => proxies.split_once('=').filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()),
            };
            let names = Names::listed(&[("sts.inside.example", "127.0.0.1"), ("proxy.example", "127.0.0.1")]);
            let network = Network { proxies: Proxies::from_environment(lookup), names, ..direct.clone() };
            let refused = asked(&network, Way::Open, "https://sts.inside.example:1/").await;
            assert!(refused.contains("Inside"), "{proxies}: {refused}");
            let unreachable = asked(&network, Way::Local, "https://sts.inside.example:1/").await;
            assert!(!unreachable.contains("Inside"), "{proxies}: {unreachable}");
            // The proxy itself may be anywhere.
            let unreachable = asked(&network, Way::Open, "https://sts.example:1/").await;
            assert!(!unreachable.contains("Inside"), "{proxies}: {unreachable}");
        }
    }
    #[tokio::test]
    async fn a_name_of_this_machine_that_leads_elsewhere_is_not_asked() {
        let nobody = Arc::new(Keychain::fixed([].into()));
        let names = Names::listed(&[("far.localhost", "203.0.113.7"), ("near.localhost", "127.0.0.1")]);
        let network = Network { names, ..Network::new("regsync-test", nobody, Arc::new(Silent)) };
        for way in [Way::Local, Way::Metadata] {
            let refused = asked(&network, way, "http://far.localhost:1/").await;
            assert!(refused.contains("Outside"), "{refused}");
            let unreachable = asked(&network, way, "http://near.localhost:1/").await;
            assert!(!unreachable.contains("Outside"), "{unreachable}");
        }
    }
}
