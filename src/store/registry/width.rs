//! How wide the way to a host is: how many requests are under way at once where nobody has said it.
//!
//! Owns the measure. A near registry is busy with a few requests; of a far one, most of the time goes by on the way, and only
//! more of them at once make it as quick. So the number follows from how long the quickest answer takes. Refuses to know
//! whether the host bears it: what it refuses is counted where the permits are.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::store::limits::{WIDTH_LEAST, WIDTH_MOST};

/// How many requests a second are hoped for: few registries answer more to one client.
const HOPED_FOR: u128 = 1600;
/// A first answer has waited for a connection, too: for one way there and back with plain http, and for two with TLS 1.3.
const WAYS_OF_FIRST: u32 = 3;

/// The width of the way to one host.
pub(super) enum Width {
    /// As configured.
    Fixed(usize),
    /// Found out.
    Measured(Measure),
}

/// What is known of the way.
#[derive(Default)]
pub(super) struct Measure {
    first_answer: Option<Instant>,
    quickest: Option<Duration>,
    /// The widest that it has been found to be; it never narrows again.
    widest: usize,
}

impl Width {
    /// As `configured`, else to be found out.
    pub(super) fn new(configured: Option<NonZeroUsize>) -> Self {
        match configured {
            Some(number) => Self::Fixed(number.get().min(Semaphore::MAX_PERMITS)),
            None => Self::Measured(Measure { widest: WIDTH_LEAST, ..Measure::default() }),
        }
    }

    /// How many requests may be under way at once, as far as is known.
    pub(super) fn now(&self) -> usize {
        match self {
            Self::Fixed(number) => *number,
            Self::Measured(measure) => measure.widest,
        }
    }

    /// What was sent at `sent` has been answered now.
    pub(super) fn answered(&mut self, sent: Instant) {
        if let Self::Measured(measure) = self {
            measure.answered(sent, Instant::now());
        }
    }
}

impl Measure {
    fn answered(&mut self, sent: Instant, now: Instant) {
        let first = *self.first_answer.get_or_insert(now);
        let took = now.saturating_duration_since(sent);
        let way = if sent < first { took / WAYS_OF_FIRST } else { took };
        // A quick answer proves that slow ones waited for something else than the way.
        let quickest = self.quickest.map_or(way, |known| known.min(way));
        self.quickest = Some(quickest);
        let under_way = quickest.as_millis() * HOPED_FOR / 1000;
        self.widest = self.widest.max(usize::try_from(under_way).unwrap_or(WIDTH_MOST).min(WIDTH_MOST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    /// The width after answers that were sent and came at these times, in milliseconds.
    fn after(answers: &[(u64, u64)]) -> usize {
        let start = Instant::now();
        let mut measure = Measure { widest: WIDTH_LEAST, ..Measure::default() };
        for (sent, came) in answers {
            measure.answered(start + millis(*sent), start + millis(*came));
        }
        measure.widest
    }

    #[tokio::test]
    async fn the_way_is_as_wide_as_it_is_long() {
        // A first answer counts for a third: it has waited for a connection.
        assert_eq!(after(&[(0, 2)]), WIDTH_LEAST);
        assert_eq!(after(&[(0, 60)]), 32);
        assert_eq!(after(&[(0, 60), (60, 80)]), 32);
        assert_eq!(after(&[(0, 160)]), WIDTH_MOST);
        assert_eq!(after(&[(0, 60_000)]), WIDTH_MOST);
    }

    #[tokio::test]
    async fn slow_answers_widen_nothing_where_one_was_quick() {
        assert_eq!(after(&[(0, 2), (2, 500), (3, 900)]), WIDTH_LEAST);
        assert_eq!(after(&[(0, 60), (60, 61), (61, 500)]), 32, "it never narrows");
        assert_eq!(after(&[(0, 30), (30, 55)]), WIDTH_LEAST, "the shortest way counts");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_configured_stays() {
        let mut width = Width::new(NonZeroUsize::new(3));
        let sent = Instant::now();
        tokio::time::advance(millis(500)).await;
        width.answered(sent);
        assert_eq!(width.now(), 3);
        let mut width = Width::new(None);
        assert_eq!(width.now(), WIDTH_LEAST);
        width.answered(sent);
        assert_eq!(width.now(), WIDTH_MOST);
    }
}
