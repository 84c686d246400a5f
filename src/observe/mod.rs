//! Reading both sides: (Desired, stores) → Observed. Writes nothing anywhere.
//!
//! Owns which questions are asked, and that no more are: one HEAD per side and tag, or less at a target whose cloud takes
//! many tags in one request, a tag list only where a glob needs one, and a look into manifests only for what would be copied.
//! Refuses to decide: a failed read is carried as data.

mod catalogs;
mod changes;
mod complete;
mod referrers;
mod subsets;
mod targets;

pub use catalogs::{Catalogs, read_catalogs, resolve};
pub use changes::{Compare, Detail};
pub use complete::KnownComplete;
pub use subsets::KnownSubsets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use crate::config::{Desired, SourceImage, Wanted};
use crate::event::{Event, Reporter};
use crate::image::{
    Descriptor, Digest, Failure, Location, MediaType, Reference, Registry, Root, Side, Tag, TagOrDigest,
};
use crate::plan::{self, Contents, Filter, Observed, Plan, Sighting};
use crate::store::{Error, Graph, ImageSource, Stores};
use subsets::Roots;

/// References read at once at each host, so that a slow one holds up no other: more than any host is asked for at once
/// where nothing is configured. The hosts' own limits hold beside it.
const READS_AT_ONCE: usize = 80;
/// Targets of one image asked at once.
const TARGETS_AT_ONCE: usize = 8;
/// Blobs of one image asked for at once.
const BLOBS_AT_ONCE: usize = 8;

/// When the contents of images that would be copied are looked at: it costs manifest GETs and blob HEADs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sizes {
    /// Everywhere but at hosts that count manifest GETs against a quota: Docker Hub, and any that says so.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl Sizes {
    fn asks(self, source: &Location, observed: &Observed) -> bool {
        let is_metered = |host: &Registry| host.is_docker_hub() || observed.quotas.contains_key(host);
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => !source.registry().is_some_and(is_metered),
        }
    }
}

/// What to read, and with what.
pub struct Observer<'a> {
    /// Where images live.
    pub stores: &'a Stores,
    /// Who hears of it.
    pub reporter: &'a dyn Reporter,
    /// Which target tags matter.
    pub filter: &'a Filter,
    /// Whether sizes are asked for.
    pub sizes: Sizes,
    /// Whether the targets are asked which blobs they hold, where sizes are. Who copies right away is told so anyway.
    pub asks_for_blobs: bool,
    /// Where it is looked at what changes when a tag moves.
    pub compare: Compare,
    /// How much of it is told.
    pub detail: Detail,
    /// What earlier runs found to be left of images of which only some platforms are wanted.
    pub known: &'a KnownSubsets,
    /// Which indexes of referrers earlier runs found targets to have all of.
    pub complete: &'a KnownComplete,
    /// Images looked into at once.
    pub concurrency: usize,
}

