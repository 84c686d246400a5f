//! Names of other origins, resolved with care.
//!
//! Owns the check that a name handed out by a registry does not resolve to this machine or to a metadata service, made on the
//! very addresses that are connected to. Private networks are let through here: a registry of a company has a name in public
//! DNS form, and so have its storage and its token realm.

use std::fmt;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::reach::is_of_this_machine;

/// A resolver that refuses addresses of this machine and of metadata services, whatever else `R` has found with them.
pub(super) struct Guard<R>(R);

/// As this machine resolves names.
pub(super) struct System;

impl Guard<System> {
    /// Over what this machine finds.
    pub(super) fn new() -> Self {
        Self(System)
    }
}

/// A name resolved to an address that no registry may send us to.
#[derive(Debug)]
pub(super) struct Inside(SocketAddr);

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its name resolves to {}, an address of this machine or of a metadata service", self.0.ip())
    }
}

impl std::error::Error for Inside {}

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is set by the client.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl<R: Resolve> Resolve for Guard<R> {
    fn resolve(&self, name: Name) -> Resolving {
        let resolving = self.0.resolve(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = resolving.await?.collect();
            match found.iter().find(|address| is_of_this_machine(address.ip())) {
                Some(inside) => Err(Inside(*inside).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::auth::Keychain;
    use crate::event::Silent;
    use crate::image::Code;
    use crate::store::Error;
    use crate::store::registry::error::disconnected;
    use crate::store::registry::settings::Network;
    use crate::store::registry::tls::{self, Trust};

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_connected_to() {
        assert!(Guard::new().resolve("localhost".parse().unwrap()).await.is_err());
        let error = asked(Guard::new(), "http://localhost:1/").await;
        assert_eq!(error.code, Code::Boundary, "{error}");
        let client = tls::client(&network(), (None, Trust::Nobody), None, 1).unwrap();
        let unreachable = client.get("http://localhost:1/").send().await.unwrap_err();
        assert_eq!(disconnected("read", "cdn", unreachable).code, Code::Connect);
    }

    fn network() -> Network {
        Network::new("regsync-test", Arc::new(Keychain::fixed([].into())), Arc::new(Silent))
    }

    /// How a guarded client fails to read `url`.
    async fn asked<R: Resolve + 'static>(guard: Guard<R>, url: &str) -> Error {
        let client = tls::builder(&network(), (None, Trust::Nobody), None, 1).unwrap();
        let client = client.dns_resolver(Arc::new(guard)).build().unwrap();
        disconnected("read", "cdn", client.get(url).send().await.unwrap_err())
    }

    /// A name service that says something else each time.
    struct Changing(Mutex<Vec<Vec<&'static str>>>);

    impl Changing {
        fn saying(answers: &[&[&'static str]]) -> Self {
            Self(Mutex::new(answers.iter().rev().map(|answer| answer.to_vec()).collect()))
        }
    }

    impl Resolve for Changing {
        fn resolve(&self, _: Name) -> Resolving {
            let answer = self.0.lock().unwrap().pop().unwrap();
            let found: Vec<_> = answer.into_iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
        }
    }

    #[tokio::test]
    async fn a_name_of_a_metadata_service_is_not_connected_to() {
        let inside = ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254", "127.0.0.1", "0.0.0.0"];
        for address in inside {
            for answer in [&[address][..], &["203.0.113.7", address], &[address, "2001:db8::7"]] {
                let error = asked(Guard(Changing::saying(&[answer])), "http://cdn.example.com:1/").await;
                assert_eq!(error.code, Code::Boundary, "{answer:?}: {error}");
                assert!(error.message.contains("metadata"), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_looked_at_each_time() {
        let guard = Guard(Changing::saying(&[&["203.0.113.7", "10.0.0.7"], &["169.254.169.254"], &["203.0.113.7"]]));
        let resolve = || guard.resolve("cdn.example.com".parse().unwrap());
        assert_eq!(resolve().await.unwrap().count(), 2, "public and private addresses pass");
        let refused = resolve().await.err().unwrap();
        assert!(refused.downcast_ref::<Inside>().is_some(), "{refused}");
        assert_eq!(resolve().await.unwrap().count(), 1);
    }
}
