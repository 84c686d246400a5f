//! `rename`: the tag at the target, made of the one at the source.
//!
//! Owns the template. Refuses anything but `{tag}`: what a tag becomes must follow from the tag alone.

use crate::config::Mirror;
use crate::image::Tag;

/// What stands for the source's tag.
const PLACEHOLDER: &str = "{tag}";
/// The longest tag that there is, in characters.
const TAG_LIMIT: usize = 128;

/// A template that makes a tag of a tag; by default the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    before: String,
    /// What stands behind `{tag}`; `None` where that is not in it.
    after: Option<String>,
}

impl Default for Rename {
    fn default() -> Self {
        Self { before: String::new(), after: Some(String::new()) }
    }
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RenameError {
    /// It is empty.
    Empty,
    /// Braces around something else.
    Placeholder(String),
    /// `{tag}` twice.
    Twice,
    /// A character that no tag holds.
    Character(char),
    /// A tag cannot start so.
    Start(char),
    /// Nothing, or nothing but the shortest tag, fits beside it.
    Long,
}

impl Rename {
    /// Reads `text`.
    pub(crate) fn parse(text: &str) -> Result<Self, RenameError> {
        if text.is_empty() {
            return Err(RenameError::Empty);
        }
        let (before, after) = match text.split_once(PLACEHOLDER) {
            Some((before, after)) => (before, Some(after)),
            None => (text, None),
        };
        if after.is_some_and(|after| after.contains(PLACEHOLDER)) {
            return Err(RenameError::Twice);
        }
        let rest = [before, after.unwrap_or_default()];
        if let Some(braces) = rest.iter().find_map(|part| placeholder(part)) {
            return Err(RenameError::Placeholder(braces.to_owned()));
        }
        let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if let Some(wrong) = rest.iter().flat_map(|part| part.chars()).find(|c| !fits(c)) {
            return Err(RenameError::Character(wrong));
        }
        if let Some(start) = before.chars().next().filter(|c| matches!(c, '.' | '-')) {
            return Err(RenameError::Start(start));
        }
        let literal = before.len() + after.map_or(0, |after| after.len() + 1);
        if literal > TAG_LIMIT {
            return Err(RenameError::Long);
        }
        Ok(Self { before: before.to_owned(), after: after.map(str::to_owned) })
    }

    /// Whether different tags stay different.
    pub fn tells_apart(&self) -> bool {
        self.after.is_some()
    }

    /// Whether nothing changes.
    pub fn is_identity(&self) -> bool {
        *self == Self::default()
    }

    /// The tag at the target; `None` where it would be too long for one.
    pub fn apply(&self, tag: &Tag) -> Option<Tag> {
        match &self.after {
            _ if self.is_identity() => Some(tag.clone()),
            Some(after) => format!("{}{tag}{after}", self.before).parse().ok(),
            None => self.before.parse().ok(),
        }
    }

    /// The tag at the source that becomes `renamed`; `None` where no tag does, or where any could.
    pub fn undo(&self, renamed: &Tag) -> Option<Tag> {
        let after = self.after.as_deref()?;
        renamed.as_str().strip_prefix(self.before.as_str())?.strip_suffix(after)?.parse().ok()
    }
}

/// The first braces of `text`, with what is in them.
fn placeholder(text: &str) -> Option<&str> {
    let start = text.find(['{', '}'])?;
    let end = text[start..].find('}').map_or(text.len(), |end| start + end + 1);
    Some(&text[start..end])
}

impl std::fmt::Display for Rename {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.after {
            Some(after) => write!(f, "{}{PLACEHOLDER}{after}", self.before),
            None => f.write_str(&self.before),
        }
    }
}

impl Mirror {
    /// Those of the selected tags that `rename` would make too long for a tag: they are not
    /// among the images wanted, and somebody must say so.
    pub fn overlong(&self, listed: &[Tag]) -> Vec<Tag> {
        if self.rename.is_identity() {
            return Vec::new();
        }
        let selected = self.tags.select(listed).into_iter();
        selected.filter(|(tag, _)| self.rename.apply(tag).is_none()).map(|(tag, _)| tag.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_renamed_and_back() {
        let tag = |text: &str| text.parse::<Tag>().unwrap();
        for (template, source, target) in [
            ("{tag}", "1.2", "1.2"),
            ("up-{tag}", "1.2", "up-1.2"),
            ("{tag}-acme", "1.2", "1.2-acme"),
            ("a{tag}b", "c", "acb"),
        ] {
            let rename = Rename::parse(template).unwrap();
            assert_eq!(rename.to_string(), template);
            assert_eq!(rename.apply(&tag(source)), Some(tag(target)));
            assert_eq!(rename.undo(&tag(target)), Some(tag(source)));
        }
        let one = Rename::parse("latest").unwrap();
        assert_eq!((one.apply(&tag("1.2")), one.undo(&tag("latest"))), (Some(tag("latest")), None));
        assert_eq!(Rename::parse("up-{tag}").unwrap().undo(&tag("1.2")), None);
        // `-1` is no tag, so nothing becomes it.
        assert_eq!(Rename::parse("up{tag}").unwrap().undo(&tag("up-1")), None);
    }

    #[test]
    fn a_tag_that_would_be_too_long_is_none() {
        let rename = Rename::parse("acme-{tag}").unwrap();
        let tag = |length: usize| "x".repeat(length).parse::<Tag>().unwrap();
        assert!(rename.apply(&tag(123)).is_some());
        assert_eq!(rename.apply(&tag(124)), None);
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        use RenameError as E;
        let cases = [
            ("", E::Empty),
            ("{name}-{tag}", E::Placeholder("{name}".into())),
            ("{tag}-{", E::Placeholder("{".into())),
            ("{tag}}", E::Placeholder("}".into())),
            ("{tag}{tag}", E::Twice),
            ("a/{tag}", E::Character('/')),
            ("é{tag}", E::Character('é')),
            ("-{tag}", E::Start('-')),
            (".x", E::Start('.')),
        ];
        for (template, expected) in cases {
            assert_eq!(Rename::parse(template), Err(expected), "{template}");
        }
        assert!(Rename::parse(&"x".repeat(128)).is_ok());
        assert_eq!(Rename::parse(&"x".repeat(129)), Err(E::Long));
        assert_eq!(Rename::parse(&format!("{}{{tag}}", "x".repeat(128))), Err(E::Long));
    }
}
