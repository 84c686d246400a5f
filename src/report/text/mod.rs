//! Plans and results as people read them.
//!
//! Owns words and layout. Refuses to know terminals: the same plan is the same text everywhere, colours apart. Whatever
//! comes from a registry, a configuration or a plan file is shown through [`Untrusted`].

mod change;
mod explain;
mod plan;
mod referrers;
mod result;
mod sheet;
#[cfg(test)]
mod tests;

pub(super) use change::{layers as layers_in_words, left_out, named, versions};
pub use explain::explain;
pub use plan::plan;
pub(super) use plan::{platforms, quotas, risk_name, transfer};
pub(super) use referrers::summary as referrers_in_words;
pub(super) use result::{advice, amounts};
pub use result::{result, result_below_plan};

use std::fmt;

use self::sheet::{Cell, Sheet};
use super::merge::missing;
use super::style::{BAD, FAINT, STRONG, Style};
use super::{Untrusted, words};
use crate::image::{Failure, Reference};
use crate::plan::Plan;

/// Whatever prints, escaped.
fn clean(value: &impl fmt::Display) -> String {
    Untrusted::of(value).to_string()
}

/// `E_DENIED target: the words`.
fn failure_cell(failure: &Failure) -> Cell {
    Cell::free(words(failure)).look(BAD)
}

/// What to do about a failure, below its row.
fn help(sheet: &mut Sheet, column: usize, hint: &str) {
    sheet.under(column, ("help", STRONG), &clean(&hint));
}

/// How many more rows this one speaks for.
fn same(sheet: &mut Sheet, more: Option<usize>) {
    if let Some(number) = more {
        sheet.under(1, ("same", STRONG), &format!("{number} more; -v lists them"));
    }
}

/// The files a plan was made from: `regsync.yaml`, or `a.yaml, b.yaml`.
fn files(plan: &Plan) -> String {
    let names: Vec<String> = plan.config.iter().map(|file| clean(&file.path)).collect();
    if names.is_empty() { "the configuration".to_owned() } else { names.join(", ") }
}

/// The name of a reference in rows that have no heading: without its registry, if all share one.
fn short_name(reference: &Reference, one_registry: bool, style: Style) -> String {
    let location = if one_registry { clean(&reference.location.name()) } else { clean(&reference.location) };
    match reference.tag() {
        Some(tag) => format!("{location}:{}", tag_name(tag.as_str(), style)),
        None => clean(reference),
    }
}

/// A tag in a row. One that is made of a digest, as cosign's are (`sha256-<hex>.sig`), is cut like a digest: its 75
/// characters would push every row apart. Whole where everything is asked for.
fn tag_name(tag: &str, style: Style) -> String {
    let cut = || {
        let (hex, ending) = tag.strip_prefix("sha256-")?.split_at_checked(64)?;
        let is_digest = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| format!("sha256-{}…{ending}", &hex[..12]))
    };
    let short = if style.verbose { None } else { cut() };
    clean(&short.as_deref().unwrap_or(tag))
}

/// Whether all targets lie in one registry, or all in layouts.
pub(super) fn one_registry(plan: &Plan) -> bool {
    let mut registries =
        plan.steps.iter().filter_map(|step| step.target.as_ref()).map(|t| t.reference.location.registry());
    let first = registries.next();
    registries.all(|registry| Some(registry) == first)
}

/// A line of its own about something that changes nothing.
fn remark(sheet: &mut Sheet, text: &str) {
    let label = sheet.paint(super::style::CAUTION, "warning:");
    sheet.text(format!("{label} {text}"));
}

/// What should be there and is not.
fn show_missing(sheet: &mut Sheet, plan: &Plan) {
    if let Some(text) = missing(plan) {
        let label = sheet.paint(BAD, "error:");
        sheet.text(format!("{label} {}", clean(&text)));
    }
}

/// `text` in the look of what needs no attention.
fn faint(sheet: &Sheet, text: &str) -> String {
    sheet.paint(FAINT, text)
}
