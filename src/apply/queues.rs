//! What is copied when: a queue of steps for each target host.
//!
//! Owns the order, so that one slow host holds up no other. Refuses to know what a step does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::image::{Digest, Location, Registry};
use crate::plan::{Plan, Step};

/// A step with its place in the plan.
pub(super) type Placed<'a> = (usize, &'a Step);

/// The image that a step copies: where it is read, and its digest.
type SourceImage<'a> = (&'a Location, &'a Digest);

/// The writing steps of `plan`, in a queue for each target host; all layouts count as one host.
///
/// Within each queue images stand in the same order, those of several hosts first: the queues pass one image at about the
/// same time, so that it is read once for all of them. Apart from that it is the plan's order.
pub(super) fn queues(plan: &Plan) -> Vec<Vec<Placed<'_>>> {
    let mut queues: BTreeMap<Option<&Registry>, Vec<Placed<'_>>> = BTreeMap::new();
    let mut ranks: HashMap<Option<SourceImage<'_>>, usize> = HashMap::new();
    let mut hosts: HashMap<Option<SourceImage<'_>>, BTreeSet<Option<&Registry>>> = HashMap::new();
    for (place, step) in plan.steps.iter().enumerate().filter(|(_, step)| step.action().writes()) {
        let host = step.target_reference().and_then(|target| target.location.registry());
        ranks.entry(source_image(step)).or_insert(place);
        hosts.entry(source_image(step)).or_default().insert(host);
        queues.entry(host).or_default().push((place, step));
    }
    let order = |(_, step): &Placed<'_>| {
        let image = source_image(step);
        let is_shared = hosts.get(&image).is_some_and(|hosts| hosts.len() > 1);
        (!is_shared, ranks.get(&image).copied())
    };
    let mut queues: Vec<_> = queues.into_values().collect();
    for queue in &mut queues {
        queue.sort_by_key(order);
    }
    queues
}

fn source_image(step: &Step) -> Option<SourceImage<'_>> {
    let source = step.source.as_ref()?;
    Some((&source.reference.location, step.digest.as_ref()?))
}
