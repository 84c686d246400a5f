//! Text from outside as Markdown that is nothing but text.
//!
//! Owns which characters stand as they are in a comment. Refuses to know what the text is about. Everything goes through
//! [`Untrusted`] first, which leaves no line break, no control and no invisible character; what is left and means something
//! to Markdown or HTML is written as a numeric character reference, which neither takes for structure (`CommonMark`, "Entity
//! and numeric character references"). GitHub looks for mentions, issues, formulas and addresses after that, in the text
//! itself, but not in code: names stand in code, and in prose a zero-width space parts what would be taken for one.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;

use super::super::Untrusted;

/// What parts a sign from what follows it.
const PART: &str = "&#8203;";
/// So many hex digits are a commit to GitHub and GitLab.
const COMMIT: RangeInclusive<usize> = 7..=40;
/// So many are none.
const SHORT: usize = 6;

/// Whatever prints, as prose of at most `limit` characters before they are escaped.
pub(super) fn prose(value: &impl fmt::Display, limit: usize) -> String {
    let text = Untrusted::of(value).limit(limit).to_string();
    let mut apart = addresses(&text);
    apart.extend(references(&text));
    parted(&text, &apart)
}

/// Whatever prints, as a line or a part of what is code already, where forges link nothing.
pub(super) fn preformatted(value: &impl fmt::Display, limit: usize) -> String {
    let text = Untrusted::of(value).limit(limit).to_string();
    parted(&text, &addresses(&text))
}

/// `text` escaped, with a part before each of these of its bytes. GitLab obeys a line that begins with a slash (quick
/// actions) as it was written, before Markdown is read: there the slash is a character reference.
fn parted(text: &str, apart: &BTreeSet<usize>) -> String {
    let mut shown = String::with_capacity(text.len());
    let begin = text.len() - text.trim_start().len();
    for (at, c) in text.char_indices() {
        if apart.contains(&at) {
            shown.push_str(PART);
        }
        if c == '/' && at == begin { shown.push_str("&#47;") } else { escape(c, &mut shown) }
    }
    if apart.contains(&text.len()) {
        shown.push_str(PART);
    }
    shown
}

/// Where to part what Markdown itself links, in HTML too, and what is looked for before it is read: after signs, and
/// within the beginnings of addresses.
fn addresses(text: &str) -> BTreeSet<usize> {
    let begins = |c, rest: &str| match c {
        '@' | '#' | '$' => true,
        ':' => rest.starts_with('/'),
        'w' | 'W' => rest.starts_with('.'),
        _ => false,
    };
    let begins = |(at, c): &(usize, char)| c.is_ascii() && begins(*c, &text[at + 1..]);
    text.char_indices().filter(begins).map(|(at, _)| at + 1).collect()
}

/// Where to part what forges link after Markdown was read: GitLab's signs, commits, and issues by a key, of which `GH` is
/// GitHub's own.
fn references(text: &str) -> Vec<usize> {
    let is_seen = |at: &usize| text[*at..].chars().next().is_some_and(|c| c != ' ');
    let signs = text.match_indices(['!', '~', '%', '&', '[', '*', '^']).map(|(at, _)| at + 1).filter(is_seen);
    let keys = text.match_indices('-').map(|(at, _)| at).filter(|at| {
        let key = text[..*at].rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
        key.is_some_and(is_key) && text[at + 1..].starts_with(|c: char| c.is_ascii_digit())
    });
    signs.chain(keys).chain(commits(text)).collect()
}

/// `GH` however it is written, or what trackers allow: capitals, digits and underscores.
fn is_key(word: &str) -> bool {
    let rest = word.strip_prefix(|c: char| c.is_ascii_uppercase()).unwrap_or_default();
    let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    word.eq_ignore_ascii_case("gh") || !rest.is_empty() && rest.chars().all(is_capital)
}

/// Within each run of hex digits that is long enough for a commit and no longer than one: pieces too short for it.
fn commits(text: &str) -> Vec<usize> {
    let mut apart = Vec::new();
    let mut begin = 0;
    for run in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let length = run.bytes().take_while(u8::is_ascii_hexdigit).count();
        if COMMIT.contains(&length) {
            apart.extend((begin + SHORT..begin + length).step_by(SHORT));
        }
        begin += run.len();
    }
    apart
}

/// Whatever prints, as code of at most `limit` characters before they are escaped: names and digests.
pub(super) fn code(value: &impl fmt::Display, limit: usize) -> String {
    let text = Untrusted::of(value).limit(limit).to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:+@=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { format!("`{text}`") } else { html_code(&text, limit) }
}

