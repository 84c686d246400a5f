//! Plans and results as GitHub-flavoured Markdown: for comments, job summaries, and wherever else reviewers look.
//!
//! Owns words and layout: the verdict first, what needs eyes next, a table of what happens, and the rest behind a click.
//! Refuses to be longer than its [`Budget`]. Whatever comes from outside goes through `inert`.

mod change;
pub(super) mod inert;
#[cfg(test)]
mod large;
mod page;
#[cfg(test)]
pub(super) mod parsed;
mod plan;
mod refusal;
mod result;
#[cfg(test)]
mod tests;

pub use page::Budget;
pub use plan::plan;
pub use refusal::refusal;
pub use result::result;

use self::inert::{code, html_code, prose};
use self::page::{Fold, Note, Row, Table, cells};
use super::groups::groups;
use super::merge::missing;
use super::quantity::count;
use super::text::one_registry;
use super::{Setting, words};
use crate::image::{Digest, Failure};
use crate::plan::{Action, Plan, Reason, Step};

/// The longest name that is shown, in characters: a reference may have 400.
const NAME: usize = 500;
/// The longest remark or failure in a row.
const REMARK: usize = 400;
/// So many of what a head lists are named.
const NAMED: usize = 3;

/// The columns of a table of steps.
const STEPS: &[&str] = &["", "tag", "digest", "size", "note"];

/// `### 🔴 regsync plan · prod-eu — the verdict`.
fn title(icon: &str, verb: &str, setting: &Setting, verdict: &str) -> String {
    let label = setting.label.as_ref().map(|label| format!(" · {}", prose(label, 100))).unwrap_or_default();
    format!("### {icon} regsync {verb}{label} — {verdict}\n")
}

/// `` `regsync.yaml` @ `3f9c2d1` → `registry.acme.io` · … `` with what is known of the run.
fn subtitle(plan: &Plan, setting: &Setting, amounts: &str) -> String {
    let files = listed(plan.config.iter().map(|file| code(&file.path, 100)).collect());
    let commit = setting.commit.as_ref().map(|commit| commit.chars().take(7).collect::<String>());
    let commit = commit.map(|commit| format!(" @ {}", code(&commit, NAME))).unwrap_or_default();
    let mut registries: Vec<String> = Vec::new();
    for step in &plan.steps {
        let name = match step.target.as_ref().map(|target| target.reference.location.registry()) {
            Some(Some(registry)) => code(registry, NAME),
            Some(None) => "OCI layouts".to_owned(),
            None => continue,
        };
        if !registries.contains(&name) {
            registries.push(name);
        }
    }
    let targets = if registries.is_empty() { String::new() } else { format!(" → {}", listed(registries)) };
    let mut parts = vec![format!("{files}{commit}{targets}")];
    parts.extend(scope(plan));
    parts.push(within_a_line(amounts.trim_end_matches('.')));
    parts.extend(setting.run.as_ref().map(|(words, address)| format!("[{}]({address})", prose(words, 100))));
    format!("{}\n", parts.join(" · "))
}

/// A sentence as a part of a line.
fn within_a_line(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map(|first| first.to_ascii_lowercase().to_string() + rest.as_str()).unwrap_or_default()
}

/// `a, b, c and 4 more`.
fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    names.join(", ") + &more
}

