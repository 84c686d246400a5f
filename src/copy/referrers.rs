//! Referrers, from a source to a target: each with its blobs, then its manifest, then whatever makes it be found there.
//!
//! Owns the index of the fallback schema at targets that list no referrers: it is added to, never written anew, and by one
//! at a time. Refuses to fail an image for a target that takes no such manifests, or for a referrer that is broken at its
//! source: that is said, and nothing else is undone.

use std::collections::{BTreeMap, HashMap};
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
use crate::store::{self, Graph, referrers};

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

/// One that was written, but is not listed by the target.
type Unlisted = (Digest, (Manifest, Referring));

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
        let mut unlisted: BTreeMap<Digest, Vec<(Manifest, Referring)>> = BTreeMap::new();
        let each = wanted.iter().map(|wanted| self.bring_one(passage, image, wanted));
        let mut each = stream::iter(each).buffered(REFERRERS_AT_ONCE);
        while let Some((moved, written)) = each.try_next().await? {
            brought.moved += moved;
            match written {
                Ok(None) => brought.written += 1,
                Ok(Some((subject, referrer))) => {
                    brought.written += 1;
                    unlisted.entry(subject).or_default().push(referrer);
                }
                Err(remark) => brought.remarks.extend(remark),
            }
        }
        for (subject, referrers) in unlisted {
            match self.list(passage, &subject, &referrers).await {
                Ok(sent) => brought.moved.sent += sent,
                Err(error) if is_refusal(&error) => {
                    let number = referrers.len();
                    brought.written = brought.written.saturating_sub(number);
                    brought.remarks.push(refused(&format!("the index of referrers of {subject}"), &error));
                }
                Err(error) => return Err(Error { side: Side::Target, error }),
            }
        }
        Ok(brought)
    }

    /// One referrer and all it is made of; `Err` where the target does not want it.
    async fn bring_one(
        &self,
        passage: &Passage,
        image: &Digest,
        wanted: &Wanted,
    ) -> Result<(Moved, Result<Option<Unlisted>, Option<String>>), Error> {
        let Wanted { digest, tag, before } = wanted;
        let left_out = |error| (Moved::default(), Err(Some(refused(&format!("the referrer {digest}"), &error))));
        // What it is, it says itself: its bytes have this digest.
        let graph = match Graph::read(passage.source.as_ref(), digest, &MediaType::new("")).await.on(Side::Source) {
            Err(error) if is_its_own(&error) => return Ok(left_out(error.error)),
            graph => graph?,
        };
        let root = graph.root();
        let referring = root.referring().map_err(|error| {
            let request = format!("read the referrer {digest} of {}", passage.source.location());
            Error { side: Side::Source, error: store::Error::new(Code::Manifest, request, error.to_string()) }
        })?;
        if let (Some(tag), Some(subject)) = (tag, &referring.subject)
            && !CosignKind::is_for(tag, &subject.digest)
        {
            let why = format!("it goes under {tag} and refers to {}", subject.digest);
            return Ok((Moved::default(), Err(Some(format!("the referrer {digest} was left out: {why}")))));
        }
        let now = match tag {
            Some(tag) => passage.target.resolve(&TagOrDigest::Tag(tag.clone())).await.on(Side::Target)?,
            None => None,
        };
        let now = now.map(|now| now.digest);
        if let Some(tag) = tag {
            if now.as_ref() == Some(digest) {
                return Ok((Moved::default(), Err(None)));
            }
            if now != *before {
                return Ok((Moved::default(), Err(Some(referrers::has_moved(tag, passage.target.as_ref())))));
            }
            if now.is_some() && !referrers::may_move(passage.target.as_ref(), tag, root).await.on(Side::Target)? {
                return Ok((Moved::default(), Err(Some(referrers::has_own(tag, passage.target.as_ref())))));
            }
        }
        let mut moved = match self.parts(passage, image, &graph).await {
            Err(error) if is_its_own(&error) => return Ok(left_out(error.error)),
            moved => moved?,
        };
        match self.write(passage, root, (&referring, tag.as_ref().map(|tag| (tag, before.as_ref())))).await {
            Ok(listed) => {
                moved.sent += root.bytes().len() as u64;
                let subject = referring.subject.as_ref().map(|subject| subject.digest.clone());
                let unlisted = subject.filter(|_| !listed).map(|subject| (subject, (root.clone(), referring)));
                Ok((moved, Ok(unlisted)))
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

    /// The manifest of a referrer: by its digest where it names a subject, and under its tag where it has one. Whether the
    /// target lists it.
    async fn write(
        &self,
        passage: &Passage,
        root: &Manifest,
        (referring, tag): (&Referring, Option<(&Tag, Option<&Digest>)>),
    ) -> Result<bool, Error> {
        let target = passage.target.as_ref();
        let listed = match &referring.subject {
            None if tag.is_none() => {
                let request = format!("write the referrer {}", root.digest());
                let error = store::Error::new(Code::Manifest, request, "it refers to nothing");
                return Err(Error { side: Side::Source, error });
            }
            None => true,
            Some(subject) => match target.push_referrer(root, &subject.digest).await {
                Err(error) if error.missing_blobs => {
                    self.again_for(passage, root).await?;
                    target.push_referrer(root, &subject.digest).await.on(Side::Target)?
                }
                outcome => outcome.on(Side::Target)?,
            },
        };
        if let Some((tag, before)) = tag {
            match target.push_tag(root, tag, before).await {
                Err(error) if error.missing_blobs => {
                    self.again_for(passage, root).await?;
                    target.push_tag(root, tag, before).await.on(Side::Target)?;
                }
                outcome => outcome.on(Side::Target)?,
            }
        }
        Ok(listed)
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
