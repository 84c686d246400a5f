//! Events of the parser → the tree, with an explicit stack: nothing recurses over what a file nests.

use std::collections::HashMap;
use std::rc::Rc;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span as Bytes, Tag, options};

use super::super::problem::{Diagnosis, Problem, ProblemCode, shown};
use super::super::suggest::closest;
use super::super::text::{At, Span};
use super::{Content, DEPTH_LIMIT, Entry, NODE_LIMIT, Node, Scalar, encoding, syntax};

/// Reads one file. `None` where nothing is left to look at; the reason has been reported then.
pub(crate) fn read(bytes: &[u8], file: usize, diagnosis: &mut Diagnosis<'_>) -> Option<Node> {
    encoding::check(bytes, file, diagnosis).ok()?;
    let source = diagnosis.text(file).source();
    let text = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut tree = Tree::new(file, source.len() - text.len());
    for event in Parser::new_from_str_with_options(text, parser_options()) {
        let step = match event {
            Ok((event, bytes)) => tree.take(event, bytes, diagnosis),
            Err(error) => Err(syntax::problem(&error, file, tree.base, diagnosis)),
        };
        if let Err(problem) = step {
            diagnosis.report(problem);
            return None;
        }
    }
    let root = tree.root.take();
    let empty =
        root.as_ref().is_none_or(|root| matches!(&*root.content, Content::Scalar(s) if s.plain && s.text == "~"));
    if empty {
        let span = Span { file, start: 0, end: 0 };
        let problem = diagnosis.problem(ProblemCode::Empty, span, "the file is empty");
        diagnosis.report(problem.with_help("the least it needs is `version: 1` and `mirrors:`"));
        return None;
    }
    root
}

fn parser_options() -> Options {
    options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH_LIMIT,
        block_nesting_limit: DEPTH_LIMIT,
    }
}

/// The problem of a value below too many others.
pub(super) fn too_deep(span: Span, diagnosis: &Diagnosis<'_>) -> Problem {
    let message = format!("nested more than {DEPTH_LIMIT} levels deep");
    diagnosis.problem(ProblemCode::Budget, span, message).with_help("a configuration needs no more than seven")
}

/// The tree under construction.
struct Tree {
    file: usize,
    base: usize,
    stack: Vec<Frame>,
    root: Option<Node>,
    /// Finished nodes that have an anchor.
    anchors: HashMap<usize, Anchored>,
    /// The names of all anchors, for suggestions.
    names: Vec<String>,
    nodes: usize,
    documents: usize,
}

/// A finished node that aliases may stand for.
struct Anchored {
    node: Node,
    size: usize,
    height: usize,
}

/// A collection that is still open.
struct Frame {
    span: Span,
    anchor: usize,
    /// The count of nodes when it was opened.
    first: usize,
    height: usize,
    holds: Holds,
}

enum Holds {
    Items(Vec<Node>),
    Entries(Entries),
}

#[derive(Default)]
struct Entries {
    done: Vec<Entry>,
    seen: HashMap<Rc<str>, Span>,
    merges: Vec<Node>,
    key: Option<Key>,
}

/// A key that waits for its value.
enum Key {
    Named(At<Rc<str>>),
    Merge,
    /// Already reported.
    Bad,
}

impl Tree {
    fn new(file: usize, base: usize) -> Self {
        let (stack, anchors, names) = (Vec::new(), HashMap::new(), Vec::new());
        Self { file, base, stack, root: None, anchors, names, nodes: 0, documents: 0 }
    }

    fn span(&self, bytes: &Bytes) -> Span {
        let range = bytes.byte_range().unwrap_or_default();
        Span { file: self.file, start: self.base + range.start, end: self.base + range.end }
    }

