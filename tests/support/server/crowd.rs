//! A host that bears so many requests at once, and refuses the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::Answer;

/// How long a request is inside, so that requests can meet.
const STAY: Duration = Duration::from_millis(5);

/// Lets so many requests in at once, and answers 429 to the others; clones are the same crowd. The first goes through, since
/// clients wait for what the registry says to it; then those inside stay until one was refused, so that a client that sends
/// more at once is sure to be told.
#[derive(Clone)]
pub struct Crowd(Arc<Inner>);

struct Inner {
    places: Arc<Semaphore>,
    entered: AtomicUsize,
    refused: AtomicUsize,
    told: watch::Sender<bool>,
}

impl Crowd {
    /// Room for `most`.
    pub fn of(most: usize) -> Self {
        let told = watch::Sender::new(false);
        let (entered, refused) = Default::default();
        Self(Arc::new(Inner { places: Arc::new(Semaphore::new(most)), entered, refused, told }))
    }

    /// How many were refused so far.
    pub fn refused(&self) -> usize {
        self.0.refused.load(Ordering::SeqCst)
    }

    /// A place, to be given back when the request has been answered; or the refusal.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit, Answer> {
        let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() else {
            self.0.refused.fetch_add(1, Ordering::SeqCst);
            self.0.told.send_replace(true);
            return Err(Answer::error(429, "TOOMANYREQUESTS", "too many at once").header("Retry-After", "0"));
        };
        if self.0.entered.fetch_add(1, Ordering::SeqCst) == 0 {
            return Ok(place);
        }
        // The sender lives as long as the crowd, so waiting cannot fail.
        self.0.told.subscribe().wait_for(|told| *told).await.unwrap();
        tokio::time::sleep(STAY).await;
        Ok(place)
    }
}
