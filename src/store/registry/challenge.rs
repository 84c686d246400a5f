//! `WWW-Authenticate`: what a registry wants to see before it answers. Pure.
//!
//! Owns the grammar of RFC 9110 §11.6.1 as registries bend it. Refuses to fail: what cannot be understood is left out,
//! and the caller decides whether enough remains.

use reqwest::header::HeaderValue;

/// A challenge that can be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user name and password with each request.
    Basic,
    /// A token from a realm with each request.
    Bearer(Bearer),
}

/// The parameters of a `Bearer` challenge (distribution's token specification; RFC 6750 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bearer {
    /// Where tokens are to be had; may be relative.
    pub(super) realm: Option<String>,
    /// The name of the registry at its realm.
    pub(super) service: Option<String>,
    /// Scopes, separated by spaces; opaque at some registries (`aws`).
    pub(super) scope: Option<String>,
}

/// The challenges of all `WWW-Authenticate` headers that can be met, in their order.
pub(super) fn parse<'a>(headers: impl IntoIterator<Item = &'a HeaderValue>) -> Vec<Challenge> {
    let mut found = Vec::new();
    for header in headers {
        let text = String::from_utf8_lossy(header.as_bytes()).into_owned();
        let raw = Cursor { rest: &text }.challenges();
        found.extend(raw.into_iter().filter_map(Raw::supported));
    }
    found
}

#[derive(Debug)]
struct Raw {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Raw {
    fn supported(self) -> Option<Challenge> {
        match self.scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => {
                let take = |name: &str| {
                    let found = self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
                };
                Some(Challenge::Bearer(Bearer { realm: take("realm"), service: take("service"), scope: take("scope") }))
            }
            _ => None,
        }
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn challenges(mut self) -> Vec<Raw> {
        let mut found: Vec<Raw> = Vec::new();
        loop {
            self.skip(|c| c == ',' || c.is_whitespace());
            let name = self.take(is_token);
            if name.is_empty() {
                // Junk: one character at a time, so that the end is always reached.
                let mut characters = self.rest.chars();
                if characters.next().is_none() {
                    return found;
                }
                self.rest = characters.as_str();
                continue;
            }
            self.skip(char::is_whitespace);
            if self.eat('=') {
                let value = self.value();
                if let Some(challenge) = found.last_mut() {
                    challenge.parameters.push((name.to_owned(), value));
                }
            } else {
                found.push(Raw { scheme: name.to_owned(), parameters: Vec::new() });
                self.skip_token68();
            }
        }
    }

    /// `Negotiate abc==`: credentials in place of parameters.
    fn skip_token68(&mut self) {
        let mut ahead = Cursor { rest: self.rest };
        let word = ahead.take(|c| is_token(c) || c == '/');
        let ends = |text: &str| text.is_empty() || text.starts_with(',');
        let alone = match ahead.rest.trim_start().strip_prefix('=').map(str::trim_start) {
            Some(after) => ends(after) || after.starts_with('='),
            None => ends(ahead.rest.trim_start()),
        };
        if alone && !word.is_empty() {
            self.rest = ahead.rest.trim_start().trim_start_matches('=');
        }
    }

    fn value(&mut self) -> String {
        self.skip(char::is_whitespace);
        if self.eat('"') { self.quoted() } else { self.take(|c| c != ',' && !c.is_whitespace()).to_owned() }
    }

    fn quoted(&mut self) -> String {
        let mut value = String::new();
        let mut characters = self.rest.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => value.extend(characters.next()),
                other => value.push(other),
            }
        }
        self.rest = characters.as_str();
        value
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.take(unwanted);
    }

    fn eat(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// `tchar` of RFC 9110 §5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(headers: &[&str]) -> Vec<Challenge> {
        let headers: Vec<_> = headers.iter().map(|text| HeaderValue::from_bytes(text.as_bytes()).unwrap()).collect();
        parse(&headers)
    }

    fn bearer(realm: &str, service: &str, scope: &str) -> Challenge {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Challenge::Bearer(Bearer { realm: some(realm), service: some(service), scope: some(scope) })
    }

    #[test]
    fn the_common_form() {
        let header = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#;
        let expected = bearer("https://auth.docker.io/token", "registry.docker.io", "repository:library/alpine:pull");
        assert_eq!(read(&[header]), [expected]);
        assert_eq!(read(&[r#"Basic realm="https://x/",service="ecr.amazonaws.com""#]), [Challenge::Basic]);
    }

    #[test]
    fn several_challenges_in_one_header_and_commas_in_quotes() {
        let header = r#"Negotiate, Bearer realm="https://x/t",scope="repository:a/b:pull,push""#;
        assert_eq!(read(&[header]), [bearer("https://x/t", "", "repository:a/b:pull,push")]);
        let both = r#"Basic realm="a, b", Bearer realm="https://x/t""#;
        assert_eq!(read(&[both]), [Challenge::Basic, bearer("https://x/t", "", "")]);
    }

    #[test]
    fn names_in_any_case_unquoted_spaced_and_escaped() {
        assert_eq!(read(&["bearer REALM=https://x/t"]), [bearer("https://x/t", "", "")]);
        assert_eq!(read(&["BEARER Realm = \"x\" , SERVICE = s"]), [bearer("x", "s", "")]);
        assert_eq!(read(&[r#"Bearer realm="x",service="a \"b\" \\c""#]), [bearer("x", "a \"b\" \\c", "")]);
    }

    #[test]
    fn two_headers_keep_their_order() {
        let both = read(&[r#"Bearer realm="x""#, r#"Basic realm="y""#]);
        assert_eq!(both, [bearer("x", "", ""), Challenge::Basic]);
    }

    #[test]
    fn credentials_in_place_of_parameters_are_passed_over() {
        assert_eq!(read(&[r#"Negotiate abc==, Bearer realm="x""#]), [bearer("x", "", "")]);
        assert_eq!(read(&[r#"Negotiate a/b+c=, Basic realm="x""#]), [Challenge::Basic]);
        assert_eq!(read(&["Negotiate YII"]), []);
    }

    #[test]
    fn a_bearer_without_realm_stays_visible() {
        assert_eq!(read(&["Bearer service=x"]), [bearer("", "x", "")]);
        assert_eq!(read(&["Bearer"]), [bearer("", "", "")]);
        assert_eq!(read(&[r#"Bearer realm="" "#]), [bearer("", "", "")]);
    }

    #[test]
    fn junk_yields_nothing() {
        for junk in ["", ",,,", "====", "\"", "Bearer realm=\"unfinished", "Digest realm=\"x\"", "=x"] {
            assert!(!read(&[junk]).contains(&Challenge::Basic), "{junk}");
        }
        let bytes = HeaderValue::from_bytes(b"Bearer realm=\"\xff\xfe\"").unwrap();
        assert_eq!(parse([&bytes]).len(), 1);
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic_or_hang(bytes in proptest::collection::vec(0x20u8..0x7f, 0..200)) {
            let header = HeaderValue::from_bytes(&bytes).unwrap();
            let _ = parse([&header]);
        }
    }
}
