//! What refers to the images at their sources, and what of it the targets lack.
//!
//! Owns for which images that is asked, and that tags are listed once for each repository. Images that would be copied are
//! always looked at; those in sync by `referrers-check`. Refuses to ask anything for a mirror with `referrers: none`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::OnceCell;

use super::{Observer, complete, failure};
use crate::config::{Desired, Place, ReferrerRule, ReferrersCheck};
use crate::event::Event;
use crate::image::{
    Digest, Failure, Location, MediaType, ReferrerTypes, Root, Side, Subset, Tag, TagOrDigest, fallback_tag,
};
use crate::plan::{Attached, Observed, Reason, Referrer, Step};
use crate::store::referrers::{Claim, Lack, ReferrerTags, Search, images_below, images_in, lacking};
use crate::store::{Error, ImageSource};

/// So many referrers of a whole index are named where a part of it is copied.
const NAMES: usize = 8;

/// An image that targets get, where it comes from, and which of its referrers are meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) source: Location,
    /// The digest that the targets get.
    pub(super) digest: Digest,
    /// The image at the source, and its type.
    image: (Digest, MediaType),
    /// Which part of it the targets get.
    subset: Option<Arc<Subset>>,
    pub(super) types: ReferrerTypes,
}

/// How sure it is that a target is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// Only where tag lists show that it lacks a tag.
    IfTagsDiffer,
    /// In any case.
    Sure,
}

/// What lists of tags tell of an image at a target.
enum Told {
    /// Nothing that would have to be looked into.
    InPlace,
    /// It may lack something.
    Lacking,
    /// It has no index of referrers, as the source has: by what that is known again where nothing of it is missing.
    LackingIndex(Digest),
}

/// The referrers to look for, and at which targets.
pub(super) type Looks = BTreeMap<Subject, BTreeMap<Location, Wish>>;

/// What was found at the source of an image.
struct Found {
    tags: ReferrerTags,
    claims: Vec<Claim>,
    /// What is about the whole index, of which targets get a part.
    of_the_whole: Vec<String>,
}

/// The tags of repositories that stand for referrers, each list read once.
#[derive(Default)]
struct TagLists(Mutex<HashMap<Location, Arc<OnceCell<ReferrerTags>>>>);

