//! What changes where tags move: the image that the target's tag names now beside the one it would get.
//!
//! Owns how little is read for it: a manifest on either side, and for one platform that both have its manifest and its
//! configuration. What was read for sizes is not read again. Refuses to fail: what could not be looked at is not known.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::subsets::Roots;
use super::{Observer, Sizes};
use crate::event::Event;
use crate::image::{
    Change, Code, Descriptor, Digest, Location, Manifest, MediaType, Offer, Offers, Picture, Portrait, Root, View,
    common,
};
use crate::plan::{Observed, Plan, Reason, Sighting, Step};
use crate::store::{Error, ImageSource, read_config};

/// So many moved tags of a plan are looked at to show what changes, and as many diffs are kept.
const SHOWN: usize = 50;

/// Where it is looked at what changes when a tag moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// Nowhere.
    Never,
    /// To show it: for the first fifty tags, and where contents are looked at for their sizes, too.
    #[default]
    ToShow,
    /// For every tag that would be moved: what is not known would count as a risk.
    ToTell,
}

/// How much of a change in configuration is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// All of it.
    Full,
    /// Environment variables by their names: values may be secrets of a private image, and reports may be public.
    #[default]
    Names,
    /// None of it.
    None,
}

/// A manifest at its place.
type At = (Location, Digest, MediaType);

/// Two images to compare.
pub(super) struct Comparison {
    old: At,
    new: At,
    keeps_diff: bool,
}

/// The images to compare, by their digests: however many tags change so, it is looked at once.
pub(super) type Comparisons = BTreeMap<(Digest, Digest), Comparison>;

impl Observer<'_> {
    /// The images to compare for `draft`.
    pub(super) fn comparisons(&self, draft: &Plan, observed: &Observed) -> Comparisons {
        let mut comparisons = Comparisons::new();
        if self.compare == Compare::Never {
            return comparisons;
        }
        for (number, step) in draft.steps.iter().filter(|step| step.moves_tag()).enumerate() {
            let tells = self.compare == Compare::ToTell && step.reason == Reason::TagMoved;
            let shows = number < SHOWN && self.is_free(step, observed);
            let Some((old, new)) = sides(step, observed).filter(|_| tells || shows) else { continue };
            let key = (old.1.clone(), new.1.clone());
            let keeps_diff = number < SHOWN;
            comparisons.entry(key).or_insert(Comparison { old, new, keeps_diff });
        }
        comparisons
    }

    /// Whether neither side counts what is read of it.
    fn is_free(&self, step: &Step, observed: &Observed) -> bool {
        let source = step.source.as_ref().map(|source| &source.reference.location);
        let target = step.target.as_ref().map(|target| &target.reference.location);
        let sizes: Sizes = self.sizes;
        [source, target].into_iter().flatten().all(|location| sizes.asks(location, observed))
    }

    /// Compares them. An image that was found to be broken is not read again: its step is an error.
    pub(super) async fn read_changes(&self, mut comparisons: Comparisons, roots: &Roots, observed: &mut Observed) {
        comparisons.retain(|_, Comparison { new: (location, digest, _), .. }| {
            !matches!(observed.contents.get(&(location.clone(), digest.clone())), Some(Err(_)))
        });
        let look = |(key, comparison): ((Digest, Digest), Comparison)| async move {
            let change = self.change(&comparison, roots.get(&key.1)).await;
            self.reporter.event(Event::Observed);
            let kept = change.map(|change| match self.detail {
                Detail::Full if comparison.keeps_diff => change,
                Detail::Names if comparison.keeps_diff => change.without_values(),
                _ => change.without_diff(),
            });
            (key, kept)
        };
        let mut looks = stream::iter(comparisons).map(look).buffer_unordered(self.concurrency.max(1));
        while let Some((key, change)) = looks.next().await {
            // Why it could not be looked at is of no use to the plan: what is not known is not there.
            if let Ok(change) = change {
                observed.changes.insert(key, Arc::new(change));
            }
        }
    }

    async fn change(&self, comparison: &Comparison, root: Option<&Root>) -> Result<Change, Error> {
        let Comparison { old, new, .. } = comparison;
        let (target, source) = (self.stores.target(&old.0)?, self.stores.source(&new.0)?);
        let old = async {
            let manifest = manifest(&*target, (&old.1, &old.2)).await?;
            Half::of(&*target, manifest).await
        };
        let new = async {
            let manifest = match root {
                Some(Root::Index(index)) => index.clone(),
                Some(Root::Child(child)) => manifest(&*source, (&child.digest, &child.media_type)).await?,
                Some(Root::Whole) | None => manifest(&*source, (&new.1, &new.2)).await?,
            };
            Half::of(&*source, manifest).await
        };
        let (old, new) = tokio::try_join!(old, new)?;
        let (mut before, mut after) = (old.portrait(), new.portrait());
        if let Some((one, other)) = common(&old.offers, &new.offers) {
            // Which platforms there are is known all the same.
            let pictures = tokio::try_join!(old.picture(one), new.picture(other));
            (before.image, after.image) = pictures.unwrap_or_default();
        }
        Ok(Change::between(&before, &after))
    }
}

