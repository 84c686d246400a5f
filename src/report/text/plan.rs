//! A plan as text: what would change, by mirror, and a last line that says it all.
//!
//! Owns the order and the words. What needs nothing done is counted, not listed, unless asked for.

use std::collections::BTreeSet;

use super::super::crowds::Crowds;
use super::super::groups::{Group, groups};
use super::super::quantity::{count, size};
use super::super::style::{CAUTION, FAINT, NAME, STRONG, Style, look};
use super::sheet::{Cell, Sheet};
use super::{change, clean, failure_cell, faint, files, help, referrers, remark, same, show_missing, tag_name};
use crate::image::{Digest, Location};
use crate::plan::{Action, Plan, Pulls, Reason, Risk, Step, Summary, Tallied};

/// So many platforms of a part are named in its row.
const NAMED_PLATFORMS: usize = 2;
/// And in no more characters than these.
const NAMED_WIDTH: usize = 32;

/// Renders `plan`. Ends in a line break.
pub fn plan(plan: &Plan, style: Style) -> String {
    let mut sheet = Sheet::new(style);
    let crowds = if style.verbose { Crowds::default() } else { crowds(plan) };
    let listed = |step: &Step| style.verbose || (is_notable(step) && !crowds.hides(step));
    let (shown, quiet): (Vec<_>, Vec<_>) =
        groups(plan).into_iter().partition(|group| group.steps.iter().any(|s| listed(s)));
    if !shown.is_empty() {
        sheet.text(format!("{}{}", sheet.paint(STRONG, &title(plan)), scope(plan)));
    }
    let mut tallies = if style.verbose { plan.tallies.as_slice() } else { &[] };
    for group in &shown {
        sheet.gap();
        show_group(&mut sheet, group, &crowds, style);
        show_tally(&mut sheet, group, &mut tallies);
    }
    if !shown.is_empty() {
        show_quiet(&mut sheet, &quiet);
    }
    sheet.gap();
    show_warnings(&mut sheet, plan);
    show_missing(&mut sheet, plan);
    sheet.gap();
    show_quotas(&mut sheet, plan);
    closing(&mut sheet, plan);
    sheet.render()
}

/// Whether a step is worth a row even in a short listing.
fn is_notable(step: &Step) -> bool {
    step.action() != Action::Skip || !step.warnings.is_empty()
}

/// The failures that many steps share.
fn crowds(plan: &Plan) -> Crowds {
    Crowds::of(plan.steps.iter().filter_map(|step| Some((step, "", step.reason.failure()?))))
}

/// `regsync.yaml: 125 tags, 14 mirrors`.
fn title(plan: &Plan) -> String {
    let places = plan.warnings.iter().filter_map(|warning| warning.place.as_ref());
    let mirrors: BTreeSet<_> = plan.steps.iter().map(|step| &step.place).chain(places).collect();
    format!("{}: {}, {}", files(plan), count(tags(plan), "tag"), count(mirrors.len(), "mirror"))
}

/// The steps that are about one tag; a mirror that failed as a whole is none.
fn tags(plan: &Plan) -> usize {
    plan.steps.iter().filter(|step| step.target.is_some()).count()
}

