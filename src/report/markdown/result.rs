//! What apply did, as Markdown.

use super::super::crowds::Crowds;
use super::super::quantity::{count, size, time};
use super::super::text::{advice, amounts, one_registry};
use super::super::{Applied, Setting, Tally, failure_of, tally};
use super::inert::{code, prose};
use super::page::{Budget, ITEMS, Note, Page};
use super::{
    REMARK, advised, change, digests, failure_in_row, failure_words, foot, missing_note, name, note_of, place_of,
    steps_table, subtitle, title, unchanged, warnings,
};
use crate::event::{Ending, Outcome};
use crate::plan::{Action, Step};

/// Renders `applied` within `budget`. Ends in a line break.
pub fn result(applied: &Applied<'_>, setting: &Setting, budget: Budget) -> String {
    let Applied { plan, outcomes, .. } = *applied;
    let (icon, verdict) = verdict(applied);
    let moved = amounts(tally::moved(outcomes), applied);
    let head = title(icon, "apply", setting, &verdict) + &subtitle(plan, setting, &moved);
    let rows = applied.steps().filter_map(|(step, outcome)| Some((step, outcome, failure_of(step, outcome)?)));
    let crowds = Crowds::of(rows.map(|(step, outcome, failure)| (step, outcome.ending.as_str(), failure)));
    let ends: std::collections::BTreeMap<*const Step, &Outcome> =
        applied.steps().map(|(step, outcome)| (std::ptr::from_ref(step), outcome)).collect();
    let troubles = troubles(applied, setting, &crowds);
    let is_above = troubles.as_ref().is_some_and(|note| note.items.len() <= ITEMS);
    let table = steps_table(plan, setting, |step| {
        let outcome = ends.get(&std::ptr::from_ref(step))?;
        let is_notable = step.action() != Action::Skip || !outcome.warnings.is_empty();
        (is_notable && !crowds.hides(step)).then(|| row(step, outcome, (&crowds, is_above)))
    });
    let page = Page {
        head,
        notes: [missing_note(plan), troubles, note_of(warnings(plan, setting).collect())]
            .into_iter()
            .flatten()
            .collect(),
        table,
        changes: Vec::new(),
        folds: unchanged(plan).into_iter().chain(plan.has_changes().then(|| digests(plan))).collect(),
        foot: foot(plan),
    };
    page.render(budget)
}

fn verdict(applied: &Applied<'_>) -> (&'static str, String) {
    let tally = Tally::of(applied.outcomes);
    let missing = applied.plan.scope.missing.len();
    let parts = [
        (tally.failed, format!("**{} failed**", tally.failed)),
        (tally.stale, format!("**{} stale**", tally.stale)),
        (tally.blocked, format!("**{} blocked**", tally.blocked)),
        (tally.not_run, format!("**{} not run**", tally.not_run)),
        (missing, format!("**{} missing**", count(missing, "shard"))),
        (tally.copied, format!("{} copied", tally.copied)),
        (tally.updated, format!("{} updated", tally.updated)),
        (tally.skipped, format!("{} up to date", tally.skipped)),
    ];
    let shown: Vec<String> = parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
    let icon = if applied.is_complete() { "✅" } else { "🔴" };
    let verdict = match (shown.len(), tally.skipped) {
        (0, _) => "nothing to do".to_owned(),
        (1, 1..) => format!("no changes, {} up to date", count(tally.skipped, "tag")),
        _ => shown.join(" · "),
    };
    (icon, verdict)
}

fn row(step: &Step, outcome: &Outcome, (crowds, is_above): (&Crowds, bool)) -> (u8, [String; 5]) {
    let (rank, what) = match &outcome.ending {
        Ending::Failed(_) => (0, "❌ failed"),
        Ending::Stale(_) => (1, "⚠️ stale"),
        Ending::Blocked(_) => (1, "⛔ blocked"),
        Ending::NotRun(_) => (2, "⏸️ not run"),
        Ending::Copied => (3, "✅ copied"),
        Ending::Updated => (3, "✅ updated"),
        Ending::Skipped => (4, "= already there"),
    };
    let tag = step.target.as_ref().map(|target| code(&target.reference.version, super::NAME)).unwrap_or_default();
    let sent = if outcome.ending.wrote() { size(outcome.moved.sent) } else { String::new() };
    let failure = failure_of(step, outcome).map(|failure| failure_in_row(failure, is_above));
    let mut notes: Vec<String> = failure.into_iter().collect();
    notes.extend(crowds.more(step).map(|more| format!("and {more} more like it")));
    notes.extend(outcome.ending.wrote().then(|| time(outcome.elapsed)));
    notes.extend(outcome.warnings.iter().map(|warning| prose(warning, REMARK)).take(3));
    (rank, [what.to_owned(), tag, change(step), sent, notes.join(", ")])
}

fn troubles(applied: &Applied<'_>, setting: &Setting, crowds: &Crowds) -> Option<Note> {
    let rank = |outcome: &Outcome| match &outcome.ending {
        Ending::Failed(_) => Some(0),
        Ending::Stale(_) => Some(1),
        Ending::Blocked(_) => Some(2),
        Ending::NotRun(_) => Some(3),
        Ending::Copied | Ending::Updated | Ending::Skipped => None,
    };
    let mut rows: Vec<_> =
        applied.steps().filter_map(|(step, outcome)| Some((rank(outcome)?, step, outcome))).collect();
    rows.sort_by_key(|(rank, ..)| *rank);
    let number = rows.len();
    let short = one_registry(applied.plan);
    let item = |(_, step, outcome): (i32, &Step, &Outcome)| {
        let failure = failure_of(step, outcome);
        let words = failure.map(failure_words).unwrap_or_default();
        let more = crowds.more(step).map(|more| format!(" and {more} more like it")).unwrap_or_default();
        let what = outcome.ending.as_str().replace('-', " ");
        let text = format!("{}{more}: {what}: {words} ({})", name(step, short), place_of(step, setting));
        (text, failure.and_then(|failure| failure.hint.clone()))
    };
    let items = advised(rows.into_iter().filter(|(_, step, _)| !crowds.hides(step)).map(item));
    let advice = prose(&advice(&Tally::of(applied.outcomes)).trim(), REMARK);
    let title = format!("{number} not as the configuration wants.{}{advice}", if advice.is_empty() { "" } else { " " });
    (!items.is_empty()).then_some(Note { kind: "CAUTION", title, items })
}
