//! What is left of images of which only some platforms are wanted: one GET of an index for each digest and choice.
//!
//! Owns what an earlier run may save: where it is remembered what is left of an image, and every target has that already,
//! the index is not read. Refuses to remember for anything else: what is written has been read in this run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Observer, ask_all, failure, wanted};
use crate::config::{Desired, Wanted};
use crate::event::Event;
use crate::image::{Digest, MediaType, Reference, Root, Side, Subset, Trimmed};
use crate::plan::{Cut, CutKey, Observed, Sighting, cut_key, is_left_alone};
use crate::store;

/// The digests of subsets as earlier runs found them, by the digest of the source and the choice of platforms.
pub type KnownSubsets = BTreeMap<(Digest, Subset), Digest>;

/// The roots of subsets that were read, by their digest: no registry has those of a trimmed index yet.
pub(super) type Roots = BTreeMap<Digest, Root>;

/// An image to be cut, and its media type.
type Question = (CutKey, MediaType);

impl Observer<'_> {
    /// Finds out what is left of each image of which only some platforms are wanted.
    pub(super) async fn read_subsets(&self, desired: &Desired, observed: &mut Observed) -> (usize, Roots) {
        let questions = self.open_questions(desired, observed);
        let total = questions.len();
        let read = |(key, media_type): Question| async move {
            let (location, digest, wanted) = &key;
            let found = async {
                let source = self.stores.source(location)?;
                store::subset(source.as_ref(), (digest, &media_type), wanted).await
            };
            let found = found.await.map_err(|error| failure(error, Side::Source));
            self.reporter.event(Event::Observed);
            (key, media_type, found)
        };
        let mut roots = Roots::new();
        for (key, media_type, found) in ask_all(questions, |(key, _)| &key.0, read).await {
            let cut = found.map(|trimmed| cut(&key.1, &media_type, trimmed, &mut roots));
            observed.cuts.insert(key, cut);
        }
        (total, roots)
    }

    /// The images whose subsets have to be read; what is remembered of the others is noted in `observed`.
    fn open_questions(&self, desired: &Desired, observed: &mut Observed) -> BTreeSet<Question> {
        if desired.mirrors.iter().all(|mirror| mirror.subset.is_none()) {
            return BTreeSet::new();
        }
        let mut uses: BTreeMap<CutKey, Vec<(Wanted, Vec<Reference>)>> = BTreeMap::new();
        for wanted in wanted(desired, observed) {
            let targets: Vec<Reference> =
                wanted.targets.iter().filter(|target| self.filter.selects(target)).cloned().collect();
            if let Some(key) = cut_key(&wanted, observed).filter(|_| !targets.is_empty()) {
                uses.entry(key).or_default().push((wanted, targets));
            }
        }
        let mut open = BTreeSet::new();
        for (key, uses) in uses {
            if let Some(known) = self.known.get(&(key.1.clone(), (*key.2).clone())) {
                observed.cuts.insert(key.clone(), Ok(Cut::remembered(known.clone())));
                let left_alone = |(wanted, targets): &(Wanted, Vec<Reference>)| {
                    targets.iter().all(|target| is_left_alone(wanted, target, observed))
                };
                if uses.iter().all(left_alone) {
                    continue;
                }
                observed.cuts.remove(&key);
            }
            let media_type = uses.first().and_then(|(wanted, _)| match observed.sources.get(&wanted.source) {
                Some(Sighting::Present(found)) => Some(found.media_type.clone()),
                _ => None,
            });
            open.insert((key, media_type.unwrap_or_else(|| MediaType::new(""))));
        }
        open
    }
}

/// Notes the root of a subset, and gives back what the plan needs of it.
fn cut(digest: &Digest, media_type: &MediaType, trimmed: Trimmed, roots: &mut Roots) -> Cut {
    let image = match &trimmed.root {
        Root::Whole => crate::image::Descriptor::new(media_type.clone(), digest.clone(), 0),
        Root::Index(index) => index.descriptor(),
        Root::Child(child) => child.clone(),
    };
    if trimmed.root != Root::Whole {
        roots.insert(image.digest.clone(), trimmed.root);
    }
    Cut { image, platforms: trimmed.platforms, of: trimmed.of as u64, absent: trimmed.absent }
}
