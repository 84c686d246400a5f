//! HTTP clients for those who get credentials: the same care as for registries, without being one.
//!
//! Owns which of them uses proxies, and which resolves names with suspicion. Refuses redirects, cookies and repetitions, as
//! all clients here do.

use std::sync::Arc;
use std::time::Duration;

use super::guard::Guard;
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
        Way::Open => {
            let builder = tls::builder(network, (None, Trust::Roots), None, 1)?;
            // Behind a proxy, the names that are resolved here are those of proxies.
            let guarded = network.proxies.is_empty();
            tls::build(if guarded { builder.dns_resolver(Arc::new(Guard::new())) } else { builder })
        }
        Way::Local | Way::Metadata => {
            let mut network = Network { proxies: Proxies::default(), ..network.clone() };
            if way == Way::Metadata {
                network.limits = Limits { connect: METADATA_CONNECT, ..network.limits };
            }
            tls::client(&network, (None, Trust::Roots), None, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_in_the_open_that_leads_to_this_machine_is_not_asked() {
        let connect = connector("regsync-test", Proxies::default(), Roots::system());
        let asked = |way| connect(way).unwrap().get("http://localhost:1/").send();
        let refused = format!("{:?}", asked(Way::Open).await.unwrap_err());
        assert!(refused.contains("Inside"), "{refused}");
        let unreachable = format!("{:?}", asked(Way::Local).await.unwrap_err());
        assert!(!unreachable.contains("Inside"), "{unreachable}");
    }
}