/// `only …, without …` where a part was planned.
fn scope(plan: &Plan) -> Option<String> {
    let part = |word: &str, globs: &[String]| {
        let globs: Vec<String> = globs.iter().map(|glob| code(glob, 100)).collect();
        (!globs.is_empty()).then(|| format!("{word} {}", listed(globs)))
    };
    let shard = plan.scope.shard.as_ref().map(|shard| format!("shard {}", prose(shard, 100)));
    let parts: Vec<String> =
        [part("only", &plan.scope.only), part("without", &plan.scope.exclude), shard].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The place of a step, as a link where there is an address for it.
fn place(place: &(impl std::fmt::Display + ?Sized), link: Option<String>) -> String {
    match link {
        Some(address) => format!("[{}]({address})", code(&place, 200)),
        None => code(&place, 200),
    }
}

/// The place of the mirror that a step comes from.
fn place_of(step: &Step, setting: &Setting) -> String {
    let link = setting.checkout.as_ref().and_then(|checkout| checkout.link(&step.place.file, step.place.line));
    place(&step.place, link)
}

/// What is said of the whole, or of a mirror.
fn warnings(plan: &Plan, setting: &Setting) -> impl Iterator<Item = String> {
    plan.warnings.iter().map(|warning| match &warning.place {
        Some(at) => {
            let link = setting.checkout.as_ref().and_then(|checkout| checkout.link(&at.file, at.line));
            format!("{}: {}", place(at, link), prose(&warning.message, REMARK))
        }
        None => prose(&warning.message, REMARK),
    })
}

/// What should be there and is not.
fn missing_note(plan: &Plan) -> Option<Note> {
    let title = format!("{} missing", count(plan.scope.missing.len(), "shard"));
    missing(plan).map(|text| Note { kind: "CAUTION", title, items: vec![prose(&text, REMARK)] })
}

/// Remarks, where there are any.
fn note_of(items: Vec<String>) -> Option<Note> {
    (!items.is_empty()).then(|| Note { kind: "NOTE", title: count(items.len(), "remark"), items })
}

/// The name of a step's target: without its registry, where all are in one.
fn name(step: &Step, one_registry: bool) -> String {
    match &step.target {
        Some(target) if one_registry => {
            code(&format_args!("{}:{}", target.reference.location.name(), target.reference.version), NAME)
        }
        Some(target) => code(&target.reference, NAME),
        None => "a whole mirror".to_owned(),
    }
}

/// `` `E_DENIED` target: the words ``.
fn failure_words(failure: &Failure) -> String {
    let words = words(failure);
    let words = words.strip_prefix(failure.code.as_str()).unwrap_or(&words).trim_start();
    format!("`{}` {}", failure.code, prose(&words, REMARK))
}

/// The same in a row: where there is room for all of them above the table, in short.
fn failure_in_row(failure: &Failure, is_above: bool) -> String {
    if is_above { format!("`{}`, see above", failure.code) } else { failure_words(failure) }
}

/// Items, each with what to do about it unless that was said of the one before.
fn advised(items: impl Iterator<Item = (String, Option<String>)>) -> Vec<String> {
    let mut said = None;
    let mut shown = Vec::new();
    for (item, hint) in items {
        let more = hint.as_ref().filter(|hint| said.as_ref() != Some(*hint));
        shown.push(more.map_or_else(|| item.clone(), |hint| format!("{item} — {}", prose(hint, REMARK))));
        said = hint;
    }
    shown
}

/// `` `a1b2c3d4e5f6` → `5566778899aa` ``.
fn change(step: &Step) -> String {
    let now = step.target.as_ref().and_then(|target| target.digest.as_ref());
    let short = |digest: Option<&Digest>| digest.map(|digest| code(&digest.short(), NAME));
    match (&step.reason, short(now), short(step.wanted())) {
        (Reason::ReferrersMissing | Reason::InSync, Some(now), _) | (_, Some(now), None) => now,
        (_, Some(now), Some(wanted)) => format!("{now} → {wanted}"),
        (_, None, Some(wanted)) if step.action().writes() => format!("new → {wanted}"),
        (_, None, _) => String::new(),
    }
}

/// The row that stands before those of a mirror.
fn heading(first: &Step, setting: &Setting) -> String {
    let place = place_of(first, setting);
    let route = match (&first.source, &first.target) {
        (Some(source), Some(target)) => {
            let (source, target) = (code(&source.reference.location, NAME), code(&target.reference.location, NAME));
            format!("{source} → {target} · {place}")
        }
        _ => place,
    };
    format!("| | {route} | | | |\n")
}

/// A table of steps by mirror; `row` gives those that are listed their rank and cells.
fn steps_table<'a>(plan: &'a Plan, setting: &Setting, row: impl Fn(&'a Step) -> Option<(u8, [String; 5])>) -> Table {
    let mut table = Table { columns: STEPS, ..Table::default() };
    for group in groups(plan) {
        let rows = group.steps.iter().filter_map(|step| row(step));
        let number = table.groups.len();
        let before = table.rows.len();
        table.rows.extend(rows.map(|(rank, texts)| Row {
            rank,
            group: number,
            text: cells(texts.iter().map(String::as_str)),
        }));
        if table.rows.len() > before {
            table.groups.push(heading(group.first, setting));
        }
    }
    table
}

/// What needs nothing done: numbers by repository.
fn unchanged(plan: &Plan) -> Option<Fold> {
    let mut rows: Vec<(String, usize, usize)> = Vec::new();
    for group in groups(plan) {
        let quiet = group.steps.iter().filter(|step| step.action() == Action::Skip);
        let all = quiet.clone().count();
        let kept = quiet.filter(|step| step.reason == Reason::Kept).count();
        if let (Some((_, target)), true) = (group.route, all > 0) {
            rows.push((code(target, NAME), all - kept, kept));
        }
    }
    let number: usize = rows.iter().map(|(_, same, kept)| same + kept).sum();
    let summary = format!("{number} unchanged in {}", count(rows.len(), "repository"));
    let text =
        |(name, same, kept): (String, usize, usize)| cells([name.as_str(), &same.to_string(), &kept.to_string()]);
    let rows: Vec<Row> = rows.into_iter().map(|row| Row { rank: 0, group: 0, text: text(row) }).collect();
    let columns = &["repository", "up to date", "kept as they are"];
    (!rows.is_empty()).then_some(Fold { summary, table: Table { columns, groups: Vec::new(), rows } })
}

/// Every digest in full, and the plan's id.
fn digests(plan: &Plan) -> Fold {
    let text = |digest: Option<&Digest>| digest.map(|digest| code(digest, NAME)).unwrap_or_default();
    let short = one_registry(plan);
    let row = |step: &Step| {
        let now = step.target.as_ref().and_then(|target| target.digest.as_ref());
        cells([name(step, short).as_str(), &text(now), &text(step.wanted())])
    };
    let notable = plan.steps.iter().filter(|step| step.action() != Action::Skip && step.target.is_some());
    let rows = notable.map(|step| Row { rank: 0, group: 0, text: row(step) }).collect();
    let summary = format!("Full digests · plan id {}", html_code(&plan.id().short(), NAME));
    Fold { summary, table: Table { columns: &["target", "now", "wanted"], groups: Vec::new(), rows } }
}

/// The last line.
fn foot(plan: &Plan) -> String {
    format!("\n<sub>Plan id {}</sub>\n", html_code(&plan.id(), NAME))
}
