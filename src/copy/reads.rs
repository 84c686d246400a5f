//! Who reads which blob together: the targets of one source image meet before they read.
//!
//! Owns the meetings: who is waited for, and how long. Refuses to let one target depend on another one any further; each
//! has its own transfer, and shares nothing but what is read.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::mutex::lock;
use super::patience::{Party, Patience};
use super::relay::{Ear, Listener, Relay, ear};
use crate::image::{Descriptor, Digest, Location};
use crate::store::{BlobStream, Error, ImageSource, Progress};

/// So much longer a target is waited for while it is busy.
const WHILE_BUSY: u32 = 3;

/// An image, or a blob, at its source.
type AtSource = (Location, Digest);

/// Which targets of a run get the same image of the same source.
///
/// Repositories of one registry count as one target here: what one of them has, the others mount.
#[derive(Default)]
pub struct Siblings {
    /// For each image and target, how many tags are still to be written.
    tags: HashMap<AtSource, HashMap<Party, usize>>,
}

impl Siblings {
    /// A tag at `target` gets the image with the digest `image` at `source`.
    pub fn add(&mut self, source: &Location, image: &Digest, target: &Location) {
        let parties = self.tags.entry((source.clone(), image.clone())).or_default();
        *parties.entry(Party::from(target)).or_default() += 1;
    }
}

/// The reads of one run that several targets may share.
pub(super) struct Reads {
    board: Mutex<Board>,
    /// Something on the board has changed.
    news: Notify,
    patience: Arc<Patience>,
}

#[derive(Default)]
struct Board {
    /// Only images that more than one target gets.
    siblings: Siblings,
    meetings: HashMap<AtSource, Weak<Meeting>>,
    /// Who need not be waited for at a blob any more: has come, or needs nothing.
    over: HashSet<(Digest, Party)>,
    /// When something was last heard of a target.
    heard: HashMap<Party, Instant>,
}

/// Those who want to read a blob together, until the read begins. Ends the read when the last of them goes.
struct Meeting {
    began: Instant,
    stage: Mutex<Stage>,
}

enum Stage {
    Gathering(Vec<Ear>),
    Begun(Option<AbortHandle>),
}

/// A place at a meeting.
pub(super) struct Seat {
    listener: Listener,
    meeting: Arc<Meeting>,
    patience: Arc<Patience>,
}

/// A blob, and the image and the target that it is wanted for.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) source: &'a Location,
    pub(super) image: &'a Digest,
    pub(super) blob: &'a Digest,
    pub(super) target: &'a Location,
}

impl Reads {
    pub(super) fn new(mut siblings: Siblings) -> Self {
        siblings.tags.retain(|_, parties| parties.len() > 1);
        let board = Board { siblings, ..Board::default() };
        Self { board: Mutex::new(board), news: Notify::new(), patience: Arc::default() }
    }

    /// Takes a place at the meeting for a blob that has to be sent, and waits until all who may want it have come or are
    /// known not to, or for as long as patience lasts. `None` where it is to be read alone.
    pub(super) async fn meet(&self, wish: Wish<'_>) -> Option<Seat> {
        let party = Party::from(wish.target);
        let (meeting, listener) = self.board().join(wish, &party)?;
        self.news.notify_waiters();
        loop {
            let news = self.news.notified();
            let mut news = std::pin::pin!(news);
            // From here on no news is missed.
            news.as_mut().enable();
            let awaited = self.awaited(wish, &party, meeting.began);
            let Some(until) = awaited.iter().map(|(_, until)| *until).max() else { break };
            tokio::select! {
                () = news => {}
                () = tokio::time::sleep_until(until) => {
                    for (other, _) in &awaited {
                        self.patience.lost(other, meeting.began);
                    }
                    break;
                }
            }
        }
        Some(Seat { listener, meeting, patience: Arc::clone(&self.patience) })
    }

    /// A target has a blob now, however it came there.
    pub(super) fn settled(&self, wish: Wish<'_>) {
        if self.board().note(wish, &Party::from(wish.target)) {
            self.news.notify_waiters();
        }
    }

