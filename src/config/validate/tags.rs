//! Which tags: the list or mapping of `tags`, or the tag of the source.
//!
//! Owns every rule's place, and what is wrong with rules beside each other: a selection that can select nothing is a mistake.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::Reading;
use super::item::{Wrong, glob, report, rule};
use super::patterns::Patterns;
use crate::config::problem::{Problem, ProblemCode, shown};
use crate::config::schema::{Field, Mirror as Entry, MirrorRules, Tags};
use crate::config::text::{At, Span};
use crate::config::{Constraint, Rule, Selection, TagGlob, TagRegex, TagRule};
use crate::image::{Tag, Written};

/// What the first use of a glob costs, in matches.
const COMPILING: usize = 300;

/// Reads what a mirror says of its tags; what is wrong with it is reported.
pub(super) fn selection(
    entry: &Entry,
    source: Option<&Written>,
    defaults: &MirrorRules,
    reading: &mut Reading<'_, '_, '_>,
) -> Option<Selection> {
    let named = source.map(|source| (source.tag.clone(), source.digest.clone()));
    if let (Some((Some(tag), _)), Field::Given(tags), Some(source)) = (&named, &entry.rules.tags, entry.source.given())
    {
        let other = reading.diagnosis.related(source.span, format!("the source names `{tag}`"));
        let problem =
            reading.diagnosis.problem(ProblemCode::Exclusive, tags.span, "the source names a tag, and so does `tags`");
        let help = format!("leave the tag out of `source`, or leave out `tags`{}", pin_hint(&tags.value, tag));
        reading.diagnosis.report(problem.with_related(other).with_help(help));
    }
    let span = entry.source.given().map_or(entry.span, |source| source.span);
    let place = reading.diagnosis.place(span);
    match (named, entry.rules.tags.or(&defaults.tags)) {
        (Some((Some(tag), Some(digest))), _) => Some(Selection::of(&place, vec![TagRule::Pin(tag, digest)])),
        (Some((Some(tag), None)), _) => Some(Selection::of(&place, vec![TagRule::Exact(tag)])),
        (Some((None, Some(_))), _) => {
            let message = "the source names a digest, but no tag that it should get at the target";
            let problem = reading.diagnosis.problem(ProblemCode::Missing, span, message);
            reading.diagnosis.report(problem.with_help("write `name:tag@sha256:…`"));
            None
        }
        (_, Field::Given(tags)) => rules(tags, reading),
        (None, _) | (_, Field::Broken) => None,
        (Some(_), Field::Absent) => {
            let problem = reading.diagnosis.problem(ProblemCode::Missing, entry.span, "this mirror has no `tags`");
            let help = "name them, `tags: [\"3.20\", \"3.21*\"]`; every tag is `tags: [\"*\"]`";
            reading.diagnosis.report(problem.with_help(help));
            None
        }
    }
}

/// People who pin write the name twice.
fn pin_hint(tags: &Tags, tag: &Tag) -> &'static str {
    let list = tags.include.given().map_or(&[][..], |list| &list.value);
    let repeats = list.iter().any(|item| item.value.split('@').next() == Some(tag.as_str()));
    if repeats { "; one of them is enough" } else { "" }
}

fn rules(tags: &At<Tags>, reading: &mut Reading<'_, '_, '_>) -> Option<Selection> {
    let Tags { include, regex, semver, exclude, newest } = &tags.value;
    let says_nothing = matches!((include, regex, exclude), (Field::Absent, Field::Absent, Field::Absent));
    if says_nothing && matches!((semver, newest), (Field::Absent, Field::Absent)) {
        empty("tags", tags.span, reading);
        return None;
    }
    let mut nothing = false;
    for (name, list) in [("include", include), ("regex", regex)] {
        if let Some(list) = list.given().filter(|list| list.value.is_empty()) {
            // The span of a bare list is that of `tags`; a mapping has its own.
            empty(if list.span == tags.span { "tags" } else { name }, list.span, reading);
            nothing = true;
        }
    }
    let include = items(include, rule, reading);
    let regex = regexes(regex, reading);
    let semver = constraint(semver, reading);
    let exclude = globs(exclude, reading);
    let newest = match newest {
        Field::Absent => Some(None),
        Field::Broken => None,
        Field::Given(number) => {
            let place = reading.diagnosis.place(number.span);
            NonZeroU32::new(number.value).map(|value| Some(Rule { place, value }))
        }
    };
    if nothing {
        return None;
    }
    let (include, regex, exclude) = (include?, regex?, exclude?);
    let selection =
        Selection { include, regex, semver: semver.ok()?, exclude, newest: newest?, ..Selection::default() };
    // Both are looked for: one mistake does not hide the other.
    let sound = [is_busy(&selection, &tags.value, reading), is_consistent(&selection, &tags.value, reading)];
    (sound == [true; 2]).then_some(selection)
}

fn empty(name: &str, span: Span, reading: &mut Reading<'_, '_, '_>) {
    let message = format!("`{name}` is empty and selects nothing");
    let problem = reading.diagnosis.problem(ProblemCode::EmptySelector, span, message);
    let help = if name == "tags" { "every tag is `tags: [\"*\"]`" } else { "leave the key out" };
    reading.diagnosis.report(problem.with_help(help));
}

