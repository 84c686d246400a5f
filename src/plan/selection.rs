//! What became of the tags that a source lists: how many each stage of a mirror's `tags` leaves, and what is said where none
//! is left, or one that is left cannot have the name it should.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::PlaceDocument;
use super::{Filter, Observed};
use crate::config::{Desired, Mirror, Place, Sieve, Stage, Tally};
use crate::image::{Code, Failure, Side, Tag};

/// The tags of one mirror's source, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tallied {
    /// The mirror.
    pub place: Place,
    /// Its source, as it is shown.
    pub source: Arc<str>,
    /// How many tags each stage leaves.
    pub tally: Tally,
}

/// How many tags of one source each stage of a mirror's `tags` leaves. A stage that is not configured is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SelectionDocument {
    /// The mirror.
    pub location: PlaceDocument,
    /// Its source.
    pub source: String,
    /// Tags that the source lists.
    pub listed: usize,
    /// Those that `include` and `regex` take, named ones apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included: Option<usize>,
    /// Those of them that `semver` leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_semver: Option<usize>,
    /// Those of them that `exclude` takes away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<usize>,
    /// Those that `newest` leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<usize>,
    /// Tags that are named or pinned.
    pub named: usize,
    /// All that are selected.
    pub selected: usize,
}

impl From<&Tallied> for SelectionDocument {
    fn from(Tallied { place, source, tally }: &Tallied) -> Self {
        let Tally { listed, included, in_semver, excluded, newest, named, selected } = *tally;
        let (location, source) = (PlaceDocument::from(place), source.to_string());
        Self { location, source, listed, included, in_semver, excluded, newest, named, selected }
    }
}

impl From<&SelectionDocument> for Tallied {
    fn from(document: &SelectionDocument) -> Self {
        let SelectionDocument { listed, included, in_semver, excluded, newest, named, selected, .. } = *document;
        Self {
            place: Place::from(&document.location),
            source: document.source.as_str().into(),
            tally: Tally { listed, included, in_semver, excluded, newest, named, selected },
        }
    }
}

/// The tags of each mirror that needed a list and got one, in the order of the mirrors.
pub(super) fn tallies(desired: &Desired, observed: &Observed, filter: &Filter) -> Vec<Tallied> {
    let in_scope = |mirror: &&Mirror| mirror.targets.iter().any(|target| filter.may_select(target));
    let selecting = desired.mirrors.iter().filter(|mirror| mirror.needs_tag_list()).filter(in_scope);
    let tally = |mirror: &Mirror| {
        let Some(Ok(listed)) = observed.tags.get(&mirror.source) else { return None };
        let source = mirror.source.to_string().into();
        Some(Tallied { place: mirror.place.clone(), source, tally: mirror.tags.tally(listed) })
    };
    selecting.filter_map(tally).collect()
}

/// What is said of a mirror that selects none of `tags`: the stage that took the last of them, and one of those.
pub(super) fn nothing_matches(mirror: &Mirror, tags: &[Tag], targets: &str) -> Failure {
    let message = format!("nothing to mirror from {} to {targets}: {}", mirror.source, lost(mirror, tags));
    let hint = "check `tags`, with `regsync explain`; `on-empty: warn` makes this a warning";
    let failure = Failure::new(Code::NothingSelected, message).on(Side::Source);
    Failure { hint: Some(hint.to_owned()), ..failure }
}

fn lost(mirror: &Mirror, tags: &[Tag]) -> String {
    let tally = mirror.tags.tally(tags);
    let Some(stage) = tally.lost_at() else { return "it has no tags".to_owned() };
    let sieve = Sieve::new(&mirror.tags, tags);
    let at_stage = |tag: &&Tag| sieve.judge(tag).dropped_at() == Some(stage);
    let Some(example) = tags.iter().filter(at_stage).max() else { return tally.to_string() };
    match (stage, tags) {
        (Stage::Include, [one]) => format!("its only tag is {one}"),
        (Stage::Include, _) => format!("none of its {} tags fits, {example} for example", tags.len()),
        _ => {
            let trail = sieve.judge(example);
            let why = trail.last().map(|verdict| {
                let place = verdict.place.map(|place| format!(" ({place})")).unwrap_or_default();
                format!("{}{place}", verdict.because)
            });
            format!("{tally}; {example}: {}", why.unwrap_or_default())
        }
    }
}

/// Tags that `rename` makes too long: they cannot be written, and are not left out without a word.
pub(super) fn unnameable(mirror: &Mirror, tags: &[Tag]) -> Option<Failure> {
    let overlong = mirror.overlong(tags);
    let first = overlong.first()?;
    let others = match overlong.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("{}:{first}{others}: too long for `rename: {:?}`", mirror.source, mirror.rename.to_string());
    let failure = Failure::new(Code::Unsupported, message).on(Side::Source);
    let hint = "a tag has at most 128 characters; shorten `rename`, or leave these tags out with `exclude`";
    Some(Failure { hint: Some(hint.to_owned()), ..failure })
}
