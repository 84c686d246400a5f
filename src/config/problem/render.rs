//! Problems as text, in the manner of `rustc`.
//!
//! Every character of a file that is shown here has been made safe first: the lines are rebuilt, with secrets masked and
//! invisible characters escaped, and the carets moved accordingly.

use std::collections::HashMap;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Element, Level, Renderer, Snippet};

use super::conceal::{MASK, opens_secret, push_escaped, secrets};
use super::{Problem, SourceFile};
use crate::config::text::Text;

/// Lines up to this many apart are one piece of source with the lines between left out.
const GAP: usize = 60;
/// How many bytes of a long line are shown on either side of what matters.
const AROUND: usize = 90;

pub(super) fn render(problems: &[Problem], files: &[SourceFile], color: bool) -> String {
    let texts = files.iter().map(|file| (&*file.path, Shown { text: Text::new(file), masks: HashMap::new() }));
    let mut texts: HashMap<&str, Shown<'_>> = texts.collect();
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for problem in problems {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&one(problem, &mut texts, &renderer));
        out.push('\n');
    }
    out
}

/// A file as it may be shown.
struct Shown<'a> {
    text: Text<'a>,
    /// The secrets of the lines looked at so far.
    masks: HashMap<usize, Vec<Range<usize>>>,
}

/// A marked range of bytes, with what is said about it.
struct Mark {
    span: Range<usize>,
    label: Option<String>,
    primary: bool,
}

fn one(problem: &Problem, texts: &mut HashMap<&str, Shown<'_>>, renderer: &Renderer) -> String {
    let path = safe_path(&problem.place.file);
    let (line, column) = (problem.place.line, problem.place.column);
    let mut elements: Vec<Element<'static>> = Vec::new();
    let mut wrong_column = None;
    for (file, marks) in by_file(problem) {
        let Some(shown) = texts.get_mut(&*file).filter(|shown| !shown.text.source().is_empty()) else {
            elements.push(
                annotate_snippets::Origin::path(path.clone()).line(line as usize).char_column(column as usize).into(),
            );
            continue;
        };
        for piece in pieces(marks, &shown.text) {
            let (snippet, at) = shown.snippet(&piece, &safe_path(&file));
            wrong_column = wrong_column.or(at);
            elements.push(snippet.into());
        }
    }
    elements.extend(problem.help.as_ref().map(|help| Level::HELP.message(help.clone()).into()));
    let group = Level::ERROR.primary_title(problem.message.clone()).id(problem.code.as_str()).elements(elements);
    let text = renderer.render(&[group]);
    // The renderer counts columns in what it is shown; the true column is the file's.
    match wrong_column {
        Some(at) if at != column as usize => {
            text.replacen(&format!("{path}:{line}:{at}"), &format!("{path}:{line}:{column}"), 1)
        }
        _ => text,
    }
}

fn safe_path(path: &str) -> String {
    let mut safe = String::new();
    path.chars().for_each(|c| push_escaped(c, &mut safe));
    safe
}

/// The marks of a problem, by file, that of the problem itself first.
fn by_file(problem: &Problem) -> Vec<(String, Vec<Mark>)> {
    let primary = Mark { span: problem.span.clone(), label: None, primary: true };
    let mut files = vec![(problem.place.file.to_string(), vec![primary])];
    for related in &problem.related {
        let mark = Mark { span: related.span.clone(), label: Some(related.label.clone()), primary: false };
        match files.iter_mut().find(|(file, _)| **file == *related.place.file) {
            Some((_, marks)) => marks.push(mark),
            None => files.push((related.place.file.to_string(), vec![mark])),
        }
    }
    files
}

/// Marks whose lines are close together, each group in the order of the file; the group of the problem itself first.
fn pieces(mut marks: Vec<Mark>, text: &Text<'_>) -> Vec<Vec<Mark>> {
    marks.sort_by_key(|mark| mark.span.start);
    let mut pieces: Vec<Vec<Mark>> = Vec::new();
    let mut last = 0;
    for mark in marks {
        let line = text.line_at(mark.span.start);
        match pieces.last_mut() {
            Some(piece) if line - last <= GAP => piece.push(mark),
            _ => pieces.push(vec![mark]),
        }
        last = line;
    }
    pieces.sort_by_key(|piece| !piece.iter().any(|mark| mark.primary));
    pieces
}

