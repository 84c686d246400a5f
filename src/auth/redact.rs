//! Secrets taken out of what others say: a server that repeats what it was shown must not make us repeat it.
//!
//! Owns the list of all that one client has shown or was given, in each form it travels in. Everything a registry or a
//! realm says passes here before it becomes an error, a warning or a line of the log.

use std::collections::VecDeque;
use std::sync::Mutex;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};

use super::mutex::lock;
use super::{Credential, Secret};

/// How many tokens are remembered; older ones have mostly ended.
const TOKENS: usize = 2048;
const PLACE: &str = "***";
/// Secrets below this length, in bytes, may be parts of ordinary words.
const SHORT: usize = 6;

/// What must not be repeated.
#[derive(Default)]
pub struct Redactor {
    /// All forms of all credentials.
    credentials: Mutex<Vec<Secret>>,
    tokens: Mutex<VecDeque<Secret>>,
}

impl Redactor {
    /// Notes a credential that may be shown.
    pub fn credential(&self, credential: &Credential) {
        let secrets = match credential {
            Credential::Anonymous => return,
            Credential::Basic { username, password } => {
                vec![Secret::new(format!("{username}:{}", password.expose())), password.clone()]
            }
            Credential::Identity(token) | Credential::Bearer(token) => vec![token.clone()],
        };
        lock(&self.credentials).extend(secrets.iter().flat_map(forms));
    }

    /// Notes a secret that is sent, in each form it may come back in.
    pub fn secret(&self, secret: &Secret) {
        lock(&self.credentials).extend(forms(secret));
    }

    /// Notes a token that was received.
    pub fn token(&self, token: &Secret) {
        let mut tokens = lock(&self.tokens);
        if tokens.len() >= TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(token.clone());
    }

    /// A server's words without secrets, and without anything that looks like an `Authorization`.
    pub fn clean(&self, words: &str) -> String {
        without_authorization(&self.without_secrets(words, 1))
    }

    /// A text of ours that may quote a server, without secrets. Very short ones stay: they would take our own words apart.
    pub fn sweep(&self, text: &str) -> String {
        self.without_secrets(text, SHORT)
    }

    fn without_secrets(&self, text: &str, shortest: usize) -> String {
        let mut text = text.to_owned();
        let (credentials, tokens) = (lock(&self.credentials), lock(&self.tokens));
        for secret in credentials.iter().chain(tokens.iter()).map(Secret::expose) {
            if secret.len() >= shortest && text.contains(secret) {
                text = text.replace(secret, PLACE);
            }
        }
        text
    }
}

/// A secret as it may come back, the longest form first.
fn forms(secret: &Secret) -> Vec<Secret> {
    let plain = secret.expose();
    let escaped = serde_json::to_string(plain).map(|quoted| quoted.trim_matches('"').to_owned()).unwrap_or_default();
    let percent: String = url_encoded(plain);
    let mut forms = vec![
        BASE64_STANDARD.encode(plain),
        BASE64_URL_SAFE.encode(plain),
        BASE64_STANDARD_NO_PAD.encode(plain),
        BASE64_URL_SAFE_NO_PAD.encode(plain),
        percent.replace('+', "%20"),
        percent.to_ascii_lowercase(),
        percent,
        escaped,
        plain.split_whitespace().collect::<Vec<_>>().join(" "),
        plain.to_owned(),
    ];
    forms.extend([url_encoded(&forms[0]), forms[2].replace('+', " ")]);
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms.into_iter().map(Secret::new).collect()
}

/// As in a form or a query.
fn url_encoded(text: &str) -> String {
    let mut url = reqwest::Url::parse("x:").ok();
    let query = url.as_mut().map(|url| {
        url.query_pairs_mut().append_pair("", text);
        url.query().unwrap_or_default().trim_start_matches('=').to_owned()
    });
    query.unwrap_or_default()
}

/// `Basic …` and `Bearer …`, whatever follows: nothing that comes after these words is worth the risk.
fn without_authorization(text: &str) -> String {
    // Of the same length, byte for byte.
    let lower = text.to_ascii_lowercase();
    let (mut out, mut done) = (String::new(), 0);
    while let Some(end) = next_scheme(&lower, done) {
        let value = text[end..].trim_start();
        let begin = text.len() - value.len();
        let length = value.find(char::is_whitespace).unwrap_or(value.len());
        out.push_str(&text[done..end]);
        done = end;
        if begin > end && length > 0 {
            out.push(' ');
            out.push_str(PLACE);
            done = begin + length;
        }
    }
    out + &text[done..]
}

/// The end of the next name of a scheme after `start`.
fn next_scheme(lower: &str, start: usize) -> Option<usize> {
    lower[start..].match_indices('b').find_map(|(at, _)| {
        let rest = &lower[start + at..];
        let word = ["basic", "bearer"].into_iter().find(|word| rest.starts_with(word))?;
        Some(start + at + word.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_each_of_its_forms() {
        let redactor = Redactor::default();
        let password = Secret::new("p&ss \"w\u{f6}rd\" +/?");
        redactor.credential(&Credential::Basic { username: "robot".into(), password: password.clone() });
        let pair = Secret::new(format!("robot:{}", password.expose()));
        for secret in [&password, &pair] {
            for form in forms(secret) {
                let cleaned = redactor.clean(&format!("<{}>", form.expose()));
                assert!(!cleaned.contains(form.expose()), "{cleaned}");
            }
        }
        redactor.token(&Secret::new("t.o.k"));
        assert_eq!((redactor.clean("no t.o.k here"), redactor.sweep("t.o.k")), ("no *** here".into(), "t.o.k".into()));
    }

    #[test]
    fn what_looks_like_an_authorization_goes() {
        let clean = |text: &str| Redactor::default().clean(text);
        assert_eq!(clean("got Basic cm9ib3Q6aHVudGVyMg== from you"), "got Basic *** from you");
        assert_eq!(clean("BEARER\t eyJ.x.y, bearer zzz"), "BEARER *** bearer ***");
        assert_eq!(clean("basic"), "basic");
        assert_eq!(clean("a basic"), "a basic");
        assert_eq!(clean(&clean("Bearer a b")), "Bearer *** b");
        assert_eq!(clean("caf\u{e9} \u{130}Basic x"), "caf\u{e9} \u{130}Basic ***");
    }
}
