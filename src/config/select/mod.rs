//! Which tags of a source are wanted.
//!
//! Owns the algebra: (`include` ∪ `regex`; every listed tag where neither is given) ∩ `semver` − `exclude`, and of what is
//! left the `newest`. Refuses to list tags, and to look at more than their names.
//!
//! A tag that `include` names exactly, or pins, is an order and no filter: it is wanted whether it is listed or not, and the
//! other stages neither take it away nor count it. Suffixes count where versions do, in `semver` and `newest`:
//!
//! | what stands behind the numbers | takes part |
//! |---|---|
//! | nothing | always |
//! | a pre-release: `-rc.1`, `beta2`, `-dev`, `-0` | where the constraint names one |
//! | any other, a variant: `-alpine`, `_build5` | where a regular expression matches, or a glob that does not match without it |
//!
//! One function judges ([`Sieve::judge`]); plans select by it and `explain` shows what it says.

mod constraint;
mod pattern;
mod rename;
mod tally;
#[cfg(test)]
mod tests;
mod verdict;
mod version;

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use super::{Place, TagGlob};
use crate::image::{CosignKind, Digest, Tag, is_referrer_tag};
use constraint::Fit;
use version::Version;

pub(crate) use constraint::CONSTRAINT_LIMIT;
pub use constraint::Constraint;
pub(crate) use pattern::REGEX_LIMIT;
pub use pattern::TagRegex;
pub use rename::Rename;
pub(crate) use rename::RenameError;
pub use tally::Tally;
pub use verdict::{Because, Stage, Trail, Verdict};
pub use version::version_order;

/// A value of `tags`, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<T> {
    /// Where.
    pub place: Place,
    /// What.
    pub value: T,
}

/// One item of a list of tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagRule {
    /// This tag, whether the registry lists it or not.
    Exact(Tag),
    /// Every listed tag that matches.
    Glob(TagGlob),
    /// This digest under this tag, whatever the tag says at the source.
    Pin(Tag, Digest),
}

impl TagRule {
    /// The tag that it names, where it names one.
    pub fn name(&self) -> Option<&Tag> {
        match self {
            Self::Exact(tag) | Self::Pin(tag, _) => Some(tag),
            Self::Glob(_) => None,
        }
    }

    /// The digest that it approves, where it does.
    pub fn pin(&self) -> Option<&Digest> {
        match self {
            Self::Pin(_, digest) => Some(digest),
            Self::Exact(_) | Self::Glob(_) => None,
        }
    }
}

/// Which tags: what `tags`, or the tag of a source, asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Names, pins and globs.
    pub include: Vec<Rule<TagRule>>,
    /// Regular expressions.
    pub regex: Vec<Rule<TagRegex>>,
    /// Which versions.
    pub semver: Option<Rule<Constraint>>,
    /// Globs of what is not wanted.
    pub exclude: Vec<Rule<TagGlob>>,
    /// How many of what is left.
    pub newest: Option<Rule<NonZeroU32>>,
    /// Whether tags that stand for referrers are left to these: they come along with their images.
    pub leaves_referrers: bool,
}

impl Selection {
    /// A list of names, globs and pins, all of them written at `place`.
    pub fn of(place: &Place, rules: Vec<TagRule>) -> Self {
        let include = rules.into_iter().map(|value| Rule { place: place.clone(), value }).collect();
        Self { include, ..Self::default() }
    }

    /// Whether no pattern selects `tag`: it stands for referrers. A pattern that is about such tags (`sha256-*.sig`) still
    /// selects those of cosign; the index of the fallback schema is nobody's image, and each target has one of its own.
    fn leaves(&self, tag: &Tag) -> bool {
        let is_about = |pattern: &str| pattern.starts_with("sha256-");
        let globs =
            || self.include.iter().any(|rule| matches!(&rule.value, TagRule::Glob(glob) if is_about(glob.as_str())));
        let regexes = || self.regex.iter().any(|rule| is_about(rule.value.as_str()));
        let is_meant = || CosignKind::of(tag).is_some() && (globs() || regexes());
        self.leaves_referrers && is_referrer_tag(tag) && !is_meant()
    }

    /// Whether it depends on what the source lists.
    pub fn needs_list(&self) -> bool {
        self.include.is_empty() || self.has_patterns()
    }

    /// Whether there are globs or regular expressions.
    pub(super) fn has_patterns(&self) -> bool {
        !self.regex.is_empty() || self.include.iter().any(|rule| rule.value.name().is_none())
    }

    /// The names and pins, the pin first where a tag has both.
    pub fn names(&self) -> impl Iterator<Item = &Rule<TagRule>> {
        self.include.iter().filter(|rule| rule.value.name().is_some())
    }

