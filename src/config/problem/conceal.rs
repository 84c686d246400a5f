//! What must not be echoed: secrets, and characters that do something to a terminal.
//!
//! Works on spelling alone, because it also guards lines of files that could not be parsed.

use std::fmt::Write as _;
use std::ops::Range;

/// The longest piece of a file that a message repeats, in characters.
const SHOWN_LIMIT: usize = 72;
/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// Beginnings of well-known access tokens, and how long such a token is at least.
const TOKENS: &[(&str, usize)] = &[
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 22),
    ("glpat-", 16),
    ("dckr_pat_", 16),
    ("dckr_oat_", 16),
    ("npm_", 30),
    ("hf_", 30),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("AIza", 30),
    ("AKIA", 20),
    ("ASIA", 20),
    ("eyJ", 40),
    ("-----BEGIN", 10),
];

/// `text` between backquotes, made safe to print: shortened, escaped, and masked where it looks like a secret.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::from("`");
    let mut from = 0;
    let short: String = text.chars().take(SHOWN_LIMIT).collect();
    for secret in secrets(&short).into_iter().chain(looks_secret(text).then_some(0..short.len())) {
        if secret.start >= from {
            escape(&short[from..secret.start], &mut out);
            out.push_str(MASK);
            from = secret.end;
        }
    }
    escape(&short[from..], &mut out);
    if short.len() < text.len() {
        out.push('…');
    }
    out.push('`');
    out
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        push_escaped(c, out);
    }
}

/// Appends `c`, as an escape where a reader would not see it or a terminal would obey it; and breaks up what the runners of
/// GitHub (`##[name]`) and Azure (`##vso[`) take for a command wherever it stands in a line.
pub(super) fn push_escaped(c: char, out: &mut String) {
    let result = match c {
        '[' | 'v' if out.ends_with("##") => write!(out, "\\{c}"),
        '\t' => out.write_str("    "),
        '\n' => out.write_str("\\n"),
        c if is_invisible(c) => write!(out, "\\u{{{:x}}}", u32::from(c)),
        c => out.write_char(c),
    };
    debug_assert!(result.is_ok(), "writing to a string does not fail");
}

/// Control and format characters: direction overrides, zero-width characters, tags (Unicode general categories Cc, Cf,
/// Zl, Zp, and the fillers that look like nothing).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a key's name says that its value is a secret.
pub(crate) fn is_secret_key(key: &str) -> bool {
    // Hosts and repositories may be called anything.
    if key.len() > 64 || key.contains(['.', '/', ':']) {
        return false;
    }
    let name: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    ["password", "passwd", "passphrase", "secret", "apikey", "privatekey", "accesskey"].iter().any(|w| name.contains(w))
        || name.ends_with("token")
        || matches!(name.as_str(), "pwd" | "pass" | "pw" | "credential" | "credentials" | "authorization")
}

/// Whether a text holds what looks like an access token or a private key.
pub(crate) fn looks_secret(text: &str) -> bool {
    words(text).any(|word| is_token(&text[word])) || text.contains("-----BEGIN")
}

fn is_token(word: &str) -> bool {
    let known = |(start, length): &(&str, usize)| word.len() >= *length && word.starts_with(start);
    TOKENS.iter().any(known) && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

/// The runs of characters that a token or a reference could be made of.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let boundary = |c: char| c.is_whitespace() || "\"'`,;=()[]{}<>/@:".contains(c);
    let mut from = 0;
    text.split(boundary).map(move |word| {
        let start = text[from..].find(word).map_or(from, |at| from + at);
        from = start + word.len();
        start..from
    })
}

/// The parts of one line that must not be shown.
pub(super) fn secrets(line: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = words(line).filter(|word| is_token(&line[word.clone()])).collect();
    found.extend(user_info(line));
    found.extend(value_of_secret_key(line));
    found.sort_by_key(|range| (range.start, range.end));
    found
}

/// `user:password` before an `@` that does not begin a digest. One pass: lines may be as long as a file.
fn user_info(line: &str) -> Vec<Range<usize>> {
    let (mut start, mut colon, mut found) = (0, false, Vec::new());
    for (at, c) in line.char_indices() {
        match c {
            ':' => colon = true,
            '@' => {
                let digest = ["sha", "md5", "blake"].iter().any(|name| line[at + 1..].starts_with(name));
                if colon && !digest {
                    found.push(start..at);
                }
            }
            c if c.is_whitespace() || "\"'`,[]{}/".contains(c) => (start, colon) = (at + c.len_utf8(), false),
            _ => {}
        }
    }
    found
}

