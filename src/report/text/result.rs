//! What apply did, as text: a row for whatever was to be done, and a last line that says it all.
//!
//! Owns the order and the words. Never says less about what went wrong than about what went well.

use anstyle::Style as Look;

use super::super::crowds::Crowds;
use super::super::quantity::{count, size, time};
use super::super::style::{BAD, CAUTION, FAINT, GOOD, STRONG, Style, look};
use super::super::{Applied, Tally, failure_of, tally};
use super::plan::show_warnings;
use super::sheet::{Cell, Sheet};
use super::{clean, failure_cell, files, help, one_registry, same, short_name, show_missing};
use crate::event::{Ending, Moved, Outcome};
use crate::plan::{Action, Step};

/// Renders `applied`. Ends in a line break.
pub fn result(applied: &Applied<'_>, style: Style) -> String {
    render(applied, style, true)
}

/// The same right below its plan: what stands there already, remarks and the advice on what could not be planned, is not
/// said again.
pub fn result_below_plan(applied: &Applied<'_>, style: Style) -> String {
    render(applied, style, false)
}

fn render(applied: &Applied<'_>, style: Style, is_alone: bool) -> String {
    let advised = |step: &Step, outcome: &Outcome| is_alone || outcome.ending.failure() != step.reason.failure();
    let mut sheet = Sheet::new(style);
    let one_registry = one_registry(applied.plan);
    let crowds = if style.verbose { Crowds::default() } else { crowds(applied) };
    let mut rows = applied.steps().filter(|(step, _)| is_notable(step, style) && !crowds.hides(step)).peekable();
    while let Some((step, outcome)) = rows.next() {
        let name = step.target.as_ref().map(|target| short_name(&target.reference, one_registry, style));
        let name = name.unwrap_or_else(|| clean(&step.place));
        show_step(&mut sheet, name, step, outcome);
        same(&mut sheet, crowds.more(step));
        let next = rows.peek().and_then(|(step, outcome)| hint(step, outcome));
        if let Some(hint) = hint(step, outcome).filter(|hint| next != Some(hint) && advised(step, outcome)) {
            help(&mut sheet, 1, hint);
        }
    }
    sheet.gap();
    if is_alone {
        show_warnings(&mut sheet, applied.plan);
    }
    show_missing(&mut sheet, applied.plan);
    sheet.gap();
    sheet.text(closing(&sheet, applied));
    sheet.render()
}

/// What the plan had nothing to do for is counted.
fn is_notable(step: &Step, style: Style) -> bool {
    style.verbose || step.action() != Action::Skip
}

/// The failures that many steps share.
fn crowds(applied: &Applied<'_>) -> Crowds {
    let rows = applied.steps().filter_map(|(step, outcome)| Some((step, outcome, failure_of(step, outcome)?)));
    Crowds::of(rows.map(|(step, outcome, failure)| (step, outcome.ending.as_str(), failure)))
}

fn hint<'a>(step: &'a Step, outcome: &'a Outcome) -> Option<&'a str> {
    failure_of(step, outcome)?.hint.as_deref()
}

fn show_step(sheet: &mut Sheet, name: String, step: &Step, outcome: &Outcome) {
    let action = step.action();
    let mut cells = vec![Cell::left(name)];
    match &outcome.ending {
        Ending::Copied | Ending::Updated => cells.extend(done_cells(step, outcome)),
        Ending::Skipped if action == Action::Skip => cells.push(Cell::left("up to date").look(FAINT)),
        Ending::Skipped => cells.push(Cell::free("already there").look(FAINT)),
        Ending::Stale(failure) => cells.extend(trouble("STALE", CAUTION, failure_cell(failure))),
        Ending::NotRun(failure) => cells.extend(trouble("NOT RUN", CAUTION, failure_cell(failure))),
        Ending::Failed(failure) => cells.extend(trouble("FAILED", BAD, failure_cell(failure))),
        Ending::Blocked(failure) => cells.extend(trouble("BLOCKED", BAD, failure_cell(failure))),
    }
    sheet.row(action.symbol(), look(action), cells);
    for warning in &outcome.warnings {
        sheet.under(1, ("warning", CAUTION), &clean(warning));
    }
}

/// What went wrong in one word, and in several.
fn trouble(word: &str, look: Look, why: Cell) -> [Cell; 2] {
    [Cell::left(word).look(look), why.look(look)]
}

/// `copied  61.4 MB  4.2 s  77c0de118a90`.
fn done_cells(step: &Step, outcome: &Outcome) -> [Cell; 4] {
    [
        Cell::left(outcome.ending.as_str()).look(GOOD),
        Cell::right(size(outcome.moved.sent)),
        Cell::right(time(outcome.elapsed)),
        Cell::left(step.digest.as_ref().map_or("", |digest| digest.short())),
    ]
}

fn closing(sheet: &Sheet, applied: &Applied<'_>) -> String {
    let tally = Tally::of(applied.outcomes);
    let planned = applied.plan.steps.iter().filter(|step| step.action() != Action::Skip).count();
    let missing = applied.plan.scope.missing.len();
    if planned + missing == 0 {
        let tags = count(applied.outcomes.len(), "tag");
        let verb = if applied.outcomes.len() == 1 { "is" } else { "are" };
        let verdict = sheet.paint(STRONG, "Nothing to do.");
        return format!("{verdict} {tags} of {} {verb} as they should be.", files(applied.plan));
    }
    let moved = amounts(tally::moved(applied.outcomes), applied);
    if applied.is_complete() {
        let Tally { copied, updated, skipped, .. } = tally;
        let verdict = sheet.paint(STRONG, "Applied:");
        return format!("{verdict} {copied} copied, {updated} updated, {skipped} up to date. {moved}.");
    }
    let verdict = sheet.paint(STRONG, "Apply incomplete:");
    let done = planned - tally.unfinished().min(planned);
    let troubles =
        [(tally.failed, "failed"), (tally.stale, "stale"), (tally.blocked, "blocked"), (tally.not_run, "not run")];
    let mut troubles: Vec<String> = troubles
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    troubles.extend((missing > 0).then(|| format!("{} missing", count(missing, "shard"))));
    let advice = advice(&tally);
    format!("{verdict} {done} of {planned} done, {}. {moved}.{advice}", troubles.join(", "))
}

pub(in crate::report) fn advice(tally: &Tally) -> &'static str {
    match (tally.failed + tally.not_run, tally.stale) {
        (0, 0) => "",
        (0, _) => "\nPlan again: what is stale gets a new look.",
        _ => "\nNo tag points at a partial image. Run it again: what is done is skipped.",
    }
}

/// `154.8 MB sent, 131.0 MB already there, 12.0 MB mounted, 6.2 s`.
pub(in crate::report) fn amounts(moved: Moved, applied: &Applied<'_>) -> String {
    let mut parts = vec![format!("{} sent", size(moved.sent))];
    for (bytes, words) in [(moved.reused, "already there"), (moved.mounted, "mounted")] {
        if bytes > 0 {
            parts.push(format!("{} {words}", size(bytes)));
        }
    }
    parts.push(time(applied.elapsed));
    parts.join(", ")
}
