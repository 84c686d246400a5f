//! A page of Markdown that keeps within a number of bytes: what comes first is cut last.
//!
//! Owns where is cut: between rows, never within a table, an admonition or `<details>`. Refuses to know what the rows say.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::quantity::count;

/// Room for the sentences that say what was left out, and for the frame of what is left out.
const RESERVE: usize = 200;
/// So many items of an admonition are shown.
pub(super) const ITEMS: usize = 10;

/// How long a page may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(usize);

impl Budget {
    /// A comment. GitHub takes 65,536 characters; a byte is never more than one.
    pub const COMMENT: Self = Self(60_000);
    /// A job summary. Of more than 1 MiB in one step GitHub keeps nothing at all.
    pub const SUMMARY: Self = Self(950 << 10);

    /// What is left of it beside `bytes` that stand there already.
    #[must_use]
    pub fn without(self, bytes: usize) -> Self {
        Self(self.0.saturating_sub(bytes))
    }

    /// In bytes.
    pub fn bytes(self) -> usize {
        self.0
    }
}

/// A page in parts. Every text has been escaped already.
pub(super) struct Page {
    /// The verdict, and the lines below it.
    pub(super) head: String,
    /// What needs eyes.
    pub(super) notes: Vec<Note>,
    /// What happens.
    pub(super) table: Table,
    /// What changes, behind a click: each a text of its own, the most important first.
    pub(super) changes: Vec<String>,
    /// What is there to be opened.
    pub(super) folds: Vec<Fold>,
    /// The last lines.
    pub(super) foot: String,
}

/// An admonition.
pub(super) struct Note {
    /// `WARNING`, `CAUTION`, …
    pub(super) kind: &'static str,
    /// What it is about.
    pub(super) title: String,
    /// What there is of it, the most important first.
    pub(super) items: Vec<String>,
}

/// A table behind a click.
pub(super) struct Fold {
    /// What is seen of it: HTML.
    pub(super) summary: String,
    /// What is not.
    pub(super) table: Table,
}

/// Rows in groups.
#[derive(Default)]
pub(super) struct Table {
    /// The names of the columns.
    pub(super) columns: &'static [&'static str],
    /// The row before the rows of each group; empty for a group without one.
    pub(super) groups: Vec<String>,
    /// The rows, in the order of their groups.
    pub(super) rows: Vec<Row>,
}

/// One row.
pub(super) struct Row {
    /// Where it is cut off: the highest first.
    pub(super) rank: u8,
    /// Its group.
    pub(super) group: usize,
    /// Its text.
    pub(super) text: String,
}

/// The text of a row.
pub(super) fn cells<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut row = String::from("|");
    for cell in cells {
        let _ = write!(row, " {} |", if cell.is_empty() { "—" } else { cell });
    }
    row + "\n"
}

impl Page {
    /// The text, within `budget`.
    pub(super) fn render(&self, budget: Budget) -> String {
        let mut out = self.head.clone();
        let frames: usize = self.folds.iter().map(|fold| fold.summary.len() + RESERVE).sum();
        let limit = budget.bytes().saturating_sub(self.foot.len() + frames + RESERVE);
        for note in &self.notes {
            // A third of what is left, so that no note takes the place of the table.
            out.push_str(&note.render(limit.saturating_sub(out.len()) / 3));
        }
        out.push_str(&self.table.render(limit.saturating_sub(out.len())));
        // Half of what is left: the folds have the rest.
        out.push_str(&whole(&self.changes, limit.saturating_sub(out.len()) / 2));
        let mut room = limit.saturating_sub(out.len());
        for fold in &self.folds {
            let text = fold.render(room);
            room = room.saturating_sub(text.len().saturating_sub(fold.summary.len() + RESERVE));
            out.push_str(&text);
        }
        out + &self.foot
    }
}

/// The texts that there is room for, each whole, with a sentence for those that were left out.
fn whole(texts: &[String], room: usize) -> String {
    let mut out = String::new();
    let mut left = 0;
    for text in texts {
        if out.len() + text.len() + RESERVE > room {
            left += 1;
        } else {
            out.push_str(text);
        }
    }
    if left > 0 {
        let _ =
            write!(out, "\n…and what changes in {}; the saved plan and the JSON have it.\n", count(left, "more tag"));
    }
    out
}

impl Note {
    fn render(&self, room: usize) -> String {
        let mut out = format!("\n> [!{}]\n> **{}**\n", self.kind, self.title);
        if out.len() + RESERVE > room {
            return String::new();
        }
        let mut shown = 0;
        for item in self.items.iter().take(ITEMS) {
            let line = format!("> - {item}\n");
            if out.len() + line.len() + RESERVE > room {
                break;
            }
            out.push_str(&line);
            shown += 1;
        }
        if shown < self.items.len() {
            let _ = writeln!(out, "> - …and {} more", self.items.len() - shown);
        }
        out
    }
}

impl Fold {
    fn render(&self, room: usize) -> String {
        let table = self.table.render(room);
        format!("\n<details><summary>{}</summary>\n{table}\n</details>\n", self.summary)
    }
}

impl Table {
    /// The table, with a sentence for the rows that were left out.
    fn render(&self, room: usize) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut out = format!(
            "\n|{}\n|{}\n",
            self.columns.iter().fold(String::new(), |line, name| line + " " + name + " |"),
            "---|".repeat(self.columns.len())
        );
        let chosen = self.choose(room.saturating_sub(out.len() + RESERVE));
        if chosen.is_empty() {
            return format!("\n{} left out: no room.\n", count(self.rows.len(), "row"));
        }
        let mut group = None;
        for index in &chosen {
            let row = &self.rows[*index];
            if group != Some(row.group) {
                out.push_str(self.heading(row));
                group = Some(row.group);
            }
            out.push_str(&row.text);
        }
        let left = self.rows.len() - chosen.len();
        if left > 0 {
            let _ = write!(out, "\n…and {}; the saved plan and the JSON have all.\n", count(left, "more row"));
        }
        out
    }

    fn heading(&self, row: &Row) -> &str {
        self.groups.get(row.group).map_or("", String::as_str)
    }

    /// The rows that there is room for, the lowest rank first, in their order.
    fn choose(&self, room: usize) -> BTreeSet<usize> {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|index| self.rows[*index].rank);
        let (mut chosen, mut groups, mut used) = (BTreeSet::new(), BTreeSet::new(), 0);
        for index in order {
            let row = &self.rows[index];
            let heading = if groups.contains(&row.group) { 0 } else { self.heading(row).len() };
            used += heading + row.text.len();
            if used > room {
                break;
            }
            groups.insert(row.group);
            chosen.insert(index);
        }
        chosen
    }
}