impl Observer<'_> {
    /// Reads everything that the plan for `desired` depends on. Never fails: what could not be read says so itself.
    pub async fn observe(&self, desired: &Desired) -> Observed {
        let lists = self.lists_needed(desired);
        let mut total = lists.len();
        self.reporter.event(Event::Observing { total });
        let mut observed = Observed { tags: self.tag_lists(lists).await, ..Observed::default() };
        let (sources, targets) = self.questions(desired, &observed);
        total += sources.len() + targets.len();
        self.reporter.event(Event::Observing { total });
        let (sources, targets) = tokio::join!(self.read_sources(sources), self.read_targets(targets));
        for (image, (sighting, moved)) in sources {
            if let Some(now) = moved {
                observed.moved_pins.insert(image.clone(), now);
            }
            observed.sources.insert(image, sighting);
        }
        observed.targets = targets;
        let (subsets, roots) = self.read_subsets(desired, &mut observed).await;
        total += subsets;
        observed.quotas = self.stores.quotas();
        // What would be copied is asked of the plan itself: the decision stands in one place.
        let (draft, doubles) = plan::draft(desired, &observed, self.filter);
        let looks = self.looks_needed(&draft, &observed);
        let referrers = Self::referrer_looks(desired, draft.steps.iter().chain(&doubles), &observed);
        let comparisons = self.comparisons(&draft, &observed);
        total += looks.len() + referrers.len() + comparisons.len();
        self.reporter.event(Event::Observing { total });
        self.look_inside(looks, &roots, &mut observed).await;
        self.read_changes(comparisons, &roots, &mut observed).await;
        self.read_referrers(referrers, &mut observed).await;
        observed.quotas = self.stores.quotas();
        observed
    }

    fn lists_needed(&self, desired: &Desired) -> BTreeSet<Location> {
        let selected = desired.mirrors.iter().filter(|mirror| {
            mirror.needs_tag_list() && mirror.targets.iter().any(|target| self.filter.may_select(target))
        });
        selected.map(|mirror| mirror.source.clone()).collect()
    }

    async fn tag_lists(&self, locations: BTreeSet<Location>) -> BTreeMap<Location, Result<Vec<Tag>, Failure>> {
        let list = |location: Location| async move {
            let tags = match self.stores.source(&location) {
                Ok(source) => source.tags().await,
                Err(error) => Err(error),
            };
            if let Ok(tags) = &tags {
                self.reporter.event(Event::Listed { location: &location, tags: tags.len() });
            }
            self.reporter.event(Event::Observed);
            let tags = tags.map_err(|error| failure(error, Side::Source));
            (location, tags)
        };
        ask_all(locations, |location| location, list).await.collect()
    }

    /// The references to read: each once, and no source whose targets are all left out.
    fn questions(&self, desired: &Desired, observed: &Observed) -> (BTreeSet<SourceImage>, BTreeSet<Reference>) {
        let (mut sources, mut targets) = (BTreeSet::new(), BTreeSet::new());
        for wanted in wanted(desired, observed) {
            let mut selected = wanted.targets.into_iter().filter(|target| self.filter.selects(target)).peekable();
            if selected.peek().is_some() {
                sources.insert(wanted.source);
            }
            targets.extend(selected);
        }
        (sources, targets)
    }

    async fn read_sources(&self, images: BTreeSet<SourceImage>) -> Vec<(SourceImage, (Sighting, MovedPin))> {
        let read = |image: SourceImage| async move {
            let sighting = match self.stores.source(&image.location) {
                Ok(source) => resolve_source(source.as_ref(), &image).await,
                Err(error) => (Sighting::Unreadable(failure(error, Side::Source)), None),
            };
            self.reporter.event(Event::Observed);
            (image, sighting)
        };
        ask_all(images, |image| &image.location, read).await.collect()
    }

    /// The images that would be copied, with their targets.
    fn looks_needed(&self, draft: &Plan, observed: &Observed) -> Looks {
        let mut looks = Looks::new();
        for step in draft.steps.iter().filter(|step| step.action().writes()) {
            let (Some(source), Some(target)) = (&step.source, &step.target) else { continue };
            if let (Some(digest), Some(media_type)) = (&step.digest, &source.media_type)
                && self.sizes.asks(&source.reference.location, observed)
            {
                let key = (source.reference.location.clone(), digest.clone(), media_type.clone());
                looks.entry(key).or_default().insert(target.reference.location.clone());
            }
        }
        looks
    }

    /// Looks into images, for their sizes and platforms, and what their targets hold of them.
    async fn look_inside(&self, looks: Looks, roots: &Roots, observed: &mut Observed) {
        let look = |((location, digest, media_type), targets)| async move {
            let contents = self.contents(&location, (&digest, &media_type), roots.get(&digest)).await;
            let held = match &contents {
                Ok(contents) => self.held(contents, targets).await,
                Err(_) => Vec::new(),
            };
            self.reporter.event(Event::Observed);
            (location, digest, contents, held)
        };
        let mut looks = stream::iter(looks).map(look).buffer_unordered(self.concurrency.max(1));
        while let Some((location, digest, contents, held)) = looks.next().await {
            for (target, held) in held {
                observed.held.insert((digest.clone(), target), held);
            }
            observed.contents.insert((location, digest), contents);
        }
    }

    async fn contents(
        &self,
        from: &Location,
        (digest, media_type): (&Digest, &MediaType),
        root: Option<&Root>,
    ) -> Result<Contents, Failure> {
        let read = async {
            let source = self.stores.source(from)?;
            match root {
                Some(Root::Index(index)) => Graph::below(source.as_ref(), index.clone()).await,
                Some(Root::Child(child)) => Graph::read(source.as_ref(), &child.digest, &child.media_type).await,
                Some(Root::Whole) | None => Graph::read(source.as_ref(), digest, media_type).await,
            }
        };
        let graph = read.await.map_err(|error| failure(error, Side::Source))?;
        Ok(Contents {
            manifests: graph.manifests().map(|manifest| manifest.bytes().len() as u64).sum(),
            manifest_count: graph.manifests().count() as u64,
            blobs: graph.blobs().iter().map(|blob| (blob.digest.clone(), blob.size)).collect(),
            platforms: graph.platforms().to_vec(),
        })
    }

    async fn held(&self, contents: &Contents, targets: BTreeSet<Location>) -> Vec<(Location, Held)> {
        let ask = |location: Location| async move {
            let held = self.held_at(contents, &location).await.map_err(|error| failure(error, Side::Target));
            (location, held)
        };
        let held = stream::iter(targets).map(ask).buffer_unordered(TARGETS_AT_ONCE);
        held.filter_map(|(location, held)| async { Some((location, held.transpose()?)) }).collect().await
    }

    /// Which of the blobs are at `location`; `None` where that was not asked.
    async fn held_at(&self, contents: &Contents, location: &Location) -> Result<Option<BTreeSet<Digest>>, Error> {
        let target = self.stores.target(location)?;
        if target.is_missing().await {
            return Ok(Some(BTreeSet::new()));
        }
        if !self.asks_for_blobs {
            return Ok(None);
        }
        let ask = |(digest, size): (&Digest, &u64)| {
            let blob = Descriptor::new(MediaType::new(""), digest.clone(), *size);
            let target = Arc::clone(&target);
            async move { target.has_blob(&blob).await.map(|held| held.then_some(blob.digest)) }
        };
        let mut answers = stream::iter(&contents.blobs).map(ask).buffer_unordered(BLOBS_AT_ONCE);
        let mut held = BTreeSet::new();
        while let Some(answer) = answers.next().await {
            held.extend(answer?);
        }
        Ok(Some(held))
    }
}

