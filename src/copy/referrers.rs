//! Referrers, from a source to a target: each with its blobs, then its manifest, then whatever makes it be found there.
//!
//! Owns the index of the fallback schema at targets that list no referrers: it is added to, never written anew, and by one
//! at a time. Refuses to fail an image for a target that takes no such manifests, or for a referrer that is broken at its
//! source: that is said, and nothing else is undone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::error::OnSide;
use super::mutex::lock;
use super::once::Once;
use super::transfers::Need;
use super::{BLOBS_AT_ONCE, Copier, Error, Passage};
use crate::event::Moved;
use crate::image::{
    Code, CosignKind, Digest, Location, Manifest, MediaType, Referring, Side, Tag, TagOrDigest, fallback_tag,
    with_referrers,
};
use crate::store::{self, Graph, signature_tags};

/// Referrers of one image under way at once.
const REFERRERS_AT_ONCE: usize = 4;
/// How often the index of a subject is read again where somebody else has written it in between.
const TURNS: usize = 4;

/// A referrer to bring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Its digest.
    pub digest: Digest,
    /// The tag that it goes under, where it is not found by its subject.
    pub tag: Option<Tag>,
    /// What that tag names at the target: nothing that names something else is moved.
    pub before: Option<Digest>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Brought {
    /// What was moved.
    pub moved: Moved,
    /// How many referrers were written.
    pub written: usize,
    /// Why others were not.
    pub remarks: Vec<String>,
}

/// What is known of referrers at targets.
#[derive(Default)]
pub(super) struct Attachments {
    /// What came of the lists of referrers that this run has brought to a location: images under several tags share them.
    done: Once<(Location, Vec<Wanted>), Brought>,
    /// Whoever adds to the index of a subject at a location.
    turns: Mutex<HashMap<(Location, Digest), Turn>>,
}

/// Held by whoever adds to an index.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// What came of one referrer.
enum One {
    /// Its bytes are at the target; it may have to be listed and tagged.
    Pending(Box<Pending>),
    /// There was nothing to do.
    There,
    /// Why it was left out.
    LeftOut(String),
}

/// A referrer that is at the target, and what is left to do for it to be found.
struct Pending {
    root: Manifest,
    referring: Referring,
    /// Whether the target does not list it by itself.
    unlisted: bool,
    /// The tag to write, and what it names now.
    tag: Option<(Tag, Option<Digest>)>,
}

impl Copier {
    /// Brings `wanted` from `source` to `target`: whatever they refer to should be there, or be about to come. What the
    /// target refuses is left out, and said. `image` is the digest of what they come along with: targets that get it share
    /// the reads.
    pub async fn referrers(&self, passage: &Passage, image: &Digest, wanted: &[Wanted]) -> Result<Brought, Error> {
        let mut moved = Moved::default();
        let key = (passage.target.location().clone(), wanted.to_vec());
        let bring = async {
            let brought = self.bring_all(passage, image, wanted).await?;
            moved = brought.moved;
            Ok::<_, Error>(brought)
        };
        let brought = self.attachments.done.of(key).get_or_try_init(|| bring).await?.clone();
        // Bytes count for whoever moved them, what came of it for everybody.
        Ok(Brought { moved, ..brought })
    }

    async fn bring_all(&self, passage: &Passage, image: &Digest, wanted: &[Wanted]) -> Result<Brought, Error> {
        let mut brought = Brought::default();
        let mut pending = Vec::new();
        let each = wanted.iter().map(|wanted| self.bring_one(passage, image, wanted));
        let mut each = stream::iter(each).buffered(REFERRERS_AT_ONCE);
        while let Some((moved, one)) = each.try_next().await? {
            brought.moved += moved;
            match one {
                One::Pending(one) => pending.push(*one),
                One::There => {}
                One::LeftOut(remark) => brought.remarks.push(remark),
            }
        }
        // Tags last: a further run sees by the tag that all of it is there.
        let mut failed = self.list_all(passage, &pending, &mut brought).await?;
        failed.extend(self.tag_all(passage, &pending, &mut brought).await?);
        brought.written = pending.len() - failed.len();
        Ok(brought)
    }