/// What follows `password:` and the like, to the end of the line.
fn value_of_secret_key(line: &str) -> Option<Range<usize>> {
    let line = line.trim_end();
    line.match_indices(':').find_map(|(colon, _)| {
        let before = line[..colon].trim_end().trim_end_matches(['"', '\'']);
        let name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let key = before.rfind(|c| !name(c)).map_or(before, |at| before[at..].trim_start_matches(|c| !name(c)));
        let value = line.len() - line[colon + 1..].trim_start().len();
        // `acme/token:1` is a repository of that name, and its tag.
        let repository = before[..before.len() - key.len()].ends_with('/');
        let secret = !repository && (is_secret_key(key) || is_docker_auth(key, &line[value..]));
        (secret && value < line.len()).then_some(value..line.len())
    })
}

/// Docker's files keep `user:password` in base64 below a key that is also one of ours, for other values.
fn is_docker_auth(key: &str, value: &str) -> bool {
    key == "auth" && value.len() > 12 && !value.starts_with(['{', '[', '*', '&', '#'])
}

/// Whether a line ends with the key of a secret, so that the lines below it are the secret.
pub(super) fn opens_secret(line: &str) -> bool {
    let line = line.trim_end().trim_end_matches(['|', '>', '-', '+', '{', '[', ' ', '"', '\'']);
    let Some(before) = line.strip_suffix(':') else { return false };
    let start = before.rfind(|c: char| c.is_whitespace() || c == '{' || c == ',').map_or(0, |i| i + 1);
    let key = before.get(start..).unwrap_or_default();
    is_secret_key(key.trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(line: &str) -> String {
        let mut out = String::new();
        let mut from = 0;
        for secret in secrets(line) {
            if secret.start >= from {
                out.push_str(&line[from..secret.start]);
                out.push_str(MASK);
                from = secret.end;
            }
        }
        out + &line[from..]
    }

    #[test]
    fn secrets_are_found_by_key_token_and_user_info() {
        let token = format!("ghp_{}", "a1".repeat(18));
        let cases = [
            ("    password: hunter2", "    password: ***"),
            ("  \"docker-password\" : 'x y' # c", "  \"docker-password\" : ***"),
            ("{user: a, pass: b}", "{user: a, pass: ***"),
            ("source: user:pw@ghcr.io/a", "source: ***@ghcr.io/a"),
            ("source: https://user:pw@ghcr.io/a", "source: https://***@ghcr.io/a"),
            ("auth: dXNlcjpwYXNzd29yZA==", "auth: ***"),
            (&format!("note: [{token}, b]"), "note: [***, b]"),
        ];
        for (line, expected) in cases {
            assert_eq!(masked(line), expected);
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        let digest = format!("source: ghcr.io/a/b:1@sha256:{}", "0".repeat(64));
        for line in
            ["auth: anonymous", "auth: { aws: 1 }", "source: ghcr.io/acme/token:1", &digest, "tags: [\"1\"]", "é: ü"]
        {
            assert_eq!(masked(line), line);
        }
    }

    #[test]
    fn invisible_characters_are_escaped_and_long_text_is_cut() {
        assert_eq!(shown("a\u{202e}b\u{1b}[2J"), "`a\\u{202e}b\\u{1b}[2J`");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), SHOWN_LIMIT + 3);
        assert!(!shown(&format!("ghp_{}", "a".repeat(100))).contains("aaa"));
    }

    #[test]
    fn lines_below_a_secret_key_belong_to_it() {
        for line in ["password:", "  token: |", "a: {secret: \"", "  - private-key: >-"] {
            assert!(opens_secret(line), "{line}");
        }
        assert!(!opens_secret("tags:") && !opens_secret(""));
    }

    #[test]
    fn no_line_that_is_shown_holds_a_command_of_a_runner() {
        for (line, expected) in [
            ("tags: [##[endgroup]]", "tags: [##\\[endgroup]]"),
            ("###[error]x", "###\\[error]x"),
            ("##vso[task.setvariable]", "##\\vso[task.setvariable]"),
            ("# [a] ## b", "# [a] ## b"),
        ] {
            let mut shown = String::new();
            line.chars().for_each(|c| push_escaped(c, &mut shown));
            assert_eq!(shown, expected);
        }
    }
}
