//! Mirrors that get in each other's way, as far as the file alone tells.
//!
//! Two mirrors conflict where they would write one target tag from different sources, or different platforms of one. Globs of two mirrors may meet in a
//! tag too, but only a registry knows; the plan looks for that again, with what was listed.

use std::collections::{BTreeMap, BTreeSet};

use super::Checked;
use crate::config::problem::{Diagnosis, ProblemCode, shown};
use crate::config::text::Span;
use crate::config::{Because, Mirror, Selection, TagRule};
use crate::image::{Digest, Location, Subset, Tag};

/// How many rules are looked at before the rest is left to the plan: mirrors share targets, and each target asks for all
/// rules of its mirrors, so that the work would grow with the square of the file.
const EFFORT: usize = 200_000;
/// What the first use of a glob costs, in rules.
const COMPILING: usize = 300;

/// A tag that a mirror would write whatever the registry lists.
struct Claim<'c> {
    mirror: usize,
    target: Span,
    pin: Option<&'c Digest>,
}

pub(super) fn check(mirrors: &[Checked], diagnosis: &mut Diagnosis<'_>) {
    let mut by_target: BTreeMap<&Location, Vec<(usize, Span)>> = BTreeMap::new();
    for (number, checked) in mirrors.iter().enumerate() {
        for (target, span) in checked.mirror.targets.iter().zip(&checked.targets) {
            by_target.entry(target).or_default().push((number, *span));
        }
    }
    let lists = |Checked { mirror, .. }: &Checked| mirror.needs_tag_list() && mirror.tags.newest.is_none();
    let lists = mirrors.iter().map(lists).collect();
    let reported = BTreeSet::new();
    let mut search = Search { mirrors, kinds: kinds(mirrors), lists, reported, effort: EFFORT, diagnosis };
    for (target, writers) in by_target.into_iter().filter(|(_, writers)| writers.len() > 1) {
        search.duplicates(target, &writers);
        search.names(target, &writers);
        search.globs(target, &writers);
    }
}

struct Search<'s, 't> {
    mirrors: &'s [Checked],
    /// For each mirror the first one with the same source and the same tags.
    kinds: Vec<usize>,
    /// For each mirror whether it takes what is listed and fits, and not only the newest of that.
    lists: Vec<bool>,
    /// Pairs of mirrors that were named already: one problem is enough for both.
    reported: BTreeSet<(usize, usize)>,
    effort: usize,
    diagnosis: &'s mut Diagnosis<'t>,
}

impl Search<'_, '_> {
    /// Whether there is effort left for this.
    fn spend(&mut self, cost: usize) -> bool {
        let left = self.effort.checked_sub(cost);
        self.effort = left.unwrap_or_default();
        left.is_some() && !self.diagnosis.is_full()
    }

    /// The same source and the same tags twice.
    fn duplicates(&mut self, target: &Location, writers: &[(usize, Span)]) {
        let mut seen: BTreeMap<usize, (usize, Span)> = BTreeMap::new();
        for writer in writers {
            let kind = self.kinds[writer.0];
            if let Some(first) = seen.get(&kind).copied() {
                let message = || format!("this copies the same tags to {} again", shown(&target.to_string()));
                self.report(ProblemCode::Duplicate, [first, *writer], message);
            } else {
                seen.insert(kind, *writer);
            }
        }
    }

    /// Exact names and pins.
    fn names(&mut self, target: &Location, writers: &[(usize, Span)]) {
        let mirrors = self.mirrors;
        let mut claims: BTreeMap<Tag, Claim<'_>> = BTreeMap::new();
        for (number, span) in writers {
            let mirror = &mirrors[*number].mirror;
            if !self.spend(rules(mirror)) {
                return;
            }
            for rule in mirror.tags.names() {
                // What is too long for a tag is written by nobody.
                let Some(tag) = rule.value.name().and_then(|tag| mirror.rename.apply(tag)) else { continue };
                let claim = Claim { mirror: *number, target: *span, pin: rule.value.pin() };
                match claims.get(&tag) {
                    Some(first) if self.differ(first, &claim) => {
                        let message = || format!("two mirrors write {}", shown(&format!("{target}:{tag}")));
                        let first = (first.mirror, first.target);
                        self.report(ProblemCode::TargetConflict, [first, (*number, *span)], message);
                    }
                    Some(_) => {}
                    None => {
                        claims.insert(tag, claim);
                    }
                }
            }
        }
    }

    fn differ(&self, a: &Claim<'_>, b: &Claim<'_>) -> bool {
        let (one, other) = (&self.mirrors[a.mirror].mirror, &self.mirrors[b.mirror].mirror);
        let of_other_images = match (a.pin, b.pin) {
            (Some(a), Some(b)) => a != b,
            _ => one.source != other.source,
        };
        of_other_images || one.subset != other.subset
    }

