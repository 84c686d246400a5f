//! The tags of the targets: one HEAD for each, and fewer where a repository is not there at all, or where a registry's cloud
//! takes many in one request.
//!
//! Owns the order of the questions: the repositories take turns, each with one tag first and then with its share of what is
//! asked at once. Where that first one is absent and more are waiting, the repository itself is asked for; one that is
//! missing has no tags. Refuses to take a list's silence for absence.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, stream};

use super::{Observer, READS_AT_ONCE, failure, sighting};
use crate::event::Event;
use crate::image::{Location, Reference, Registry, Side, Tag, TagOrDigest};
use crate::plan::Sighting;
use crate::store::limits::TAGS_TOGETHER;

/// From so many tags on, the repository itself is asked for after one of them was absent: the question costs one request.
const TAGS_WORTH_ASKING: usize = 2;

/// From so many tags on, they are asked for in one request, where there is one. Its answer carries whole manifests, which a
/// HEAD does not.
const TAGS_WORTH_JOINING: usize = 3;
/// Such requests at once at each host: an answer is held in memory with the manifests of all that it names.
const JOINED_AT_ONCE: usize = 16;

/// The tags of one location.
#[derive(Default)]
struct Lane {
    /// Those that nobody has asked for yet.
    waiting: VecDeque<Reference>,
    /// How many are asked for right now.
    asked: usize,
    /// Whether one of them has been answered.
    known: bool,
    /// Whether its turn will come.
    queued: bool,
}

/// What is to be read at one host.
type Locations = BTreeMap<Location, VecDeque<Reference>>;

/// The lanes of one host.
struct Lanes {
    all: Vec<Lane>,
    /// Whose turn it is.
    turns: VecDeque<usize>,
    /// How many have tags that nobody has asked for.
    open: usize,
}

/// What is asked next.
struct Question {
    lane: usize,
    reference: Reference,
    /// For the first one of its lane: how many more are waiting there.
    first: Option<usize>,
}

/// What came of it.
struct Answer {
    lane: usize,
    reference: Reference,
    sighting: Sighting,
    /// Whether all others of the lane are known to be absent.
    missing: bool,
}

impl Lanes {
    fn new(all: impl Iterator<Item = VecDeque<Reference>>) -> Self {
        let all: Vec<_> = all.map(|waiting| Lane { waiting, queued: true, ..Lane::default() }).collect();
        Self { turns: (0..all.len()).collect(), open: all.len(), all }
    }

    /// The next question, where somebody has one and not yet its share of those that are asked at once.
    fn next(&mut self) -> Option<Question> {
        loop {
            let number = self.turns.pop_front()?;
            let lane = &mut self.all[number];
            lane.queued = false;
            let Some(reference) = lane.waiting.pop_front() else { continue };
            lane.asked += 1;
            self.open -= usize::from(lane.waiting.is_empty());
            let first = (!lane.known).then_some(lane.waiting.len());
            if lane.known {
                self.queue(number);
            }
            return Some(Question { lane: number, reference, first });
        }
    }

    /// A question of this lane has been answered.
    fn answered(&mut self, number: usize) {
        let lane = &mut self.all[number];
        (lane.asked, lane.known) = (lane.asked - 1, true);
        self.queue(number);
    }

    /// What nobody has asked for, and nobody needs to.
    fn clear(&mut self, number: usize) -> VecDeque<Reference> {
        let waiting = mem::take(&mut self.all[number].waiting);
        self.open -= usize::from(!waiting.is_empty());
        waiting
    }

    fn queue(&mut self, number: usize) {
        let share = READS_AT_ONCE.div_ceil(self.open.max(1));
        let lane = &mut self.all[number];
        if !lane.queued && !lane.waiting.is_empty() && lane.asked < share {
            lane.queued = true;
            self.turns.push_back(number);
        }
    }
}

