//! What refers to an image at its source, and what of it a target lacks.
//!
//! Owns the search: lists of referrers, the fallback schema where there are none, cosign's tags beside both, and what
//! refers to referrers in turn. Refuses to believe a list: what is to be copied is read, and must name its subject.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::limits::{MANIFESTS, NESTING, REFERRER_DEPTH, REFERRERS};
use super::signature_tags::{has_own, may_move};
use super::{Error, Graph, ImageSource, ImageTarget};
use crate::image::{
    ArtifactType, Code, CosignKind, Descriptor, Digest, Manifest, MediaType, ReferrerTypes, Side, Tag, TagOrDigest,
    View, fallback_tag, is_referrer_tag,
};

/// Questions about one image under way at once; the hosts' own limits hold beside it.
const QUESTIONS_AT_ONCE: usize = 8;

/// The tags of a repository that stand for referrers, as far as they are known.
#[derive(Clone, Debug)]
pub enum ReferrerTags {
    /// All of them.
    Listed(Arc<BTreeSet<Tag>>),
    /// There is no list to be had: each tag has to be asked for.
    Unlisted,
}

impl ReferrerTags {
    /// Those among `tags`.
    pub fn among(tags: &[Tag]) -> Self {
        Self::Listed(Arc::new(tags.iter().filter(|tag| is_referrer_tag(tag)).cloned().collect()))
    }

    /// Whether `tag` may be there.
    pub fn may_have(&self, tag: &Tag) -> bool {
        match self {
            Self::Listed(tags) => tags.contains(tag),
            Self::Unlisted => true,
        }
    }

    /// Whether `subject` may have referrers of these types under tags, and what those tags are. What an index lists may be of
    /// any type.
    pub fn of(&self, subject: &Digest, types: &ReferrerTypes) -> Vec<Tag> {
        let tags = cosign_tags(subject, types).map(|(_, tag)| tag).chain(fallback_tag(subject));
        tags.filter(|tag| self.may_have(tag)).collect()
    }

    fn are_none(&self) -> bool {
        matches!(self, Self::Listed(tags) if tags.is_empty())
    }
}

/// The tags of cosign's for `subject` that stand for referrers of these types.
fn cosign_tags(subject: &Digest, types: &ReferrerTypes) -> impl Iterator<Item = (CosignKind, Tag)> {
    let admitted = |kind: &CosignKind| types.admit(Some(&kind.artifact_type()));
    CosignKind::ALL.into_iter().filter(admitted).filter_map(|kind| Some((kind, kind.tag(subject)?)))
}

/// What a place says of the referrers of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferrerList {
    /// What it lists, sorted, each with its type: a claim, until the referrer itself is read.
    Whole(Vec<Descriptor>),
    /// It does not know the subject: some registries say so of what has no referrers. Of others it may list some.
    Unknown,
    /// It lists no referrers of anything.
    Unsupported,
}

impl ReferrerList {
    /// What is listed; nothing where there is no list.
    pub fn entries(&self) -> &[Descriptor] {
        match self {
            Self::Whole(list) => list,
            Self::Unknown | Self::Unsupported => &[],
        }
    }
}

/// What is to be searched for.
pub struct Search<'a> {
    /// Where.
    pub source: &'a dyn ImageSource,
    /// The tags there.
    pub tags: &'a ReferrerTags,
    /// Which referrers.
    pub types: &'a ReferrerTypes,
}

/// A referrer that a source claims to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What it is.
    pub descriptor: Descriptor,
    /// What it is said to refer to.
    pub subject: Digest,
    /// The tag of cosign's that it is found by, where there is one.
    pub tag: Option<Tag>,
    /// Whether it is listed.
    pub listed: bool,
}

/// A referrer that a target lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Its digest.
    pub digest: Digest,
    /// Its type, where it says one.
    pub artifact_type: Option<ArtifactType>,
    /// The tag that it goes under, where it has one.
    pub tag: Option<Tag>,
    /// What that tag names at the target, where there is one.
    pub before: Option<Digest>,
    /// Its size in bytes, with the blobs that its manifest names.
    pub bytes: u64,
}

