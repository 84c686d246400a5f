//! Why a tag is selected or not: what `regsync explain` has to say, as plain data.
//!
//! Owns which mirrors a reference belongs to, and how much of a long list is shown. Refuses to judge tags: the verdicts are those
//! by which a plan selects.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Because, Desired, Mirror, Place, Sieve, Stage, Tally, Verdict};
use crate::image::{Failure, Location, Reference, Tag};

/// Tags that are shown of those that share a reason.
const SAMPLE: usize = 5;
/// Reasons that are shown of one mirror.
const REASONS: usize = 30;
/// Mirrors that are named where a reference belongs to none.
const NEAR: usize = 3;

/// What is asked about: a repository or layout, and a tag there, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// A source, or a target.
    pub location: Location,
    /// The tag there.
    pub tag: Option<Tag>,
}

/// What is known of the tags of a source.
pub type Lists = BTreeMap<Location, Result<Vec<Tag>, Failure>>;

/// The answer for one mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The mirror.
    pub place: Place,
    /// Where it reads.
    pub source: Location,
    /// Where it writes.
    pub targets: Vec<Location>,
    /// What it says of the tag, or of all tags.
    pub answer: Answer,
}

/// What a mirror says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The tags of the source are not known, and have to be.
    Unlisted(Failure),
    /// Of one tag.
    One(OneTag),
    /// Of all of them.
    All(AllTags),
    /// No tag of the source has this name at the target: it does not follow from `rename`.
    Never(String),
}

/// What the stages say of one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTag {
    /// The tag at the source.
    pub tag: Tag,
    /// The stages, in their order.
    pub stages: Vec<Told>,
    /// What it becomes, where it is selected; empty where it is not, or where its name would be too long.
    pub becomes: Vec<Reference>,
    /// The stage that dropped it; `None` where it is selected.
    pub dropped: Option<(&'static str, Option<Place>)>,
}

/// One stage, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub stage: &'static str,
    /// Whether the tag passes; `None` where it was not asked, since an earlier stage had dropped the tag.
    pub passes: Option<bool>,
    /// Why.
    pub words: String,
    /// Where the rule stands.
    pub place: Option<Place>,
}

/// What the stages leave of all tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllTags {
    /// How many each leaves; `None` where no list was needed.
    pub tally: Option<Tally>,
    /// What is selected.
    pub selected: Sample,
    /// What was dropped, by stage and reason.
    pub dropped: Vec<(Told, Sample)>,
    /// How many further reasons there are.
    pub more: usize,
}

/// Some of many tags, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub tags: Vec<Tag>,
}

impl Sample {
    fn add(&mut self, tag: &Tag) {
        self.count += 1;
        if self.tags.len() < SAMPLE {
            self.tags.push(tag.clone());
        }
    }
}

impl Question {
    /// The mirrors that it is about.
    pub fn mirrors<'d>(&self, desired: &'d Desired) -> Vec<&'d Mirror> {
        let concerns = |mirror: &&Mirror| mirror.source == self.location || mirror.targets.contains(&self.location);
        desired.mirrors.iter().filter(concerns).collect()
    }

    /// What the mirrors say, in their order. `lists` has the tags of each source that needs a list.
    pub fn answers(&self, desired: &Desired, lists: &Lists) -> Vec<Explanation> {
        let mirrors = self.mirrors(desired).into_iter();
        let explain = |mirror: &Mirror| Explanation {
            place: mirror.place.clone(),
            source: mirror.source.clone(),
            targets: mirror.targets.clone(),
            answer: self.answer(mirror, lists.get(&mirror.source)),
        };
        mirrors.map(explain).collect()
    }

    fn answer(&self, mirror: &Mirror, list: Option<&Result<Vec<Tag>, Failure>>) -> Answer {
        let listed = match list {
            Some(Err(failure)) if mirror.needs_tag_list() => return Answer::Unlisted(failure.clone()),
            Some(Ok(tags)) => Some(tags.as_slice()),
            _ => None,
        };
        let Some(tag) = &self.tag else { return Answer::All(all_tags(mirror, listed)) };
        if mirror.source == self.location {
            return Answer::One(one_tag(mirror, tag, listed));
        }
        match mirror.rename.undo(tag) {
            Some(tag) => Answer::One(one_tag(mirror, &tag, listed)),
            // Without `{tag}`, whichever tag is selected gets this name.
            None if mirror.rename.to_string() == tag.as_str() => Answer::All(all_tags(mirror, listed)),
            None => Answer::Never(mirror.rename.to_string()),
        }
    }

    /// The locations of the configuration that read most like this one.
    pub fn near(&self, desired: &Desired) -> Vec<String> {
        let asked = self.location.to_string();
        let name = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        let all = desired.mirrors.iter().flat_map(|mirror| std::iter::once(&mirror.source).chain(&mirror.targets));
        let all: BTreeSet<String> = all.map(ToString::to_string).collect();
        let ranked = all.into_iter().filter_map(|text| {
            let distance = strsim::damerau_levenshtein(&asked, &text);
            let alike = distance <= asked.len() / 3 || name(&asked) == name(&text);
            alike.then_some((distance, text))
        });
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort();
        ranked.into_iter().take(NEAR).map(|(_, text)| text).collect()
    }
}