impl Observer<'_> {
    /// Reads what each of `references` names now.
    pub(super) async fn read_targets(&self, references: BTreeSet<Reference>) -> BTreeMap<Reference, Sighting> {
        let mut hosts: BTreeMap<Option<Registry>, Locations> = BTreeMap::new();
        for reference in references {
            let lanes = hosts.entry(reference.location.registry().cloned()).or_default();
            lanes.entry(reference.location.clone()).or_default().push_back(reference);
        }
        let asked = hosts.into_values().map(|locations| self.read_host(locations));
        stream::iter(asked).buffer_unordered(usize::MAX).flat_map(stream::iter).collect().await
    }

    /// Reads what is at one host: what can be asked for together first.
    async fn read_host(&self, mut locations: Locations) -> Vec<(Reference, Sighting)> {
        let mut found = self.read_together(&locations).await;
        locations.retain(|_, lane| {
            lane.retain(|reference| !found.contains_key(reference));
            !lane.is_empty()
        });
        found.extend(self.read_lanes(Lanes::new(locations.into_values())).await);
        found.into_iter().collect()
    }

    /// What is found in requests for many tags, as far as there are such requests.
    async fn read_together(&self, locations: &Locations) -> BTreeMap<Reference, Sighting> {
        let pieces = locations.iter().flat_map(|(location, lane)| {
            let tags = lane.iter().filter_map(|reference| match &reference.version {
                TagOrDigest::Tag(tag) => Some(tag.clone()),
                TagOrDigest::Digest(_) => None,
            });
            let tags: Vec<Tag> = tags.collect();
            let pieces = tags.chunks(TAGS_TOGETHER).filter(|piece| piece.len() >= TAGS_WORTH_JOINING);
            pieces.map(|piece| (location, piece.to_vec())).collect::<Vec<_>>()
        });
        let ask = |(location, tags): (&Location, Vec<Tag>)| {
            let location = location.clone();
            async move {
                // Why it cannot be opened is said of each of its tags.
                let Ok(target) = self.stores.target(&location) else { return Vec::new() };
                let found = target.resolve_together(&tags).await;
                let seen = found.into_iter().map(|(tag, found)| {
                    self.reporter.event(Event::Observed);
                    let version = TagOrDigest::Tag(tag);
                    (Reference { location: location.clone(), version }, sighting(Ok(found), Side::Target))
                });
                seen.collect()
            }
        };
        stream::iter(pieces).map(ask).buffer_unordered(JOINED_AT_ONCE).flat_map(stream::iter).collect().await
    }

    /// Reads what the lanes of one host hold, so many at once.
    async fn read_lanes(&self, mut lanes: Lanes) -> Vec<(Reference, Sighting)> {
        let (mut found, mut asked) = (Vec::new(), FuturesUnordered::new());
        loop {
            while asked.len() < READS_AT_ONCE
                && let Some(question) = lanes.next()
            {
                asked.push(self.read_target(question));
            }
            let Some(Answer { lane, reference, sighting, missing }) = asked.next().await else { return found };
            self.reporter.event(Event::Observed);
            found.push((reference, sighting));
            if missing {
                let absent = lanes.clear(lane);
                for reference in absent {
                    self.reporter.event(Event::Observed);
                    found.push((reference, Sighting::Absent));
                }
            }
            lanes.answered(lane);
        }
    }

    /// Reads what a reference names now; as the first one of its lane, whether the others can be known from that.
    async fn read_target(&self, question: Question) -> Answer {
        let Question { lane, reference, first } = question;
        let target = match self.stores.target(&reference.location) {
            Ok(target) => target,
            Err(error) => {
                let sighting = Sighting::Unreadable(failure(error, Side::Target));
                return Answer { lane, reference, sighting, missing: false };
            }
        };
        let sighting = sighting(target.resolve(&reference.version).await, Side::Target);
        let worth = sighting == Sighting::Absent && first.is_some_and(|waiting| waiting >= TAGS_WORTH_ASKING);
        let missing = worth && target.is_missing().await;
        Answer { lane, reference, sighting, missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Repository, TagOrDigest};

    fn tags(repository: &str, number: usize) -> VecDeque<Reference> {
        let repository = Repository::new("r.example.com".parse().unwrap(), repository).unwrap();
        let reference = |n: usize| Reference {
            location: Location::Repository(repository.clone()),
            version: TagOrDigest::Tag(format!("v{n}").parse().unwrap()),
        };
        (0..number).map(reference).collect()
    }

    fn all_at_once(lanes: &mut Lanes) -> Vec<usize> {
        std::iter::from_fn(|| lanes.next()).map(|question| question.lane).collect()
    }

    #[test]
    fn each_repository_is_asked_one_tag_first_and_then_its_share() {
        let share = READS_AT_ONCE.div_ceil(3);
        let mut lanes = Lanes::new(["a", "b", "c"].map(|name| tags(name, 200)).into_iter());
        assert_eq!(all_at_once(&mut lanes), [0, 1, 2]);
        lanes.answered(0);
        assert_eq!(all_at_once(&mut lanes), vec![0; share], "whoever is quick takes no more than its share");
        lanes.answered(2);
        lanes.answered(0);
        assert_eq!(all_at_once(&mut lanes).iter().filter(|lane| **lane == 2).count(), share);
        // One that is missing leaves its share to the others.
        assert_eq!(lanes.clear(1).len(), 199);
        lanes.answered(1);
        lanes.answered(0);
        assert_eq!(all_at_once(&mut lanes), vec![0; READS_AT_ONCE / 2 - share + 1]);
    }

    #[test]
    fn all_are_asked_for_in_the_end() {
        let mut lanes =
            Lanes::new([("a", 1), ("b", 5), ("c", 300)].map(|(name, number)| tags(name, number)).into_iter());
        let (mut asked, mut under_way) = (0, VecDeque::new());
        loop {
            under_way.extend(std::iter::from_fn(|| lanes.next()));
            let Some(question) = under_way.pop_front() else { break };
            asked += 1;
            lanes.answered(question.lane);
        }
        assert_eq!((asked, lanes.open), (306, 0));
    }
}