/// What a target lacks, and what it will not get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lack {
    /// What it lacks, sorted.
    pub missing: Vec<Lacking>,
    /// Why something claimed is left out, in words.
    pub remarks: Vec<String>,
}

impl Search<'_> {
    /// Everything that refers to `first`, to the images that `others` finds, and to what was found. `others` is asked only
    /// where there can be anything. Each referrer once, sorted by its tag and digest.
    pub async fn run(
        &self,
        first: Digest,
        others: BoxFuture<'_, Result<Vec<Digest>, Error>>,
    ) -> Result<Vec<Claim>, Error> {
        let mut found = Claims::new();
        let mut seen = BTreeSet::from([first.clone()]);
        let listed = self.source.referrers(&first).await?;
        if listed == ReferrerList::Unsupported && self.tags.are_none() {
            return Ok(Vec::new());
        }
        let mut next = self.claims_with(&first, listed).await?;
        let others = others.await?.into_iter().filter(|digest| seen.insert(digest.clone())).collect();
        next.extend(self.claims_of(&first, others).await?);
        for depth in 0.. {
            let new: Vec<Claim> = next.into_iter().filter(|claim| add(&mut found, claim)).collect();
            self.allow(&first, found.len())?;
            let subjects = new.into_iter().map(|claim| claim.descriptor.digest);
            let subjects: Vec<Digest> = subjects.filter(|digest| seen.insert(digest.clone())).collect();
            if subjects.is_empty() {
                break;
            }
            if depth >= REFERRER_DEPTH {
                let message = format!("its referrers have referrers more than {REFERRER_DEPTH} deep");
                return Err(self.limit(&first, message));
            }
            next = self.claims_of(&first, subjects).await?;
        }
        Ok(found.into_values().collect())
    }

    fn limit(&self, first: &Digest, message: String) -> Error {
        let request = format!("list the referrers of {}@{first}", self.source.location());
        Error::new(Code::Limit, request, message).hint("`referrers: none` copies the image without them")
    }

    fn allow(&self, first: &Digest, claims: usize) -> Result<(), Error> {
        if claims <= REFERRERS {
            return Ok(());
        }
        Err(self.limit(first, format!("it has more than {REFERRERS} referrers")))
    }

    async fn claims_of(&self, first: &Digest, subjects: Vec<Digest>) -> Result<Vec<Claim>, Error> {
        let ask = |subject: Digest| async move { self.claims(&subject).await };
        let mut asked = stream::iter(subjects).map(ask).buffered(QUESTIONS_AT_ONCE);
        let mut claims = Vec::new();
        while let Some(own) = asked.try_next().await? {
            claims.extend(own);
            // Counted as they come: many subjects may each have as many as one may.
            self.allow(first, claims.len())?;
        }
        Ok(claims)
    }

    async fn claims(&self, subject: &Digest) -> Result<Vec<Claim>, Error> {
        let listed = self.source.referrers(subject).await?;
        self.claims_with(subject, listed).await
    }

    /// What is said to refer to `subject`; `listed` is what its list says, where there are lists.
    async fn claims_with(&self, subject: &Digest, listed: ReferrerList) -> Result<Vec<Claim>, Error> {
        let listed = match listed {
            ReferrerList::Whole(listed) => listed,
            _ => fallback(self.source, subject, self.tags).await?,
        };
        let listed = listed.into_iter().map(|descriptor| (descriptor, None));
        let mut claims: Vec<(Descriptor, Option<Tag>)> = listed.collect();
        for (kind, tag) in cosign_tags(subject, self.types).filter(|(_, tag)| self.tags.may_have(tag)) {
            if let Some(descriptor) = self.source.resolve(&TagOrDigest::Tag(tag.clone())).await? {
                claims.push((Descriptor { artifact_type: Some(kind.artifact_type()), ..descriptor }, Some(tag)));
            }
        }
        let admitted = claims.into_iter().filter(|(descriptor, _)| {
            descriptor.artifact_type.is_none() || self.types.admit(descriptor.artifact_type.as_ref())
        });
        let claim = |(descriptor, tag): (Descriptor, Option<Tag>)| {
            let listed = tag.is_none();
            Claim { descriptor, subject: subject.clone(), tag, listed }
        };
        Ok(admitted.map(claim).collect())
    }
}

