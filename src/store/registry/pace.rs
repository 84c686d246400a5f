//! The pace of one host: so many requests a second, and pauses that all of its requests keep.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::store::mutex::lock;

/// When requests may begin.
pub(super) struct Pace {
    interval: Option<Duration>,
    next: Mutex<Option<Instant>>,
    paused_until: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most so many requests a second, evenly; without a number, as many as there are permits.
    pub(super) fn new(requests_per_second: Option<NonZeroU32>) -> Self {
        let interval = requests_per_second.map(|number| Duration::from_secs(1) / number.get());
        Self { interval, next: Mutex::default(), paused_until: Mutex::default() }
    }

    /// Lets no request begin for `wait` from now.
    pub(super) fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut paused = lock(&self.paused_until);
        *paused = Some(paused.map_or(until, |known| known.max(until)));
    }

    /// Waits until a request may begin.
    pub(super) async fn turn(&self) {
        loop {
            // A pause may be announced while another one is waited for.
            while let Some(until) = self.pause_end() {
                tokio::time::sleep_until(until).await;
            }
            if let Some(slot) = self.slot() {
                tokio::time::sleep_until(slot).await;
            }
            // A slot that a pause came upon is gone: all who held one would begin at once when it ends.
            if self.pause_end().is_none() {
                return;
            }
        }
    }

    fn slot(&self) -> Option<Instant> {
        let interval = self.interval?;
        let mut next = lock(&self.next);
        let now = Instant::now();
        let slot = next.map_or(now, |next| next.max(now));
        *next = Some(slot + interval);
        Some(slot)
    }

    fn pause_end(&self) -> Option<Instant> {
        lock(&self.paused_until).filter(|until| *until > Instant::now())
    }
}

#[cfg(test)]
impl Pace {
    /// Whether nothing has to wait for a pause to end.
    pub(super) fn is_open(&self) -> bool {
        self.pause_end().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_keep_their_distance() {
        let pace = Pace::new(NonZeroU32::new(10));
        let started = Instant::now();
        for _ in 0..11 {
            pace.turn().await;
        }
        assert_eq!(started.elapsed().as_millis(), 1000);
        tokio::time::advance(Duration::from_secs(5)).await;
        let later = Instant::now();
        pace.turn().await;
        assert_eq!(later.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_kept_by_all_and_the_longest_counts() {
        let pace = Pace::new(None);
        let started = Instant::now();
        pace.pause(Duration::from_secs(3));
        pace.pause(Duration::from_secs(1));
        tokio::join!(pace.turn(), pace.turn());
        assert_eq!(started.elapsed().as_secs(), 3);
        pace.turn().await;
        assert_eq!(started.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_waited_for_a_pause_to_end_keep_their_distance() {
        let pace = Pace::new(NonZeroU32::new(10));
        let started = Instant::now();
        let turn = || async {
            pace.turn().await;
            started.elapsed().as_millis()
        };
        let pause = async { pace.pause(Duration::from_secs(2)) };
        let (first, second, (), third, fourth) = tokio::join!(turn(), turn(), pause, turn(), turn());
        assert_eq!(first, 0);
        let mut others = [second, third, fourth];
        others.sort_unstable();
        assert!(others[0] >= 2000 && others[1] >= others[0] + 100 && others[2] >= others[1] + 100, "{others:?}");
    }
}