/// The two images of a step.
fn sides(step: &Step, observed: &Observed) -> Option<(At, At)> {
    let (source, target) = (step.source.as_ref()?, step.target.as_ref()?);
    let Some(Sighting::Present(now)) = observed.targets.get(&target.reference) else { return None };
    let old = (target.reference.location.clone(), now.digest.clone(), now.media_type.clone());
    let new = (source.reference.location.clone(), step.wanted()?.clone(), source.media_type.clone()?);
    Some((old, new))
}

async fn manifest(store: &dyn ImageSource, (digest, media_type): (&Digest, &MediaType)) -> Result<Manifest, Error> {
    let found = store.manifest(digest, media_type).await?;
    found.ok_or_else(|| Error::new(Code::NotFound, about(store, digest), "it is missing"))
}

fn about(store: &dyn ImageSource, digest: &Digest) -> String {
    format!("compare {}@{digest}", store.location())
}

/// One of two images: its root, what that offers, and its configuration where that had to be read for it.
struct Half<'a> {
    store: &'a dyn ImageSource,
    root: Manifest,
    offers: Vec<Offer>,
    config: Option<Vec<u8>>,
}

impl<'a> Half<'a> {
    async fn of(store: &'a dyn ImageSource, root: Manifest) -> Result<Self, Error> {
        let mut config = None;
        let offers = match Offers::of(&root) {
            Offers::Children(offers) => offers,
            Offers::Configured(at) => {
                let bytes = config.insert(read_config(store, &at, &about(store, root.digest())).await?);
                vec![Offer::configured(bytes)]
            }
            Offers::Plain => vec![Offer::plain()],
            Offers::Unknown => {
                let message = "its platforms are not known without reading all that is below it";
                return Err(Error::new(Code::Unsupported, about(store, root.digest()), message));
            }
        };
        Ok(Self { store, root, offers, config })
    }

    fn portrait(&self) -> Portrait {
        Portrait::new(&self.root, &self.offers)
    }

    /// The image that is offered; nothing where it is none that can be read.
    async fn picture(&self, offer: &Offer) -> Result<Option<Picture>, Error> {
        let child = match &offer.child {
            Some(child) => Some(manifest(self.store, (&child.digest, &child.media_type)).await?),
            None => None,
        };
        let image = child.as_ref().unwrap_or(&self.root);
        let read = match (&self.config, config_of(image)) {
            (None, Some(at)) => Some(read_config(self.store, at, &about(self.store, image.digest())).await?),
            _ => None,
        };
        let config = self.config.as_ref().or(read.as_ref());
        Ok(Picture::new(image, offer.platform.as_ref(), config.map(Vec::as_slice)))
    }
}

/// Where the configuration is that says how an image runs.
fn config_of(image: &Manifest) -> Option<&Descriptor> {
    match image.view() {
        View::Image(image) => image.config.as_ref().filter(|config| config.media_type.is_image_config()),
        View::Index(_) | View::Opaque => None,
    }
}
