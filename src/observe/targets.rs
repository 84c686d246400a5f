//! The tags of the targets: one HEAD for each, and fewer where a repository is not there at all.
//!
//! Owns the order of the questions: the repositories take turns, each with one tag first. Where that one is absent and more
//! are waiting, the repository itself is asked for; one that is missing has no tags. Refuses to take a list's silence for
//! absence.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, stream};

use super::{Observer, READS_AT_ONCE, failure, sighting};
use crate::event::Event;
use crate::image::{Location, Reference, Registry, Side};
use crate::plan::Sighting;

/// From so many tags on, the repository itself is asked for after one of them was absent: the question costs one request.
const TAGS_WORTH_ASKING: usize = 2;

/// The tags of one location that nobody has asked for yet.
struct Lane {
    waiting: VecDeque<Reference>,
    /// Whether one of its tags has been answered.
    known: bool,
}

/// What came of one question.
struct Answer {
    reference: Reference,
    sighting: Sighting,
    /// The lane of a first question, for the others to be asked; and whether all of them are known to be absent.
    lane: Option<(Lane, bool)>,
}

impl Observer<'_> {
    /// Reads what each of `references` names now.
    pub(super) async fn read_targets(&self, references: BTreeSet<Reference>) -> BTreeMap<Reference, Sighting> {
        let mut hosts: BTreeMap<Option<Registry>, BTreeMap<Location, Lane>> = BTreeMap::new();
        for reference in references {
            let lanes = hosts.entry(reference.location.registry().cloned()).or_default();
            let new = || Lane { waiting: VecDeque::new(), known: false };
            lanes.entry(reference.location.clone()).or_insert_with(new).waiting.push_back(reference);
        }
        let asked = hosts.into_values().map(|lanes| self.read_lanes(lanes.into_values().collect()));
        stream::iter(asked).buffer_unordered(usize::MAX).flat_map(stream::iter).collect().await
    }

    /// Reads what the lanes of one host hold, so many at once.
    async fn read_lanes(&self, mut lanes: VecDeque<Lane>) -> Vec<(Reference, Sighting)> {
        let (mut found, mut asked) = (Vec::new(), FuturesUnordered::new());
        loop {
            while asked.len() < READS_AT_ONCE
                && let Some(mut lane) = lanes.pop_front()
            {
                let Some(reference) = lane.waiting.pop_front() else { continue };
                if lane.known {
                    asked.push(self.read_target(reference, None));
                    lanes.push_back(lane);
                } else {
                    asked.push(self.read_target(reference, Some(lane)));
                }
            }
            let Some(Answer { reference, sighting, lane }) = asked.next().await else { return found };
            self.reporter.event(Event::Observed);
            found.push((reference, sighting));
            match lane {
                Some((lane, true)) => {
                    lane.waiting.iter().for_each(|_| self.reporter.event(Event::Observed));
                    found.extend(lane.waiting.into_iter().map(|reference| (reference, Sighting::Absent)));
                }
                Some((lane, false)) => lanes.push_back(Lane { known: true, ..lane }),
                None => {}
            }
        }
    }

    /// Reads what `reference` names now; as the first one of its `lane`, whether the others can be known from that.
    async fn read_target(&self, reference: Reference, lane: Option<Lane>) -> Answer {
        let target = match self.stores.target(&reference.location) {
            Ok(target) => target,
            Err(error) => {
                let sighting = Sighting::Unreadable(failure(error, Side::Target));
                return Answer { reference, sighting, lane: lane.map(|lane| (lane, false)) };
            }
        };
        let sighting = sighting(target.resolve(&reference.version).await, Side::Target);
        let lane = match lane {
            Some(lane) => {
                let worth = sighting == Sighting::Absent && lane.waiting.len() >= TAGS_WORTH_ASKING;
                let missing = worth && target.is_missing().await;
                Some((lane, missing))
            }
            None => None,
        };
        Answer { reference, sighting, lane }
    }
}
