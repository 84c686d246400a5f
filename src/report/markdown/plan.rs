//! A plan as Markdown.

use super::super::Setting;
use super::super::crowds::Crowds;
use super::super::quantity::{count, size};
use super::super::text::{one_registry, platforms, quotas, referrers_in_words, risk_name, transfer};
use super::change::{changes, losses};
use super::inert::{code, prose};
use super::page::{Budget, ITEMS, Note, Page};
use super::{
    REMARK, advised, change, digests, failure_in_row, failure_words, foot, missing_note, name, note_of, place_of,
    steps_table, subtitle, title, unchanged, warnings,
};
use crate::plan::{Action, Plan, Reason, Step, Summary};

/// Renders `plan` within `budget`. Ends in a line break.
pub fn plan(plan: &Plan, setting: &Setting, budget: Budget) -> String {
    let (icon, verdict) = verdict(plan, setting);
    let head = title(icon, "plan", setting, &verdict) + &subtitle(plan, setting, &transfer(plan));
    let crowds = crowds(plan);
    let troubles = troubles(plan, setting, &crowds);
    let is_above = troubles.as_ref().is_some_and(|note| note.items.len() <= ITEMS);
    let is_listed = |step: &Step| is_notable(step) && !crowds.hides(step);
    let table = steps_table(plan, setting, |step| is_listed(step).then(|| row(step, (&crowds, is_above))));
    let page = Page {
        head,
        notes: [objection(setting), missing_note(plan), risks(plan), troubles, remarks(plan, setting)]
            .into_iter()
            .flatten()
            .collect(),
        table,
        changes: changes(plan),
        folds: unchanged(plan).into_iter().chain(plan.has_changes().then(|| digests(plan))).collect(),
        foot: foot(plan),
    };
    page.render(budget)
}

/// The failures that many steps share.
fn crowds(plan: &Plan) -> Crowds {
    Crowds::of(plan.steps.iter().filter_map(|step| Some((step, "", step.reason.failure()?))))
}

fn is_notable(step: &Step) -> bool {
    step.action() != Action::Skip || !step.warnings.is_empty()
}

fn verdict(plan: &Plan, setting: &Setting) -> (&'static str, String) {
    let Summary { copy, update, skip, blocked, error } = plan.summary();
    let missing = plan.scope.missing.len();
    let icon = match (error + missing, blocked, plan.has_changes()) {
        (1.., _, _) => "🔴",
        (0, 1.., _) => "🟠",
        _ if setting.objection.is_some() => "🟠",
        (0, 0, true) => "🔵",
        (0, 0, false) => "✅",
    };
    let parts = [
        (copy, format!("{copy} to copy")),
        (update, format!("{update} to update")),
        (blocked, format!("**{blocked} blocked**")),
        (error, format!("**{}**", count(error, "error"))),
        (missing, format!("**{} missing**", count(missing, "shard"))),
        (skip, format!("{skip} up to date")),
    ];
    let shown: Vec<String> = parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
    let text = match (copy + update + blocked + error + missing, skip) {
        (0, 0) => "no tag selected".to_owned(),
        (0, _) => format!("no changes, {} up to date", count(skip, "tag")),
        _ => shown.join(" · "),
    };
    (icon, text)
}

/// The row of a step: what needs eyes is cut off last.
fn row(step: &Step, (crowds, is_above): (&Crowds, bool)) -> (u8, [String; 5]) {
    let (rank, what) = match step.action() {
        Action::Error => (0, "❌ error"),
        Action::Blocked => (1, "⛔ blocked"),
        Action::Update if !step.risk.is_empty() => (2, "🔁 update"),
        Action::Update => (3, "🔁 update"),
        Action::Copy => (3, "➕ copy"),
        Action::Skip => (4, "= skip"),
    };
    let tag = step.target.as_ref().map(|target| code(&target.reference.version, super::NAME)).unwrap_or_default();
    let transfer = match (step.bytes, step.at_most) {
        _ if !step.action().writes() => String::new(),
        (Some(bytes), _) => size(bytes.transfer),
        (None, Some(bytes)) => format!("up to {}", size(bytes)),
        (None, None) => String::new(),
    };
    (rank, [what.to_owned(), tag, change(step), transfer, note(step, (crowds, is_above))])
}

