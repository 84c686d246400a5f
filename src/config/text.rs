//! The text of a configuration file: where its lines begin, and what a byte offset is to a person.
//!
//! Owns offsets, lines and columns. Refuses to judge what the text says.

use std::ops::Range;
use std::sync::Arc;

use super::{Place, SourceFile};

/// The largest configuration file, in bytes.
pub const FILE_LIMIT: usize = 1 << 20;

/// Characters are counted ahead at each multiple of this many bytes, so that a column costs the same on any line.
const STRIDE: usize = 1024;

/// A range of bytes in one of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    /// The file, by its number on the command line.
    pub(crate) file: usize,
    /// The first byte.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
}

impl Span {
    /// The bytes alone.
    pub(crate) fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// From the start of this to the end of `last`.
    pub(crate) fn to(self, last: Self) -> Self {
        Self { end: last.end.max(self.end), ..self }
    }
}

/// A value and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it is written.
    pub(crate) span: Span,
}

/// A file's text with an index of its lines. Where the bytes stop being UTF-8, or pass the size limit, so does the text.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    path: Arc<str>,
    source: &'a str,
    /// Where each line starts; the first at 0.
    lines: Vec<usize>,
    /// How many characters lie before each multiple of [`STRIDE`].
    characters: Vec<usize>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(file: &'a SourceFile) -> Self {
        let bytes = &file.bytes[..file.bytes.len().min(FILE_LIMIT)];
        let source = match std::str::from_utf8(bytes) {
            Ok(source) => source,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        };
        Self { path: file.path.clone(), source, lines: line_starts(source), characters: counted_ahead(source) }
    }

    pub(crate) fn source(&self) -> &'a str {
        self.source
    }

    /// The number of the line with the byte at `offset`, from 0.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The bytes of line `number` (from 0), without its line break.
    pub(crate) fn line(&self, number: usize) -> Range<usize> {
        let Some(start) = self.lines.get(number).copied() else { return self.source.len()..self.source.len() };
        let end = self.lines.get(number + 1).copied().unwrap_or(self.source.len());
        start..start + self.source[start..end].trim_end_matches(['\n', '\r']).len()
    }

    /// Where `offset` is to a person.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let offset = self.floor(offset);
        let line = self.line_at(offset);
        let start = self.lines.get(line).copied().unwrap_or_default();
        let mark = usize::from(start == 0 && offset > 0 && self.source.starts_with('\u{feff}'));
        let column = self.characters_before(offset) - self.characters_before(start) - mark;
        let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        Place { file: self.path.clone(), line: number(line), column: number(column) }
    }

    /// `offset`, or the nearest character boundary before it.
    pub(crate) fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.source.len());
        while !self.source.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }

    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / STRIDE;
        let begin = block * STRIDE;
        self.characters.get(block).copied().unwrap_or_default() + count(&self.source.as_bytes()[begin..offset])
    }
}

/// How many characters start in `bytes`.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

fn counted_ahead(source: &str) -> Vec<usize> {
    let blocks = source.as_bytes().chunks(STRIDE).scan(0, |before, block| {
        *before += count(block);
        Some(*before)
    });
    std::iter::once(0).chain(blocks).collect()
}

/// YAML 1.2.2 §5.4: a line ends with CR LF, LF or CR.
fn line_starts(source: &str) -> Vec<usize> {
    let bytes = source.as_bytes();
    let ends = bytes.iter().enumerate().filter_map(|(at, byte)| match byte {
        b'\n' => Some(at + 1),
        b'\r' if bytes.get(at + 1) != Some(&b'\n') => Some(at + 1),
        _ => None,
    });
    std::iter::once(0).chain(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> SourceFile {
        SourceFile { path: "regsync.yaml".into(), directory: "/config".into(), bytes: bytes.to_vec() }
    }

    #[test]
    fn columns_count_characters_and_lines_end_in_three_ways() {
        let file = file("é: 1\r\nb: ü x\rc\n".as_bytes());
        let text = Text::new(&file);
        let at = |needle: &str| {
            let place = text.place(text.source().find(needle).unwrap());
            (place.line, place.column)
        };
        assert_eq!((at("1"), at("x"), at("c")), ((1, 4), (2, 6), (3, 1)));
        assert_eq!(&text.source()[text.line(1)], "b: ü x");
    }

    #[test]
    fn a_byte_order_mark_has_no_column() {
        let file = file("\u{feff}version: 1\n".as_bytes());
        let place = Text::new(&file).place(3);
        assert_eq!((place.line, place.column), (1, 1));
    }

    #[test]
    fn text_ends_where_the_bytes_stop_being_utf8() {
        let file = file(b"ok: \xff\xfe");
        let text = Text::new(&file);
        assert_eq!(text.source(), "ok: ");
        assert_eq!(text.place(400).column, 5);
    }

    #[test]
    fn columns_are_right_on_lines_longer_than_the_stride() {
        let source = "é".repeat(3000);
        let file = file(source.as_bytes());
        assert_eq!(Text::new(&file).place(4000).column, 2001);
    }
}