/// The same where Markdown is not read, but HTML is: in `<summary>`.
pub(super) fn html_code(value: &impl fmt::Display, limit: usize) -> String {
    format!("<code>{}</code>", preformatted(value, limit))
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
pub(in crate::report) mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex::Regex;

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
        "gh-22 and GH-1, TEAM-7",
        "c0ffee1 at 0123456789abcdef0123456789abcdef01234567",
    ];

    /// What GitLab takes for a reference or a command, even where it was written as character references.
    pub(in crate::report) const GITLAB: &[&str] = &[
        "/close",
        "  /assign @me",
        "x\n/approve\n/merge",
        "!12 ~label %5 &12 $12 GL-9",
        "~\"two words\" %\"1.0 beta\" acme/app!3",
        "[issue:12] [vulnerability:3] *iteration:5 ^alert#3",
        "&#47;close &#33;12",
    ];

    /// `text` as a reader sees it: each numeric character reference is its character.
    fn read(text: &str) -> String {
        let mut pieces = text.split("&#");
        let mut seen = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (number, rest) = piece.split_once(';').expect("it ends");
            seen.push(char::from_u32(number.parse().expect("a number")).expect("a character"));
            seen.push_str(rest);
        }
        seen
    }

    /// What a forge would link in `text`, no part of which is code, or obey as a command where it is a line.
    pub(in crate::report) fn live_reference(text: &str) -> Option<String> {
        const REFERENCE: &str = r#"(?i:\bgh-\d)|\b[A-Z][A-Z0-9_]+-\d|[@#$!~%&][\w"]|\[\w+:|\*iteration:"#;
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| Regex::new(REFERENCE).expect("a pattern"));
        let seen = read(text);
        let is_hex = |c: char| c.is_ascii_hexdigit();
        let commit = seen.split(|c| !is_hex(c)).find(|run| (7..=40).contains(&run.len())).map(str::to_owned);
        let command = text.trim_start().starts_with('/').then(|| text.to_owned());
        command.or(commit).or_else(|| PATTERN.find(&seen).map(|found| found.as_str().to_owned()))
    }

    /// Fails if `text`, a part of a line, could be anything but text: what is code, and what is our own HTML, apart.
    #[track_caller]
    pub(in crate::report) fn assert_inert(text: &str) {
        assert_eq!(text.chars().find(|c| is_unsafe(*c)), None, "in {text:?}");
        assert_eq!(runner_command(text), None, "in {text:?}");
        for bad in ["<", ">", "|", "`", "[", "]", "*", "_", "~", "\\", "@", "#{", "://", "www."] {
            let bare = text.replace("&#", "");
            assert!(!bare.contains(bad), "{bad} in {text:?}");
        }
        assert_eq!(live_reference(text), None, "in {text:?}");
    }

    #[test]
    fn references_are_told_from_text() {
        for text in MARKUP.iter().filter(|text| text.contains("GH-") || text.contains("c0ffee1")).chain(GITLAB) {
            assert!(text.lines().any(|line| live_reference(&line.replace("&#47;", "/")).is_some()), "{text:?}");
        }
        for text in ["50% of 3 & more!", "sha256:ab", "a/b", "1.27.5-alpine", "[1]", "registry-2", "&#33;&#8203;12"] {
            assert_eq!(live_reference(text), None);
        }
    }

    #[test]
    fn what_a_forge_would_link_is_parted() {
        assert_eq!(prose(&"GH-1 gh-22 alpine-3", 100), "GH&#8203;-1 gh&#8203;-22 alpine-3");
        assert_eq!(prose(&"now c0ffee001122.", 100), "now c0ffee&#8203;001122.");
        assert_eq!(prose(&"a1b2c3", 100), "a1b2c3");
        let full = "0123456789abcdef".repeat(4);
        assert_eq!(prose(&full, 100), full, "no forge takes this many digits for a commit");
        assert_eq!(prose(&"!12 50% %5", 100), "&#33;&#8203;12 50% %&#8203;5");
        assert_eq!(prose(&" /close", 100), " &#47;close");
        assert_eq!(html_code(&"c0ffee001122 GH-1", 100), "<code>c0ffee001122 GH-1</code>");
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
            prop::sample::select(GITLAB).prop_map(str::to_owned),
            "[:/w.@#|<>`\\[\\]() a]{1,6}",
            "[GHgh1_!~%&/ -]{1,6}",
            "[0-9a-f]{5,50}",
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
