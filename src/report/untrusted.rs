//! Text from outside: the one escaper between it and a terminal, a log or a CI system that reads our lines.
//!
//! Owns which characters may be shown as they are. Refuses to know what the text is about. What comes out has no line
//! break, moves no cursor, hides nothing, and is no command to whoever reads it:
//!
//! - Control, format, invisible, bidirectional, private and non-characters become `\n`, `\r`, `\t` or `\u{…}`.
//! - GitHub's runner takes `::name::` at the start of a line, after white space, and `##[name]` anywhere in it, for a
//!   command (actions/runner, `ActionCommand.cs`: `TryParseV2`, `TryParse`); Azure Pipelines takes `##vso[…]`. So a
//!   leading `::` becomes `\::`, and each `##` becomes `#\#`.
//!
//! Escaping what is escaped already changes nothing.

use std::borrow::Cow;
use std::fmt;

/// Text from a registry, a configuration or a plan file, shown escaped and cut to a bearable length.
#[derive(Clone, Debug)]
pub struct Untrusted<'a> {
    text: Cow<'a, str>,
    limit: usize,
}

impl<'a> Untrusted<'a> {
    /// How many characters are shown unless [`Self::limit`] says otherwise.
    pub const LIMIT: usize = 1000;

    /// Wraps `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text: Cow::Borrowed(text), limit: Self::LIMIT }
    }

    /// Wraps what `value` prints.
    pub fn of(value: &impl fmt::Display) -> Untrusted<'static> {
        Untrusted { text: Cow::Owned(value.to_string()), limit: Self::LIMIT }
    }

    /// Shows at most `characters` of the escaped text, the last of them `…` where something was cut off. At least one.
    #[must_use]
    pub fn limit(self, characters: usize) -> Self {
        Self { limit: characters.max(1), ..self }
    }
}

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape(&self.text, self.limit))
    }
}

/// The escaped text. Cut between characters, never within an escape: half of one would read as something else.
fn escape(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * limit));
    let (mut used, mut cut) = (0, 0);
    let mut before: Option<char> = None;
    let mut blank = true;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let end = shown.len();
        match c {
            ':' if blank && rest.peek() == Some(&':') => shown.push_str("\\:"),
            '#' if before == Some('#') => shown.push_str("\\#"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_unsafe(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
        used += shown[end..].chars().count();
        if used > limit {
            shown.truncate(cut);
            shown.push('…');
            break;
        }
        if used < limit {
            cut = shown.len();
        }
        blank &= c == ' ';
        before = Some(c);
    }
    shown
}

/// Whether `c` does something other than show itself.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control() || (c.is_whitespace() && c != ' ') || is_invisible(c) || is_unassigned_for_good(c)
}

/// Format characters and all that have no look of their own: general category `Cf` and `Default_Ignorable_Code_Point`
/// of the Unicode Character Database, and the two letters that are blank. Text comparison that follows the Unicode
/// collation rules ignores them, so they must not stand inside `::` or `##[` either.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
        | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Non-characters and private use: no two systems agree on what they show.
fn is_unassigned_for_good(c: char) -> bool {
    let non_character = u32::from(c) & 0xfffe == 0xfffe || matches!(c, '\u{fdd0}'..='\u{fdef}');
    non_character || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The command that GitHub's runner would take `line` for: its two parsers, stricter in that any name counts.
    pub(in crate::report) fn runner_command(line: &str) -> Option<String> {
        let between = |text: &str, end: &str| text.find(end).map(|end| text[..end].to_owned());
        let new_form = line.trim_start().strip_prefix("::").and_then(|rest| between(rest, "::"));
        let old_form = || line.find("##[").and_then(|at| between(&line[at + 3..], "]"));
        new_form.or_else(old_form)
    }

    /// Fails if `line` could do anything but be read. Colours of our own must have been taken out.
    #[track_caller]
    pub(in crate::report) fn assert_harmless(line: &str) {
        let wrong = line.chars().find(|c| is_unsafe(*c));
        assert_eq!(wrong, None, "in {line:?}");
        assert_eq!(runner_command(line), None, "in {line:?}");
    }

    /// What attackers write, each of which must come out harmless wherever text from outside is shown.
    pub(in crate::report) const HOSTILE: &[&str] = &[
        "::error::x",
        "  ::set-output name=a::b",
        "\u{a0}\u{2003}::add-mask::secret",
        "x\n::error file=a,line=1::y",
        "x\r::warning::y",
        "##[add-mask]y",
        "done ##[error]no ##[group]z",
        "###[error]",
        "#\u{ad}#[error]soft",
        ":\u{200b}:error::zero width",
        "\u{feff}::error::mark",
        "##vso[task.setvariable variable=x]y",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{9b}31mred",
        "\u{1b}]8;;https://evil.example\u{7}click\u{1b}]8;;\u{7}",
        "\u{202e}txt.exe\u{202c}",
        "a\u{2066}b\u{2069}",
        "tag \u{e0041}\u{e0042}",
        "v\u{fe0f}\u{fdd0}\u{ffff}\u{10ffff}",
        "\0\u{8}\u{7f}\u{85}\u{2028}\u{2029}",
    ];

    fn shown(text: &str) -> String {
        Untrusted::new(text).to_string()
    }

    #[test]
    fn plain_text_is_shown_as_it_is() {
        for text in
            ["", "ghcr.io/acme/app:1.0", "café – ナイス", "a::b", "std::io", "# one", "C:\\dir", "  indented", ":"]
        {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn what_is_dangerous_is_spelled_out() {
        assert_eq!(shown("a\nb\r\tc"), "a\\nb\\r\\tc");
        assert_eq!(shown("\u{1b}[31m"), "\\u{1b}[31m");
        assert_eq!(shown("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(shown("::error::x"), "\\::error::x");
        assert_eq!(shown("  ::error::x"), "  \\::error::x");
        assert_eq!(shown("a ##[group]"), "a #\\#[group]");
        assert_eq!(shown("####"), "#\\#\\#\\#");
    }

    #[test]
    fn the_hostile_corpus_is_recognised_and_comes_out_harmless() {
        for text in HOSTILE {
            let suspicious = text.lines().any(|line| runner_command(line).is_some())
                || text.contains("##")
                || text.chars().any(is_unsafe);
            assert!(suspicious, "{text:?} attacks nothing");
            assert_harmless(&shown(text));
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(Untrusted::new("abcdef").limit(6).to_string(), "abcdef");
        assert_eq!(Untrusted::new("abcdef").limit(5).to_string(), "abcd…");
        assert_eq!(Untrusted::new("ab\u{202e}f").limit(6).to_string(), "ab…");
        assert_eq!(Untrusted::new("abc").limit(0).to_string(), "…");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), Untrusted::LIMIT);
        assert_eq!(format!("{:<5}|", Untrusted::new("a\n")), "a\\n  |");
    }

    fn hostile_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<char>().prop_map(String::from),
            prop::sample::select(HOSTILE).prop_map(str::to_owned),
            "[:# \\[\\]\n\u{200b}]{1,4}",
            "[a-z]{1,6}",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_shown_does_anything(text in hostile_text(), limit in 1_usize..80) {
            assert_harmless(&shown(&text));
            let cut = Untrusted::new(&text).limit(limit).to_string();
            assert_harmless(&cut);
            prop_assert!(cut.chars().count() <= limit);
        }

        #[test]
        fn escaping_twice_is_escaping_once(text in hostile_text(), limit in 1_usize..80) {
            let once = Untrusted::new(&text).limit(limit).to_string();
            prop_assert_eq!(Untrusted::new(&once).limit(limit).to_string(), once);
        }
    }
}