fn note(step: &Step, (crowds, is_above): (&Crowds, bool)) -> String {
    let mut parts: Vec<String> = step.risk.iter().map(|risk| format!("⚠️ {}", risk_name(*risk))).collect();
    parts.extend(step.reason.failure().map(|failure| failure_in_row(failure, is_above)));
    parts.extend(crowds.more(step).map(|more| format!("and {more} more like it")));
    if step.action().writes() {
        let platforms = platforms(step);
        parts.extend((!platforms.is_empty()).then(|| prose(&platforms, REMARK)));
        let present = step.bytes.filter(|bytes| bytes.present > 0);
        parts.extend(present.map(|bytes| format!("{} already there", size(bytes.present))));
        let with = (!step.referrers.is_empty()).then(|| referrers_in_words(&step.referrers));
        let word = if step.reason == Reason::ReferrersMissing { "lacks" } else { "with" };
        parts.extend(with.map(|with| format!("{word} {with}")));
    }
    parts.extend(step.warnings.iter().map(|warning| prose(warning, REMARK)).take(3));
    parts.join(", ")
}

/// Why the run was refused.
fn objection(setting: &Setting) -> Option<Note> {
    let title = prose(setting.objection.as_ref()?, REMARK);
    Some(Note { kind: "CAUTION", title, items: Vec::new() })
}

fn risks(plan: &Plan) -> Option<Note> {
    let risky: Vec<&Step> = plan.steps.iter().filter(|step| !step.risk.is_empty()).collect();
    let short = one_registry(plan);
    let item = |step: &&Step| {
        let risks: Vec<&str> = step.risk.iter().map(|risk| risk_name(*risk)).collect();
        let losses = losses(step).map(|losses| format!(", {losses}")).unwrap_or_default();
        format!("{} {}, {}{losses}", name(step, short), risks.join(", "), change(step))
    };
    let title = count(risky.len(), "risky change");
    (!risky.is_empty()).then(|| Note { kind: "WARNING", title, items: risky.iter().map(item).collect() })
}

fn troubles(plan: &Plan, setting: &Setting, crowds: &Crowds) -> Option<Note> {
    let Summary { blocked, error, .. } = plan.summary();
    let title = match (error, blocked) {
        (0, 0) => return None,
        (0, _) => format!("{blocked} blocked, left alone"),
        (_, 0) => format!("{error} in error, left alone"),
        _ => format!("{error} in error and {blocked} blocked, left alone"),
    };
    let of = |action: Action| plan.steps.iter().filter(move |step| step.action() == action && !crowds.hides(step));
    let short = one_registry(plan);
    let item = |step: &Step| {
        let more = crowds.more(step).map(|more| format!(" and {more} more like it")).unwrap_or_default();
        let words = step.reason.failure().map(failure_words).unwrap_or_default();
        let hint = step.reason.failure().and_then(|failure| failure.hint.clone());
        (format!("{}{more}: {words} ({})", name(step, short), place_of(step, setting)), hint)
    };
    let items = advised(of(Action::Error).chain(of(Action::Blocked)).map(item));
    Some(Note { kind: "CAUTION", title, items })
}

/// What is said of the run, of the whole, or of a mirror.
fn remarks(plan: &Plan, setting: &Setting) -> Option<Note> {
    let notice = setting.notice.iter().map(|text| prose(text, REMARK));
    note_of(notice.chain(warnings(plan, setting)).chain(quotas(plan).map(|text| prose(&text, REMARK))).collect())
}
