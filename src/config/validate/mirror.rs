//! One mirror: source, targets, tags.

use std::collections::BTreeMap;

use super::{Checked, Reading, reference};
use crate::config::problem::{Problem, ProblemCode, looks_secret, shown};
use crate::config::schema::{Field, Mirror as Entry, MirrorRules};
use crate::config::text::{At, Span};
use crate::config::{Mirror, TagGlob, TagRule};
use crate::image::{Digest, Location, Role, Tag, Written};

/// Checks one entry of `mirrors`. `None` where a part of it was reported.
pub(super) fn check(entry: &Entry, defaults: &MirrorRules, reading: &mut Reading<'_, '_, '_>) -> Option<Checked> {
    let rules = &entry.rules;
    let source = source(entry, reading);
    let targets = targets(entry, reading);
    let tags = tags(entry, source.as_ref(), defaults, reading);
    let immutable_tags = globs(rules.immutable_tags.or(&defaults.immutable_tags), reading);
    let source_span = entry.source.given().map_or(entry.span, |source| source.span);
    let (targets, target_spans) = targets?.into_iter().unzip();
    let mirror = Mirror {
        place: reading.diagnosis.place(entry.span),
        source: source?.location,
        targets,
        tags: tags?,
        on_tag_move: rules.on_tag_move.or(&defaults.on_tag_move).value().unwrap_or_default(),
        immutable_tags: immutable_tags?,
        on_empty: rules.on_empty.or(&defaults.on_empty).value().unwrap_or_default(),
    };
    Some(Checked { mirror, span: entry.span, source: source_span, targets: target_spans })
}

fn source(entry: &Entry, reading: &mut Reading<'_, '_, '_>) -> Option<Written> {
    match &entry.source {
        Field::Given(text) => reference::read(text, Role::Source, reading),
        Field::Broken => None,
        Field::Absent => {
            let problem = reading.diagnosis.problem(ProblemCode::Missing, entry.span, "this mirror has no `source`");
            let help = "write where images are read: `source: docker.io/library/alpine`";
            reading.diagnosis.report(problem.with_help(help));
            None
        }
    }
}

fn targets(entry: &Entry, reading: &mut Reading<'_, '_, '_>) -> Option<Vec<(Location, Span)>> {
    let written: Vec<&At<String>> = match (&entry.target, &entry.targets) {
        (Field::Given(target), Field::Given(targets)) => {
            let other = reading.diagnosis.related(target.span, "`target` is here");
            let message = "a mirror has `target` or `targets`, not both";
            let problem = reading.diagnosis.problem(ProblemCode::Exclusive, targets.span, message);
            reading.diagnosis.report(problem.with_related(other).with_help("put all of them into `targets`"));
            return None;
        }
        (Field::Absent, Field::Absent) => {
            let problem = reading.diagnosis.problem(ProblemCode::Missing, entry.span, "this mirror has no `target`");
            let help = "write where images go: `target: ghcr.io/acme/alpine`, or several with `targets: […]`";
            reading.diagnosis.report(problem.with_help(help));
            return None;
        }
        (Field::Given(target), Field::Absent) => vec![target],
        (Field::Absent, Field::Given(targets)) if targets.value.is_empty() => {
            let problem = reading.diagnosis.problem(ProblemCode::Missing, targets.span, "`targets` is empty");
            reading.diagnosis.report(problem.with_help("name at least one repository or layout"));
            return None;
        }
        (Field::Absent, Field::Given(targets)) => targets.value.iter().collect(),
        _ => return None,
    };
    let mut locations: BTreeMap<Location, Span> = BTreeMap::new();
    let mut in_order = Vec::new();
    for text in &written {
        let Some(location) = target(text, reading) else { continue };
        if let Some(first) = locations.get(&location) {
            let message = format!("{} is among the targets twice", shown(&location.to_string()));
            let first = reading.diagnosis.related(*first, "first here");
            let problem = reading.diagnosis.problem(ProblemCode::Duplicate, text.span, message);
            reading.diagnosis.report(problem.with_related(first));
            continue;
        }
        locations.insert(location.clone(), text.span);
        in_order.push((location, text.span));
    }
    (in_order.len() == written.len()).then_some(in_order)
}

