//! `Warning`: remarks of a registry for people. Pure.
//!
//! Owns the form that the distribution specification allows ("Warnings": `299 - "text"`). Refuses to act on any.

use reqwest::header::{HeaderMap, WARNING};

use super::error::one_line;
use crate::auth::Redactor;
use crate::store::limits::WARNING_BYTES;

/// The texts of the well-formed warnings; others are passed over.
pub(super) fn texts(headers: &HeaderMap, redactor: &Redactor) -> Vec<String> {
    let values = headers.get_all(WARNING).iter().filter(|value| value.len() <= WARNING_BYTES);
    let texts = values.filter_map(|value| text(&String::from_utf8_lossy(value.as_bytes())));
    texts.filter_map(|text| one_line(&redactor.clean(&text))).collect()
}

fn text(value: &str) -> Option<String> {
    let quoted = value.trim().strip_prefix("299 - \"")?.strip_suffix('"')?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            '"' => return None,
            other => text.push(other),
        }
    }
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_of_the_specification_is_read() {
        assert_eq!(text(r#"299 - "this \"tag\" goes away""#).as_deref(), Some(r#"this "tag" goes away"#));
        for other in ["", "299", "299 -", r#"199 - "x""#, "299 - x", r#"299 - "x" "y""#, r#"299 - """#, "299 - \""] {
            assert_eq!(text(other), None, "{other}");
        }
    }
}