/// ` (only a, b; without c; shard 1/4)`, where a part was planned.
fn scope(plan: &Plan) -> String {
    let part = |word: &str, globs: &[String]| {
        let globs: Vec<String> = globs.iter().map(clean).collect();
        (!globs.is_empty()).then(|| format!("{word} {}", globs.join(", ")))
    };
    let shard = plan.scope.shard.as_ref().map(|shard| format!("shard {}", clean(shard)));
    let parts: Vec<String> =
        [part("only", &plan.scope.only), part("without", &plan.scope.exclude), shard].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

fn show_group(sheet: &mut Sheet, group: &Group<'_>, crowds: &Crowds, style: Style) {
    let place = Cell::left(clean(&group.first.place)).look(FAINT);
    sheet.head(match group.route {
        Some((source, target)) => {
            let name = target.name().rsplit('/').next().unwrap_or_default();
            vec![Cell::left(clean(&name)).look(NAME), Cell::left(clean(&format_args!("{source} -> {target}"))), place]
        }
        None => vec![Cell::free(clean(&group.first.place)).look(FAINT)],
    });
    let shown = group.steps.iter().filter(|step| style.verbose || (is_notable(step) && !crowds.hides(step)));
    let mut steps = shown.peekable();
    while let Some(step) = steps.next() {
        show_step(sheet, step, style);
        same(sheet, crowds.more(step));
        // Tags of one mirror tend to fail alike: the same advice is given once, after the last of them.
        let next = steps.peek().and_then(|next| hint(next));
        if let Some(hint) = hint(step).filter(|hint| next != Some(hint)) {
            help(sheet, 1, hint);
        }
    }
    let quiet = group.steps.iter().filter(|step| !style.verbose && !is_notable(step));
    if let Some(words) = quiet_words(quiet.copied()) {
        sheet.row('=', FAINT, vec![Cell::free(words).look(FAINT)]);
    }
}

/// `tags: 1,204 listed, 312 included, 5 newest`, below the first steps of each mirror. Both come in the order of the mirrors.
fn show_tally(sheet: &mut Sheet, group: &Group<'_>, tallies: &mut &[Tallied]) {
    let fits = |tallied: &Tallied| {
        let source = group.route.map(|(source, _)| source.to_string());
        tallied.place == group.first.place && source.is_none_or(|source| *source == *tallied.source)
    };
    if let Some(at) = tallies.iter().position(fits) {
        sheet.under(0, ("tags", FAINT), &clean(&tallies[at].tally));
        *tallies = &tallies[at + 1..];
    }
}

/// `12 up to date, 1 kept as it is`; `None` of nothing.
fn quiet_words<'a>(steps: impl Iterator<Item = &'a Step>) -> Option<String> {
    let (kept, same): (Vec<_>, Vec<_>) = steps.partition(|step| step.reason == Reason::Kept);
    let up_to_date = (!same.is_empty()).then(|| format!("{} up to date", same.len()));
    let kept = match kept.len() {
        0 => None,
        1 => Some("1 kept as it is".to_owned()),
        number => Some(format!("{number} kept as they are")),
    };
    let words: Vec<String> = up_to_date.into_iter().chain(kept).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn hint(step: &Step) -> Option<&str> {
    step.reason.failure()?.hint.as_deref()
}

fn show_step(sheet: &mut Sheet, step: &Step, style: Style) {
    let tag =
        step.target.as_ref().map_or(String::new(), |target| tag_name(&target.reference.version.to_string(), style));
    let action = step.action();
    let mut cells = vec![Cell::left(tag)];
    match (&step.reason, step.reason.failure()) {
        (_, Some(failure)) => cells.push(failure_cell(failure)),
        (Reason::InSync | Reason::Kept, _) => cells.push(Cell::free(unchanged(step)).look(FAINT)),
        _ => {
            cells.push(Cell::left(change(step)));
            cells.extend(amounts(step));
        }
    }
    sheet.row(action.symbol(), look(action), cells);
    referrers::show(sheet, step, style.verbose);
    change::show(sheet, step, style.verbose);
    for warning in &step.warnings {
        sheet.under(1, ("warning", CAUTION), &clean(warning));
    }
    if style.verbose && action != Action::Skip {
        show_details(sheet, step);
        change::details(sheet, step);
    }
}

/// The digest that the target's tag names, and the one wanted.
fn digests(step: &Step) -> (Option<&Digest>, Option<&Digest>) {
    let now = step.target.as_ref().and_then(|target| target.digest.as_ref());
    (now, step.wanted())
}

/// `absent       -> 9f1a2b3c4d5e`.
fn change(step: &Step) -> String {
    let (now, wanted) = digests(step);
    if step.reason == Reason::ReferrersMissing {
        return format!("{:<12} lacks referrers", now.map_or("", Digest::short));
    }
    format!("{:<12} -> {}", now.map_or("absent", Digest::short), wanted.map_or("unknown", Digest::short))
}

/// `9f1a2b3c4d5e   up to date`.
fn unchanged(step: &Step) -> String {
    let (now, wanted) = digests(step);
    let now = now.map_or("", Digest::short);
    match wanted {
        Some(wanted) if step.reason == Reason::Kept => {
            format!("{now}   kept as it is; the source has {}", wanted.short())
        }
        _ => format!("{now}   up to date"),
    }
}

/// Platforms, size and risk of a step that writes.
fn amounts(step: &Step) -> [Cell; 4] {
    let transfer = match (step.bytes, step.at_most) {
        (Some(bytes), _) => size(bytes.transfer),
        (None, Some(bytes)) => format!("up to {}", size(bytes)),
        (None, None) => String::new(),
    };
    let present = step.bytes.filter(|bytes| bytes.present > 0);
    let present = present.map_or(String::new(), |bytes| format!("({} already there)", size(bytes.present)));
    let risks = step.risk.iter().fold(String::new(), |risks, risk| risks + " " + risk_name(*risk));
    let risks = if risks.is_empty() { risks } else { format!("RISK{risks}") };
    [
        Cell::right(platforms(step)),
        Cell::right(transfer),
        Cell::free(present).look(FAINT).close(),
        Cell::free(risks).look(CAUTION),
    ]
}

/// `4 platforms`; of a part `linux/amd64 + linux/arm64 (2 of 8 platforms)`, or the numbers alone where names would fill the
/// row.
pub(in crate::report) fn platforms(step: &Step) -> String {
    let mut names: Vec<String> = step.platforms.iter().filter(|platform| !platform.is_unknown()).map(clean).collect();
    let Some(of) = step.trim.as_ref().and_then(|trim| trim.of) else {
        return if names.is_empty() { String::new() } else { count(names.len(), "platform") };
    };
    let part = format!("{} of {}", names.len(), count(usize::try_from(of).unwrap_or(usize::MAX), "platform"));
    names.dedup();
    let named = names.join(" + ");
    if names.len() > NAMED_PLATFORMS || named.chars().count() > NAMED_WIDTH {
        part
    } else {
        format!("{named} ({part})")
    }
}

pub(in crate::report) fn risk_name(risk: Risk) -> &'static str {
    match risk {
        Risk::TagMove => "tag-move",
        Risk::PlatformLoss => "platform-loss",
        Risk::Downgrade => "downgrade",
    }
}

