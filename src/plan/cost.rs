//! What the steps move, in bytes: every blob counted once for each target, in the order of the steps.

use std::collections::BTreeSet;

use super::decide::unreadable;
use super::{Bytes, Observed, Reason, Step};
use crate::image::{Digest, Location, Side};

/// Puts sizes and platforms into the steps that write. A step whose image turned out unreadable, or of a kind that cannot
/// be copied, becomes a step in error: better now than halfway.
pub(super) fn weigh(steps: &mut [Step], observed: &Observed) {
    let mut promised: BTreeSet<(Location, Digest)> = BTreeSet::new();
    for step in steps.iter_mut().filter(|step| step.action().writes()) {
        weigh_step(step, observed, &mut promised);
    }
}

fn weigh_step(step: &mut Step, observed: &Observed, promised: &mut BTreeSet<(Location, Digest)>) {
    let attached = step.referrers.iter().fold(0_u64, |sum, referrer| sum.saturating_add(referrer.bytes));
    if step.reason == Reason::ReferrersMissing {
        step.bytes = Some(Bytes { transfer: attached, present: 0 });
        return;
    }
    let (Some(source), Some(target), Some(digest)) = (&step.source, &step.target, &step.digest) else { return };
    let target = target.reference.location.clone();
    let contents = match observed.contents.get(&(source.reference.location.clone(), digest.clone())) {
        None => return,
        Some(Ok(contents)) => contents,
        Some(Err(failure)) => return step.fail(unreadable(failure, Side::Source)),
    };
    // Those of a part are known, and a manifest alone names none.
    if step.platforms.is_empty() {
        step.platforms.clone_from(&contents.platforms);
    }
    let held = match observed.held.get(&(digest.clone(), target.clone())) {
        None => None,
        Some(Ok(held)) => Some(held),
        Some(Err(failure)) => return step.fail(unreadable(failure, Side::Target)),
    };
    let mut bytes = Bytes { transfer: contents.manifests.saturating_add(attached), present: 0 };
    for (blob, size) in &contents.blobs {
        let held = held.is_some_and(|held| held.contains(blob));
        let there = held || !promised.insert((target.clone(), blob.clone()));
        let (transfer, present) = if there { (0, *size) } else { (*size, 0) };
        bytes += Bytes { transfer, present };
    }
    match held {
        Some(_) => step.bytes = Some(bytes),
        None => step.at_most = Some(bytes.transfer),
    }
}