    /// Names of one mirror that the rules of another would select as well, were they listed. What `newest` leaves is not
    /// known before.
    fn globs(&mut self, target: &Location, writers: &[(usize, Span)]) {
        let mirrors = self.mirrors;
        let lists: Vec<_> = writers.iter().filter(|(number, _)| self.lists[*number]).collect();
        for (number, span) in lists {
            if !self.spend(rules(&mirrors[*number].mirror).saturating_mul(COMPILING)) {
                return;
            }
            for (other, other_span) in writers.iter().filter(|(other, _)| other != number) {
                let (a, b) = (&mirrors[*number].mirror, &mirrors[*other].mirror);
                if !self.spend(rules(a).saturating_mul(rules(b))) {
                    return;
                }
                if a.source == b.source && a.subset == b.subset {
                    continue;
                }
                if let Some((rule, tag)) = first_match(a, b) {
                    let message = || {
                        let reference = shown(&format!("{target}:{tag}"));
                        format!("two mirrors write {reference}: {rule} matches it")
                    };
                    let (first, second) = ((*number, *span), (*other, *other_span));
                    self.report(ProblemCode::TargetConflict, [first.min(second), first.max(second)], message);
                }
            }
        }
    }

    fn report(&mut self, code: ProblemCode, writers: [(usize, Span); 2], message: impl FnOnce() -> String) {
        let [first, second] = writers;
        if !self.reported.insert((first.0, second.0)) {
            return;
        }
        let (first, second) = (self.shown_at(first, second.1), self.shown_at(second, first.1));
        let related = self.diagnosis.related(first, "the other mirror writes here");
        let problem = self.diagnosis.problem(code, second, message()).with_related(related);
        let help = match code {
            ProblemCode::Duplicate => "leave out one of them",
            _ => "each tag of a target comes from one source; narrow `tags`, or choose another target",
        };
        self.diagnosis.report(problem.with_help(help));
    }

    /// Two mirrors may share their target's text by an anchor: then the mirrors themselves tell them apart.
    fn shown_at(&self, (number, span): (usize, Span), other: Span) -> Span {
        if span == other { self.mirrors[number].span } else { span }
    }
}

/// What it costs to look at a mirror's tags.
fn rules(mirror: &Mirror) -> usize {
    let Selection { include, regex, exclude, .. } = &mirror.tags;
    1 + include.len() + regex.len() + exclude.len()
}

fn kinds(mirrors: &[Checked]) -> Vec<usize> {
    let mut first: BTreeMap<(&Location, Vec<String>, Option<&Subset>), usize> = BTreeMap::new();
    let mut kinds = Vec::with_capacity(mirrors.len());
    for (number, Checked { mirror, .. }) in mirrors.iter().enumerate() {
        let kind = (&mirror.source, written(mirror), mirror.subset.as_deref());
        kinds.push(*first.entry(kind).or_insert(number));
    }
    kinds
}

/// All that decides about tags, in any order.
fn written(mirror: &Mirror) -> Vec<String> {
    let Selection { include, regex, semver, exclude, newest, .. } = &mirror.tags;
    let include = include.iter().map(|rule| match &rule.value {
        TagRule::Exact(tag) => tag.to_string(),
        TagRule::Pin(tag, digest) => format!("{tag}@{digest}"),
        TagRule::Glob(glob) => glob.as_str().to_owned(),
    });
    // What no name or glob starts with tells the keys apart.
    let regex = regex.iter().map(|rule| format!(" regex {}", rule.value.as_str()));
    let semver = semver.iter().map(|rule| format!(" semver {}", rule.value.as_str()));
    let exclude = exclude.iter().map(|rule| format!(" exclude {}", rule.value.as_str()));
    let newest = newest.iter().map(|rule| format!(" newest {}", rule.value));
    let rename = std::iter::once(format!(" rename {}", mirror.rename));
    let mut all: Vec<String> = include.chain(regex).chain(semver).chain(exclude).chain(newest).chain(rename).collect();
    all.sort();
    all
}

/// The first name of `names` that `lists` would write as well, with the rule that takes it.
fn first_match(lists: &Mirror, names: &Mirror) -> Option<(String, Tag)> {
    names.tags.names().find_map(|rule| {
        let target = names.rename.apply(rule.value.name()?)?;
        let trail = lists.tags.if_listed(&lists.rename.undo(&target)?);
        let taken = trail.verdicts().next().filter(|_| trail.is_selected())?;
        let rule = match taken.because {
            Because::Glob(glob) => format!("the glob {}", shown(glob.as_str())),
            Because::Regex(regex) => format!("the regular expression {}", shown(regex.as_str())),
            _ => "a selection of all tags".to_owned(),
        };
        Some((rule, target))
    })
}