/// Every image wanted, whatever the filter says of its targets.
fn wanted(desired: &Desired, observed: &Observed) -> impl Iterator<Item = Wanted> {
    let listed = |location: &Location| match observed.tags.get(location) {
        Some(Ok(tags)) => Some(tags.as_slice()),
        _ => None,
    };
    desired.expand(listed).into_iter().flat_map(|(_, wanted)| wanted)
}

/// Asks all `questions`, those of each host side by side (all layouts count as one host). Answers come as they come.
async fn ask_all<Q, A, F>(
    questions: BTreeSet<Q>,
    location: impl Fn(&Q) -> &Location,
    ask: impl Fn(Q) -> F,
) -> impl Iterator<Item = A>
where
    F: Future<Output = A>,
{
    let mut hosts: BTreeMap<Option<Registry>, Vec<Q>> = BTreeMap::new();
    for question in questions {
        hosts.entry(location(&question).registry().cloned()).or_default().push(question);
    }
    let asked = hosts.into_values().map(|own| stream::iter(own).map(&ask).buffer_unordered(READS_AT_ONCE));
    stream::select_all(asked).collect::<Vec<_>>().await.into_iter()
}

/// Images to look into, with the targets that would get them.
type Looks = BTreeMap<(Location, Digest, MediaType), BTreeSet<Location>>;

/// Which blobs of an image a target holds.
type Held = Result<BTreeSet<Digest>, Failure>;

/// For a pin whose tag names something else now: what it names, or nothing.
type MovedPin = Option<Option<Digest>>;

/// What a source image is. A pin is first looked up by its tag, which in most cases still names it: one HEAD then.
async fn resolve_source(source: &dyn ImageSource, image: &SourceImage) -> (Sighting, MovedPin) {
    let tag = TagOrDigest::Tag(image.tag.clone());
    let by_tag = source.resolve(&tag).await;
    let Some(pin) = &image.pin else { return (sighting(by_tag, Side::Source), None) };
    match by_tag {
        Ok(Some(found)) if found.digest == *pin => (Sighting::Present(found), None),
        by_tag => {
            let now = by_tag.ok().map(|found| found.map(|found| found.digest));
            let by_digest = source.resolve(&TagOrDigest::Digest(pin.clone())).await;
            (sighting(by_digest, Side::Source), now)
        }
    }
}

fn sighting(found: Result<Option<Descriptor>, Error>, side: Side) -> Sighting {
    match found {
        Ok(Some(descriptor)) => Sighting::Present(descriptor),
        Ok(None) => Sighting::Absent,
        Err(error) => Sighting::Unreadable(failure(error, side)),
    }
}

fn failure(error: Error, side: Side) -> Failure {
    Failure::from(error).on(side)
}