    /// Has what the target does not list by itself listed; which of it was refused.
    async fn list_all(
        &self,
        passage: &Passage,
        pending: &[Pending],
        brought: &mut Brought,
    ) -> Result<BTreeSet<Digest>, Error> {
        let mut unlisted: BTreeMap<&Digest, Vec<(Manifest, Referring)>> = BTreeMap::new();
        for one in pending.iter().filter(|one| one.unlisted) {
            if let Some(subject) = &one.referring.subject {
                let referrer = (one.root.clone(), one.referring.clone());
                unlisted.entry(&subject.digest).or_default().push(referrer);
            }
        }
        let mut failed = BTreeSet::new();
        for (subject, referrers) in unlisted {
            match self.list(passage, subject, &referrers).await {
                Ok(sent) => brought.moved.sent += sent,
                Err(error) if is_refusal(&error) => {
                    failed.extend(referrers.iter().map(|(root, _)| root.digest().clone()));
                    brought.remarks.push(refused(&format!("the index of referrers of {subject}"), &error));
                }
                Err(error) => return Err(Error { side: Side::Target, error }),
            }
        }
        Ok(failed)
    }

    /// Writes the tags; which of them were refused.
    async fn tag_all(
        &self,
        passage: &Passage,
        pending: &[Pending],
        brought: &mut Brought,
    ) -> Result<BTreeSet<Digest>, Error> {
        let mut failed = BTreeSet::new();
        let tags = pending.iter().filter_map(|one| Some((&one.root, one.tag.as_ref()?)));
        let write = |(root, (tag, before)): (&'_ Manifest, &'_ (Tag, Option<Digest>))| {
            let (root, tag, before) = (root.clone(), tag.clone(), before.clone());
            async move {
                let outcome = self.tag_referrer(passage, &root, (&tag, before.as_ref())).await;
                (root.digest().clone(), tag, outcome)
            }
        };
        let mut written = stream::iter(tags).map(write).buffered(REFERRERS_AT_ONCE);
        while let Some((digest, tag, outcome)) = written.next().await {
            let remark = match outcome {
                Ok(()) => continue,
                Err(error) if error.error.code == Code::Stale => {
                    signature_tags::has_moved(&tag, passage.target.as_ref())
                }
                Err(error) if is_its_own(&error) => refused(&format!("the referrer {digest}"), &error.error),
                Err(error) => return Err(error),
            };
            brought.remarks.push(remark);
            failed.insert(digest);
        }
        Ok(failed)
    }

    /// One referrer and all it is made of, by its digest.
    async fn bring_one(&self, passage: &Passage, image: &Digest, wanted: &Wanted) -> Result<(Moved, One), Error> {
        let Wanted { digest, tag, before } = wanted;
        let left_out = |error| (Moved::default(), One::LeftOut(refused(&format!("the referrer {digest}"), &error)));
        // What it is, it says itself: its bytes have this digest.
        let graph = match Graph::read(passage.source.as_ref(), digest, &MediaType::new("")).await.on(Side::Source) {
            Err(error) if is_its_own(&error) => return Ok(left_out(error.error)),
            graph => graph?,
        };
        let root = graph.root();
        let referring = referring(passage, root)?;
        let tag = match tag {
            Some(tag) => match is_free(passage, (root, &referring), (tag, before.as_ref())).await? {
                Ok(true) => Some((tag.clone(), before.clone())),
                Ok(false) if referring.subject.is_none() => return Ok((Moved::default(), One::There)),
                Ok(false) => None,
                Err(remark) => return Ok((Moved::default(), One::LeftOut(remark))),
            },
            None if referring.subject.is_none() => return Err(unreadable(passage, root, "it refers to nothing")),
            None => None,
        };
        let mut moved = match self.parts(passage, image, &graph).await {
            Err(error) if is_its_own(&error) => return Ok(left_out(error.error)),
            moved => moved?,
        };
        match self.write(passage, root, &referring).await {
            Ok(listed) => {
                moved.sent += root.bytes().len() as u64;
                let pending = Pending { root: root.clone(), referring, unlisted: !listed, tag };
                Ok((moved, One::Pending(Box::new(pending))))
            }
            Err(error) if is_its_own(&error) => Ok((moved, left_out(error.error).1)),
            Err(error) => Err(error),
        }
    }

