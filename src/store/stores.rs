//! Opens locations: one client per registry and one store per layout, shared by the whole run.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use super::layout::Layout;
use super::mutex::lock;
use super::registry::{Network, RegistryClient, Settings};
use super::{Error, ImageSource, ImageTarget};
use crate::image::{LayoutPath, Location, Quota, Registry, Role};

/// Where all images live.
pub struct Stores {
    network: Network,
    settings: BTreeMap<Registry, Settings>,
    clients: Mutex<HashMap<Registry, Arc<RegistryClient>>>,
    layouts: Mutex<HashMap<(LayoutPath, Role), Arc<Layout>>>,
}

impl Stores {
    /// Stores that reach registries over `network`, each by its `settings` where it has some. Opens nothing yet.
    pub fn new(network: Network, settings: BTreeMap<Registry, Settings>) -> Self {
        Self { network, settings, clients: Mutex::default(), layouts: Mutex::default() }
    }

    /// The images at `location`, to read.
    pub fn source(&self, location: &Location) -> Result<Arc<dyn ImageSource>, Error> {
        Ok(self.open(location, Role::Source)?)
    }

    /// The images at `location`, to write; what is there already may be read, too.
    pub fn target(&self, location: &Location) -> Result<Arc<dyn ImageTarget>, Error> {
        self.open(location, Role::Target)
    }

    fn open(&self, location: &Location, role: Role) -> Result<Arc<dyn ImageTarget>, Error> {
        match location {
            Location::Repository(repository) => {
                Ok(self.registry(repository.registry())?.repository(repository.clone()))
            }
            Location::Layout(path) => {
                let mut layouts = lock(&self.layouts);
                let layout = layouts.entry((path.clone(), role)).or_insert_with(|| Layout::new(path.clone(), role));
                Ok(Arc::clone(layout) as _)
            }
        }
    }

    /// What the registries that were asked have said of their quotas of pulls, where they keep any.
    pub fn quotas(&self) -> BTreeMap<Registry, Quota> {
        let clients = lock(&self.clients);
        clients.iter().filter_map(|(registry, client)| Some((registry.clone(), client.quota()?))).collect()
    }

    /// The client of one registry. Fails where its certificates cannot be used.
    pub fn registry(&self, registry: &Registry) -> Result<Arc<RegistryClient>, Error> {
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(registry) {
            return Ok(Arc::clone(client));
        }
        let default = Settings::default();
        let settings = self.settings.get(registry).unwrap_or(&default);
        let client = RegistryClient::new(registry.clone(), settings, &self.network)?;
        clients.insert(registry.clone(), Arc::clone(&client));
        Ok(client)
    }
}
