//! How many requests may be under way at one host: as many as its way is wide, and less while the host has too much; and
//! that large blobs leave room for all else.
//!
//! Owns the adaption: halved where a host says that it is too much, and grown again by one after a series of good answers
//! (additive increase, multiplicative decrease; RFC 5681 §3.1 does so with the same hopes). A host that never had too much
//! gets the whole width at once. Refuses to cut short what is under way: what must go goes when it is given back.

use std::sync::{Arc, Mutex};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::width::Width;
use crate::image::Code;
use crate::store::Error;
use crate::store::limits::{KEPT_FREE, LARGE};
use crate::store::mutex::lock;

/// So many good answers in a row let one more request be under way. A host with a firm limit is tried beyond it once in
/// as many answers, and refuses that one: the longer the series, the fewer refusals.
const SERIES: u32 = 32;

/// What a permit is for. An upload reads its source while it holds its own permit; with one kind of permit, uploads could
/// wait for each other's sources for ever where both sides are one registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Everything but uploads of blobs.
    Request = 0,
    /// An upload of a blob, from its session to its end.
    Upload = 1,
}

/// The permits of one host: as many for uploads as for all other requests.
pub(super) struct Permits {
    pools: [Arc<Semaphore>; 2],
    /// For large blobs, before a permit of the pool: who waits here keeps nobody else waiting.
    large: [Arc<Semaphore>; 2],
    load: Mutex<Load>,
}

/// What the host is believed to bear.
struct Load {
    /// The most that is ever allowed.
    width: Width,
    allowed: usize,
    /// How many permits of each kind are out that are not to come back.
    owed: [usize; 2],
    /// Good answers in a row.
    good: u32,
    /// When the host last had too much.
    slowed: Option<Instant>,
}

/// Leave for one request or upload, until it is dropped.
pub(super) struct Permit {
    held: Option<OwnedSemaphorePermit>,
    _large: Option<OwnedSemaphorePermit>,
    work: Work,
    home: Arc<Permits>,
}

impl Permits {
    /// At most so many of each kind as `width` says. For large blobs that is what is known of it now: a few of them fill a
    /// way, however long it is.
    pub(super) fn new(width: Width) -> Arc<Self> {
        let allowed = width.now();
        let pair = |permits| [Arc::new(Semaphore::new(permits)), Arc::new(Semaphore::new(permits))];
        let (pools, large) = (pair(allowed), pair(allowed.saturating_sub(KEPT_FREE).max(1)));
        let load = Mutex::new(Load { width, allowed, owed: [0; 2], good: 0, slowed: None });
        Arc::new(Self { pools, large, load })
    }

    /// Waits for a permit to move a blob of `size` bytes, or anything small.
    pub(super) async fn acquire(self: &Arc<Self>, work: Work, size: u64, request: &str) -> Result<Permit, Error> {
        let closed = |_: AcquireError| Error::new(Code::Internal, request, "the permits of the registry are closed");
        let take = |pools: &[Arc<Semaphore>; 2]| Arc::clone(&pools[work as usize]).acquire_owned();
        let large = if size > LARGE { Some(take(&self.large).await.map_err(closed)?) } else { None };
        let held = take(&self.pools).await.map_err(closed)?;
        Ok(Permit { held: Some(held), _large: large, work, home: Arc::clone(self) })
    }

    /// A request that was sent at `sent` was too much for the host. Halves what may be under way, at least one; the number
    /// that is allowed from now on, where that changed. What was sent before the last halving says nothing new.
    pub(super) fn slow_down(&self, sent: Instant) -> Option<usize> {
        let mut load = lock(&self.load);
        load.good = 0;
        if load.slowed.is_some_and(|slowed| sent <= slowed) {
            return None;
        }
        load.slowed = Some(Instant::now());
        let less = load.allowed - (load.allowed / 2).max(1);
        load.allowed -= less;
        for (pool, owed) in self.pools.iter().zip(&mut load.owed) {
            *owed += less - pool.forget_permits(less);
        }
        (less > 0).then_some(load.allowed)
    }

    /// The host has answered well what was sent at `sent`.
    pub(super) fn answered(&self, sent: Instant) {
        let mut load = lock(&self.load);
        load.width.answered(sent);
        let wanted = load.width.now().saturating_sub(load.allowed);
        let more = match load.slowed {
            None => wanted,
            Some(slowed) if wanted == 0 || sent <= slowed => 0,
            Some(_) => load.one_after_a_series(),
        };
        load.allowed += more;
        for (pool, owed) in self.pools.iter().zip(&mut load.owed) {
            let paid = more.min(*owed);
            *owed -= paid;
            pool.add_permits(more - paid);
        }
    }
}