    /// The tags wanted of those `listed`, sorted, each once, with the digest that is approved for it.
    pub fn select<'a>(&'a self, listed: &'a [Tag]) -> Vec<(&'a Tag, Option<&'a Digest>)> {
        let sieve = Sieve::new(self, listed);
        let named = sieve.names.iter().map(|(tag, rule)| (*tag, rule.value.pin()));
        let mut selected: Vec<_> = if self.needs_list() {
            listed
                .iter()
                .filter(|tag| !sieve.is_named(tag) && sieve.judge(tag).is_selected())
                .map(|tag| (tag, None))
                .collect()
        } else {
            Vec::new()
        };
        selected.extend(named);
        selected.sort_unstable_by_key(|(tag, _)| *tag);
        selected.dedup_by_key(|(tag, _)| *tag);
        selected
    }

    /// How many of those `listed` each stage leaves.
    pub fn tally(&self, listed: &[Tag]) -> Tally {
        let distinct: BTreeSet<&Tag> = listed.iter().collect();
        Tally::of(&Sieve::new(self, listed), distinct.into_iter())
    }

    /// What the stages before `newest` say of `tag`, were it listed. A name is no rule here.
    pub(super) fn if_listed(&self, tag: &Tag) -> Trail<'_> {
        Sieve { selection: self, names: BTreeMap::new(), last: None }.early(tag).0
    }

    /// The most tags that it can select; `None` where there is no bound.
    pub(super) fn most(&self) -> Option<usize> {
        let names: BTreeSet<_> = self.names().filter_map(|rule| rule.value.name()).collect();
        let listed = match &self.newest {
            _ if !self.needs_list() => Some(0),
            Some(newest) => usize::try_from(newest.value.get()).ok(),
            None => None,
        };
        listed.map(|listed| listed.saturating_add(names.len()))
    }
}

/// A selection, ready to judge the tags of one list.
#[derive(Clone, Debug)]
pub struct Sieve<'s> {
    selection: &'s Selection,
    names: BTreeMap<&'s Tag, &'s Rule<TagRule>>,
    /// The oldest that is still among the newest; `None` where there are no more than are wanted.
    last: Option<Tag>,
}

impl<'s> Sieve<'s> {
    /// Looks through `listed` for what the stages need to know of all tags together.
    pub fn new(selection: &'s Selection, listed: &[Tag]) -> Self {
        let mut names: BTreeMap<&Tag, &Rule<TagRule>> = BTreeMap::new();
        for rule in selection.names() {
            let Some(tag) = rule.value.name() else { continue };
            let known = names.entry(tag).or_insert(rule);
            if rule.value.pin().is_some() {
                *known = rule;
            }
        }
        let mut sieve = Self { selection, names, last: None };
        if let Some(newest) = &selection.newest {
            sieve.last = sieve.last_of(newest.value, listed);
        }
        sieve
    }

    fn last_of(&self, newest: NonZeroU32, listed: &[Tag]) -> Option<Tag> {
        let unnamed = listed.iter().filter(|tag| !self.is_named(tag));
        let left = unnamed.filter_map(|tag| self.early(tag).1.map(|version| Reverse(Ranked { version, tag })));
        let mut left: Vec<_> = left.collect();
        left.sort_unstable();
        left.dedup();
        let last = usize::try_from(newest.get()).ok()?.checked_sub(1)?;
        left.get(last).map(|Reverse(ranked)| ranked.tag.clone())
    }