/// Full digests and platforms by name.
fn show_details(sheet: &mut Sheet, step: &Step) {
    let platforms: Vec<String> = step.platforms.iter().filter(|platform| !platform.is_unknown()).map(clean).collect();
    let (now, wanted) = digests(step);
    let whole = step.source.as_ref().and_then(|source| source.digest.as_ref());
    let details = [
        ("source", step.source.as_ref().map(|source| clean(&source.reference))),
        ("now", now.map(clean)),
        ("wanted", wanted.map(clean)),
        ("part of", step.trim.as_ref().and(whole).map(clean)),
        ("platforms", (!platforms.is_empty()).then(|| platforms.join(", "))),
    ];
    for (label, text) in details {
        if let Some(text) = text {
            sheet.under(1, (label, FAINT), &text);
        }
    }
}

/// The groups with nothing to say, as one line.
fn show_quiet(sheet: &mut Sheet, quiet: &[Group<'_>]) {
    let in_place = quiet.iter().filter(|group| group.steps.iter().any(|step| !is_notable(step)));
    let targets: BTreeSet<&Location> = in_place.filter_map(|group| Some(group.route?.1)).collect();
    // Those that another row speaks for are in none of these numbers.
    let steps = quiet.iter().flat_map(|group| &group.steps).copied().filter(|step| !is_notable(step));
    if let (Some(words), false) = (quiet_words(steps), targets.is_empty()) {
        sheet.gap();
        sheet.text(faint(sheet, &format!("{}: {words}", count(targets.len(), "other repository"))));
    }
}

pub(super) fn show_warnings(sheet: &mut Sheet, plan: &Plan) {
    for warning in &plan.warnings {
        let place = warning.place.as_ref().map(|place| format!("{}: ", clean(place))).unwrap_or_default();
        remark(sheet, &format!("{place}{}", clean(&warning.message)));
    }
}

/// `docker.io: this plan needs 14 pulls, 86 of 100 left in 6 h`, for each registry that counts them.
fn show_quotas(sheet: &mut Sheet, plan: &Plan) {
    for text in quotas(plan) {
        sheet.text(clean(&text));
    }
}

/// One line for each registry that counts pulls. To be escaped.
pub(in crate::report) fn quotas(plan: &Plan) -> impl Iterator<Item = String> + '_ {
    let counted = plan.pulls.iter().filter(|pulls| pulls.needed > 0);
    counted.map(|Pulls { registry, needed, at_least, quota, keep }| {
        let least = if *at_least { "at least " } else { "" };
        let kept = keep.map(|keep| format!(", {keep} to be kept")).unwrap_or_default();
        let needed = usize::try_from(*needed).unwrap_or(usize::MAX);
        format!("{registry}: this plan needs {least}{}, {quota}{kept}", count(needed, "pull"))
    })
}

