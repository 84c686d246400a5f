//! One mirror: source, targets, policies.

use std::collections::BTreeMap;

use super::{Checked, CheckedGlob, Entry as Outcome, Reading, platforms, reference, rename, repositories, tags};
use crate::config::problem::{ProblemCode, shown};
use crate::config::repositories::{RepositoryGlob, TargetTemplate};
use crate::config::schema::{Field, Mirror as Entry, MirrorRules, Referrers, ReferrersWord};
use crate::config::text::{At, Span};
use crate::config::{Mirror, MirrorGlob, ReferrerRule, Selection};
use crate::image::{Location, ReferrerTypes, Repository, Role, Written};

/// Checks one entry of `mirrors`. `None` where a part of it was reported.
pub(super) fn check(entry: &Entry, defaults: &MirrorRules, reading: &mut Reading<'_, '_, '_>) -> Option<Outcome> {
    let rules = &entry.rules;
    let (source, glob) = match source(entry, reading) {
        Some((source, glob)) => (Some(source), glob),
        None => (None, None),
    };
    let example = match (source.as_ref().map(|source| &source.location), &glob) {
        (Some(Location::Repository(example)), Some(_)) => Some(example),
        _ => None,
    };
    let targets = if source.is_none() && is_glob(entry) { None } else { targets(entry, example, reading) };
    let tags = tags::selection(entry, source.as_ref(), defaults, reading);
    let rename = rename::template(rules.rename.or(&defaults.rename), tags.as_ref(), reading);
    let subset = platforms::check(entry, defaults, reading);
    let immutable_tags = tags::globs(rules.immutable_tags.or(&defaults.immutable_tags), reading);
    let source_span = entry.source.given().map_or(entry.span, |source| source.span);
    let referrers = referrers(rules, defaults)?;
    let (targets, templates) = targets?;
    let (targets, target_spans) = targets.into_iter().unzip();
    let mirror = Mirror {
        place: reading.diagnosis.place(entry.span),
        source: source?.location,
        targets,
        tags: Selection { leaves_referrers: referrers.types.is_some(), ..tags? },
        rename: rename?,
        subset: subset.ok()?,
        on_tag_move: rules.on_tag_move.or(&defaults.on_tag_move).value().unwrap_or_default(),
        immutable_tags: immutable_tags?.into_iter().map(|rule| rule.value).collect(),
        on_empty: rules.on_empty.or(&defaults.on_empty).value().unwrap_or_default(),
        referrers,
    };
    if let Some(source) = glob {
        let glob = MirrorGlob { source, targets: templates, like: mirror, at: 0, unfit: Vec::new() };
        return Some(Outcome::Glob(Box::new(CheckedGlob { glob, source_span, target_spans })));
    }
    let (span, source, targets) = (entry.span, source_span, target_spans);
    Some(Outcome::Mirror(Box::new(Checked { mirror, span, source, targets })))
}

fn referrers(rules: &MirrorRules, defaults: &MirrorRules) -> Option<ReferrerRule> {
    let types = match rules.referrers.or(&defaults.referrers) {
        Field::Broken => return None,
        Field::Given(At { value: Referrers::Word(ReferrersWord::None), .. }) => None,
        Field::Given(At { value: Referrers::Types(types), .. }) => Some(ReferrerTypes::Only(types.clone())),
        Field::Absent | Field::Given(_) => Some(ReferrerTypes::All),
    };
    let check = rules.referrers_check.or(&defaults.referrers_check).value().unwrap_or_default();
    Some(ReferrerRule { types, check })
}

fn is_glob(entry: &Entry) -> bool {
    entry.source.given().is_some_and(|text| repositories::is_glob(&text.value))
}

