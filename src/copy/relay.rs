//! One read of a blob for several targets: what comes is handed to each of them.
//!
//! Owns the pace: nobody is handed more than a little ahead, and a target that holds up the others goes on alone, from
//! where it is. Refuses to know who takes part, which is settled before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::mutex::lock;
use super::patience::{Party, Patience};
use crate::image::{Code, Descriptor};
use crate::store::{BlobStream, Error, ImageSource, Progress, Relayed};

/// What a target may be handed before it has taken what came earlier, in bytes.
const AHEAD: u32 = 256 * 1024;
/// What a chunk counts at least: keeping it takes more than its bytes.
const LEAST: u32 = 4 * 1024;
/// How often the pace is looked at while a target is waited for.
const TICK: Duration = Duration::from_millis(50);

/// What a target is handed.
enum Part {
    /// The source has answered.
    Opened,
    /// The next bytes, and the room they take until they are taken.
    Chunk(Relayed, OwnedSemaphorePermit),
    /// The read failed.
    Failed(Error),
    /// There will be no more here; the rest is to be read alone.
    Alone,
}

/// How long a target has waited for more, in all.
#[derive(Default)]
struct Hunger(Mutex<(Duration, Option<Instant>)>);

impl Hunger {
    fn begins(&self) {
        lock(&self.0).1.get_or_insert_with(Instant::now);
    }

    fn ends(&self) {
        let mut hunger = lock(&self.0);
        if let Some(since) = hunger.1.take() {
            hunger.0 += since.elapsed();
        }
    }

    fn total(&self) -> Duration {
        let hunger = lock(&self.0);
        hunger.0 + hunger.1.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// The end of a target: it is handed what is read.
pub(super) struct Listener {
    parts: UnboundedReceiver<Part>,
    hunger: Arc<Hunger>,
    has_come: Arc<AtomicBool>,
}

/// The end of the reader, for one target.
pub(super) struct Ear {
    party: Party,
    parts: UnboundedSender<Part>,
    room: Arc<Semaphore>,
    hunger: Arc<Hunger>,
    /// Whether its target has a place at its host by now, and asks for the blob.
    has_come: Arc<AtomicBool>,
    /// The hunger when it was last looked at.
    known: Duration,
    /// How long the others, or the source, have been held up by this target, less how long they have not been.
    lag: Duration,
    /// Whether it still lacks the current chunk.
    behind: bool,
}

/// The two ends for one target.
pub(super) fn ear(party: Party) -> (Ear, Listener) {
    let (sender, parts) = mpsc::unbounded_channel();
    let hunger = Arc::new(Hunger::default());
    let room = Arc::new(Semaphore::new(AHEAD as usize));
    let has_come = Arc::new(AtomicBool::new(false));
    let listener = Listener { parts, hunger: Arc::clone(&hunger), has_come: Arc::clone(&has_come) };
    let (known, lag) = (Duration::ZERO, Duration::ZERO);
    (Ear { party, parts: sender, room, hunger, has_come, known, lag, behind: false }, listener)
}

impl Ear {
    /// Whether its target is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.parts.is_closed()
    }

    /// Hands on a chunk where there is room; `false` where its target is gone.
    fn offer(&mut self, part: &Relayed) -> bool {
        if self.behind
            && let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(weight(part))
        {
            self.behind = false;
            return self.parts.send(Part::Chunk(part.clone(), room)).is_ok();
        }
        !self.is_gone()
    }
}

fn weight((chunk, _): &Relayed) -> u32 {
    u32::try_from(chunk.len()).unwrap_or(AHEAD).clamp(LEAST, AHEAD)
}

/// A read for several targets.
pub(super) struct Relay {
    ears: Vec<Ear>,
    patience: Arc<Patience>,
    began: Instant,
    /// Until when the pace has been looked at.
    counted: Instant,
}

impl Relay {
    pub(super) fn new(ears: Vec<Ear>, patience: Arc<Patience>) -> Self {
        let now = Instant::now();
        Self { ears, patience, began: now, counted: now }
    }

    /// Reads `blob` to its end, as long as anybody listens.
    pub(super) async fn run(mut self, source: Arc<dyn ImageSource>, blob: Descriptor) {
        let mut stream = match source.blob(Progress::start(&blob)).await {
            Ok(stream) => stream,
            Err(error) => return self.fail(&error),
        };
        self.ears.retain(|ear| ear.parts.send(Part::Opened).is_ok());
        while !self.ears.is_empty() {
            match stream.next().await {
                Some(Ok(chunk)) => self.hand_on(&(chunk, Arc::new(stream.progress()))).await,
                Some(Err(error)) => return self.fail(&error),
                None => break,
            }
        }
        for ear in &self.ears {
            self.patience.kept(&ear.party);
        }
    }