impl Shown<'_> {
    /// The lines of `marks` and those between, and the column that the primary mark has in them.
    fn snippet(&mut self, marks: &[Mark], path: &str) -> (Snippet<'static, Annotation<'static>>, Option<usize>) {
        let lines: Vec<usize> = marks.iter().map(|mark| self.text.line_at(mark.span.start)).collect();
        let first = lines.first().copied().unwrap_or_default();
        let last = lines.last().copied().unwrap_or_default();
        let mut source = String::new();
        let mut annotations = Vec::new();
        let mut column = None;
        for number in first..=last {
            let here = marks.iter().zip(&lines).filter(|(_, line)| **line == number).map(|(mark, _)| mark);
            let here: Vec<&Mark> = here.collect();
            let line = self.line(number, here.first().map_or(0, |mark| mark.span.start));
            let start = source.len();
            source.push_str(&line.shown);
            for mark in here {
                let span = line.range(&mark.span);
                if mark.primary {
                    column = Some(line.shown[..span.start].chars().count() + 1);
                }
                let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
                annotations.push(kind.span(start + span.start..start + span.end).label(mark.label.clone()));
            }
            source.push('\n');
        }
        let snippet = Snippet::source(source).line_start(first + 1).path(path.to_owned());
        (snippet.annotations(annotations), column)
    }

    /// Line `number`, safe to print; of a long one what lies around `focus`.
    fn line(&mut self, number: usize, focus: usize) -> Line {
        let full = self.text.line(number);
        let cut = |at: usize| self.text.floor(at).clamp(full.start, full.end);
        let window = if full.len() > 2 * AROUND + 60 {
            cut(focus.saturating_sub(AROUND))..cut(focus + AROUND)
        } else {
            full.clone()
        };
        let masks = self.masks(number, &window);
        let mut line = Line { shown: String::new(), map: Vec::new() };
        if window.start > full.start {
            line.shown.push('…');
        }
        let source = &self.text.source()[window.clone()];
        for (at, c) in source.char_indices().map(|(at, c)| (window.start + at, c)) {
            line.map.push((at, line.shown.len()));
            match masks.iter().find(|mask| mask.contains(&at)) {
                Some(mask) if mask.start == at || at == window.start => line.shown.push_str(MASK),
                Some(_) => {}
                None => push_escaped(c, &mut line.shown),
            }
        }
        line.map.push((window.end, line.shown.len()));
        if window.end < full.end {
            line.shown.push('…');
        }
        line
    }

    /// The secrets of line `number` that reach into `window`, in bytes of the file.
    fn masks(&mut self, number: usize, window: &Range<usize>) -> Vec<Range<usize>> {
        if !self.masks.contains_key(&number) {
            self.masks.insert(number, self.find_masks(number));
        }
        let masks = self.masks.get(&number).map_or(&[][..], Vec::as_slice);
        let first = masks.partition_point(|mask| mask.end <= window.start);
        masks[first..].iter().take_while(|mask| mask.start < window.end).cloned().collect()
    }

    fn find_masks(&self, number: usize) -> Vec<Range<usize>> {
        let full = self.text.line(number);
        let line = &self.text.source()[full.clone()];
        if self.is_below_secret(number) {
            let indent = line.len() - line.trim_start().len();
            return std::iter::once(full.start + indent..full.end).collect();
        }
        let masks = merged(secrets(line)).into_iter();
        masks.map(|mask| full.start + mask.start..full.start + mask.end).collect()
    }

    /// Whether the line belongs to a value that began below a key such as `password:`.
    fn is_below_secret(&self, number: usize) -> bool {
        const ABOVE: usize = 40;
        let line = |number: usize| &self.text.source()[self.text.line(number)];
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let mut least = indent(line(number));
        for above in (number.saturating_sub(ABOVE)..number).rev().map(line).filter(|line| !line.trim().is_empty()) {
            if indent(above) < least {
                if opens_secret(above) {
                    return true;
                }
                least = indent(above);
            }
        }
        false
    }
}

/// Overlapping ranges as one.
fn merged(ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// A line made safe, and where each of its bytes went.
struct Line {
    shown: String,
    /// Byte in the file, byte in `shown`; in order.
    map: Vec<(usize, usize)>,
}

impl Line {
    /// Where the part of `span` that lies in this line is shown; at least one character where there is one.
    fn range(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.position(span.start);
        let end = self.position(span.end).max(start);
        let next = self.shown[start..].chars().next().map_or(start, |c| start + c.len_utf8());
        start..end.max(next)
    }

    fn position(&self, offset: usize) -> usize {
        let index = self.map.partition_point(|(at, _)| *at < offset);
        self.map.get(index).map_or(self.shown.len(), |(_, shown)| *shown)
    }
}
