//! The binary between two processes of Docker's own registry, with their access logs, skopeo and plain HTTP as witnesses.

mod copies;
mod in_sync;
mod memory;
mod referrers;
mod requests;

use std::thread;
use std::time::{Duration, Instant};

use crate::support::harness::Regsync;
use crate::support::real_registry::{Access, RealRegistry};
use crate::support::stage::{Mirror, yaml};

/// A source and a target.
struct RealPair {
    source: RealRegistry,
    target: RealRegistry,
}

impl RealPair {
    /// `None`, with a notice, where the registry is not installed.
    fn start() -> Option<Self> {
        Some(Self { source: RealRegistry::start()?, target: RealRegistry::start()? })
    }

    /// `source/<repository>` to `target/<repository>`.
    fn mirror(&self, repository: &str, tags: &[&str]) -> Mirror {
        let source = format!("{}/{repository}", self.source.host());
        Mirror::new(&source, &[&format!("{}/{repository}", self.target.host())], tags)
    }

    fn regsync(&self, mirrors: &[Mirror]) -> Regsync {
        let regsync = Regsync::new().config(&yaml(mirrors)).without_digests();
        regsync.host(&self.source.host(), "SOURCE").host(&self.target.host(), "TARGET")
    }
}

/// The requests after a mark, pings aside. A line is written after its answer was sent: waits until `expected` are there,
/// and a moment longer for those that should not be.
fn settled(registry: &RealRegistry, mark: usize, expected: usize) -> Vec<Access> {
    let ends = Instant::now() + Duration::from_secs(5);
    let read = || {
        let mut accesses = registry.access_log_since(mark);
        accesses.retain(|access| access.path != "/v2/");
        accesses
    };
    while read().len() < expected && Instant::now() < ends {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(100));
    read()
}
