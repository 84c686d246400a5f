//! The catalogs of registries, one for each that a glob of repositories needs: what the globs stand for.
//!
//! Owns that one catalog serves all globs of a registry. Refuses to take a part for the whole: a failure is carried as data.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use super::failure;
use crate::config::{Desired, MirrorGlob};
use crate::event::{Event, Reporter};
use crate::image::{Catalog, Failure, Registry, Repository, Side};
use crate::plan::Filter;
use crate::store::Stores;

/// Registries asked at once.
const CATALOGS_AT_ONCE: usize = 8;

/// The repositories of registries, or why they are not known.
pub type Catalogs = BTreeMap<Registry, Result<Catalog, Failure>>;

/// Lists the repositories of each registry that a glob of `desired` needs, where one of its targets may be in the scope.
pub async fn read_catalogs(
    desired: &Desired,
    filter: &Filter,
    (stores, reporter): (&Stores, &dyn Reporter),
) -> Catalogs {
    let in_scope = |glob: &&MirrorGlob| glob.targets.iter().any(|target| filter.may_select_below(target.prefix()));
    let registries: BTreeSet<&Registry> =
        desired.globs.iter().filter(in_scope).map(|glob| glob.source.registry()).collect();
    if registries.is_empty() {
        return Catalogs::new();
    }
    reporter.event(Event::Observing { total: registries.len() });
    let read = |registry: &Registry| {
        let registry = registry.clone();
        async move {
            let catalog = match stores.registry(&registry) {
                Ok(client) => client.catalog().await,
                Err(error) => Err(error),
            };
            reporter.event(Event::Observed);
            (registry, catalog.map_err(|error| failure(error, Side::Source)))
        }
    };
    let reads: Vec<_> = registries.into_iter().map(read).collect();
    stream::iter(reads).buffer_unordered(CATALOGS_AT_ONCE).collect().await
}

/// `desired` with a mirror for each repository that its globs stand for.
pub fn resolve(desired: &Desired, catalogs: &Catalogs) -> Desired {
    let listed = |registry: &Registry| -> Option<&[Repository]> {
        catalogs.get(registry)?.as_ref().ok().map(|catalog| catalog.repositories.as_slice())
    };
    desired.resolved(listed)
}