impl Observer<'_> {
    /// The images whose referrers are asked for, by what the steps of a draft would do with them.
    pub(super) fn referrer_looks<'s>(
        desired: &Desired,
        draft: impl Iterator<Item = &'s Step>,
        observed: &Observed,
    ) -> Looks {
        let rules: BTreeMap<&Place, &ReferrerRule> =
            desired.mirrors.iter().map(|mirror| (&mirror.place, &mirror.referrers)).collect();
        let mut looks = Looks::new();
        for step in draft {
            let Some(rule) = rules.get(&step.place) else { continue };
            let (Some(types), Some(wish)) = (&rule.types, wish(step, rule.check, observed)) else { continue };
            let (Some(source), Some(target)) = (&step.source, &step.target) else { continue };
            let (Some(digest), Some(image), Some(media_type)) = (&step.digest, &source.digest, &source.media_type)
            else {
                continue;
            };
            let subject = Subject {
                source: source.reference.location.clone(),
                digest: digest.clone(),
                image: (image.clone(), media_type.clone()),
                subset: step.trim.as_ref().map(|trim| Arc::clone(&trim.subset)),
                types: types.clone(),
            };
            let known = looks.entry(subject).or_default().entry(target.reference.location.clone()).or_insert(wish);
            *known = wish.max(*known);
        }
        looks
    }

    /// Searches for what `looks` names.
    pub(super) async fn read_referrers(&self, looks: Looks, observed: &mut Observed) {
        let lists = TagLists::default();
        for (location, tags) in &observed.tags {
            if let Ok(tags) = tags {
                lists.cell(location).set(ReferrerTags::among(tags)).ok();
            }
        }
        let lists = &lists;
        let look = |(subject, targets)| async move {
            let (asked, indexes) = self.asked(lists, &subject, targets).await;
            let found = if asked.is_empty() { Vec::new() } else { self.look(lists, &subject, asked).await };
            self.reporter.event(Event::Observed);
            (subject, found, indexes)
        };
        let mut looks = stream::iter(looks).map(look).buffer_unordered(self.concurrency.max(1));
        while let Some((subject, found, mut indexes)) = looks.next().await {
            for (target, attached) in found {
                let is_complete = attached.as_ref().is_ok_and(|attached| attached.missing.is_empty());
                observed.complete.extend(indexes.remove(&target).filter(|_| is_complete));
                let image = (subject.source.clone(), subject.digest.clone());
                observed.referrers.insert((image, target, subject.types.clone()), attached);
            }
        }
    }

    /// The targets that are looked at, and by what is known again what they are looked at for, where that is an index.
    async fn asked(
        &self,
        lists: &TagLists,
        subject: &Subject,
        targets: BTreeMap<Location, Wish>,
    ) -> (Vec<Location>, BTreeMap<Location, Digest>) {
        let (mut asked, mut indexes) = (Vec::new(), BTreeMap::new());
        for (target, wish) in targets {
            let told = if wish == Wish::Sure { Told::Lacking } else { self.told(lists, subject, &target).await };
            match told {
                Told::InPlace => continue,
                Told::Lacking => {}
                Told::LackingIndex(name) => drop(indexes.insert(target.clone(), name)),
            }
            asked.push(target);
        }
        (asked, indexes)
    }

    async fn look(
        &self,
        lists: &TagLists,
        subject: &Subject,
        asked: Vec<Location>,
    ) -> Vec<(Location, Result<Attached, Failure>)> {
        match self.claims(lists, subject).await {
            Err(error) => {
                let failure = with_hint(failure(error, Side::Source));
                asked.into_iter().map(|target| (target, Err(failure.clone()))).collect()
            }
            Ok(Found { tags, claims, of_the_whole }) => {
                let each = asked.into_iter().map(|target| self.compare((&tags, &claims), subject, target));
                let each = stream::iter(each).buffer_unordered(super::TARGETS_AT_ONCE);
                let named = |attached| Attached { of_the_whole: of_the_whole.clone(), ..attached };
                each.map(|(target, attached)| (target, attached.map(named))).collect().await
            }
        }
    }

    /// Whether the source lists a tag for the image that the target does not, and that may be of a type that is meant. Where
    /// the target's tags cannot be listed, that is not known, and looked into.
    async fn told(&self, lists: &TagLists, subject: &Subject, target: &Location) -> Told {
        let Some(known) = lists.cell(&subject.source).get().cloned() else { return Told::InPlace };
        let tags = known.of(&subject.digest, &subject.types);
        if tags.is_empty() {
            return Told::InPlace;
        }
        let there = match self.referrer_tags(lists, target, Side::Target).await {
            Ok(there @ ReferrerTags::Listed(_)) => there,
            Ok(ReferrerTags::Unlisted) | Err(_) => return Told::Lacking,
        };
        let lacking: Vec<Tag> = tags.into_iter().filter(|tag| !there.may_have(tag)).collect();
        match &lacking[..] {
            [] => Told::InPlace,
            [index] if fallback_tag(&subject.digest).as_ref() == Some(index) => {
                self.told_of_index(subject, index, target).await
            }
            _ => Told::Lacking,
        }
    }

    /// What is known of a target that has no index of referrers where the source has one: it may list them by itself.
    async fn told_of_index(&self, subject: &Subject, index: &Tag, target: &Location) -> Told {
        let Ok(source) = self.stores.source(&subject.source) else { return Told::Lacking };
        let Ok(Some(index)) = source.resolve(&TagOrDigest::Tag(index.clone())).await else { return Told::Lacking };
        let name = complete::name(subject, &index.digest, target);
        if self.complete.contains(&name) { Told::InPlace } else { Told::LackingIndex(name) }
    }

    async fn claims(&self, lists: &TagLists, subject: &Subject) -> Result<Found, Error> {
        let source = self.stores.source(&subject.source)?;
        let source = source.as_ref();
        let tags = self.referrer_tags(lists, &subject.source, Side::Source).await?;
        let search = Search { source, tags: &tags, types: &subject.types };
        let (digest, media_type) = &subject.image;
        let root = match &subject.subset {
            Some(subset) => crate::store::subset(source, (digest, media_type), subset).await?.root,
            None => Root::Whole,
        };
        let of_the_whole = match &root {
            Root::Whole => Vec::new(),
            Root::Child(_) | Root::Index(_) => names(source, &tags, digest).await?,
        };
        let claims = match &root {
            Root::Whole => search.run(digest.clone(), images_below(source, digest, media_type).boxed()).await?,
            Root::Child(child) => {
                let below = images_below(source, &child.digest, &child.media_type).boxed();
                search.run(child.digest.clone(), below).await?
            }
            // Nothing at the source refers to a part of an index, but to the images in it.
            Root::Index(part) => {
                let mut images = images_in(source, part).await?.into_iter();
                match images.next() {
                    Some(first) => search.run(first, async { Ok(images.collect()) }.boxed()).await?,
                    None => Vec::new(),
                }
            }
        };
        Ok(Found { tags, claims, of_the_whole })
    }

    async fn compare(
        &self,
        (tags, claims): (&ReferrerTags, &[Claim]),
        subject: &Subject,
        target: Location,
    ) -> (Location, Result<Attached, Failure>) {
        let compare = async {
            let source = self.stores.source(&subject.source).map_err(|error| (Side::Source, error))?;
            let target = self.stores.target(&target).map_err(|error| (Side::Target, error))?;
            let search = Search { source: source.as_ref(), tags, types: &subject.types };
            lacking(&search, target.as_ref(), claims).await
        };
        let lack = compare.await.map_err(|(side, error)| with_hint(failure(error, side)));
        (target, lack.map(attached))
    }

    /// The tags of a repository that stand for referrers. Where it lists none, for whatever reason of its own, each is asked
    /// for: its silence is not taken for absence.
    async fn referrer_tags(&self, lists: &TagLists, location: &Location, side: Side) -> Result<ReferrerTags, Error> {
        let read = async {
            let listed = match side {
                Side::Source => self.stores.source(location)?.tags().await,
                Side::Target => self.stores.target(location)?.tags().await,
            };
            match listed {
                Ok(tags) => Ok(ReferrerTags::among(&tags)),
                Err(error) if is_final(&error) => Ok(ReferrerTags::Unlisted),
                Err(error) => Err(error),
            }
        };
        lists.cell(location).get_or_try_init(|| read).await.cloned()
    }
}