impl Load {
    /// One more, once so many answers in a row were good.
    fn one_after_a_series(&mut self) -> usize {
        self.good = (self.good + 1) % SERIES;
        usize::from(self.good == 0)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        let mut load = lock(&self.home.load);
        let owed = &mut load.owed[self.work as usize];
        if *owed > 0 {
            *owed -= 1;
            held.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;
    use crate::store::limits::WIDTH_MOST;

    fn permits(number: usize) -> Arc<Permits> {
        Permits::new(Width::new(NonZeroUsize::new(number)))
    }

    const TICK: Duration = Duration::from_millis(1);

    async fn take(permits: &Arc<Permits>, work: Work, number: usize) -> Vec<Permit> {
        let mut taken = Vec::new();
        for _ in 0..number {
            taken.push(permits.acquire(work, 0, "read").await.unwrap());
        }
        taken
    }

    /// How many can be under way now, in all.
    fn free(permits: &Arc<Permits>, work: Work) -> usize {
        let more = std::iter::from_fn(|| permits.acquire(work, 0, "read").now_or_never());
        more.collect::<Vec<_>>().len()
    }

    #[tokio::test(start_paused = true)]
    async fn too_much_halves_and_nothing_is_cut() {
        let permits = permits(8);
        let under_way = take(&permits, Work::Request, 6).await;
        let sent = Instant::now();
        advance(TICK).await;
        assert_eq!(permits.slow_down(sent), Some(4));
        // Two were free, and four of the six may go on being used.
        assert_eq!((free(&permits, Work::Request), free(&permits, Work::Upload)), (0, 4));
        let mut under_way = under_way.into_iter();
        under_way.by_ref().take(2).for_each(drop);
        assert_eq!(free(&permits, Work::Request), 0);
        under_way.next();
        assert_eq!(free(&permits, Work::Request), 1);
        drop(under_way);
        assert_eq!(free(&permits, Work::Request), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn the_refusals_of_one_moment_halve_once() {
        let permits = permits(9);
        let sent = Instant::now();
        advance(TICK).await;
        assert_eq!(permits.slow_down(sent), Some(4));
        for _ in 0..7 {
            assert_eq!(permits.slow_down(sent), None);
        }
        for expected in [Some(2), Some(1), None] {
            advance(TICK).await;
            let sent = Instant::now();
            advance(TICK).await;
            assert_eq!(permits.slow_down(sent), expected);
        }
        assert_eq!((free(&permits, Work::Request), free(&permits, Work::Upload)), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn good_answers_in_a_row_let_it_grow_to_what_was_configured() {
        let permits = permits(4);
        let early = Instant::now();
        advance(TICK).await;
        permits.slow_down(early);
        (0..SERIES).for_each(|_| permits.answered(early));
        assert_eq!(free(&permits, Work::Request), 2, "what was sent before says nothing of now");
        advance(TICK).await;
        let late = Instant::now();
        (1..SERIES).for_each(|_| permits.answered(late));
        assert_eq!(free(&permits, Work::Request), 2);
        permits.answered(late);
        assert_eq!((free(&permits, Work::Request), free(&permits, Work::Upload)), (3, 3));
        (0..10 * SERIES).for_each(|_| permits.answered(late));
        assert_eq!((free(&permits, Work::Request), free(&permits, Work::Upload)), (4, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_far_host_gets_more_at_once_until_it_has_too_much() {
        let permits = Permits::new(Width::new(None));
        let near = free(&permits, Work::Request);
        let sent = Instant::now();
        advance(300 * TICK).await;
        permits.answered(sent);
        assert_eq!(free(&permits, Work::Upload), WIDTH_MOST);
        assert!(near < WIDTH_MOST && free(&permits, Work::Request) == WIDTH_MOST);
        permits.slow_down(sent);
        advance(300 * TICK).await;
        permits.answered(Instant::now());
        assert_eq!(free(&permits, Work::Request), WIDTH_MOST / 2, "what is too much is not tried again at once");
    }

    #[tokio::test(start_paused = true)]
    async fn growing_pays_back_what_is_owed_first() {
        let permits = permits(4);
        let under_way = take(&permits, Work::Upload, 4).await;
        permits.slow_down(Instant::now());
        advance(TICK).await;
        let late = Instant::now();
        (0..SERIES).for_each(|_| permits.answered(late));
        assert_eq!((free(&permits, Work::Request), free(&permits, Work::Upload)), (3, 0));
        drop(under_way);
        assert_eq!(free(&permits, Work::Upload), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_gets_what_is_left() {
        let permits = permits(2);
        let mut under_way = take(&permits, Work::Request, 2).await;
        permits.slow_down(Instant::now());
        let waiting = permits.acquire(Work::Request, 0, "read");
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        under_way.pop();
        assert!(waiting.as_mut().now_or_never().is_none(), "one is owed");
        under_way.pop();
        assert!(waiting.now_or_never().is_some());
    }

    /// All permits for blobs of this size that can be had now.
    fn at_once(permits: &Arc<Permits>, size: u64) -> Vec<Permit> {
        let taken = std::iter::from_fn(|| permits.acquire(Work::Upload, size, "write").now_or_never());
        taken.map(Result::unwrap).collect()
    }

    #[test]
    fn large_blobs_leave_two_permits_to_others() {
        for (number, large) in [(1, 1), (2, 1), (3, 1), (4, 2), (8, 6), (256, 254)] {
            let permits = permits(number);
            let held = at_once(&permits, LARGE + 1);
            assert_eq!(held.len(), large, "large ones of {number}");
            assert_eq!(at_once(&permits, LARGE).len(), number - large, "others of {number}");
            drop(held);
            assert_eq!(at_once(&permits, 0).len(), number);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_blob_that_waits_keeps_nobody_waiting() {
        let permits = permits(4);
        let held = at_once(&permits, LARGE + 1);
        let mut waiting = Box::pin(permits.acquire(Work::Upload, LARGE + 1, "write"));
        assert!((&mut waiting).now_or_never().is_none());
        assert_eq!(at_once(&permits, 1).len(), 2);
        drop(held);
        assert!(waiting.await.is_ok());
    }
}
