//! Text from outside as Markdown that is nothing but text.
//!
//! Owns which characters stand as they are in a comment. Refuses to know what the text is about. Everything goes through
//! [`Untrusted`] first, which leaves no line break, no control and no invisible character; what is left and means something
//! to Markdown or HTML is written as a numeric character reference, which neither takes for structure (`CommonMark`, "Entity
//! and numeric character references"). GitHub looks for mentions, issues, formulas and addresses after that, in the text
//! itself, but not in code: names stand in code, and in prose a zero-width space parts what would be taken for one.

use std::fmt::{self, Write as _};

use super::super::Untrusted;

/// What parts a sign from what follows it.
const PART: &str = "&#8203;";

/// Whatever prints, as prose of at most `limit` characters before they are escaped.
pub(super) fn prose(value: &impl fmt::Display, limit: usize) -> String {
    let text = Untrusted::of(value).limit(limit).to_string();
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        escape(c, &mut shown);
        let is_sign = matches!(c, '@' | '#' | '$');
        let begins_address = matches!((c, rest.peek()), (':', Some('/')) | ('w' | 'W', Some('.')));
        if is_sign || begins_address {
            shown.push_str(PART);
        }
    }
    shown
}

/// Whatever prints, as code of at most `limit` characters before they are escaped: names and digests.
pub(super) fn code(value: &impl fmt::Display, limit: usize) -> String {
    let text = Untrusted::of(value).limit(limit).to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:+@=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { format!("`{text}`") } else { html_code(&text, limit) }
}

/// The same where Markdown is not read, but HTML is: in `<summary>`.
pub(super) fn html_code(value: &impl fmt::Display, limit: usize) -> String {
    format!("<code>{}</code>", prose(value, limit))
}

/// `c`, or its character reference where it means something to Markdown or HTML.
fn escape(c: char, shown: &mut String) {
    let is_plain = c.is_ascii_alphanumeric() || " -./:+=,;?()%'\"".contains(c);
    if is_plain || !c.is_ascii() {
        shown.push(c);
    } else {
        let _ = write!(shown, "&#{};", u32::from(c));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::super::untrusted::is_unsafe;
    use super::super::super::untrusted::tests::{HOSTILE, runner_command};
    use super::*;

    /// What attacks Markdown rather than a terminal.
    pub(in crate::report) const MARKUP: &[&str] = &[
        "a|b",
        "x | y |\n|---|",
        "</details></summary>",
        "<script>alert(1)</script>",
        "<img src=x onerror=y>",
        "<!-- regsync:plan v=1 key=prod -->",
        "--> <!--",
        "@org/team look",
        "a@b.example",
        "#123 and GH-1 and org/repo#4",
        "`code` ``` ~~~",
        "[click](https://evil.example)",
        "![x](https://evil.example/x.png)",
        "https://evil.example/x www.evil.example",
        "**bold** _em_ ~~no~~ $x$ $`y`$",
        "# Heading\n\n> quote\n- list",
        "&lt;b&gt; &#60;b&#62;",
        "\\| \\` \\\\",
        "> [!CAUTION]",
        "\u{202e}desrever",
    ];

    /// Fails if `text`, a part of a line, could be anything but text: what is code, and what is our own HTML, apart.
    #[track_caller]
    pub(in crate::report) fn assert_inert(text: &str) {
        assert_eq!(text.chars().find(|c| is_unsafe(*c)), None, "in {text:?}");
        assert_eq!(runner_command(text), None, "in {text:?}");
        for bad in ["<", ">", "|", "`", "[", "]", "*", "_", "~", "\\", "@", "#{", "://", "www."] {
            let bare = text.replace("&#", "");
            assert!(!bare.contains(bad), "{bad} in {text:?}");
        }
    }

    #[test]
    fn names_are_code_and_signs_are_references() {
        assert_eq!(code(&"ghcr.io/acme/app:1.0@sha256:ab", 100), "`ghcr.io/acme/app:1.0@sha256:ab`");
        assert_eq!(code(&"a`b|c", 100), "<code>a&#96;b&#124;c</code>");
        assert_eq!(code(&"", 100), "<code></code>");
        assert_eq!(prose(&"answered 401 (no pull)", 100), "answered 401 (no pull)");
        assert_eq!(prose(&"@org <b>", 100), "&#64;&#8203;org &#60;b&#62;");
        assert_eq!(prose(&"see https://x.example", 100), "see https:&#8203;//x.example");
        assert_eq!(prose(&"www.x.example", 100), "www&#8203;.x.example");
    }

    fn hostile_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<char>().prop_map(String::from),
            prop::sample::select(HOSTILE).prop_map(str::to_owned),
            prop::sample::select(MARKUP).prop_map(str::to_owned),
            "[:/w.@#|<>`\\[\\]() a]{1,6}",
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_text_is_anything_but_text(text in hostile_text(), limit in 1_usize..60) {
            assert_inert(&prose(&text, limit));
            let code = code(&text, limit);
            let inner = match code.strip_prefix('`') {
                Some(rest) => rest.strip_suffix('`').expect("it ends as it began").replace('@', ""),
                None => code.strip_prefix("<code>").and_then(|rest| rest.strip_suffix("</code>")).expect("tags").to_owned(),
            };
            for bad in ["<", ">", "|", "`", "\n"] {
                prop_assert!(!inner.contains(bad), "{bad:?} in {code:?}");
            }
        }
    }
}
