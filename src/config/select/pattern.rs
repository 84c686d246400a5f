//! Regular expressions over tags: the whole of a tag must match.
//!
//! Owns their limits. The engine is linear in the text (no look-around, no back-references), a compiled expression is bounded in
//! memory, and so is the work of a file that is full of them. Refuses Unicode classes: tags are ASCII.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// The longest expression, in characters.
pub(crate) const REGEX_LIMIT: usize = 512;
/// The most that a compiled expression may take, and its cache while it matches, in bytes each.
pub(crate) const REGEX_BYTES: usize = 1 << 20;
/// How deep groups may be nested.
pub(crate) const REGEX_NESTING: u32 = 32;

/// A regular expression that a tag as a whole matches or not.
#[derive(Clone)]
pub struct TagRegex {
    text: String,
    regex: Regex,
}

impl TagRegex {
    /// Compiles `text`; the error says in a few words what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > REGEX_LIMIT {
            return Err(format!("longer than {REGEX_LIMIT} characters"));
        }
        // By itself first: `a)(b` would close the group that anchors it.
        build(text)?;
        let regex = build(&format!("^(?:{text})$")).map_err(|_| "a comment has no end".to_owned())?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text.as_bytes())
    }
}

fn build(text: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(text);
    builder.unicode(false).nest_limit(REGEX_NESTING).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it takes too much memory".to_owned(),
        error => in_words(&error.to_string()),
    })
}

/// The engine draws the expression with a caret below; its last line says what is wrong.
fn in_words(drawing: &str) -> String {
    let last = drawing.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it cannot be read");
    last.trim().trim_start_matches("error: ").to_owned()
}

impl PartialEq for TagRegex {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TagRegex {}

impl fmt::Debug for TagRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TagRegex({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_tag_must_match() {
        let cases = [
            (r"v1\.29\.\d+", "v1.29.10", true),
            (r"v1\.29\.\d+", "v1.29.10-rc.1", false),
            (r"v1\.29\.\d+", "xv1.29.1", false),
            ("a|bc", "abc", false),
            ("a|bc", "bc", true),
            ("(?i)EDGE", "edge", true),
            ("(?x) a b # a comment\n", "ab", true),
            ("(?m)^a$", "a", true),
            (r"[\w.]+", "1.2_x", true),
            ("", "", true),
        ];
        for (regex, text, expected) in cases {
            assert_eq!(TagRegex::new(regex).unwrap().matches(text), expected, "{regex} on {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        let nested = format!("{}a{}", "(".repeat(40), ")".repeat(40));
        let large = "[a-z]{1000}{1000}".to_owned();
        for regex in
            ["a)(b", "(a", "[z-a]", r"(a)\1", "(?=a)", "*", "(?x)a # no end", &nested, &large, &"a".repeat(600)]
        {
            let said = TagRegex::new(regex).unwrap_err();
            assert!(!said.is_empty() && !said.contains('\n') && said.len() < 200, "{regex}: {said}");
        }
    }
}
