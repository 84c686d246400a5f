//! Rust source as text: just enough of its grammar to see which names code uses.
//!
//! Not a parser. It knows comments, literals, identifiers, `{…}` groups of paths and
//! `#[cfg(test)]` items; what a name means is for the caller.

/// The segments that follow a path's beginning: `std::fs` → `fs`, `crate::{a, b::c}` → `a`, `b`.
pub(crate) fn segments_after<'a>(code: &[Token<'a>], beginning: &[&str]) -> Vec<Token<'a>> {
    let pattern: Vec<&str> = beginning.iter().flat_map(|name| [*name, ":", ":"]).collect();
    let mut found = Vec::new();
    for at in 0..code.len() {
        let rest = &code[at..];
        let matches =
            rest.len() > pattern.len() && rest.iter().zip(&pattern).all(|(token, wanted)| token.text == *wanted);
        if matches {
            found.extend(first_segments(&rest[pattern.len()..]));
        }
    }
    found
}

/// The first segment of a path, or of each path of a `{…}` group.
fn first_segments<'a>(rest: &[Token<'a>]) -> Vec<Token<'a>> {
    if rest[0].text != "{" {
        return vec![rest[0]];
    }
    let (mut depth, mut found) = (0_usize, Vec::new());
    for (at, token) in rest.iter().enumerate() {
        match token.text {
            "{" => depth += 1,
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            _ if depth == 1 && matches!(rest[at - 1].text, "{" | ",") => found.push(*token),
            _ => {}
        }
    }
    found
}

/// A piece of code and the line it stands on.
#[derive(Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// Identifiers (and numbers) whole, everything else a character at a time.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (text, tail) = rest.split_at(if word == 0 { first.len_utf8() } else { word });
            found.push(Token { line: number + 1, text });
            rest = tail.trim_start();
        }
    }
    found
}

/// Drops each `#[cfg(test)]` item: up to its `;`, or to the end of its braces.
pub(crate) fn without_tests<'a>(code: &[Token<'a>]) -> Vec<Token<'a>> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < code.len() {
        let is_test = code[at..].len() > attribute.len()
            && code[at..].iter().zip(attribute).all(|(token, wanted)| token.text == wanted);
        if !is_test {
            kept.push(code[at]);
            at += 1;
            continue;
        }
        let mut depth = 0_usize;
        for token in &code[at..] {
            at += 1;
            match token.text {
                "{" => depth += 1,
                "}" if depth <= 1 => break,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => {}
            }
        }
    }
    kept
}

/// Replaces comments, strings and character literals by spaces; lines stay where they are.
pub(crate) fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let literal = literal_length(rest, code.chars().last());
        let (taken, tail) = rest.split_at(literal.unwrap_or(first.len_utf8()));
        if literal.is_some() {
            code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(taken);
        }
        rest = tail;
    }
    code
}

/// How long the comment or literal is that `rest` begins with, if it begins with one.
fn literal_length(rest: &str, before: Option<char>) -> Option<usize> {
    let to_end = |found: Option<usize>| Some(found.unwrap_or(rest.len()));
    if rest.starts_with("//") {
        return to_end(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        return to_end(block_comment(rest));
    }
    if rest.starts_with('"') {
        return to_end(closing_quote(rest));
    }
    if rest.starts_with('r') && !before.is_some_and(|c| c.is_ascii_lowercase() && c != 'b' && c != 'c') {
        let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
        let body = rest[1 + hashes..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        return to_end(body.find(&close).map(|end| hashes + 2 + end + close.len()));
    }
    let body = rest.strip_prefix('\'')?;
    let mut characters = body.char_indices();
    match characters.next()? {
        (_, '\\') => body[2..].find('\'').map(|end| end + 4),
        // Without a closing quote right behind, it is a lifetime.
        _ => characters.next().filter(|(_, c)| *c == '\'').map(|(end, _)| end + 2),
    }
}

/// Block comments nest.
fn block_comment(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let next = at + text[at..].find("/*").into_iter().chain(text[at..].find("*/")).min()?;
        depth = if text[next..].starts_with("/*") { depth + 1 } else { depth - 1 };
        at = next + 2;
        if depth == 0 {
            return Some(at);
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}
