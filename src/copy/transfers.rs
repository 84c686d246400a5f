//! Blobs under way: each travels at most once to a registry in a run, and is mounted from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::Passage;
use super::berths::Berths;
use super::error::{Error, OnSide};
use crate::event::{Event, Moved, Reporter};
use crate::image::{Descriptor, Digest, Location, Registry, Repository, Side};
use crate::store::{Mount, Progress, UploadSession};

/// A repository of a registry that is known to hold a blob: set once the first one has it.
type Home = Arc<OnceCell<Repository>>;

/// A blob at one target: set once it is there, waited for while it is under way.
type Arrival = Arc<OnceCell<()>>;

/// What is known of blobs at targets, and what is being sent there right now.
pub(super) struct Transfers {
    reporter: Arc<dyn Reporter>,
    berths: Berths,
    arrivals: Mutex<HashMap<(Location, Digest), Arrival>>,
    homes: Mutex<HashMap<(Registry, Digest), Home>>,
}

impl Transfers {
    pub(super) fn new(reporter: Arc<dyn Reporter>) -> Self {
        Self { reporter, berths: Berths::new(), arrivals: Mutex::default(), homes: Mutex::default() }
    }

    /// Sees to it that `blob` is at `target`. Whoever asks for a blob that is under way waits for it; if it fails, the next
    /// in line tries with its own source.
    pub(super) async fn blob(&self, passage: &Passage, blob: &Descriptor) -> Result<Moved, Error> {
        let key = (passage.target.location().clone(), blob.digest.clone());
        let arrival = Arc::clone(lock(&self.arrivals).entry(key).or_default());
        let mut moved = Moved { reused: blob.size, ..Moved::default() };
        let bring = async {
            moved = self.bring(passage, blob).await?;
            Ok::<(), Error>(())
        };
        arrival.get_or_try_init(|| bring).await?;
        Ok(moved)
    }

    /// Sends `blob` whatever is believed of it: the target has contradicted what it said. For the others it is under way
    /// meanwhile.
    pub(super) async fn again(&self, passage: &Passage, blob: &Descriptor) -> Result<Moved, Error> {
        let location = passage.target.location();
        if let Location::Repository(own) = location {
            let mut homes = lock(&self.homes);
            let key = (own.registry().clone(), blob.digest.clone());
            if homes.get(&key).is_some_and(|home| home.get() == Some(own)) {
                homes.remove(&key);
            }
        }
        let arrival = Arrival::default();
        lock(&self.arrivals).insert((location.clone(), blob.digest.clone()), Arc::clone(&arrival));
        let mut moved = Moved::default();
        let bring = async {
            moved = self.push(passage, blob, None).await?;
            Ok::<(), Error>(())
        };
        arrival.get_or_try_init(|| bring).await?;
        Ok(moved)
    }

    async fn bring(&self, passage: &Passage, blob: &Descriptor) -> Result<Moved, Error> {
        let Location::Repository(own) = passage.target.location() else {
            return self.check_and_push(passage, blob).await;
        };
        let home = Arc::clone(lock(&self.homes).entry((own.registry().clone(), blob.digest.clone())).or_default());
        let mut moved = None;
        let bring_first = async {
            moved = Some(match passage.source.location() {
                Location::Repository(from) if from.registry() == own.registry() && from != own => {
                    self.mount_or_push(passage, blob, from).await?
                }
                _ => self.check_and_push(passage, blob).await?,
            });
            Ok::<_, Error>(own.clone())
        };
        let from = home.get_or_try_init(|| bring_first).await?;
        match moved {
            Some(moved) => Ok(moved),
            None => self.mount_or_push(passage, blob, from).await,
        }
    }

    async fn check_and_push(&self, passage: &Passage, blob: &Descriptor) -> Result<Moved, Error> {
        if passage.target.has_blob(blob).await.on(Side::Target)? {
            return Ok(Moved { reused: blob.size, ..Moved::default() });
        }
        self.push(passage, blob, None).await
    }

    /// A mount is a question whether the blob is there, too, and opens the upload where it is not.
    async fn mount_or_push(&self, passage: &Passage, blob: &Descriptor, from: &Repository) -> Result<Moved, Error> {
        match passage.target.mount_blob(blob, from).await.on(Side::Target)? {
            Mount::Mounted => Ok(Moved { mounted: blob.size, ..Moved::default() }),
            Mount::Declined(session) => self.push(passage, blob, session).await,
        }
    }

    async fn push(&self, passage: &Passage, blob: &Descriptor, session: Option<UploadSession>) -> Result<Moved, Error> {
        let open = |from: Progress| -> crate::store::Answer<'_, _> {
            let reporter = Arc::clone(&self.reporter);
            Box::pin(async move {
                let berth = self.berths.take(passage.target.location()).await?;
                let stream = passage.source.blob(from).await?;
                Ok(stream.watched(move |bytes| {
                    // Kept as long as the stream is.
                    let _ = &berth;
                    reporter.event(Event::Sent { bytes });
                }))
            })
        };
        passage.target.push_blob(blob, &open, session).await?;
        Ok(Moved { sent: blob.size, ..Moved::default() })
    }
}

/// A map that is only ever locked for a look-up: a panic elsewhere leaves it whole.
pub(super) fn lock<T>(map: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