    /// A tag at `target` is done with, well or not: it wants nothing more of the image.
    pub(super) fn ended(&self, source: &Location, image: &Digest, target: &Location) {
        let mut board = self.board();
        let board = &mut *board;
        let Some(parties) = board.siblings.tags.get_mut(&(source.clone(), image.clone())) else { return };
        let party = Party::from(target);
        board.heard.insert(party.clone(), Instant::now());
        if let Some(left) = parties.get_mut(&party) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                parties.remove(&party);
            }
        }
        self.news.notify_waiters();
    }

    /// Who is still waited for at a meeting that began then, and until when: for a while without a word of it, and for
    /// some time longer while it is busy with other blobs and may yet come.
    fn awaited(&self, wish: Wish<'_>, party: &Party, began: Instant) -> Vec<(Party, Instant)> {
        let board = self.board();
        let others = board.awaited(wish, party).map(|other| {
            let patience = self.patience.with(other);
            let heard = board.heard.get(other).map_or(began, |heard| began.max(*heard));
            (other.clone(), (heard + patience).min(began + patience * WHILE_BUSY))
        });
        others.collect()
    }

    fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        lock(&self.board)
    }
}

impl Board {
    fn is_shared(&self, wish: Wish<'_>) -> bool {
        self.siblings.tags.contains_key(&(wish.source.clone(), wish.image.clone()))
    }

    /// Notes that `party` need not be waited for at this blob any more; `false` where that was known, or matters to nobody.
    fn note(&mut self, wish: Wish<'_>, party: &Party) -> bool {
        if self.siblings.tags.is_empty() {
            return false;
        }
        self.heard.insert(party.clone(), Instant::now());
        self.over.insert((wish.blob.clone(), party.clone()))
    }

    /// A place at the meeting for this blob; `None` where nobody else may come, or the read has begun without `party`.
    fn join(&mut self, wish: Wish<'_>, party: &Party) -> Option<(Arc<Meeting>, Listener)> {
        if !self.note(wish, party) || !self.is_shared(wish) {
            return None;
        }
        let place = self.meetings.entry((wish.source.clone(), wish.blob.clone())).or_default();
        let meeting = place.upgrade().unwrap_or_else(|| {
            let stage = Mutex::new(Stage::Gathering(Vec::new()));
            let meeting = Arc::new(Meeting { began: Instant::now(), stage });
            *place = Arc::downgrade(&meeting);
            meeting
        });
        let listener = match &mut *lock(&meeting.stage) {
            Stage::Gathering(ears) => {
                let (ear, listener) = ear(party.clone());
                ears.push(ear);
                listener
            }
            Stage::Begun(_) => return None,
        };
        Some((meeting, listener))
    }

    /// The others who get the same image, and of whom nothing is known yet.
    fn awaited(&self, wish: Wish<'_>, party: &Party) -> impl Iterator<Item = &Party> {
        let parties = self.siblings.tags.get(&(wish.source.clone(), wish.image.clone()));
        let others = parties.into_iter().flat_map(HashMap::keys).filter(move |other| *other != party);
        others.filter(move |other| !self.over.contains(&(wish.blob.clone(), (*other).clone())))
    }
}

impl Seat {
    /// Opens the blob: the read begins where it has not, for all who have come so far.
    pub(super) async fn open(self, source: &Arc<dyn ImageSource>, blob: &Descriptor) -> Result<BlobStream, Error> {
        // What a manifest says beside this is of no use on the way, and may be long.
        let blob = Descriptor::new(blob.media_type.clone(), blob.digest.clone(), blob.size);
        if self.meeting.begin(source, &blob, &self.patience) {
            self.listener.stream(Arc::clone(source), &blob, self.meeting).await
        } else {
            source.blob(Progress::start(&blob)).await
        }
    }
}

impl Meeting {
    /// Begins the read unless it has begun; `false` where nobody else has come.
    fn begin(&self, source: &Arc<dyn ImageSource>, blob: &Descriptor, patience: &Arc<Patience>) -> bool {
        let mut stage = lock(&self.stage);
        let Stage::Gathering(ears) = &mut *stage else { return true };
        let mut ears = std::mem::take(ears);
        ears.retain(|ear| !ear.is_gone());
        let alone = ears.len() < 2;
        *stage = Stage::Begun((!alone).then(|| {
            let relay = Relay::new(ears, Arc::clone(patience)).run(Arc::clone(source), blob.clone());
            #[expect(
                clippy::disallowed_methods,
                reason = "a read that outlives any one of its targets; ends with the last"
            )]
            tokio::spawn(relay).abort_handle()
        }));
        !alone
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        if let Stage::Begun(Some(read)) = &*lock(&self.stage) {
            read.abort();
        }
    }
}
