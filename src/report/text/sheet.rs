//! Lines with columns: all rows of one kind line up, whatever the terminal is like.
//!
//! Owns widths and gaps. Refuses to wrap or cut: what is printed must be greppable and the same everywhere.

use anstyle::Style as Look;

use super::super::style::{PLAIN, Style};

/// What stands between two columns.
const GAP: usize = 3;
/// What stands before the first column of a row: two blanks, a symbol, a blank.
const MARGIN: usize = 4;
/// A cell wider than this stands out of its column instead of widening it for all. The tag of a signature (75
/// characters) after the name of its repository still lines up.
const WIDEST: usize = 120;

/// One cell. Its text has been escaped already.
pub(super) struct Cell {
    text: String,
    look: Look,
    align: Align,
    close: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
    /// Goes on to the end of the line and has no part in widths.
    Free,
}

impl Cell {
    /// A cell that starts where its column starts.
    pub(super) fn left(text: impl Into<String>) -> Self {
        Self { text: text.into(), look: PLAIN, align: Align::Left, close: false }
    }

    /// A cell that ends where its column ends: numbers.
    pub(super) fn right(text: impl Into<String>) -> Self {
        Self { align: Align::Right, ..Self::left(text) }
    }

    /// A cell as long as it likes, after which no other should come.
    pub(super) fn free(text: impl Into<String>) -> Self {
        Self { align: Align::Free, ..Self::left(text) }
    }

    /// The same cell in a look.
    pub(super) fn look(self, look: Look) -> Self {
        Self { look, ..self }
    }

    /// The same cell, one blank after the cell before it: it belongs to that.
    pub(super) fn close(self) -> Self {
        Self { close: true, ..self }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

enum Line {
    /// As it is.
    Text(String),
    /// The head of a group.
    Head(Vec<Cell>),
    /// A row with its symbol.
    Row(Cell, Vec<Cell>),
    /// Text that starts where a column of the rows starts.
    Under(usize, String),
}

/// Lines that are laid out once all of them are known.
pub(super) struct Sheet {
    style: Style,
    lines: Vec<Line>,
}

impl Sheet {
    pub(super) fn new(style: Style) -> Self {
        Self { style, lines: Vec::new() }
    }

    /// `text` in a look, as all text of this sheet.
    pub(super) fn paint(&self, look: Look, text: &str) -> String {
        self.style.paint(look, text)
    }

    pub(super) fn text(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Text(text.into()));
    }

    /// An empty line, unless nothing or an empty line stands before it.
    pub(super) fn gap(&mut self) {
        match self.lines.last() {
            None => {}
            Some(Line::Text(text)) if text.is_empty() => {}
            Some(_) => self.text(""),
        }
    }

    pub(super) fn head(&mut self, cells: Vec<Cell>) {
        self.lines.push(Line::Head(cells));
    }

    pub(super) fn row(&mut self, symbol: char, look: Look, cells: Vec<Cell>) {
        self.lines.push(Line::Row(Cell::left(symbol).look(look), cells));
    }

    /// `label: text` below a row, starting at the column `column`.
    pub(super) fn under(&mut self, column: usize, (label, look): (&str, Look), text: &str) {
        let label = self.style.paint(look, &format!("{label}:"));
        self.lines.push(Line::Under(column, format!("{label} {text}")));
    }

    /// `text` below a row, starting at the column `column`.
    pub(super) fn below(&mut self, column: usize, text: &str) {
        self.lines.push(Line::Under(column, text.to_owned()));
    }

    /// All lines, each with its line break and without blanks at its end.
    pub(super) fn render(&self) -> String {
        let heads = widths(self.lines.iter().filter_map(|line| match line {
            Line::Head(cells) => Some(cells),
            _ => None,
        }));
        let rows = widths(self.lines.iter().filter_map(|line| match line {
            Line::Row(_, cells) => Some(cells),
            _ => None,
        }));
        let mut out = String::new();
        for line in &self.lines {
            match line {
                Line::Text(text) => out.push_str(text),
                Line::Head(cells) => self.cells(&mut out, cells, &heads),
                Line::Row(symbol, cells) => {
                    out.push_str("  ");
                    out.push_str(&self.style.paint(symbol.look, &symbol.text));
                    out.push(' ');
                    self.cells(&mut out, cells, &rows);
                }
                Line::Under(column, text) => {
                    let before = rows.iter().take(*column).filter(|width| **width > 0);
                    let indent = MARGIN + before.map(|width| width + GAP).sum::<usize>();
                    out.extend(std::iter::repeat_n(' ', indent));
                    out.push_str(text);
                }
            }
            out.push('\n');
        }
        out
    }

    fn cells(&self, out: &mut String, cells: &[Cell], widths: &[usize]) {
        let blanks = |out: &mut String, number: usize| out.extend(std::iter::repeat_n(' ', number));
        let mut owed = 0;
        for (cell, width) in cells.iter().zip(widths.iter().chain(std::iter::repeat(&0))) {
            let slack = width.saturating_sub(cell.width());
            let (before, after) = match cell.align {
                Align::Left => (0, slack),
                Align::Right => (slack, 0),
                Align::Free => (0, 0),
            };
            if !cell.text.is_empty() {
                blanks(out, if cell.close { 1 } else { owed + before });
                out.push_str(&self.style.paint(cell.look, &cell.text));
                owed = after + GAP;
            } else if *width > 0 {
                owed += width + GAP;
            }
        }
    }
}

fn widths<'a>(rows: impl Iterator<Item = &'a Vec<Cell>>) -> Vec<usize> {
    let mut widths = Vec::new();
    for cells in rows {
        for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.align != Align::Free) {
            widths.resize(widths.len().max(column + 1), 0);
            let width = cell.width();
            if width <= WIDEST {
                widths[column] = widths[column].max(width);
            }
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::super::super::style::GOOD;
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let mut sheet = Sheet::new(Style::default());
        sheet.row('+', GOOD, vec![Cell::left("a"), Cell::right("1 B"), Cell::left("")]);
        sheet.row('+', GOOD, vec![Cell::left("long"), Cell::right("10 MB"), Cell::left("x")]);
        sheet.row('+', GOOD, vec![Cell::left("b"), Cell::right(""), Cell::left("y")]);
        sheet.row('!', GOOD, vec![Cell::left("c"), Cell::free("a failure goes on and on")]);
        sheet.under(1, ("help", GOOD), "do this");
        insta::assert_snapshot!(sheet.render(), @r"
          + a        1 B
          + long   10 MB   x
          + b              y
          ! c      a failure goes on and on
                   help: do this
        ");
    }

    #[test]
    fn a_very_wide_cell_moves_only_its_own_row() {
        let mut sheet = Sheet::new(Style::default());
        sheet.row('+', GOOD, vec![Cell::left("a"), Cell::left("b")]);
        sheet.row('+', GOOD, vec![Cell::left("w".repeat(WIDEST + 1)), Cell::left("b")]);
        let text = sheet.render();
        assert!(text.starts_with("  + a   b\n"), "{text}");
    }

    #[test]
    fn colours_do_not_count_as_width() {
        let lines = |color| {
            let mut sheet = Sheet::new(Style { color, ..Style::default() });
            sheet.row('+', GOOD, vec![Cell::left("a").look(GOOD), Cell::left("b")]);
            sheet.row('+', GOOD, vec![Cell::left("long").look(GOOD), Cell::left("b")]);
            sheet.render()
        };
        assert!(lines(true).contains('\u{1b}'));
        assert_eq!(anstream::adapter::strip_str(&lines(true)).to_string(), lines(false));
    }
}
