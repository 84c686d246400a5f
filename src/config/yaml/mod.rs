//! YAML text → a tree of nodes that know their bytes and their style.
//!
//! Owns everything that is YAML and not configuration: syntax, encoding, anchors, merge keys, duplicate keys and the
//! limits on all of them. Refuses to give a plain scalar any other meaning than its text; [`implied`] says what other
//! readers would make of it. The parser below is an implementation detail: no type of it leaves this room.

mod build;
mod encoding;
mod implied;
mod syntax;

use std::rc::Rc;

pub(super) use build::read;
pub(super) use implied::{Implied, implied};

use super::text::{At, Span};

/// How deep values may be nested.
const DEPTH_LIMIT: usize = 32;
/// How many values a file may hold, each alias counted as all that it stands for.
const NODE_LIMIT: usize = 100_000;

/// A value in the file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it is written.
    pub(crate) span: Span,
    /// The alias that stands for it, if one does.
    pub(crate) alias: Option<Span>,
    /// What it is. Shared between an anchor and its aliases: nothing is ever copied out.
    pub(crate) content: Rc<Content>,
}

impl Node {
    /// Where a reader of the file meets it: the alias, or the value itself.
    pub(crate) fn met(&self) -> Span {
        self.alias.unwrap_or(self.span)
    }
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Content {
    /// Text in some style.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, merge keys already resolved.
    Map(Vec<Entry>),
    /// Something that was already reported and has no value.
    Broken,
}

/// A scalar.
#[derive(Debug)]
pub(crate) struct Scalar {
    /// The text, unescaped.
    pub(crate) text: String,
    /// Whether it is plain: neither quoted nor a block.
    pub(crate) plain: bool,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: At<Rc<str>>,
    /// The value.
    pub(crate) value: Node,
}
