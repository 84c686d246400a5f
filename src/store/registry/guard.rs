//! Names of other origins, resolved with care.
//!
//! Owns the check that a name handed out by a registry does not resolve to this machine or to a metadata service, made on the
//! very addresses that are connected to. Private networks are let through here: a registry of a company has a name in public
//! DNS form, and so have its storage and its token realm.

use std::fmt;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::reach::is_of_this_machine;

/// A resolver that refuses addresses of this machine and of metadata services.
pub(super) struct Guard;

/// A name resolved to an address that no registry may send us to.
#[derive(Debug)]
pub(super) struct Inside(SocketAddr);

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its name resolves to {}, an address of this machine or of a metadata service", self.0.ip())
    }
}

impl std::error::Error for Inside {}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is set by the client.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            match found.iter().find(|address| is_of_this_machine(address.ip())) {
                Some(inside) => Err(Inside(*inside).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::Keychain;
    use crate::event::Silent;
    use crate::image::Code;
    use crate::store::registry::error::disconnected;
    use crate::store::registry::settings::Network;
    use crate::store::registry::tls::{self, Trust};

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_connected_to() {
        assert!(Guard.resolve("localhost".parse().unwrap()).await.is_err());
        let network = Network::new("regsync-test", Arc::new(Keychain::fixed([].into())), Arc::new(Silent));
        let client = tls::client(&network, (None, Trust::Nobody), None, 1).unwrap();
        let guarded = tls::builder(&network, (None, Trust::Nobody), None, 1).unwrap();
        let guarded = guarded.dns_resolver(Arc::new(Guard)).build().unwrap();
        let refused = guarded.get("http://localhost:1/").send().await.unwrap_err();
        let error = disconnected("read", "cdn", refused);
        assert_eq!(error.code, Code::Boundary, "{error}");
        let unreachable = client.get("http://localhost:1/").send().await.unwrap_err();
        assert_eq!(disconnected("read", "cdn", unreachable).code, Code::Connect);
    }
}
