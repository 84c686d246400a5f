//! Pages as a Markdown parser sees them, for tests: what stands in a table, what is a link, what is HTML.
//!
//! Owns what our pages are made of, and that there is nothing else on them: whatever a parser takes for a link, an image,
//! HTML, a heading, a list or a formula that we do not write ourselves came from outside. All extensions are on, since
//! forges have them.

use std::collections::BTreeMap;

use pulldown_cmark::{BlockQuoteKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd, TextMergeWithOffset};

use super::inert::tests::live_reference;

/// The HTML that we write, by itself within a line or as a block.
pub(super) const HTML: [&str; 10] = [
    "<details>",
    "</details>",
    "<summary>",
    "</summary>",
    "<code>",
    "</code>",
    "<sub>",
    "</sub>",
    "<pre lang=\"diff\">",
    "</pre>",
];

/// What a page is made of.
#[derive(Debug, Default)]
pub(in crate::report) struct Parsed {
    /// For each table, how many rows it has, without its header.
    pub(in crate::report) tables: Vec<usize>,
    /// Where its links lead.
    pub(in crate::report) links: Vec<String>,
    /// How many `<details>` there are.
    pub(in crate::report) details: usize,
    /// Its text, code apart.
    pub(in crate::report) prose: Vec<String>,
    /// How often each of our HTML tags is opened and not closed yet, while it is read.
    open: BTreeMap<String, usize>,
    /// How many tables, quotes and links are open.
    depth: BTreeMap<&'static str, usize>,
}

/// Reads `page`. Panics where a row has not all its cells, where something of a table is outside of it, where `<details>` is
/// not closed or begins within a table, and at whatever is none of our own structure.
#[track_caller]
pub(in crate::report) fn read(page: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let events = Parser::new_ext(page, Options::all() - Options::ENABLE_SMART_PUNCTUATION).into_offset_iter();
    let mut pipes = 0;
    for (event, range) in TextMergeWithOffset::new(events) {
        match event {
            Event::Start(tag) => parsed.start(tag, &page[range], &mut pipes),
            Event::End(end) => parsed.end(end),
            Event::Html(text) | Event::InlineHtml(text) => parsed.html(&text),
            Event::Text(text) => parsed.text(&text, &page[range]),
            Event::Code(_) | Event::SoftBreak => {}
            other => panic!("{other:?} at {range:?}: {:?}\n{page}", &page[range.clone()]),
        }
    }
    assert!(parsed.open.values().all(|number| *number == 0), "{:?}\n{page}", parsed.open);
    let rows: usize = parsed.tables.iter().map(|rows| rows + 2).sum();
    let lines = page.lines().filter(|line| line.starts_with('|')).count();
    assert_eq!(lines, rows, "lines of tables, and rows of them\n{page}");
    parsed
}

impl Parsed {
    fn start(&mut self, tag: Tag<'_>, source: &str, columns: &mut usize) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock | Tag::TableCell | Tag::Strong => {}
            Tag::Heading { level: HeadingLevel::H3, .. } => self.outside_of_all(source),
            Tag::Table(alignments) => {
                self.outside_of_all(source);
                *columns = alignments.len();
                self.tables.push(0);
                self.enter("table");
            }
            Tag::TableHead | Tag::TableRow => {
                let row = source.trim_end();
                assert_eq!(row.matches('|').count(), *columns + 1, "{row}");
                assert!(row.starts_with('|') && row.ends_with('|') && row.lines().count() == 1, "{row}");
                *self.tables.last_mut().expect("a table") += usize::from(matches!(tag, Tag::TableRow));
            }
            Tag::BlockQuote(Some(BlockQuoteKind::Note | BlockQuoteKind::Warning | BlockQuoteKind::Caution)) => {
                self.outside_of_all(source);
                self.enter("quote");
            }
            Tag::List(None) | Tag::Item => assert!(self.is_in("quote"), "a list of nobody's: {source}"),
            Tag::Link { dest_url, .. } => {
                assert!(!self.is_in("link"), "{source}");
                self.links.push(dest_url.into_string());
                self.enter("link");
            }
            other => panic!("{other:?}: {source}"),
        }
    }

    fn end(&mut self, end: TagEnd) {
        let name = match end {
            TagEnd::Table => "table",
            TagEnd::BlockQuote(_) => "quote",
            TagEnd::Link => "link",
            _ => return,
        };
        *self.depth.get_mut(name).expect("it was opened") -= 1;
    }

    fn html(&mut self, html: &str) {
        let mut rest = html.to_owned();
        for tag in HTML {
            let number = html.matches(tag).count();
            rest = rest.replace(tag, "");
            let name = tag.trim_start_matches(['<', '/']).trim_end_matches('>');
            let name = name.split(' ').next().unwrap_or_default();
            let open = self.open.entry(name.to_owned()).or_default();
            if tag.starts_with("</") {
                *open = open.checked_sub(number).unwrap_or_else(|| panic!("closed, and never opened: {html}"));
            } else {
                *open += number;
                self.details += if name == "details" { number } else { 0 };
            }
        }
        assert!(!rest.contains(['<', '>']), "HTML of nobody's: {html}");
        assert!(self.open["details"] <= 1, "{html}");
        let is_block = html.contains("details>") || html.contains("pre");
        assert!(!is_block || !(self.is_in("table") || self.is_in("quote")), "{html}");
    }

    fn text(&mut self, text: &str, source: &str) {
        assert!(!source.contains('|'), "it fell out of a table: {source}");
        if self.open.get("code").is_none_or(|open| *open == 0) {
            // Character references have been read already, and what begins a text begins no line.
            let said = text.replace("&#", "& #");
            assert_eq!(live_reference(said.trim_start_matches([' ', '/'])), None, "{text}");
            assert!(!text.contains("://") && !text.contains("www."), "{text}");
            self.prose.push(text.to_owned());
        }
    }

    fn enter(&mut self, name: &'static str) {
        *self.depth.entry(name).or_default() += 1;
    }

    fn is_in(&self, name: &str) -> bool {
        self.depth.get(name).is_some_and(|depth| *depth > 0)
    }

    #[track_caller]
    fn outside_of_all(&self, source: &str) {
        assert!(self.depth.values().all(|depth| *depth == 0), "{:?}: {source}", self.depth);
    }
}