fn told(verdict: &Verdict<'_>) -> Told {
    Told {
        stage: verdict.stage.as_str(),
        passes: Some(verdict.because.passes()),
        words: verdict.because.to_string(),
        place: verdict.place.cloned(),
    }
}

fn one_tag(mirror: &Mirror, tag: &Tag, listed: Option<&[Tag]>) -> OneTag {
    let tags = listed.unwrap_or_default();
    let sieve = Sieve::new(&mirror.tags, tags);
    let trail = sieve.judge(tag);
    let is_named = sieve.is_named(tag);
    let mut stages = Vec::new();
    if let (Some(tags), true) = (listed, mirror.needs_tag_list()) {
        let there = tags.contains(tag);
        let words = match (there, is_named) {
            (true, _) => format!("one of {}", tags.len()),
            (false, true) => format!("not among the {} tags of the source, and wanted all the same", tags.len()),
            (false, false) => format!("not among the {} tags of the source", tags.len()),
        };
        stages.push(Told { stage: "listed", passes: Some(there || is_named), words, place: None });
    }
    let mut dropped =
        stages.iter().find(|told| told.passes == Some(false)).map(|told| (told.stage, told.place.clone()));
    for stage in Stage::ALL.into_iter().filter(|stage| is_configured(mirror, *stage)) {
        let verdict = trail.verdicts().find(|verdict| verdict.stage == stage);
        let told = match verdict {
            Some(verdict) if dropped.is_none() => told(verdict),
            // A name is asked by no further stage.
            None if is_named && dropped.is_none() => {
                Told { stage: stage.as_str(), passes: Some(true), words: "not asked of a name".to_owned(), place: None }
            }
            _ => Told { stage: stage.as_str(), passes: None, words: "not reached".to_owned(), place: None },
        };
        if told.passes == Some(false) {
            dropped = Some((told.stage, told.place.clone()));
        }
        stages.push(told);
    }
    let renamed = mirror.rename.apply(tag).filter(|_| dropped.is_none());
    let at = |renamed: &Tag| {
        mirror.targets.iter().map(|target| Reference::tagged(target.clone(), renamed.clone())).collect()
    };
    OneTag { tag: tag.clone(), stages, becomes: renamed.as_ref().map(at).unwrap_or_default(), dropped }
}

fn is_configured(mirror: &Mirror, stage: Stage) -> bool {
    let tags = &mirror.tags;
    match stage {
        Stage::Include => true,
        Stage::Semver => tags.semver.is_some(),
        Stage::Exclude => !tags.exclude.is_empty(),
        Stage::Newest => tags.newest.is_some(),
    }
}

fn all_tags(mirror: &Mirror, listed: Option<&[Tag]>) -> AllTags {
    let list = listed.unwrap_or_default();
    let sieve = Sieve::new(&mirror.tags, list);
    let distinct: BTreeSet<&Tag> = list.iter().chain(sieve.names()).collect();
    let (mut selected, mut reasons) = (Sample::default(), BTreeMap::<(Stage, String), (Told, Sample)>::new());
    for tag in distinct {
        let trail = sieve.judge(tag);
        let Some(last) = trail.last().filter(|last| !last.because.passes()) else {
            selected.add(tag);
            continue;
        };
        let key = (last.stage, reason(&last.because));
        reasons.entry(key).or_insert_with(|| (told(last), Sample::default())).1.add(tag);
    }
    let more = reasons.len().saturating_sub(REASONS);
    let dropped = reasons.into_values().take(REASONS).collect();
    let tally = listed.filter(|_| mirror.needs_tag_list()).map(|tags| mirror.tags.tally(tags));
    AllTags { tally, selected, dropped, more }
}

/// What tells reasons apart.
fn reason(because: &Because<'_>) -> String {
    because.to_string()
}