    fn take(&mut self, event: Event<'_>, bytes: Bytes, diagnosis: &mut Diagnosis<'_>) -> Result<(), Problem> {
        let span = self.span(&bytes);
        match event {
            Event::DocumentStart(..) => self.documents(span, diagnosis)?,
            Event::Anchor(_, name) => self.names.push(name.into_owned()),
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, span, diagnosis)?;
                let content = match tag {
                    Some(tag) => self.refuse_tag(&tag, &bytes, diagnosis),
                    None => Content::Scalar(Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }),
                };
                let node = Node { span, alias: None, content: Rc::new(content) };
                self.anchor(anchor, Anchored { node: node.clone(), size: 1, height: 0 });
                self.attach(node, 0, diagnosis);
            }
            Event::SequenceStart(_, anchor, tag) => {
                tag.map(|tag| self.refuse_tag(&tag, &bytes, diagnosis));
                self.open(Holds::Items(Vec::new()), (anchor, span), diagnosis)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                tag.map(|tag| self.refuse_tag(&tag, &bytes, diagnosis));
                self.open(Holds::Entries(Entries::default()), (anchor, span), diagnosis)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span, diagnosis),
            Event::Alias(anchor) => self.alias(anchor, span, diagnosis)?,
            Event::UnresolvedAlias(name) => self.unresolved(&name, span, diagnosis),
            _ => {}
        }
        Ok(())
    }

    fn documents(&mut self, span: Span, diagnosis: &Diagnosis<'_>) -> Result<(), Problem> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        let problem = diagnosis.problem(ProblemCode::MultiDoc, span, "a second YAML document starts here");
        Err(problem.with_help("a file is one document; several files are joined: `-c a.yaml -c b.yaml`"))
    }

    fn count(&mut self, more: usize, span: Span, diagnosis: &Diagnosis<'_>) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes <= NODE_LIMIT {
            return Ok(());
        }
        let message = format!("more than {NODE_LIMIT} values, counting what each alias stands for");
        Err(diagnosis.problem(ProblemCode::Budget, span, message))
    }

    /// Reports a tag; what it would have made of a scalar is anyone's guess.
    fn refuse_tag(&self, tag: &Tag, bytes: &Bytes, diagnosis: &mut Diagnosis<'_>) -> Content {
        let span = bytes.tag_span().map_or_else(|| self.span(bytes), |bytes| self.span(&bytes));
        let message = match tag.suffix() {
            "include" => "`!include` is not supported".to_owned(),
            _ => "YAML tags are not supported".to_owned(),
        };
        let help = match tag.suffix() {
            "include" => "give several files on the command line: `-c a.yaml -c b.yaml`",
            "str" => "put the text in quotes instead",
            _ => "remove the tag",
        };
        let problem = diagnosis.problem(ProblemCode::YamlFeature, span, message);
        diagnosis.report(problem.with_help(help));
        Content::Broken
    }

    fn open(&mut self, holds: Holds, (anchor, span): (usize, Span), diagnosis: &Diagnosis<'_>) -> Result<(), Problem> {
        self.count(1, span, diagnosis)?;
        if self.stack.len() >= DEPTH_LIMIT {
            return Err(too_deep(span, diagnosis));
        }
        self.stack.push(Frame { span, anchor, first: self.nodes - 1, height: 0, holds });
        Ok(())
    }

    fn close(&mut self, end: Span, diagnosis: &mut Diagnosis<'_>) {
        let Some(frame) = self.stack.pop() else { return };
        let (last, content) = match frame.holds {
            Holds::Items(items) => (items.last().map(Node::met), Content::List(items)),
            Holds::Entries(entries) => {
                let last = entries.done.last().map(|entry| entry.key.span.to(entry.value.met()));
                (last, Content::Map(entries.resolve(diagnosis)))
            }
        };
        // A flow collection ends with a bracket; a block collection with its last value.
        let bracket = end.end > end.start;
        let span = if bracket { frame.span.to(end) } else { last.map_or(frame.span, |last| frame.span.to(last)) };
        let node = Node { span, alias: None, content: Rc::new(content) };
        let size = self.nodes - frame.first;
        self.anchor(frame.anchor, Anchored { node: node.clone(), size, height: frame.height });
        self.attach(node, frame.height, diagnosis);
    }

    /// Remembers what an anchor stands for; a number of 0 means that there is none.
    fn anchor(&mut self, anchor: usize, anchored: Anchored) {
        if anchor != 0 {
            self.anchors.insert(anchor, anchored);
        }
    }

    fn alias(&mut self, anchor: usize, span: Span, diagnosis: &mut Diagnosis<'_>) -> Result<(), Problem> {
        let Some(Anchored { node, size, height }) = self.anchors.get(&anchor) else {
            return Err(diagnosis.problem(ProblemCode::Budget, span, "this alias stands for a value that contains it"));
        };
        let (node, size, height) = (Node { alias: Some(span), ..node.clone() }, *size, *height);
        self.count(size, span, diagnosis)?;
        if self.stack.len() + height > DEPTH_LIMIT {
            return Err(too_deep(span, diagnosis));
        }
        self.attach(node, height, diagnosis);
        Ok(())
    }

    fn unresolved(&mut self, name: &str, span: Span, diagnosis: &mut Diagnosis<'_>) {
        let mut problem = diagnosis.problem(ProblemCode::Syntax, span, format!("there is no anchor {}", shown(name)));
        let names: Vec<&str> = self.names.iter().take(50).map(String::as_str).collect();
        problem.help = Some(match closest(name, &names) {
            Some(name) => format!("did you mean `*{name}`?"),
            None => format!(
                "an anchor is written `&name` above its first use; a glob must be quoted: {}",
                shown(&format!("\"*{name}\""))
            ),
        });
        diagnosis.report(problem);
        self.attach(Node { span, alias: None, content: Rc::new(Content::Broken) }, 0, diagnosis);
    }

    /// Hands a finished node to the collection that is open, or makes it the root.
    fn attach(&mut self, node: Node, height: usize, diagnosis: &mut Diagnosis<'_>) {
        let Some(frame) = self.stack.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        frame.height = frame.height.max(height + 1);
        match &mut frame.holds {
            Holds::Items(items) => items.push(node),
            Holds::Entries(entries) => entries.attach(node, diagnosis),
        }
    }
}