/// What refers to an index, by tag or digest; of very many, the first.
async fn names(source: &dyn ImageSource, tags: &ReferrerTags, index: &Digest) -> Result<Vec<String>, Error> {
    let location = source.location();
    let listed = source.referrers(index).await?;
    let mut names: Vec<String> = match tags {
        ReferrerTags::Listed(_) => {
            tags.of(index, &ReferrerTypes::All).iter().map(|tag| format!("{location}:{tag}")).collect()
        }
        ReferrerTags::Unlisted => Vec::new(),
    };
    names.extend(listed.entries().iter().map(|entry| format!("{location}@{}", entry.digest)));
    names.truncate(NAMES);
    Ok(names)
}

/// Whether the image of a step is looked at.
fn wish(step: &Step, check: ReferrersCheck, observed: &Observed) -> Option<Wish> {
    let source = &step.source.as_ref()?.reference.location;
    match (&step.reason, check) {
        (Reason::New | Reason::TagMoved, _) | (Reason::InSync, ReferrersCheck::Always) => Some(Wish::Sure),
        (Reason::InSync, ReferrersCheck::Changed) => {
            matches!(observed.tags.get(source), Some(Ok(_))).then_some(Wish::IfTagsDiffer)
        }
        _ => None,
    }
}

/// Whether a registry will not list its tags, however often it is asked.
fn is_final(error: &Error) -> bool {
    error.status.is_some_and(|status| (400..500).contains(&status) && ![408, 429].contains(&status))
}

/// What to do about referrers that cannot be read, where nothing better is known: the image itself may be sound.
fn with_hint(failure: Failure) -> Failure {
    let hint = failure.hint.or_else(|| Some("`referrers: none` is for images without what refers to them".to_owned()));
    Failure { hint, ..failure }
}

fn attached(lack: Lack) -> Attached {
    let missing = lack.missing.into_iter().map(|lacking| Referrer {
        digest: lacking.digest,
        artifact_type: lacking.artifact_type,
        tag: lacking.tag,
        before: lacking.before,
        bytes: lacking.bytes,
    });
    Attached { missing: missing.collect(), remarks: lack.remarks, of_the_whole: Vec::new() }
}

impl TagLists {
    fn cell(&self, location: &Location) -> Arc<OnceCell<ReferrerTags>> {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lists.entry(location.clone()).or_default())
    }
}
