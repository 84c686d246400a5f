//! How many tags each stage of a selection leaves.

use std::fmt;

use super::{Sieve, Stage};
use crate::image::Tag;

/// The tags of one source, counted stage by stage. A stage that is not in the configuration has no count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Different tags that the source lists.
    pub listed: usize,
    /// Those that `include` and `regex` take; named ones apart.
    pub included: Option<usize>,
    /// Those of them that `semver` leaves.
    pub in_semver: Option<usize>,
    /// Those of them that `exclude` takes away.
    pub excluded: Option<usize>,
    /// Those that `newest` leaves.
    pub newest: Option<usize>,
    /// Tags that are named or pinned, listed or not.
    pub named: usize,
    /// All that are selected.
    pub selected: usize,
}

impl Tally {
    /// Counts what `sieve` says of `listed`, in which no tag is twice.
    pub(super) fn of<'t>(sieve: &Sieve<'_>, listed: impl Iterator<Item = &'t Tag>) -> Self {
        let selection = sieve.selection();
        let mut tally = Self { named: sieve.names().count(), ..Self::default() };
        let mut dropped = [0_usize; Stage::ALL.len()];
        let mut unnamed = 0;
        for tag in listed {
            tally.listed += 1;
            let trail = sieve.judge(tag);
            if sieve.is_named(tag) {
                continue;
            }
            unnamed += 1;
            if let Some(stage) = trail.dropped_at() {
                dropped[stage as usize] += 1;
            }
        }
        let mut left = unnamed;
        let mut after = |stage: Stage| {
            left -= dropped[stage as usize];
            left
        };
        let left = Stage::ALL.map(&mut after);
        let has_patterns = selection.has_patterns();
        tally.included = has_patterns.then_some(left[0]);
        tally.in_semver = selection.semver.as_ref().map(|_| left[1]);
        tally.excluded = (!selection.exclude.is_empty()).then_some(dropped[2]);
        tally.newest = selection.newest.as_ref().map(|_| left[3]);
        tally.selected = tally.named + left[3];
        tally
    }

    /// The stage that took away the last tag, where tags were listed and none is selected.
    pub fn lost_at(&self) -> Option<Stage> {
        let lost = |count: Option<usize>| count == Some(0);
        match self {
            _ if self.selected > 0 || self.listed == 0 => None,
            _ if lost(self.included) => Some(Stage::Include),
            _ if lost(self.in_semver) => Some(Stage::Semver),
            // `newest` takes the last one away only where none of them is a version that counts.
            _ if lost(self.newest) && (self.excluded.is_none() || self.excluded != self.before_exclude()) => {
                Some(Stage::Newest)
            }
            _ => Some(Stage::Exclude),
        }
    }

    fn before_exclude(&self) -> Option<usize> {
        self.excluded.and(self.in_semver.or(self.included).or(Some(self.listed)))
    }
}

/// `1,204 listed, 312 included, 298 in semver, 40 excluded, 5 newest, 2 named`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} listed", grouped(self.listed))?;
        let stages = [
            (self.included, "included"),
            (self.in_semver, "in semver"),
            (self.excluded, "excluded"),
            (self.newest, "newest"),
            (Some(self.named).filter(|named| *named > 0), "named"),
        ];
        for (count, name) in stages {
            if let Some(count) = count {
                write!(f, ", {} {name}", grouped(count))?;
            }
        }
        Ok(())
    }
}

/// `1,204`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }
}
