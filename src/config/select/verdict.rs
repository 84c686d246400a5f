//! What each stage of a selection says of one tag, and why: the one account from which a plan selects and `explain` explains.
//!
//! Owns the stages' names and the words. Refuses to decide: that is the sieve's.

use std::fmt;

use super::{Constraint, TagRegex, TagRule};
use crate::config::{Place, TagGlob};

/// The stages, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// `include` and `regex`.
    Include,
    /// `semver`.
    Semver,
    /// `exclude`.
    Exclude,
    /// `newest`.
    Newest,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Include, Self::Semver, Self::Exclude, Self::Newest];

    /// The name, as it stands in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Include => "include",
            Self::Semver => "semver",
            Self::Exclude => "exclude",
            Self::Newest => "newest",
        }
    }
}

/// What one stage says of one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<'s> {
    /// Which stage.
    pub stage: Stage,
    /// Why, and therefore what.
    pub because: Because<'s>,
    /// Where the rule stands that decided; `None` where there is none.
    pub place: Option<&'s Place>,
}

impl<'s> Verdict<'s> {
    pub(super) fn of(stage: Stage, because: Because<'s>, place: &'s Place) -> Self {
        Self { stage, because, place: Some(place) }
    }
}

/// Why a tag passes a stage, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because<'s> {
    /// It is named, or pinned: it is wanted whatever the other stages say, and whether it is listed or not.
    Named(&'s TagRule),
    /// A glob of `include` matches.
    Glob(&'s TagGlob),
    /// A regular expression matches.
    Regex(&'s TagRegex),
    /// There is neither `include` nor `regex`.
    Everything,
    /// Nothing of `include` and `regex` matches.
    NoMatch,
    /// It stands for referrers, which come along with their image.
    OfReferrers,
    /// It is within the constraint.
    Within(&'s Constraint),
    /// It is a version, and not within the constraint.
    Outside(&'s Constraint),
    /// It is no version.
    NoVersion,
    /// It is a variant, and was not asked for: by the glob, which would take the version without it, too, or by nothing.
    Variant(Option<&'s TagGlob>),
    /// It is one long number, as dates and commits are, and nothing of `include` and `regex` asked for it.
    LongNumber,
    /// It is a pre-release, and the constraint names none; or there is no constraint.
    PreRelease(Option<&'s Constraint>),
    /// No glob of `exclude` matches.
    NotExcluded,
    /// A glob of `exclude` matches.
    Excluded(&'s TagGlob),
    /// It is one of the newest.
    Newest,
    /// There are enough that are newer.
    Older,
}

impl Because<'_> {
    /// Whether the tag goes on to the next stage.
    pub fn passes(self) -> bool {
        use Because::{Everything, Glob, Named, Newest, NotExcluded, Regex, Within};
        matches!(self, Named(_) | Glob(_) | Regex(_) | Everything | Within(_) | NotExcluded | Newest)
    }
}

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(TagRule::Pin(_, digest)) => write!(f, "pinned to {}", digest.short()),
            Self::Named(_) => f.write_str("named"),
            Self::Glob(glob) | Self::Excluded(glob) => write!(f, "matches `{}`", glob.as_str()),
            Self::Regex(regex) => write!(f, "matches `{}`", regex.as_str()),
            Self::Everything => f.write_str("every tag is taken"),
            Self::NoMatch => f.write_str("nothing matches it"),
            Self::OfReferrers => f.write_str("stands for referrers, which come along with their image"),
            Self::Within(constraint) => write!(f, "within `{}`", constraint.as_str()),
            Self::Outside(constraint) => write!(f, "outside of `{}`", constraint.as_str()),
            Self::NoVersion => f.write_str("not a version"),
            Self::Variant(None) => f.write_str("a variant; `include` or `regex` must ask for it"),
            Self::Variant(Some(glob)) => {
                let glob = glob.as_str();
                write!(f, "a variant; `{glob}` matches without it, too, and does not ask for it")
            }
            Self::LongNumber => {
                f.write_str("a long number, as dates and commits are; `include` or `regex` must ask for it")
            }
            Self::PreRelease(Some(constraint)) => write!(f, "a pre-release; `{}` names none", constraint.as_str()),
            Self::PreRelease(None) => f.write_str("a pre-release; `semver` must name one, such as `>=0-0`"),
            Self::NotExcluded => f.write_str("nothing excludes it"),
            Self::Newest => f.write_str("among the newest"),
            Self::Older => f.write_str("older than the newest"),
        }
    }
}

/// The verdicts of the stages on one tag, in their order, up to the first that does not let it pass. Stages that are not
/// in the configuration have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trail<'s> {
    verdicts: [Option<Verdict<'s>>; 4],
}

impl<'s> Trail<'s> {
    pub(super) fn of(verdict: Verdict<'s>) -> Self {
        let mut trail = Self::default();
        trail.push(verdict);
        trail
    }

    pub(super) fn push(&mut self, verdict: Verdict<'s>) {
        self.verdicts[verdict.stage as usize] = Some(verdict);
    }

    /// The verdicts.
    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict<'s>> {
        self.verdicts.iter().flatten()
    }

    /// The last word.
    pub fn last(&self) -> Option<&Verdict<'s>> {
        self.verdicts.iter().rev().flatten().next()
    }

    /// Whether the tag is selected.
    pub fn is_selected(&self) -> bool {
        self.last().is_some_and(|verdict| verdict.because.passes())
    }

    /// The stage at which it was dropped.
    pub fn dropped_at(&self) -> Option<Stage> {
        self.last().filter(|verdict| !verdict.because.passes()).map(|verdict| verdict.stage)
    }
}