/// Claims by their tags and digests. What is claimed to refer to several images is claimed several times: one may be true.
type Claims = BTreeMap<(Option<Tag>, Digest, Digest), Claim>;

/// Adds a claim; whether it is new. What is found by a tag and in a list of the same image is one claim.
fn add(found: &mut Claims, claim: &Claim) -> bool {
    let (digest, subject) = (&claim.descriptor.digest, &claim.subject);
    let mut new = claim.clone();
    if claim.tag.is_some() {
        new.listed |= found.remove(&(None, digest.clone(), subject.clone())).is_some();
    } else {
        let same =
            |known: &&mut Claim| known.tag.is_some() && known.descriptor.digest == *digest && known.subject == *subject;
        let mut by_tag = found.values_mut().filter(same).peekable();
        if by_tag.peek().is_some() {
            by_tag.for_each(|known| known.listed = true);
            return false;
        }
    }
    found.insert((claim.tag.clone(), digest.clone(), subject.clone()), new).is_none()
}

/// What the index of the fallback schema lists (distribution-spec "Referrers Tag Schema"); nothing where the tag names
/// something else. GitLab answers with the image itself.
async fn fallback(place: &dyn ImageSource, subject: &Digest, tags: &ReferrerTags) -> Result<Vec<Descriptor>, Error> {
    let Some(tag) = fallback_tag(subject).filter(|tag| tags.may_have(tag)) else { return Ok(Vec::new()) };
    let listed = place.tagged(&tag).await?.filter(|listed| listed.digest() != subject);
    Ok(match listed.as_ref().map(Manifest::view) {
        Some(View::Index(index)) => index.manifests.iter().map(Descriptor::bare).collect(),
        _ => Vec::new(),
    })
}

/// What `place` has listed as referrers of `subject`, in a list or in the index that stands in for one.
pub async fn listed_at(place: &dyn ImageSource, subject: &Digest) -> Result<BTreeSet<Digest>, Error> {
    let listed = match place.referrers(subject).await? {
        ReferrerList::Whole(listed) => listed,
        _ => fallback(place, subject, &ReferrerTags::Unlisted).await?,
    };
    Ok(listed.into_iter().map(|entry| entry.digest).collect())
}

/// The images that an index has, nested ones included: each may have referrers of its own. None of any other manifest.
pub async fn images_below(
    source: &dyn ImageSource,
    digest: &Digest,
    media_type: &MediaType,
) -> Result<Vec<Digest>, Error> {
    if media_type.is_image() {
        return Ok(Vec::new());
    }
    match source.manifest(digest, media_type).await? {
        Some(manifest) => images_in(source, &manifest).await,
        None => Ok(Vec::new()),
    }
}

