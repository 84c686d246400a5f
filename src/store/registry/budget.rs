//! How often in all anything is tried again: at one host, and in the whole run.
//!
//! Owns the counting. Refuses to say what is worth another attempt: that is `retry`'s. Where everything fails, retries would
//! be a flood of their own, and each of them a wait.

use std::sync::{Arc, Mutex};

use crate::store::GivenUp;
use crate::store::limits::{REQUESTS_PER_RETRY, RETRIES};
use crate::store::mutex::lock;

/// What has been asked, and what of it was tried again.
#[derive(Debug, Default)]
pub struct Budget(Mutex<Spent>);

#[derive(Debug, Default)]
struct Spent {
    requests: u64,
    retries: u64,
}

impl Budget {
    fn request(&self) {
        lock(&self.0).requests += 1;
    }

    /// Takes one retry, where there is one left.
    fn take(&self) -> Option<()> {
        let mut spent = lock(&self.0);
        if spent.retries >= RETRIES.max(spent.requests / REQUESTS_PER_RETRY) {
            return None;
        }
        spent.retries += 1;
        Some(())
    }

    fn give_back(&self) {
        let mut spent = lock(&self.0);
        spent.retries = spent.retries.saturating_sub(1);
    }
}

/// What a host may still be asked again: by its own measure, and by that of the run.
pub(super) struct Budgets {
    host: Budget,
    run: Arc<Budget>,
}

impl Budgets {
    /// A fresh one for a host, beside the one that all hosts share.
    pub(super) fn new(run: Arc<Budget>) -> Self {
        Self { host: Budget::default(), run }
    }

    /// Counts a request, however often it will be tried.
    pub(super) fn request(&self) {
        self.host.request();
        self.run.request();
    }

    /// Takes one retry; why there is none, otherwise.
    pub(super) fn take(&self) -> Result<(), GivenUp> {
        self.host.take().ok_or(GivenUp::HostBudget)?;
        self.run.take().ok_or_else(|| {
            self.host.give_back();
            GivenUp::RunBudget
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budgets: &Budgets, wanted: usize) -> usize {
        (0..wanted).filter(|_| budgets.take().is_ok()).count()
    }

    #[test]
    fn a_host_has_a_hundred_and_then_a_fifth_of_its_requests() {
        let budgets = Budgets::new(Arc::default());
        assert_eq!(taken(&budgets, 200), 100);
        assert_eq!(budgets.take(), Err(GivenUp::HostBudget));
        (0..1000).for_each(|_| budgets.request());
        assert_eq!(taken(&budgets, 200), 100);
    }

    #[test]
    fn all_hosts_share_the_budget_of_the_run() {
        let run = Arc::new(Budget::default());
        let hosts = [Budgets::new(Arc::clone(&run)), Budgets::new(Arc::clone(&run)), Budgets::new(run)];
        let all = hosts.each_ref().map(|host| taken(host, 60));
        assert_eq!(all, [60, 40, 0]);
        assert_eq!(hosts[2].take(), Err(GivenUp::RunBudget));
        // What the run had none of is not taken from the host.
        (0..1000).for_each(|_| hosts[0].request());
        assert_eq!(hosts.each_ref().map(|host| taken(host, 200)), [100, 0, 0]);
    }
}
