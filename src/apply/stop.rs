//! The word that nothing new is to begin.
//!
//! Owns that it is said once, and why: the first reason stands. Refuses to know who says it, and what is under way then.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::event::StopReason;

/// Shared by who says it and who obeys.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Stop {
    /// Says it.
    pub fn set(&self, reason: StopReason) {
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    /// Why nothing new is to begin; `None` as long as it may.
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// Ends once it is said.
    pub(super) async fn said(&self) {
        self.token.cancelled().await;
    }
}
