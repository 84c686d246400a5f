//! Blobs under way: each travels at most once to a registry in a run, and is mounted from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use super::Passage;
use super::berths::Berths;
use super::error::{Error, OnSide};
use super::mutex::lock;
use super::once::Once;
use super::reads::{Reads, Seat, Wish};
use crate::event::{Event, Moved, Reporter};
use crate::image::{Descriptor, Digest, Location, Registry, Repository, Side};
use crate::store::{self, BlobStream, Mount, Progress, UploadSession};

/// A repository of a registry that is known to hold a blob: set once the first one has it.
type Home = Arc<OnceCell<Repository>>;

/// A blob that an image needs.
#[derive(Clone, Copy)]
pub(super) struct Need<'a> {
    pub(super) passage: &'a Passage,
    /// The digest of the image's root.
    pub(super) image: &'a Digest,
    pub(super) blob: &'a Descriptor,
}

impl<'a> Need<'a> {
    fn wish(self) -> Wish<'a> {
        let (source, target) = (self.passage.source.location(), self.passage.target.location());
        Wish { source, image: self.image, blob: &self.blob.digest, target }
    }
}

/// What is known of blobs at targets, and what is being sent there right now.
pub(super) struct Transfers {
    reporter: Arc<dyn Reporter>,
    berths: Berths,
    reads: Reads,
    /// Blobs by their targets.
    arrivals: Once<(Location, Digest)>,
    homes: Mutex<HashMap<(Registry, Digest), Home>>,
}

impl Transfers {
    pub(super) fn new(reporter: Arc<dyn Reporter>, reads: Reads) -> Self {
        Self { reporter, berths: Berths::new(), reads, arrivals: Once::default(), homes: Mutex::default() }
    }

    /// What several targets read together.
    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Sees to it that a blob is at its target. Whoever asks for a blob that is under way waits for it; if it fails, the
    /// next in line tries with its own source.
    pub(super) async fn blob(&self, need: Need<'_>) -> Result<Moved, Error> {
        let key = (need.passage.target.location().clone(), need.blob.digest.clone());
        let mut moved = Moved { reused: need.blob.size, ..Moved::default() };
        let bring = async {
            moved = self.bring(need).await?;
            self.reads.settled(need.wish());
            Ok::<(), Error>(())
        };
        self.arrivals.of(key).get_or_try_init(|| bring).await?;
        Ok(moved)
    }

    /// Sends `blob` whatever is believed of it: the target has contradicted what it said. For the others it is under way
    /// meanwhile.
    pub(super) async fn again(&self, need: Need<'_>) -> Result<Moved, Error> {
        let (location, blob) = (need.passage.target.location(), need.blob);
        if let Location::Repository(own) = location {
            let mut homes = lock(&self.homes);
            let key = (own.registry().clone(), blob.digest.clone());
            if homes.get(&key).is_some_and(|home| home.get() == Some(own)) {
                homes.remove(&key);
            }
        }
        let arrival = self.arrivals.anew((location.clone(), blob.digest.clone()));
        let mut moved = Moved::default();
        let bring = async {
            moved = self.push(need, (None, None)).await?;
            Ok::<(), Error>(())
        };
        arrival.get_or_try_init(|| bring).await?;
        Ok(moved)
    }

    async fn bring(&self, need: Need<'_>) -> Result<Moved, Error> {
        let Location::Repository(own) = need.passage.target.location() else {
            return self.check_and_push(need).await;
        };
        let home = Arc::clone(lock(&self.homes).entry((own.registry().clone(), need.blob.digest.clone())).or_default());
        let mut moved = None;
        let bring_first = async {
            let from = match need.passage.source.location() {
                Location::Repository(from) if from.registry() == own.registry() => from,
                _ => own,
            };
            moved = Some(self.mount_or_push(need, from).await?);
            Ok::<_, Error>(own.clone())
        };
        let from = home.get_or_try_init(|| bring_first).await?;
        match moved {
            Some(moved) => Ok(moved),
            None => self.mount_or_push(need, from).await,
        }
    }

    async fn check_and_push(&self, need: Need<'_>) -> Result<Moved, Error> {
        if need.passage.target.has_blob(need.blob).await.on(Side::Target)? {
            return Ok(Moved { reused: need.blob.size, ..Moved::default() });
        }
        self.meet_and_push(need, None).await
    }

    /// A mount is a question whether the blob is there, too, and opens the upload where it is not; `from` the target itself it
    /// is nothing else.
    async fn mount_or_push(&self, need: Need<'_>, from: &Repository) -> Result<Moved, Error> {
        match need.passage.target.mount_blob(need.blob, from).await.on(Side::Target)? {
            Mount::Mounted => Ok(Moved { mounted: need.blob.size, ..Moved::default() }),
            Mount::Here => Ok(Moved { reused: need.blob.size, ..Moved::default() }),
            Mount::Declined(session) => self.meet_and_push(need, session).await,
        }
    }

    /// Other targets that want the blob are met before a place at the target's host is taken: with both in hand, hosts could
    /// wait for each other.
    async fn meet_and_push(&self, need: Need<'_>, session: Option<UploadSession>) -> Result<Moved, Error> {
        let seat = self.reads.meet(need.wish()).await;
        self.push(need, (seat, session)).await
    }

    async fn push(&self, need: Need<'_>, from: (Option<Seat>, Option<UploadSession>)) -> Result<Moved, Error> {
        let (seat, session) = from;
        let seat = Mutex::new(seat);
        let open = |from: Progress| -> store::Answer<'_, _> {
            // Whoever tries again does so alone.
            let seat = lock(&seat).take().filter(|_| from.offset() == 0);
            Box::pin(self.open(need, seat, from))
        };
        need.passage.target.push_blob(need.blob, &open, session).await?;
        Ok(Moved { sent: need.blob.size, ..Moved::default() })
    }

    async fn open(&self, need: Need<'_>, seat: Option<Seat>, from: Progress) -> Result<BlobStream, store::Error> {
        let berth = self.berths.take(need.passage.target.location(), need.blob.size).await?;
        let stream = match seat {
            Some(seat) => seat.open(&need.passage.source, need.blob).await?,
            None => need.passage.source.blob(from).await?,
        };
        let reporter = Arc::clone(&self.reporter);
        Ok(stream.watched(move |bytes| {
            // Kept as long as the stream is.
            let _ = &berth;
            reporter.event(Event::Sent { bytes });
        }))
    }
}
