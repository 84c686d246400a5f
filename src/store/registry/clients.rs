//! The HTTP clients of one registry: one for the registry itself, one for every other origin it sends us to.
//!
//! Owns the choice between them, so that a client certificate is shown to the registry alone, and names that it hands out
//! are resolved with care.

use std::sync::Arc;

use reqwest::Url;

use super::guard::Guard;
use super::origin::Boundary;
use super::settings::{Network, Settings};
use super::tls;
use crate::store::Error;

/// The clients, and the boundary between what is the registry and what is not.
pub(super) struct Clients {
    pub(super) boundary: Boundary,
    home: reqwest::Client,
    abroad: reqwest::Client,
}

impl Clients {
    /// Sets up TLS and proxies; nothing is connected yet.
    pub(super) fn new(boundary: Boundary, settings: &Settings, network: &Network) -> Result<Self, Error> {
        let transfers = settings.concurrency.get();
        let ca = settings.ca.as_deref();
        let home = tls::client(network, ca, settings.client.as_ref(), transfers)?;
        let mut abroad = tls::builder(network, ca, None, transfers)?;
        // Behind a proxy, the names that are resolved here are those of proxies.
        if !boundary.is_inside() && network.proxies.is_empty() {
            abroad = abroad.dns_resolver(Arc::new(Guard));
        }
        let abroad = tls::build(abroad)?;
        Ok(Self { boundary, home, abroad })
    }

    /// The client for `url`.
    pub(super) fn of(&self, url: &Url) -> &reqwest::Client {
        if self.boundary.is_home(url) { &self.home } else { &self.abroad }
    }
}
