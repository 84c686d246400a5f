//! How many blobs may be on their way at once, over all hosts.
//!
//! Owns the bound of a whole run; what one host takes is its transport's to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::mutex::lock;
use crate::image::{Code, Location, Registry};
use crate::store::Error;

/// Small blobs on their way at once in all, or half as many others.
const IN_ALL: usize = 64;
/// A blob of more bytes than these fills the buffers on its way, which are what a run needs memory for.
const SMALL: u64 = 512 << 10;
/// Beyond those, so many of each target host: hosts that are stuck can take all the others, and never these.
const OF_EACH_HOST: usize = 2;

/// The right of a blob to be on its way, until it is dropped.
pub(super) type Berth = OwnedSemaphorePermit;

/// The berths of one run.
pub(super) struct Berths {
    shared: Arc<Semaphore>,
    own: Mutex<HashMap<Option<Registry>, Arc<Semaphore>>>,
}

impl Berths {
    pub(super) fn new() -> Self {
        Self { shared: Arc::new(Semaphore::new(IN_ALL)), own: Mutex::default() }
    }

    /// Waits for a berth to `target` for a blob of `size` bytes; all layouts are one host.
    pub(super) async fn take(&self, target: &Location, size: u64) -> Result<Berth, Error> {
        let own = {
            let mut own = lock(&self.own);
            let host = own.entry(target.registry().cloned());
            Arc::clone(host.or_insert_with(|| Arc::new(Semaphore::new(OF_EACH_HOST))))
        };
        let berth = tokio::select! {
            biased;
            berth = own.acquire_owned() => berth,
            berth = Arc::clone(&self.shared).acquire_many_owned(if size > SMALL { 2 } else { 1 }) => berth,
        };
        berth.map_err(|_: AcquireError| {
            Error::new(Code::Internal, format!("write to {target}"), "the berths are closed")
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::image::Repository;

    fn location(host: &str) -> Location {
        Location::Repository(Repository::new(host.parse().unwrap(), "app").unwrap())
    }

    fn at_once(berths: &Berths, host: &str, size: u64) -> Vec<Berth> {
        let location = location(host);
        std::iter::from_fn(|| berths.take(&location, size).now_or_never()).map(Result::unwrap).collect()
    }

    #[test]
    fn small_blobs_take_half_of_what_others_do() {
        let berths = Berths::new();
        let large = at_once(&berths, "r.example.com", SMALL + 1);
        assert_eq!(large.len(), IN_ALL / 2 + OF_EACH_HOST);
        drop(large);
        assert_eq!(at_once(&berths, "r.example.com", SMALL).len(), IN_ALL + OF_EACH_HOST);
    }

    #[test]
    fn stuck_hosts_leave_room_for_the_others() {
        let berths = Berths::new();
        let stuck = at_once(&berths, "stuck.example.com", 1);
        assert_eq!(stuck.len(), IN_ALL + OF_EACH_HOST);
        assert_eq!(at_once(&berths, "stuck-too.example.com", 1).len(), OF_EACH_HOST);
        assert_eq!(at_once(&berths, "sound.example.com", 1).len(), OF_EACH_HOST);
        drop(stuck);
        assert_eq!(at_once(&berths, "sound.example.com", 1).len(), IN_ALL + OF_EACH_HOST);
    }
}
