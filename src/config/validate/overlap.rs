//! Mirrors that get in each other's way, as far as the file alone tells.
//!
//! Two mirrors conflict where they would write one target tag from different sources. Globs of two mirrors may meet in a
//! tag too, but only a registry knows; the plan looks for that again, with what was listed.

use std::collections::{BTreeMap, BTreeSet};

use super::Checked;
use crate::config::TagRule;
use crate::config::problem::{Diagnosis, ProblemCode, shown};
use crate::config::text::Span;
use crate::image::{Digest, Location, Tag};

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
    let mut search = Search { mirrors, kinds: kinds(mirrors), reported: BTreeSet::new(), effort: EFFORT, diagnosis };
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
        let mut claims: BTreeMap<&Tag, Claim<'_>> = BTreeMap::new();
        for (number, span) in writers {
            if !self.spend(mirrors[*number].mirror.tags.len()) {
                return;
            }
            for rule in &mirrors[*number].mirror.tags {
                let (tag, pin) = match rule {
                    TagRule::Exact(tag) => (tag, None),
                    TagRule::Pin(tag, digest) => (tag, Some(digest)),
                    TagRule::Glob(_) => continue,
                };
                let claim = Claim { mirror: *number, target: *span, pin };
                match claims.get(tag) {
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
        match (a.pin, b.pin) {
            (Some(a), Some(b)) => a != b,
            _ => self.mirrors[a.mirror].mirror.source != self.mirrors[b.mirror].mirror.source,
        }
    }

    /// Names of one mirror that a glob of another would select as well.
    fn globs(&mut self, target: &Location, writers: &[(usize, Span)]) {
        let mirrors = self.mirrors;
        for (number, span) in writers.iter().filter(|(number, _)| mirrors[*number].mirror.needs_tag_list()) {
            if !self.spend(mirrors[*number].mirror.tags.len().saturating_mul(COMPILING)) {
                return;
            }
            for (other, other_span) in writers.iter().filter(|(other, _)| other != number) {
                let (a, b) = (&mirrors[*number].mirror, &mirrors[*other].mirror);
                if !self.spend(a.tags.len().saturating_mul(b.tags.len())) {
                    return;
                }
                if a.source == b.source {
                    continue;
                }
                if let Some((glob, tag)) = first_match(&a.tags, &b.tags) {
                    let message = || {
                        let reference = shown(&format!("{target}:{tag}"));
                        format!("two mirrors write {reference}: the glob {} matches it", shown(glob))
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

fn kinds(mirrors: &[Checked]) -> Vec<usize> {
    let mut first: BTreeMap<(&Location, Vec<String>), usize> = BTreeMap::new();
    let mut kinds = Vec::with_capacity(mirrors.len());
    for (number, Checked { mirror, .. }) in mirrors.iter().enumerate() {
        let mut tags: Vec<String> = mirror.tags.iter().map(written).collect();
        tags.sort();
        kinds.push(*first.entry((&mirror.source, tags)).or_insert(number));
    }
    kinds
}

fn written(rule: &TagRule) -> String {
    match rule {
        TagRule::Exact(tag) => tag.to_string(),
        TagRule::Pin(tag, digest) => format!("{tag}@{digest}"),
        TagRule::Glob(glob) => glob.as_str().to_owned(),
    }
}

fn first_match<'r>(globs: &'r [TagRule], names: &'r [TagRule]) -> Option<(&'r str, &'r Tag)> {
    let globs = globs.iter().filter_map(|rule| if let TagRule::Glob(glob) = rule { Some(glob) } else { None });
    globs.flat_map(|glob| names.iter().map(move |name| (glob, name))).find_map(|(glob, name)| match name {
        TagRule::Exact(tag) | TagRule::Pin(tag, _) if glob.matches(tag.as_str()) => Some((glob.as_str(), tag)),
        _ => None,
    })
}