impl Entries {
    fn attach(&mut self, node: Node, diagnosis: &mut Diagnosis<'_>) {
        match self.key.take() {
            None => self.key = Some(self.read_key(&node, diagnosis)),
            Some(Key::Named(key)) => self.done.push(Entry { key, value: node }),
            Some(Key::Merge) => self.merges.push(node),
            Some(Key::Bad) => {}
        }
    }

    fn read_key(&mut self, node: &Node, diagnosis: &mut Diagnosis<'_>) -> Key {
        let span = node.met();
        let Content::Scalar(scalar) = &*node.content else {
            if !matches!(*node.content, Content::Broken) {
                let problem = diagnosis.problem(ProblemCode::YamlFeature, span, "a key must be text");
                diagnosis.report(problem);
            }
            return Key::Bad;
        };
        if scalar.plain && span.start == span.end {
            let problem = diagnosis.problem(ProblemCode::Syntax, span, "there is no key before `:`");
            diagnosis.report(problem);
            return Key::Bad;
        }
        let text: Rc<str> = scalar.text.as_str().into();
        if let Some(first) = self.seen.get(&text) {
            let first = diagnosis.related(*first, "first here");
            let message = format!("the key {} appears twice", shown(&text));
            let problem = diagnosis.problem(ProblemCode::Duplicate, span, message).with_related(first);
            let merge = "merge several mappings with one key: `<<: [*a, *b]`";
            diagnosis.report(problem.with_help(if &*text == "<<" { merge } else { "keep one of them" }));
            return Key::Bad;
        }
        self.seen.insert(text.clone(), span);
        if scalar.plain && &*text == "<<" { Key::Merge } else { Key::Named(At { value: text, span }) }
    }

    /// What `<<` brings, behind the keys of the mapping itself: an earlier one wins (yaml.org/type/merge.html).
    fn resolve(mut self, diagnosis: &mut Diagnosis<'_>) -> Vec<Entry> {
        for merge in std::mem::take(&mut self.merges) {
            let sound = match &*merge.content {
                Content::List(items) => items.iter().all(|item| self.merge(item)),
                _ => self.merge(&merge),
            };
            if !sound {
                let problem = diagnosis.problem(ProblemCode::Type, merge.met(), "`<<` can only merge mappings");
                diagnosis.report(problem.with_help("write `<<: *name`, where `&name` stands before a mapping"));
            }
        }
        self.done
    }

    /// `false` where `node` is nothing that could be merged.
    fn merge(&mut self, node: &Node) -> bool {
        let entries = match &*node.content {
            Content::Map(entries) => entries.as_slice(),
            Content::Broken => &[],
            Content::List(_) | Content::Scalar(_) => return false,
        };
        for entry in entries {
            if !self.seen.contains_key(&entry.key.value) {
                self.seen.insert(entry.key.value.clone(), entry.key.span);
                self.done.push(entry.clone());
            }
        }
        true
    }
}
