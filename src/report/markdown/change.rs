//! What changes where a tag moves, as Markdown: a unified diff behind a click.
//!
//! Owns its frame. The diff stands in `<pre>`, where GitHub colours it and nobody reads Markdown, and each of its lines is
//! made inert besides: none can end it.

use super::super::text::{layers_in_words, left_out, named, versions};
use super::inert::{html_code, preformatted, prose};
use super::{NAME, REMARK};
use crate::image::Change;
use crate::plan::{Plan, Risk, Step};

/// What changes in each step where that is known, what goes first; each to be shown whole or not at all.
pub(super) fn changes(plan: &Plan) -> Vec<String> {
    let mut steps: Vec<(&Step, &Change)> =
        plan.steps.iter().filter_map(|step| Some((step, step.change.as_deref()?))).collect();
    steps.sort_by_key(|(step, _)| !(step.risk.contains(&Risk::PlatformLoss) || step.risk.contains(&Risk::Downgrade)));
    steps.into_iter().map(|(step, change)| details(step, change)).collect()
}

/// What a step loses: platforms, and its place among versions.
pub(super) fn losses(step: &Step) -> Option<String> {
    let change = step.change.as_deref()?;
    let removed = &change.platforms.removed;
    let platforms = (!removed.is_empty()).then(|| format!("loses {}", prose(&named(removed), REMARK)));
    let back = versions(change).filter(|_| step.risk.contains(&Risk::Downgrade));
    let back = back.map(|versions| format!("version {}", prose(&versions, REMARK)));
    let losses: Vec<String> = platforms.into_iter().chain(back).collect();
    (!losses.is_empty()).then(|| losses.join(", "))
}

fn details(step: &Step, change: &Change) -> String {
    let name = step.target.as_ref().map(|target| html_code(&target.reference, NAME)).unwrap_or_default();
    let mut parts = vec![format!("What changes in {name}")];
    parts.extend(versions(change).map(|versions| format!("version {}", prose(&versions, REMARK))));
    for (word, platforms) in [("loses", &change.platforms.removed), ("gains", &change.platforms.added)] {
        parts.extend((!platforms.is_empty()).then(|| format!("{word} {}", prose(&named(platforms), REMARK))));
    }
    parts.extend(change.image.as_ref().map(|image| format!("layers: {}", layers_in_words(&image.layers))));
    let body = match &change.image {
        None => "The images themselves could not be compared.\n".to_owned(),
        Some(image) if image.diff.is_empty() && image.diff_left_out == 0 => {
            "Nothing differs in configuration, platforms and layers.\n".to_owned()
        }
        Some(image) => {
            let lines: Vec<String> = image.diff.lines().map(|line| preformatted(&line, REMARK) + "\n").collect();
            let more = if image.diff_left_out > 0 { left_out(image.diff_left_out) + "\n" } else { String::new() };
            format!("<pre lang=\"diff\">\n{}{more}</pre>\n", lines.concat())
        }
    };
    format!("\n<details><summary>{}</summary>\n\n{body}\n</details>\n", parts.join(" · "))
}
