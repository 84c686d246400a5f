//! Whether a transfer gets on. Pure.
//!
//! Owns the least pace of a blob. Refuses to count the time in which the other side of the copy was waited for.

use crate::store::limits::LEAST_PACE;
use std::time::Duration;

/// What has flowed in the present window of time.
#[derive(Debug, Default)]
pub(super) struct Flow {
    waited: Duration,
    bytes: u128,
}

impl Flow {
    /// Notes that `bytes` came after a wait of `waited`. Whether less than the least pace has flowed for a whole `window`.
    pub(super) fn stalls(&mut self, waited: Duration, bytes: usize, window: Duration) -> bool {
        self.waited += waited;
        self.bytes += bytes as u128;
        if self.waited < window {
            return false;
        }
        let past = std::mem::take(self);
        // Bytes and milliseconds: both sides in thousandths of a byte.
        past.bytes * 1000 < past.waited.as_millis() * u128::from(LEAST_PACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drip_is_a_stall_and_a_slow_link_is_none() {
        let (second, window) = (Duration::from_secs(1), Duration::from_secs(60));
        let stalls = |bytes: usize| {
            let mut flow = Flow::default();
            (0..600).position(|_| flow.stalls(second, bytes, window))
        };
        assert_eq!(stalls(1), Some(59));
        assert_eq!(stalls(1023), Some(59));
        assert_eq!(stalls(1024), None);
    }

    #[test]
    fn each_window_counts_for_itself() {
        let window = Duration::from_secs(60);
        let mut flow = Flow::default();
        assert!(!flow.stalls(window, 1 << 30, window));
        assert!(!flow.stalls(window / 2, 0, window));
        assert!(flow.stalls(window / 2, 0, window));
    }
}