fn closing(sheet: &mut Sheet, plan: &Plan) {
    let summary = plan.summary();
    let Summary { copy, update, skip, blocked, error } = summary;
    if copy + update + blocked + error == 0 && plan.scope.missing.is_empty() {
        return sheet.text(no_changes(sheet, plan));
    }
    let verdict = sheet.paint(STRONG, "Plan:");
    let errors = count(error, "error");
    let transfer = transfer(plan);
    sheet.text(format!(
        "{verdict} {copy} to copy, {update} to update, {skip} up to date, {blocked} blocked, {errors}. {transfer}"
    ));
    if error > 0 && plan.has_changes() {
        sheet.text("Incomplete: what is in error is left alone; apply does the rest.");
    }
}

fn no_changes(sheet: &Sheet, plan: &Plan) -> String {
    let kept = plan.steps.iter().filter(|step| step.reason == Reason::Kept).count();
    let same = plan.steps.len() - kept;
    let rest = match (same, kept) {
        (0, 0) => format!("{} selects no tag{}", files(plan), scope(plan)),
        (_, 0) => format!("{} {} {}{}", count(same, "tag"), verb(same, "match"), files(plan), scope(plan)),
        _ => format!(
            "{} {} {}{}, {kept} {} kept as {}",
            count(same, "tag"),
            verb(same, "match"),
            files(plan),
            scope(plan),
            if kept == 1 { "is" } else { "are" },
            if kept == 1 { "it is" } else { "they are" },
        ),
    };
    format!("{} {rest}.", sheet.paint(STRONG, "No changes."))
}

/// `match` or `matches`.
fn verb(number: usize, plural: &str) -> String {
    if number == 1 { format!("{plural}es") } else { plural.to_owned() }
}

/// `154.8 MB to transfer.`, as far as it is known.
pub(in crate::report) fn transfer(plan: &Plan) -> String {
    let known: u64 = plan
        .steps
        .iter()
        .filter(|step| step.action().writes())
        .filter_map(|step| step.bytes)
        .fold(0, |sum, bytes| sum.saturating_add(bytes.transfer));
    match (plan.bytes(), plan.at_most()) {
        _ if !plan.has_changes() => "Nothing to transfer.".to_owned(),
        (Some(bytes), _) => format!("{} to transfer.", size(bytes.transfer)),
        (None, Some(limit)) => format!("At most {} to transfer.", size(limit)),
        (None, None) if known > 0 => format!("At least {} to transfer.", size(known)),
        (None, None) => "Sizes were not asked for.".to_owned(),
    }
}