    /// The blobs of a referrer, and what is below it where it is an index.
    async fn parts(&self, passage: &Passage, image: &Digest, graph: &Graph) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        let needs = graph.blobs().iter().map(|blob| Need { passage, image, blob });
        let mut blobs = stream::iter(needs).map(|need| self.transfers.blob(need)).buffer_unordered(BLOBS_AT_ONCE);
        while let Some(blob) = blobs.try_next().await? {
            moved += blob;
        }
        drop(blobs);
        moved += self.children(passage, graph).await?;
        Ok(moved)
    }

    /// The manifest of a referrer by its digest, where it names a subject. Whether the target lists it, if it is to be listed.
    async fn write(&self, passage: &Passage, root: &Manifest, referring: &Referring) -> Result<bool, Error> {
        let target = passage.target.as_ref();
        let Some(subject) = &referring.subject else { return Ok(true) };
        match target.push_referrer(root, &subject.digest).await {
            Err(error) if error.missing_blobs => {
                self.again_for(passage, root).await?;
                target.push_referrer(root, &subject.digest).await.on(Side::Target)
            }
            outcome => outcome.on(Side::Target),
        }
    }

    /// The manifest of a referrer under its tag, which names `before` now.
    async fn tag_referrer(
        &self,
        passage: &Passage,
        root: &Manifest,
        (tag, before): (&Tag, Option<&Digest>),
    ) -> Result<(), Error> {
        let target = passage.target.as_ref();
        match target.push_tag(root, tag, before).await {
            Err(error) if error.missing_blobs => {
                self.again_for(passage, root).await?;
                target.push_tag(root, tag, before).await.on(Side::Target)
            }
            outcome => outcome.on(Side::Target),
        }
    }

    /// Adds to the index that lists the referrers of `subject`; how many bytes that took.
    async fn list(
        &self,
        passage: &Passage,
        subject: &Digest,
        referrers: &[(Manifest, Referring)],
    ) -> Result<u64, store::Error> {
        let target = passage.target.as_ref();
        let request = format!("list the referrers of {}@{subject}", target.location());
        let fail = |message: String| store::Error::new(Code::Refused, &request, message);
        let tag = fallback_tag(subject).ok_or_else(|| fail("its digest makes no tag".to_owned()))?;
        let turn =
            Arc::clone(lock(&self.attachments.turns).entry((target.location().clone(), subject.clone())).or_default());
        let _turn = turn.lock().await;
        let mut left = TURNS;
        loop {
            // GitLab answers with the subject itself where there is no such tag.
            let now = target.tagged(&tag).await?.filter(|now| now.digest() != subject);
            let index = with_referrers(now.as_ref(), referrers)
                .map_err(|error| fail(format!("the tag {tag} cannot be added to: {error}")))?;
            let Some(index) = index else { return Ok(0) };
            left -= 1;
            match target.push_tag(&index, &tag, now.as_ref().map(Manifest::digest)).await {
                Err(error) if error.code == Code::Stale && left > 0 => {}
                outcome => return outcome.map(|()| index.bytes().len() as u64),
            }
        }
    }
}

/// What a referrer says of itself.
fn referring(passage: &Passage, root: &Manifest) -> Result<Referring, Error> {
    root.referring().map_err(|error| unreadable(passage, root, &error.to_string()))
}

fn unreadable(passage: &Passage, root: &Manifest, why: &str) -> Error {
    let request = format!("read the referrer {} of {}", root.digest(), passage.source.location());
    Error { side: Side::Source, error: store::Error::new(Code::Manifest, request, why) }
}

/// Whether `tag` is to be written: it is not where it names the referrer already. `Err` says why it is left as it is.
async fn is_free(
    passage: &Passage,
    (root, referring): (&Manifest, &Referring),
    (tag, before): (&Tag, Option<&Digest>),
) -> Result<Result<bool, String>, Error> {
    let target = passage.target.as_ref();
    if let Some(subject) = &referring.subject
        && !CosignKind::is_for(tag, &subject.digest)
    {
        let why = format!("it goes under {tag} and refers to {}", subject.digest);
        return Ok(Err(format!("the referrer {} was left out: {why}", root.digest())));
    }
    let now = target.resolve(&TagOrDigest::Tag(tag.clone())).await.on(Side::Target)?.map(|now| now.digest);
    if now.as_ref() == Some(root.digest()) {
        return Ok(Ok(false));
    }
    if now.as_ref() != before {
        return Ok(Err(signature_tags::has_moved(tag, target)));
    }
    if now.is_some() && !signature_tags::may_move(target, tag, root).await.on(Side::Target)? {
        return Ok(Err(signature_tags::has_own(tag, target)));
    }
    Ok(Ok(true))
}

/// Whether it is the referrer that is in trouble: its source has lost a part of it, or its target does not want it.
fn is_its_own(error: &Error) -> bool {
    match error.side {
        Side::Source => error.error.code == Code::NotFound,
        Side::Target => is_refusal(&error.error),
    }
}

/// Whether a target does not want a manifest, whatever is done: it is not the image that is in trouble. A credential that may
/// not write it is trouble: with another one it would be there.
fn is_refusal(error: &store::Error) -> bool {
    let by_status =
        error.status.is_some_and(|status| (400..500).contains(&status) && ![401, 403, 408, 429].contains(&status));
    by_status || matches!(error.code, Code::Refused | Code::Immutable | Code::Limit)
}

fn refused(what: &str, error: &store::Error) -> String {
    format!("{what} was left out: {error}")
}
