//! The types of a plan: steps, their actions, and the reasons for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Pulls, Scope, StepTrim, Tallied};
use crate::config::{ConfigFile, Place};
use crate::image::{ArtifactType, Change, Digest, Failure, MediaType, Platform, Reference, Tag};

/// What a step does to its target tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Creates the tag.
    Copy,
    /// Moves the tag, or adds what is missing.
    Update,
    /// Leaves it: nothing to do.
    Skip,
    /// Leaves it: a policy forbids what would have to be done.
    Blocked,
    /// Leaves it: what would have to be done is not known.
    Error,
}

impl Action {
    /// The sign in text reports: readable without colour.
    pub fn symbol(self) -> char {
        match self {
            Self::Copy => '+',
            Self::Update => '~',
            Self::Skip => '=',
            Self::Blocked => 'x',
            Self::Error => '!',
        }
    }

    /// Whether the step writes to its target.
    pub fn writes(self) -> bool {
        matches!(self, Self::Copy | Self::Update)
    }
}

/// Why a step is as it is. Every reason belongs to exactly one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The target has no such tag.
    New,
    /// The target's tag names another digest and may move.
    TagMoved,
    /// The target's tag names the wanted digest.
    InSync,
    /// The target's tag names the wanted digest, and lacks what refers to it at the source.
    ReferrersMissing,
    /// The target's tag names another digest and is left so by `on-tag-move: keep`.
    Kept,
    /// The target's tag names another digest and must not move.
    TagWouldMove(Failure),
    /// Another mirror wants another digest under the same target tag.
    Conflict(Failure),
    /// The source could not be read.
    SourceUnreadable(Failure),
    /// The target could not be read.
    TargetUnreadable(Failure),
    /// The host asks for a credential and none is configured.
    NoCredentials(Failure),
    /// The source has no such image.
    SourceMissing(Failure),
    /// No tag was selected.
    NothingSelected(Failure),
    /// The tags of the source could not be listed.
    ListFailed(Failure),
    /// The image has none of the platforms that are wanted.
    NoPlatform(Failure),
    /// The image is of a kind that cannot be copied.
    Unsupported(Failure),
}

impl Reason {
    /// The machine-readable names of all reasons.
    pub const NAMES: [&str; 15] = [
        "new",
        "tag-moved",
        "in-sync",
        "referrers-missing",
        "kept",
        "tag-would-move",
        "conflict",
        "source-unreadable",
        "target-unreadable",
        "no-credentials",
        "source-missing",
        "nothing-selected",
        "list-failed",
        "no-platform",
        "unsupported",
    ];

    /// The action that follows.
    pub fn action(&self) -> Action {
        match self {
            Self::New => Action::Copy,
            Self::TagMoved | Self::ReferrersMissing => Action::Update,
            Self::InSync | Self::Kept => Action::Skip,
            Self::TagWouldMove(_) | Self::Conflict(_) => Action::Blocked,
            _ => Action::Error,
        }
    }

    /// The machine-readable name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::TagMoved => "tag-moved",
            Self::InSync => "in-sync",
            Self::ReferrersMissing => "referrers-missing",
            Self::Kept => "kept",
            Self::TagWouldMove(_) => "tag-would-move",
            Self::Conflict(_) => "conflict",
            Self::SourceUnreadable(_) => "source-unreadable",
            Self::TargetUnreadable(_) => "target-unreadable",
            Self::NoCredentials(_) => "no-credentials",
            Self::SourceMissing(_) => "source-missing",
            Self::NothingSelected(_) => "nothing-selected",
            Self::ListFailed(_) => "list-failed",
            Self::NoPlatform(_) => "no-platform",
            Self::Unsupported(_) => "unsupported",
        }
    }

    /// What went wrong, where something did.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::TagWouldMove(failure)
            | Self::Conflict(failure)
            | Self::SourceUnreadable(failure)
            | Self::TargetUnreadable(failure)
            | Self::NoCredentials(failure)
            | Self::SourceMissing(failure)
            | Self::NothingSelected(failure)
            | Self::ListFailed(failure)
            | Self::NoPlatform(failure)
            | Self::Unsupported(failure) => Some(failure),
            _ => None,
        }
    }
}

/// A danger worth a reviewer's eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// A tag that people may already use will name something else.
    TagMove,
    /// A platform of the image that the tag names now is not in the new one.
    PlatformLoss,
    /// The version that the new image says it is comes before that of the old one.
    Downgrade,
}

/// How much a step moves, in bytes: manifests, configurations and layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Bytes {
    /// What goes over the wire to the target.
    pub transfer: u64,
    /// What the target already holds.
    pub present: u64,
}

impl std::ops::AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.transfer = self.transfer.saturating_add(other.transfer);
        self.present = self.present.saturating_add(other.present);
    }
}

/// The source of a step, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// The reference by tag.
    pub reference: Reference,
    /// The digest wanted, where it is known.
    pub digest: Option<Digest>,
    /// Its media type, where it is known.
    pub media_type: Option<MediaType>,
}

/// The target of a step, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetState {
    /// The reference by tag.
    pub reference: Reference,
    /// The digest that the tag names now; `None` where there is no such tag or it is not known.
    pub digest: Option<Digest>,
}