fn target(text: &At<String>, reading: &mut Reading<'_, '_, '_>) -> Option<Location> {
    let written = reference::read(text, Role::Target, reading)?;
    let Some(tag) = written.tag else { return Some(written.location) };
    let problem =
        reading.diagnosis.problem(ProblemCode::TargetTag, text.span, "a target has no tag: tags keep their names");
    let help = format!(
        "write {}; the tag {} follows from the source",
        shown(&written.location.to_string()),
        shown(tag.as_str())
    );
    reading.diagnosis.report(problem.with_help(help));
    None
}

fn tags(
    entry: &Entry,
    source: Option<&Written>,
    defaults: &MirrorRules,
    reading: &mut Reading<'_, '_, '_>,
) -> Option<Vec<TagRule>> {
    let named = source.map(|source| (source.tag.clone(), source.digest.clone()));
    if let (Some((Some(tag), _)), Field::Given(list), Some(source)) = (&named, &entry.rules.tags, entry.source.given())
    {
        let other = reading.diagnosis.related(source.span, format!("the source names `{tag}`"));
        let problem =
            reading.diagnosis.problem(ProblemCode::Exclusive, list.span, "the source names a tag, and so does `tags`");
        let help = format!("leave the tag out of `source`, or leave out `tags`{}", pin_hint(&list.value, tag));
        reading.diagnosis.report(problem.with_related(other).with_help(help));
    }
    match (named, entry.rules.tags.or(&defaults.tags)) {
        (Some((Some(tag), Some(digest))), _) => Some(vec![TagRule::Pin(tag, digest)]),
        (Some((Some(tag), None)), _) => Some(vec![TagRule::Exact(tag)]),
        (Some((None, Some(_))), _) => {
            let span = entry.source.given().map_or(entry.span, |source| source.span);
            let message = "the source names a digest, but no tag that it should get at the target";
            let problem = reading.diagnosis.problem(ProblemCode::Missing, span, message);
            reading.diagnosis.report(problem.with_help("write `name:tag@sha256:…`"));
            None
        }
        (_, Field::Given(list)) => rules(list, reading),
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
fn pin_hint(list: &[At<String>], tag: &Tag) -> &'static str {
    let repeats = list.iter().any(|item| item.value.split('@').next() == Some(tag.as_str()));
    if repeats { "; one of them is enough" } else { "" }
}

fn rules(list: &At<Vec<At<String>>>, reading: &mut Reading<'_, '_, '_>) -> Option<Vec<TagRule>> {
    if list.value.is_empty() {
        let problem =
            reading.diagnosis.problem(ProblemCode::EmptySelector, list.span, "`tags` is empty and selects nothing");
        reading.diagnosis.report(problem.with_help("every tag is `tags: [\"*\"]`"));
        return None;
    }
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    let mut rules = Vec::new();
    for item in &list.value {
        // By name for pins: one tag cannot be approved twice.
        let name = item.value.split_once('@').map_or(item.value.as_str(), |(name, _)| &item.value[..=name.len()]);
        if let Some(first) = seen.insert(name, item.span) {
            let first = reading.diagnosis.related(first, "first here");
            let message = format!("{} is listed twice", shown(name.trim_end_matches('@')));
            let problem = reading.diagnosis.problem(ProblemCode::Duplicate, item.span, message);
            reading.diagnosis.report(problem.with_related(first));
            continue;
        }
        match rule(&item.value) {
            Ok(rule) => rules.push(rule),
            Err(wrong) => report(wrong, item.span, reading),
        }
    }
    (rules.len() == list.value.len()).then_some(rules)
}

/// A mistake in an item: its kind, what is wrong, what to do.
type Wrong = (ProblemCode, String, Option<String>);

fn report((code, message, help): Wrong, span: Span, reading: &mut Reading<'_, '_, '_>) {
    let problem = reading.diagnosis.problem(code, span, message);
    reading.diagnosis.report(Problem { help, ..problem });
}

fn rule(text: &str) -> Result<TagRule, Wrong> {
    if let Some((name, digest)) = text.split_once('@') {
        let tag = tag(name)?;
        let digest = digest.parse::<Digest>().map_err(|error| {
            let help = "a pin is `name@sha256:…`, with all 64 digits".to_owned();
            (ProblemCode::DigestFormat, error.to_string(), Some(help))
        })?;
        return Ok(TagRule::Pin(tag, digest));
    }
    if TagGlob::is_glob(text) { glob(text).map(TagRule::Glob) } else { tag(text).map(TagRule::Exact) }
}

fn tag(text: &str) -> Result<Tag, Wrong> {
    let hint = |text: &str| {
        if text.starts_with("sha256:") {
            Some("a pin needs the name that it goes by: `name@sha256:…`".to_owned())
        } else if text.contains('/') || text.contains(':') {
            Some("a tag is only what stands behind the `:` of a reference".to_owned())
        } else {
            Some("a tag has letters, digits, `_`, `.` and `-`, and starts with none of `.` and `-`".to_owned())
        }
    };
    text.parse().map_err(|_| match text {
        "" => (ProblemCode::RefTag, "an empty text is not a tag".to_owned(), None),
        _ if text.len() > 128 => (ProblemCode::RefLength, "the tag is longer than 128 characters".to_owned(), None),
        _ if looks_secret(text) => (ProblemCode::RefTag, "this is not a tag".to_owned(), None),
        _ if !text.is_ascii() => {
            let wrong = text.chars().find(|c| !c.is_ascii_graphic()).unwrap_or_default();
            let message = format!("{} has the character U+{:04X}, which no tag holds", shown(text), u32::from(wrong));
            (ProblemCode::RefChar, message, reference::character_help(wrong).map(str::to_owned))
        }
        _ => (ProblemCode::RefTag, format!("{} is not a tag", shown(text)), hint(text)),
    })
}

fn glob(text: &str) -> Result<TagGlob, Wrong> {
    // Longer than any tag, several times over: nobody means that, and compiling it costs.
    if text.len() > 512 {
        return Err((ProblemCode::RefLength, "the glob is longer than 512 characters".to_owned(), None));
    }
    if let Some(c) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "_.-*?[]{}!,^".contains(*c))) {
        let message = format!("{} can match no tag: tags hold no {}", shown(text), shown(&c.to_string()));
        return Err((ProblemCode::EmptySelector, message, None));
    }
    if text.starts_with(['.', '-']) {
        let message = format!("{} can match no tag: tags start with a letter, a digit or `_`", shown(text));
        return Err((ProblemCode::EmptySelector, message, None));
    }
    TagGlob::new(text).map_err(|error| {
        let help = "`*` is any text, `?` one character, `[0-9]` one of these, `{a,b}` either".to_owned();
        (ProblemCode::Glob, format!("{} is not a glob: {error}", shown(text)), Some(help))
    })
}

fn globs(list: &Field<Vec<At<String>>>, reading: &mut Reading<'_, '_, '_>) -> Option<Vec<TagGlob>> {
    let list = match list {
        Field::Absent => return Some(Vec::new()),
        Field::Broken => return None,
        Field::Given(list) => list,
    };
    let mut globs = Vec::new();
    for item in &list.value {
        match glob(&item.value) {
            Ok(glob) if !item.value.is_empty() => globs.push(glob),
            Ok(_) => report(
                (ProblemCode::EmptySelector, "an empty text can match no tag".to_owned(), None),
                item.span,
                reading,
            ),
            Err(wrong) => report(wrong, item.span, reading),
        }
    }
    (globs.len() == list.value.len()).then_some(globs)
}
