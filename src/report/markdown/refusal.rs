//! Why there is no plan, as Markdown.

use super::super::Setting;
use super::super::github::Annotation;
use super::super::quantity::count;
use super::inert::{code, prose};
use super::page::{Budget, Note, Page, Table};
use super::{NAME, REMARK, place, title};

/// Renders why `verb` came to no plan, within `budget`. Ends in a line break.
pub fn refusal(verb: &str, problems: &[Annotation], setting: &Setting, budget: Budget) -> String {
    let commit = setting.commit.as_ref().map(|commit| commit.chars().take(7).collect::<String>());
    let commit = commit.map(|commit| code(&commit, NAME));
    let run = setting.run.as_ref().map(|(words, address)| format!("[{}]({address})", prose(words, 100)));
    let known: Vec<String> = commit.into_iter().chain(run).collect();
    let subtitle = if known.is_empty() { String::new() } else { format!("{}\n", known.join(" · ")) };
    let item = |problem: &Annotation| {
        let at = problem.place.as_ref().map(|(file, line, column)| {
            let link = setting.checkout.as_ref().and_then(|checkout| checkout.link(file, *line));
            format!(" ({})", place(&format_args!("{file}:{line}:{column}"), link))
        });
        let code = if at.is_some() { format!("{} ", code(&problem.title, NAME)) } else { String::new() };
        format!("{code}{}{}", prose(&problem.message, REMARK), at.unwrap_or_default())
    };
    let note =
        Note { kind: "CAUTION", title: count(problems.len(), "problem"), items: problems.iter().map(item).collect() };
    let verdict = if verb == "plan" { "**there is no plan**" } else { "**nothing was done**" };
    let page = Page {
        head: title("🔴", verb, setting, verdict) + &subtitle,
        notes: vec![note],
        table: Table::default(),
        changes: Vec::new(),
        folds: Vec::new(),
        foot: String::new(),
    };
    page.render(budget)
}