    /// The selection.
    pub fn selection(&self) -> &'s Selection {
        self.selection
    }

    /// The tags that are named or pinned, each once.
    pub fn names(&self) -> impl Iterator<Item = &'s Tag> {
        self.names.keys().copied()
    }

    /// Whether `tag` is named or pinned.
    pub fn is_named(&self, tag: &Tag) -> bool {
        self.names.contains_key(tag)
    }

    /// What the stages say of `tag`, as if it were listed.
    pub fn judge(&self, tag: &Tag) -> Trail<'s> {
        if let Some(rule) = self.names.get(tag) {
            return Trail::of(Verdict::of(Stage::Include, Because::Named(&rule.value), &rule.place));
        }
        let (mut trail, version) = self.early(tag);
        if let (Some(newest), Some(version)) = (&self.selection.newest, version) {
            let last = self.last.as_ref().and_then(Ranked::of);
            let is_older = last.is_some_and(|last| Ranked { version, tag } < last);
            let because = if is_older { Because::Older } else { Because::Newest };
            trail.push(Verdict::of(Stage::Newest, because, &newest.place));
        }
        trail
    }

    /// The stages that look at one tag alone, and the version, where the tag is left and is one that counts.
    fn early<'t>(&self, tag: &'t Tag) -> (Trail<'s>, Option<Version<'t>>) {
        let Selection { semver, exclude, newest, .. } = self.selection;
        let version = if semver.is_some() || newest.is_some() { Version::parse(tag.as_str()) } else { None };
        let taken = self.include(tag, version.as_ref());
        let mut trail = Trail::of(taken);
        let version = counted(version, taken.because);
        if let (true, Some(semver)) = (trail.is_selected(), semver) {
            let because = match &version {
                Ok(version) => fit(&semver.value, version),
                Err(because) => *because,
            };
            trail.push(Verdict::of(Stage::Semver, because, &semver.place));
        }
        if trail.is_selected() && !exclude.is_empty() {
            trail.push(self.exclude(tag));
        }
        let Some(newest) = newest.as_ref().filter(|_| trail.is_selected()) else { return (trail, None) };
        let because = match version {
            Ok(version) if version.pre.is_some() && semver.is_none() => Because::PreRelease(None),
            Ok(version) => return (trail, Some(version)),
            Err(because) => because,
        };
        trail.push(Verdict::of(Stage::Newest, because, &newest.place));
        (trail, None)
    }

    /// A regular expression, or a glob that asks for the tag as it is, or else any glob that matches.
    fn include(&self, tag: &Tag, version: Option<&Version<'_>>) -> Verdict<'s> {
        let Selection { include, regex, .. } = self.selection;
        if self.selection.leaves(tag) {
            return Verdict { stage: Stage::Include, because: Because::OfReferrers, place: None };
        }
        if include.is_empty() && regex.is_empty() {
            return Verdict { stage: Stage::Include, because: Because::Everything, place: None };
        }
        if let Some(rule) = regex.iter().find(|rule| rule.value.matches(tag.as_str())) {
            return Verdict::of(Stage::Include, Because::Regex(&rule.value), &rule.place);
        }
        let mut first = None;
        for rule in include {
            let TagRule::Glob(glob) = &rule.value else { continue };
            if glob.matches(tag.as_str()) {
                let verdict = Verdict::of(Stage::Include, Because::Glob(glob), &rule.place);
                if version.is_none_or(|version| asks_for(glob, version)) {
                    return verdict;
                }
                first = first.or(Some(verdict));
            }
        }
        let place = include.first().map(|rule| &rule.place).or_else(|| Some(&regex.first()?.place));
        first.unwrap_or(Verdict { stage: Stage::Include, because: Because::NoMatch, place })
    }

    fn exclude(&self, tag: &Tag) -> Verdict<'s> {
        let exclude = &self.selection.exclude;
        if let Some(rule) = exclude.iter().find(|rule| rule.value.matches(tag.as_str())) {
            return Verdict::of(Stage::Exclude, Because::Excluded(&rule.value), &rule.place);
        }
        let place = exclude.first().map(|rule| &rule.place);
        Verdict { stage: Stage::Exclude, because: Because::NotExcluded, place }
    }
}

/// Whether `glob`, which matches, asks for the variant of this version: it does not match what is left without it.
fn asks_for(glob: &TagGlob, version: &Version<'_>) -> bool {
    !version.is_variant() || !glob.matches(version.plain)
}

/// The version that a tag counts as where versions count, after it was taken; or why it has none.
fn counted<'t, 's>(version: Option<Version<'t>>, taken: Because<'s>) -> Result<Version<'t>, Because<'s>> {
    let version = version.ok_or(Because::NoVersion)?;
    match taken {
        Because::Glob(glob) if !asks_for(glob, &version) => Err(Because::Variant(Some(glob))),
        Because::Everything if version.is_variant() => Err(Because::Variant(None)),
        Because::Everything if version.is_long_number => Err(Because::LongNumber),
        _ => Ok(version),
    }
}

fn fit<'s>(constraint: &'s Constraint, version: &Version<'_>) -> Because<'s> {
    match constraint.fit(version) {
        Fit::Within => Because::Within(constraint),
        Fit::Outside => Because::Outside(constraint),
        Fit::PreRelease => Because::PreRelease(Some(constraint)),
    }
}

/// A tag among others that are versions. The greater is the newer, and no two different ones are equal.
#[derive(Clone, Copy, Debug)]
struct Ranked<'t> {
    version: Version<'t>,
    tag: &'t Tag,
}

impl<'t> Ranked<'t> {
    fn of(tag: &'t Tag) -> Option<Self> {
        Version::parse(tag.as_str()).map(|version| Self { version, tag })
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.version.newness(&other.version).then_with(|| other.tag.cmp(self.tag))
    }
}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked<'_> {}
