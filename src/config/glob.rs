//! Globs over tags and references: `*` and `?` stay within a path component, `**` crosses them.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

/// A compiled glob. Matching is linear in the text.
#[derive(Clone)]
pub struct TagGlob {
    text: String,
    matcher: GlobMatcher,
}

impl TagGlob {
    /// Compiles `text`; the error says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(false).build();
        let glob = glob.map_err(|error| error.kind().to_string())?;
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() })
    }

    /// Whether `text` has a character that makes it a glob rather than a name.
    pub fn is_glob(text: &str) -> bool {
        text.contains(['*', '?', '[', '{'])
    }

    /// The glob as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.matcher.is_match(text)
    }
}

impl PartialEq for TagGlob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TagGlob {}

impl fmt::Debug for TagGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TagGlob({:?})", self.text)
    }
}
