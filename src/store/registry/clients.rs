//! The HTTP clients of one registry: one for the registry itself, one for the origins that the environment binds to it, and one
//! for every other that it sends us to.
//!
//! Owns the choice between them, so that a client certificate is shown to the registry alone, and which names are resolved
//! by which rule.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use reqwest::Url;

use super::guard::{Guard, Nearness, Rule};
use super::origin::{Boundary, origin};
use super::reach::{Reach, reach};
use super::settings::{Network, Settings};
use super::tls::{self, Trust};
use crate::image::Code;
use crate::store::Error;
use crate::store::limits::WIDTH_MOST;

/// The clients, and the boundary between what is the registry and what is not.
pub(super) struct Clients {
    pub(super) boundary: Boundary,
    home: reqwest::Client,
    bound: Abroad,
    abroad: Abroad,
}

/// Most registries send us nowhere, or soon: such a client is made when it is needed.
type Abroad = LazyLock<Result<reqwest::Client, Error>, Box<dyn FnOnce() -> Result<reqwest::Client, Error> + Send>>;

impl Clients {
    /// Sets up TLS and proxies; nothing is connected yet. Fails also where the registry's very address is nobody's.
    pub(super) fn new(boundary: Boundary, settings: &Settings, network: &Network) -> Result<Self, Error> {
        let spelled = reach(boundary.base());
        if spelled == Reach::Nowhere {
            let message = "that is an address of a metadata service, or of no host at all";
            return Err(Error::new(Code::Boundary, format!("reach {}", origin(boundary.base())), message));
        }
        let transfers = settings.concurrency.map_or(WIDTH_MOST, NonZeroUsize::get);
        // Where nothing is encrypted on the way home, nobody is trusted, and no certificate is read for it.
        let plain = boundary.base().scheme() == "http" && network.proxies.is_empty();
        let trust = if plain { Trust::Nobody } else { Trust::Roots };
        let nearness = Arc::new(Nearness::spelled(spelled));
        let guard = |rule, network: &Network| Arc::new(Guard::new(&network.names, rule, network.proxies.hosts()));
        let home = tls::builder(network, (settings.ca.as_deref(), trust), settings.client.as_ref(), transfers)?;
        let home = tls::build(home.dns_resolver(guard(Rule::Home(Arc::clone(&nearness)), network)))?;
        let away = |rule| {
            let (network, ca) = (network.clone(), settings.ca.clone());
            let client = move || {
                let builder = tls::builder(&network, (ca.as_deref(), Trust::Roots), None, transfers)?;
                tls::build(builder.dns_resolver(guard(rule, &network)))
            };
            Abroad::new(Box::new(client))
        };
        Ok(Self { boundary, home, bound: away(Rule::Bound), abroad: away(Rule::Abroad(nearness)) })
    }

    /// The client for `url`.
    pub(super) fn of(&self, url: &Url) -> Result<&reqwest::Client, Error> {
        if self.boundary.is_home(url) {
            return Ok(&self.home);
        }
        let client = if self.boundary.is_bound(url) { &self.bound } else { &self.abroad };
        client.as_ref().map_err(Error::clone)
    }
}