/// Something that refers to an image and comes along with it: a signature, an attestation, an SBOM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// Its digest.
    pub digest: Digest,
    /// Its type, where it says one.
    pub artifact_type: Option<ArtifactType>,
    /// The tag that it goes under, where it is not found by what it refers to.
    pub tag: Option<Tag>,
    /// The digest that this tag names at the target now; `None` where there is no such tag.
    pub before: Option<Digest>,
    /// Its size in bytes, with its blobs; 0 where that is not known.
    pub bytes: u64,
}

impl Referrer {
    /// The tag that would name something else than it does now.
    pub fn moves(&self) -> Option<&Tag> {
        self.tag.as_ref().filter(|_| self.before.as_ref().is_some_and(|before| *before != self.digest))
    }
}

/// One target tag and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Why, and therefore what.
    pub reason: Reason,
    /// Dangers, sorted.
    pub risk: BTreeSet<Risk>,
    /// What is read; `None` where a whole mirror failed before a tag was known. Then its location stands in `message`.
    pub source: Option<SourceState>,
    /// What is written; `None` likewise.
    pub target: Option<TargetState>,
    /// The digest that the target tag names after apply; `None` where nothing is known to follow.
    pub digest: Option<Digest>,
    /// How the source is cut down to some platforms; `None` where it is copied whole.
    pub trim: Option<StepTrim>,
    /// The platforms in the image, for display.
    pub platforms: Vec<Platform>,
    /// What comes along with the image, of what its target lacks.
    pub referrers: Vec<Referrer>,
    /// How much it moves, where it was asked.
    pub bytes: Option<Bytes>,
    /// What goes over the wire to the target at most, in bytes: where the image was looked into, and the target was not
    /// asked what it holds of it.
    pub at_most: Option<u64>,
    /// What changes in the image, where a tag moves, or would, and it was looked at.
    pub change: Option<Arc<Change>>,
    /// The mirror it comes from.
    pub place: Place,
    /// Remarks that do not change the action.
    pub warnings: Vec<Arc<str>>,
}

impl Step {
    /// What the step does.
    pub fn action(&self) -> Action {
        self.reason.action()
    }

    /// The same step, prevented: its target stays as it is.
    pub(super) fn fail(&mut self, reason: Reason) {
        self.reason = reason;
        self.digest = self.target.as_ref().and_then(|target| target.digest.clone());
        self.risk.clear();
        self.referrers.clear();
        self.bytes = None;
        self.at_most = None;
    }

    /// The digest that the target would get, whether or not it does.
    pub fn wanted(&self) -> Option<&Digest> {
        let source = || self.source.as_ref().and_then(|source| source.digest.as_ref());
        self.trim.as_ref().map(|trim| &trim.digest).or_else(source)
    }

    /// The target tag, where the step has one.
    pub fn target_reference(&self) -> Option<&Reference> {
        self.target.as_ref().map(|target| &target.reference)
    }
}

/// A remark about the whole plan or one mirror.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The mirror, where it is about one.
    pub place: Option<Place>,
    /// The remark.
    pub message: String,
}

/// Everything that would happen. `apply` needs nothing else to know what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The files it was made from.
    pub config: Vec<ConfigFile>,
    /// Which part of them.
    pub scope: Scope,
    /// Remarks, sorted.
    pub warnings: Vec<Warning>,
    /// What it takes of the quotas of pulls that registries keep, by registry.
    pub pulls: Vec<Pulls>,
    /// What became of the tags that sources list, by mirror.
    pub tallies: Vec<Tallied>,
    /// The steps: in the order of the mirrors, then by target reference.
    pub steps: Vec<Step>,
}

/// How many steps there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Tags to create.
    pub copy: usize,
    /// Tags to move.
    pub update: usize,
    /// Tags that match.
    pub skip: usize,
    /// Tags that a policy protects.
    pub blocked: usize,
    /// Tags of which nothing certain is known.
    pub error: usize,
}

impl Plan {
    /// The number of steps of each kind.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for step in &self.steps {
            *match step.action() {
                Action::Copy => &mut summary.copy,
                Action::Update => &mut summary.update,
                Action::Skip => &mut summary.skip,
                Action::Blocked => &mut summary.blocked,
                Action::Error => &mut summary.error,
            } += 1;
        }
        summary
    }

    /// Whether nothing was left unread: no step is in error, and no shard is missing.
    pub fn is_complete(&self) -> bool {
        self.scope.missing.is_empty() && self.steps.iter().all(|step| step.action() != Action::Error)
    }

    /// Whether any step writes.
    pub fn has_changes(&self) -> bool {
        self.steps.iter().any(|step| step.action().writes())
    }

    /// The bytes of all steps that write; `None` where any of them does not know its own.
    pub fn bytes(&self) -> Option<Bytes> {
        let mut total = Bytes::default();
        for step in self.steps.iter().filter(|step| step.action().writes()) {
            total += step.bytes?;
        }
        Some(total)
    }

    /// What all steps that write send at most, in bytes; `None` where any of them does not know its own.
    pub fn at_most(&self) -> Option<u64> {
        let writing = self.steps.iter().filter(|step| step.action().writes());
        let mut each = writing.map(|step| step.bytes.map(|bytes| bytes.transfer).or(step.at_most));
        each.try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)))
    }
}
