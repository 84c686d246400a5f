//! Globs over tags and references: `*` and `?` stay within a path component, `**` crosses them.

use std::fmt;
use std::sync::OnceLock;

use globset::{Glob, GlobBuilder, GlobMatcher};

const GLOB_LIMIT: usize = 2048;

/// A glob whose syntax was checked. It is compiled when it is first used: a file may hold many thousand. Matching is
/// linear in the text.
#[derive(Clone)]
pub struct TagGlob {
    glob: Glob,
    matcher: OnceLock<GlobMatcher>,
}

impl TagGlob {
    /// Reads `text`; the error says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        // Compiling cannot fail below this, and nothing that a glob is for is as long.
        if text.len() > GLOB_LIMIT {
            return Err(format!("longer than {GLOB_LIMIT} characters"));
        }
        let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(false).build();
        let glob = glob.map_err(|error| error.kind().to_string())?;
        Ok(Self { glob, matcher: OnceLock::new() })
    }

    /// Whether `text` has a character that makes it a glob rather than a name.
    pub fn is_glob(text: &str) -> bool {
        text.contains(['*', '?', '[', '{'])
    }

    /// The glob as written.
    pub fn as_str(&self) -> &str {
        self.glob.glob()
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.matcher.get_or_init(|| self.glob.compile_matcher()).is_match(text)
    }
}

impl PartialEq for TagGlob {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for TagGlob {}

impl fmt::Debug for TagGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TagGlob({:?})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_component() {
        let cases = [
            ("v1.*", "v1.2", true),
            ("v1.*", "v1.2/3", false),
            ("**", "ghcr.io/a/b:1", true),
            ("ghcr.io/*/b:?", "ghcr.io/a/b:1", true),
            ("ghcr.io/*", "ghcr.io/a/b", false),
            ("v[0-9]*", "v10", true),
            ("v[!0]*", "v0", false),
            ("{a,b}-*", "b-1", true),
            ("1.2", "1x2", false),
            ("V*", "v1", false),
        ];
        for (glob, text, expected) in cases {
            assert_eq!(TagGlob::new(glob).unwrap().matches(text), expected, "{glob} on {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for glob in ["[a", "{a", "a]b}", "[z-a]", &"a".repeat(GLOB_LIMIT + 1)] {
            assert!(!TagGlob::new(glob).unwrap_err().is_empty(), "{glob}");
        }
    }

    #[test]
    fn the_longest_globs_compile() {
        for part in ["?", "*", "**/", "{a*,b*}", "[a-z]", "{a,{b,{c,d}}}"] {
            let glob = TagGlob::new(&part.repeat(GLOB_LIMIT / part.len())).unwrap();
            // Compiling is what could panic.
            glob.matches("v1");
        }
    }
}