/// The source; of a glob, an example, and the glob.
fn source(entry: &Entry, reading: &mut Reading<'_, '_, '_>) -> Option<(Written, Option<RepositoryGlob>)> {
    match &entry.source {
        Field::Given(text) if repositories::is_glob(&text.value) => {
            repositories::source(text, reading).map(|(glob, example)| (example, Some(glob)))
        }
        Field::Given(text) => reference::read(text, Role::Source, reading).map(|source| (source, None)),
        Field::Broken => None,
        Field::Absent => {
            let problem = reading.diagnosis.problem(ProblemCode::Missing, entry.span, "this mirror has no `source`");
            let help = "write where images are read: `source: docker.io/library/alpine`";
            reading.diagnosis.report(problem.with_help(help));
            None
        }
    }
}

/// The targets with their places, and for a glob as many templates. Then they are those of an `example` of the source.
type Targets = (Vec<(Location, Span)>, Vec<TargetTemplate>);

fn targets(entry: &Entry, example: Option<&Repository>, reading: &mut Reading<'_, '_, '_>) -> Option<Targets> {
    let written = written_targets(entry, reading)?;
    let mut locations: BTreeMap<Location, Span> = BTreeMap::new();
    let (mut in_order, mut templates) = (Vec::new(), Vec::new());
    for text in &written {
        let location = match example {
            Some(example) => repositories::target(text, example, reading).map(|(template, location)| {
                templates.push(template);
                location
            }),
            None => repositories::refuse_placeholders(text, reading).and_then(|()| target(text, reading)),
        };
        let Some(location) = location else { continue };
        if let Some(first) = locations.get(&location) {
            let name = if example.is_some() { text.value.clone() } else { location.to_string() };
            let message = format!("{} is among the targets twice", shown(&name));
            let first = reading.diagnosis.related(*first, "first here");
            let problem = reading.diagnosis.problem(ProblemCode::Duplicate, text.span, message);
            reading.diagnosis.report(problem.with_related(first));
            continue;
        }
        locations.insert(location.clone(), text.span);
        in_order.push((location, text.span));
    }
    (in_order.len() == written.len()).then_some((in_order, templates))
}

fn written_targets<'e>(entry: &'e Entry, reading: &mut Reading<'_, '_, '_>) -> Option<Vec<&'e At<String>>> {
    match (&entry.target, &entry.targets) {
        (Field::Given(target), Field::Given(targets)) => {
            let other = reading.diagnosis.related(target.span, "`target` is here");
            let message = "a mirror has `target` or `targets`, not both";
            let problem = reading.diagnosis.problem(ProblemCode::Exclusive, targets.span, message);
            reading.diagnosis.report(problem.with_related(other).with_help("put all of them into `targets`"));
            None
        }
        (Field::Absent, Field::Absent) => {
            let problem = reading.diagnosis.problem(ProblemCode::Missing, entry.span, "this mirror has no `target`");
            let help = "write where images go: `target: ghcr.io/acme/alpine`, or several with `targets: […]`";
            reading.diagnosis.report(problem.with_help(help));
            None
        }
        (Field::Given(target), Field::Absent) => Some(vec![target]),
        (Field::Absent, Field::Given(targets)) if targets.value.is_empty() => {
            let problem = reading.diagnosis.problem(ProblemCode::Missing, targets.span, "`targets` is empty");
            reading.diagnosis.report(problem.with_help("name at least one repository or layout"));
            None
        }
        (Field::Absent, Field::Given(targets)) => Some(targets.value.iter().collect()),
        _ => None,
    }
}

pub(super) fn target(text: &At<String>, reading: &mut Reading<'_, '_, '_>) -> Option<Location> {
    let written = reference::read(text, Role::Target, reading)?;
    let Some(tag) = written.tag else { return Some(written.location) };
    let message = "a target has no tag: tags keep their names unless `rename` changes them";
    let problem = reading.diagnosis.problem(ProblemCode::TargetTag, text.span, message);
    let help = format!(
        "write {}; the tag {} follows from the source",
        shown(&written.location.to_string()),
        shown(tag.as_str())
    );
    reading.diagnosis.report(problem.with_help(help));
    None
}