    fn fail(&self, error: &Error) {
        for ear in &self.ears {
            // Whoever has gone needs no answer.
            let _ = ear.parts.send(Part::Failed(error.clone()));
        }
    }

    /// Hands a chunk to everybody, and waits for those who have no room; not for ever where others wait, too, or where nobody
    /// takes anything.
    async fn hand_on(&mut self, part: &Relayed) {
        self.look_at_pace();
        for ear in &mut self.ears {
            ear.behind = true;
        }
        loop {
            self.ears.retain_mut(|ear| ear.offer(part));
            let Some(slow) = self.ears.iter().find(|ear| ear.behind) else { return };
            tokio::select! {
                _ = slow.room.acquire_many(weight(part)) => {}
                () = slow.parts.closed() => {}
                () = tokio::time::sleep(TICK) => {}
            }
            self.look_at_pace();
            self.detach();
        }
    }

    /// Notes who has held up whom since the last look: a target without room, while another one was hungry. Where all are
    /// still in the queues of their hosts, it is the source that they hold up: others may wait for its place, and those hosts
    /// for them. Whoever has come is hungry or busy, and its own limits end the latter.
    fn look_at_pace(&mut self) {
        let passed = self.counted.elapsed();
        self.counted += passed;
        let mut held_up = Duration::ZERO;
        for ear in &mut self.ears {
            let total = ear.hunger.total();
            held_up = held_up.max(total.saturating_sub(ear.known)).min(passed);
            ear.known = total;
        }
        if !self.ears.iter().any(|ear| ear.has_come.load(Ordering::Relaxed)) {
            held_up = passed;
        }
        for ear in &mut self.ears {
            let own = if ear.behind { held_up } else { Duration::ZERO };
            ear.lag = (ear.lag + own).saturating_sub(passed.saturating_sub(own));
        }
    }

    /// Leaves those to themselves who have held up the others, or the source, for too long.
    fn detach(&mut self) {
        let (patience, began) = (&self.patience, self.began);
        self.ears.retain(|ear| {
            let stays = !ear.behind || ear.lag < patience.with(&ear.party);
            if !stays {
                patience.lost(&ear.party, began);
                let _ = ear.parts.send(Part::Alone);
            }
            stays
        });
    }
}

impl Listener {
    /// The blob, as it is handed on; its rest is read from `source` where this target is left to itself. `keep` is dropped
    /// as soon as nothing more is to come from the common read.
    pub(super) async fn stream<K: Send + 'static>(
        mut self,
        source: Arc<dyn ImageSource>,
        blob: &Descriptor,
        keep: K,
    ) -> Result<BlobStream, Error> {
        let request = format!("read the blob {} of {}", blob.digest, source.location());
        self.has_come.store(true, Ordering::Relaxed);
        match self.parts.recv().await {
            Some(Part::Opened) => {}
            Some(Part::Failed(error)) => return Err(error),
            _ => return Err(Error::new(Code::Internal, request, "the common read ended before it began")),
        }
        let start = Progress::start(blob);
        let common = Some((self, keep));
        let listening = Listening { common, own: None, progress: Arc::new(start.clone()), source };
        let parts = stream::try_unfold(listening, |mut listening| async move {
            Ok(listening.next().await?.map(|part| (part, listening)))
        });
        Ok(BlobStream::relayed(start, request, parts.boxed()))
    }

    async fn next(&mut self) -> Option<Part> {
        if let Ok(part) = self.parts.try_recv() {
            return Some(part);
        }
        self.hunger.begins();
        let part = self.parts.recv().await;
        self.hunger.ends();
        part
    }
}

/// A blob on its way to one target.
struct Listening<K> {
    common: Option<(Listener, K)>,
    own: Option<BlobStream>,
    progress: Arc<Progress>,
    source: Arc<dyn ImageSource>,
}

impl<K> Listening<K> {
    async fn next(&mut self) -> Result<Option<Relayed>, Error> {
        while let Some((listener, _)) = &mut self.common {
            match listener.next().await {
                Some(Part::Chunk(part, _room)) => {
                    self.progress = Arc::clone(&part.1);
                    return Ok(Some(part));
                }
                Some(Part::Opened) => {}
                Some(Part::Failed(error)) => return Err(error),
                Some(Part::Alone) => {
                    self.common = None;
                    self.own = Some(self.source.blob(Progress::clone(&self.progress)).await?);
                }
                None => return Ok(None),
            }
        }
        let Some(own) = &mut self.own else { return Ok(None) };
        let chunk = own.next().await.transpose()?;
        Ok(chunk.map(|chunk| (chunk, Arc::new(own.progress()))))
    }
}