/// Each item of a list, read by `read`, with its place; an item that stands there twice is reported.
fn items<T>(
    list: &Field<Vec<At<String>>>,
    read: impl Fn(&str) -> Result<T, Wrong>,
    reading: &mut Reading<'_, '_, '_>,
) -> Option<Vec<Rule<T>>> {
    let list = match list {
        Field::Absent => return Some(Vec::new()),
        Field::Broken => return None,
        Field::Given(list) => list,
    };
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    let mut rules = Vec::new();
    for item in &list.value {
        if reading.diagnosis.is_full() {
            break;
        }
        // By name for pins: one tag cannot be approved twice.
        let name = item.value.split_once('@').map_or(item.value.as_str(), |(name, _)| &item.value[..=name.len()]);
        if let Some(first) = seen.insert(name, item.span) {
            let first = reading.diagnosis.related(first, "first here");
            let message = format!("{} is listed twice", shown(name.trim_end_matches('@')));
            let problem = reading.diagnosis.problem(ProblemCode::Duplicate, item.span, message);
            reading.diagnosis.report(problem.with_related(first));
            continue;
        }
        match read(&item.value) {
            Ok(value) => rules.push(Rule { place: reading.diagnosis.place(item.span), value }),
            Err(wrong) => report(wrong, item.span, reading),
        }
    }
    (rules.len() == list.value.len()).then_some(rules)
}

/// A list of globs.
pub(super) fn globs(list: &Field<Vec<At<String>>>, reading: &mut Reading<'_, '_, '_>) -> Option<Vec<Rule<TagGlob>>> {
    items(list, glob, reading)
}

/// Compiled once each: expressions are costly, and mirrors share them.
fn regexes(list: &Field<Vec<At<String>>>, reading: &mut Reading<'_, '_, '_>) -> Option<Vec<Rule<TagRegex>>> {
    for item in list.given().map_or(&[][..], |list| &list.value) {
        if reading.diagnosis.is_full() {
            return None;
        }
        reading.patterns.compile(&item.value);
    }
    let compiled = std::mem::take(&mut reading.patterns.compiled);
    let rules = items(list, |text| Patterns::find(&compiled, text), reading);
    reading.patterns.compiled = compiled;
    rules
}

/// What is wrong was said.
struct Reported;

fn constraint(text: &Field<String>, reading: &mut Reading<'_, '_, '_>) -> Result<Option<Rule<Constraint>>, Reported> {
    let text = match text {
        Field::Absent => return Ok(None),
        Field::Broken => return Err(Reported),
        Field::Given(text) => text,
    };
    match Constraint::parse(&text.value) {
        Ok(value) => Ok(Some(Rule { place: reading.diagnosis.place(text.span), value })),
        Err(error) => {
            let problem = reading.diagnosis.problem(ProblemCode::Semver, text.span, error.message);
            reading.diagnosis.report(Problem { help: error.help.map(str::to_owned), ..problem });
            Err(Reported)
        }
    }
}

/// Whether the rules beside `include` have anything to choose from: names are always wanted.
fn is_busy(selection: &Selection, tags: &Tags, reading: &mut Reading<'_, '_, '_>) -> bool {
    if selection.needs_list() {
        return true;
    }
    let keys = [
        ("semver", tags.semver.given().map(|text| text.span)),
        ("exclude", tags.exclude.given().filter(|list| !list.value.is_empty()).map(|list| list.span)),
        ("newest", tags.newest.given().map(|number| number.span)),
    ];
    for (name, span) in keys.iter().filter_map(|(name, span)| Some((name, (*span)?))) {
        let message =
            format!("`{name}` has nothing to choose from: `include` has only names, which are wanted in any case");
        let problem = reading.diagnosis.problem(ProblemCode::EmptySelector, span, message);
        reading.diagnosis.report(problem.with_help("give `include` a glob, or leave it out to choose from all tags"));
    }
    keys.iter().all(|(_, span)| span.is_none())
}

/// Whether `exclude` leaves something, and what `include` asks for in so many words.
fn is_consistent(selection: &Selection, tags: &Tags, reading: &mut Reading<'_, '_, '_>) -> bool {
    let spans = |list: &Field<Vec<At<String>>>| -> Vec<Span> {
        list.given().map(|list| list.value.iter().map(|item| item.span).collect()).unwrap_or_default()
    };
    let (included, excluded) = (spans(&tags.include), spans(&tags.exclude));
    let included = || selection.include.iter().map(|rule| &rule.value).zip(&included);
    let globs: BTreeMap<&str, Span> = included()
        .filter_map(|(rule, span)| if let TagRule::Glob(glob) = rule { Some((glob.as_str(), *span)) } else { None })
        .collect();
    let names: Vec<(&Tag, Span)> = included().filter_map(|(rule, span)| Some((rule.name()?, *span))).collect();
    let mut consistent = true;
    for (rule, span) in selection.exclude.iter().zip(excluded) {
        let text = rule.value.as_str();
        let named = || names.iter().find(|(tag, _)| rule.value.matches(tag.as_str()));
        let clash = if text.trim_matches('*').is_empty() {
            Some(("every tag is excluded".to_owned(), None))
        } else if let Some(other) = globs.get(text) {
            Some((format!("{} is included, and excluded again", shown(text)), Some(*other)))
        } else if !names.is_empty() && reading.patterns.spend(names.len() + COMPILING) {
            let clash = |(tag, other): &(&Tag, Span)| {
                (format!("{} is named in `include`, and excluded", shown(tag.as_str())), Some(*other))
            };
            named().map(clash)
        } else {
            None
        };
        let Some((message, other)) = clash else { continue };
        consistent = false;
        let problem = reading.diagnosis.problem(ProblemCode::Exclusive, span, message);
        let problem = match other {
            Some(other) => problem.with_related(reading.diagnosis.related(other, "included here")),
            None => problem,
        };
        reading.diagnosis.report(problem);
    }
    consistent
}
