//! What changes where a tag moves, in words: what goes, and behind `-v` all of it.
//!
//! Owns the words that text, Markdown and annotations share; they hold names from images and are to be escaped by whoever
//! shows them.

use super::super::quantity::{count, size};
use super::super::style::{CAUTION, FAINT};
use super::clean;
use super::sheet::Sheet;
use crate::image::{Amount, Change, LayerChange};
use crate::plan::{Risk, Step};

/// So many platforms are named in a row.
const NAMED: usize = 8;

/// Below the row of a step, what it loses.
pub(super) fn show(sheet: &mut Sheet, step: &Step, verbose: bool) {
    let Some(change) = step.change.as_deref() else { return };
    if !change.platforms.removed.is_empty() {
        sheet.under(1, ("loses", CAUTION), &clean(&named(&change.platforms.removed)));
    }
    let is_back = step.risk.contains(&Risk::Downgrade);
    if let Some(versions) = versions(change).filter(|_| verbose || is_back) {
        sheet.under(1, ("version", if is_back { CAUTION } else { FAINT }), &clean(&versions));
    }
}

/// Everything else that changes.
pub(super) fn details(sheet: &mut Sheet, step: &Step) {
    let Some(change) = step.change.as_deref() else { return };
    if !change.platforms.added.is_empty() {
        sheet.under(1, ("gains", FAINT), &clean(&named(&change.platforms.added)));
    }
    let Some(image) = &change.image else { return };
    let platform = image.platform.as_ref().map(|platform| format!(" ({platform})")).unwrap_or_default();
    sheet.under(1, ("layers", FAINT), &clean(&format_args!("{}{platform}", layers(&image.layers))));
    for line in image.diff.lines() {
        sheet.below(1, &clean(&line));
    }
    if image.diff_left_out > 0 {
        sheet.below(1, &left_out(image.diff_left_out));
    }
}

/// `linux/arm/v7, linux/386 and 3 more`.
pub(in crate::report) fn named(platforms: &[String]) -> String {
    let shown = platforms[..platforms.len().min(NAMED)].join(", ");
    let more = platforms.len().saturating_sub(NAMED);
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// `1.3.0 -> 1.2.9`, where it changes.
pub(in crate::report) fn versions(change: &Change) -> Option<String> {
    let say = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
    let version = &change.version;
    (version.before != version.after).then(|| format!("{} -> {}", say(&version.before), say(&version.after)))
}

/// `3 kept, 1 new (7 B), 1 gone (20 B)`.
pub(in crate::report) fn layers(layers: &LayerChange) -> String {
    let LayerChange { kept, added, removed } = layers;
    let some = |amount: &Amount, word: &str| {
        (amount.count > 0).then(|| format!("{} {word} ({})", amount.count, size(amount.bytes)))
    };
    let kept = Some(format!("{kept} kept"));
    [kept, some(added, "new"), some(removed, "gone")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `… 12 more lines`.
pub(in crate::report) fn left_out(lines: u64) -> String {
    format!("… {}", count(usize::try_from(lines).unwrap_or(usize::MAX), "more line"))
}