/// The images in `index`, nested ones included.
pub async fn images_in(source: &dyn ImageSource, index: &Manifest) -> Result<Vec<Digest>, Error> {
    let mut found = BTreeSet::new();
    let mut open = vec![(index.clone(), 0)];
    while let Some((manifest, depth)) = open.pop() {
        let View::Index(index) = manifest.view() else { continue };
        for child in &index.manifests {
            let is_new = found.insert(child.digest.clone());
            if found.len() > MANIFESTS {
                let request = format!("list the images of {}", source.location());
                return Err(Error::new(
                    Code::Limit,
                    request,
                    format!("there are more than {MANIFESTS} manifests in it"),
                ));
            }
            if is_new && child.media_type.is_index() && depth < NESTING {
                let below = source.manifest(&child.digest, &child.media_type).await?;
                open.extend(below.map(|below| (below, depth + 1)));
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// What `target` lacks of `claims`, read at `source` and checked. The side that could not be read is with the error.
pub async fn lacking(search: &Search<'_>, target: &dyn ImageTarget, claims: &[Claim]) -> Result<Lack, (Side, Error)> {
    let on = |side: Side| move |error: Error| (side, error);
    let mut lack = Lack::default();
    if claims.is_empty() {
        return Ok(lack);
    }
    let is_new = target.is_missing().await;
    let subjects: BTreeSet<&Digest> = claims.iter().filter(|claim| claim.listed).map(|claim| &claim.subject).collect();
    let ask = |subject| async move { listed_at(target, subject).await.map(|listed| (subject, listed)) };
    let asked = stream::iter(subjects.into_iter().filter(|_| !is_new)).map(ask).buffered(QUESTIONS_AT_ONCE);
    let listed: BTreeMap<&Digest, BTreeSet<Digest>> = asked.try_collect().await.map_err(on(Side::Target))?;
    for claim in claims {
        let digest = &claim.descriptor.digest;
        let is_listed = !claim.listed || listed.get(&claim.subject).is_some_and(|own| own.contains(digest));
        let now = match &claim.tag {
            Some(tag) if !is_new => target.resolve(&TagOrDigest::Tag(tag.clone())).await.map_err(on(Side::Target))?,
            _ => None,
        };
        let now = now.map(|now| now.digest);
        let is_tagged = claim.tag.is_none() || now.as_ref() == Some(digest);
        if is_listed && is_tagged {
            continue;
        }
        match checked(search, claim).await.map_err(on(Side::Source))? {
            Ok(None) => {}
            // What refers to nothing by itself can only be found by its tag.
            Ok(Some((_, manifest))) if is_tagged && claim.tag.is_some() && !refers(&manifest) => {}
            Ok(Some((lacking, manifest))) => match (&claim.tag, &now) {
                (Some(tag), Some(_))
                    if !is_tagged && !may_move(target, tag, &manifest).await.map_err(on(Side::Target))? =>
                {
                    lack.remarks.push(has_own(tag, target));
                }
                _ => lack.missing.push(Lacking { before: now, ..lacking }),
            },
            Err(remark) => lack.remarks.push(remark),
        }
    }
    Ok(lack)
}

/// Whether a manifest names what it refers to.
fn refers(manifest: &Manifest) -> bool {
    manifest.referring().is_ok_and(|referring| referring.subject.is_some())
}

/// A claim, read: `Ok(None)` where it is of a type that is not wanted, `Err` where it is not what it is claimed to be.
async fn checked(search: &Search<'_>, claim: &Claim) -> Result<Result<Option<(Lacking, Manifest)>, String>, Error> {
    let Claim { descriptor, subject, tag, .. } = claim;
    let digest = &descriptor.digest;
    let left_out = |why: String| Ok(Err(format!("the referrer {digest} of {} was left out: {why}", subject.short())));
    let manifest = match search.source.manifest(digest, &descriptor.media_type).await {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return left_out("the source lists it and does not have it".to_owned()),
        Err(error) if matches!(error.code, Code::Manifest | Code::Unsupported) => return left_out(error.message),
        Err(error) => return Err(error),
    };
    let size = manifest.bytes().len() as u64;
    if size != descriptor.size {
        return left_out(format!("it has {size} bytes, not the {} stated", descriptor.size));
    }
    let referring = match manifest.referring() {
        Ok(referring) => referring,
        Err(error) => return left_out(error.to_string()),
    };
    match &referring.subject {
        Some(named) if named.digest == *subject => {}
        Some(named) => return left_out(format!("it refers to {}", named.digest)),
        // What cosign keeps under a tag is told by the tag alone.
        None if tag.is_some() => {}
        None => return left_out("it refers to nothing".to_owned()),
    }
    // A tag says more of its type than the manifest does.
    let artifact_type = if tag.is_some() { descriptor.artifact_type.clone() } else { referring.artifact_type };
    if !search.types.admit(artifact_type.as_ref()) {
        return Ok(Ok(None));
    }
    let bytes = match manifest.view() {
        View::Image(image) => image.blobs().fold(size, |sum, blob| sum.saturating_add(blob.size)),
        View::Index(_) => match Graph::below(search.source, manifest.clone()).await {
            Ok(graph) => graph.bytes(),
            Err(error) if matches!(error.code, Code::Manifest | Code::Unsupported | Code::NotFound | Code::Size) => {
                return left_out(error.message);
            }
            Err(error) => return Err(error),
        },
        View::Opaque => size,
    };
    let lacking = Lacking { digest: digest.clone(), artifact_type, tag: tag.clone(), before: None, bytes };
    Ok(Ok(Some((lacking, manifest))))
}
