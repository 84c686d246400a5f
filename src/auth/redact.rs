//! Secrets taken out of what others say: a server that repeats what it was shown must not make us repeat it.
//!
//! Owns the list of all that one client has shown or was given, in each form it travels in. Everything a registry or a
//! realm says passes here before it becomes an error, a warning or a line of the log. What is put on the list of a registry's
//! client is hidden from the log of the CI system as well, and nothing is shown that is not on it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Mutex;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};

use super::mutex::lock;
use super::{Credential, Mask, Secret, basic_pair};

/// How many tokens are remembered; older ones have mostly ended.
const TOKENS: usize = 2048;
const PLACE: &str = "***";
/// Secrets below this length, in bytes, may be parts of ordinary words.
const SHORT: usize = 6;
/// Parts of base64 below this length, in digits, may be parts of other words.
const SHORT_INSIDE: usize = 8;

/// What must not be repeated.
#[derive(Default)]
pub struct Redactor {
    /// All forms of all credentials.
    credentials: Mutex<Vec<Secret>>,
    tokens: Mutex<VecDeque<Secret>>,
    /// Who else is told.
    mask: Option<Mask>,
}

impl Redactor {
    /// An empty list; `mask` is told of what is put on it.
    pub fn telling(mask: Mask) -> Self {
        Self { mask: Some(mask), ..Self::default() }
    }

    /// Notes a credential before it is shown to anybody.
    pub fn credential(&self, credential: &Credential) {
        let secrets = match credential {
            Credential::Anonymous => return,
            Credential::Basic { username, password } => {
                self.tell(password);
                self.tell(&basic_pair(username, password));
                vec![Secret::new([username, ":", password.expose()].concat()), password.clone()]
            }
            Credential::Identity(token) | Credential::Bearer(token) => {
                self.tell(token);
                vec![token.clone()]
            }
        };
        lock(&self.credentials).extend(secrets.iter().flat_map(forms));
    }

    /// Notes a secret that is sent, in each form it may come back in.
    pub fn secret(&self, secret: &Secret) {
        lock(&self.credentials).extend(forms(secret));
    }

    /// Notes a token that was received for a credential. One that anybody is given is no secret, and CI systems need not be
    /// told of hundreds.
    pub fn token(&self, token: &Secret, whose: &Credential) {
        if !matches!(whose, Credential::Anonymous) {
            self.tell(token);
        }
        let mut tokens = lock(&self.tokens);
        if tokens.len() >= TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(token.clone());
    }

    fn tell(&self, secret: &Secret) {
        self.mask.iter().for_each(|mask| mask(secret.expose()));
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
        // There may be thousands, so that their other forms are not kept; a text shorter than a token holds none of them.
        let room = text.len();
        for token in tokens.iter().filter(|token| token.expose().len() <= room) {
            for form in token_forms(token.expose()) {
                if form.len() >= shortest && text.contains(&form) {
                    text = text.replace(&form, PLACE);
                }
            }
        }
        text
    }
}

/// A token as it may come back, beside as it is; the longest form first. Letters and digits are the same in most of them.
fn token_forms(plain: &str) -> Vec<String> {
    let mut forms = base64_forms(plain);
    if plain.bytes().any(|b| !b.is_ascii_alphanumeric() && !b"-_.".contains(&b)) {
        forms.extend(percent_forms(plain));
        forms.extend(json_forms(plain));
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms
}

/// A secret as it may come back, the longest form first.
fn forms(secret: &Secret) -> Vec<Secret> {
    let plain = secret.expose();
    let mut forms = vec![plain.split_whitespace().collect::<Vec<_>>().join(" "), plain.to_owned()];
    forms.extend(base64_forms(plain));
    forms.extend(percent_forms(plain));
    forms.extend(json_forms(plain));
    forms.extend(html_forms(plain));
    let mut forms: Vec<Secret> = forms.into_iter().map(Secret::new).collect();
    let key = |form: &Secret| form.expose().len();
    forms.sort_by(|one, other| key(other).cmp(&key(one)).then_with(|| one.expose().cmp(other.expose())));
    forms.dedup();
    forms
}

fn base64_forms(plain: &str) -> Vec<String> {
    let standard = BASE64_STANDARD.encode(plain);
    let bare = BASE64_STANDARD_NO_PAD.encode(plain);
    let url = BASE64_URL_SAFE_NO_PAD.encode(plain);
    let mut forms = vec![url_encoded(&standard), bare.replace('+', " "), BASE64_URL_SAFE.encode(plain), url];
    forms.extend([standard, bare]);
    for shift in 0..3 {
        let mut bytes = vec![0; shift];
        bytes.extend_from_slice(plain.as_bytes());
        let whole = BASE64_STANDARD_NO_PAD.encode(&bytes);
        // The digits at both ends hold bits of neighbours as well.
        let last = whole.len() - usize::from(!bytes.len().is_multiple_of(3));
        let inner = whole.get([0, 2, 3][shift]..last).unwrap_or_default().to_owned();
        if inner.len() >= SHORT_INSIDE {
            forms.extend([inner.replace('+', "-").replace('/', "_"), inner]);
        }
    }
    forms
}

/// As in a form, as RFC 3986 says, and as JavaScript's `encodeURIComponent`; with large digits and with small ones.
fn percent_forms(plain: &str) -> Vec<String> {
    let mut forms = vec![url_encoded(plain), percent_encoded(plain, "-_.~"), percent_encoded(plain, "-_.~!*'()")];
    let small: Vec<_> = forms.iter().map(|form| with_small_digits(form)).collect();
    forms.extend(small);
    forms
}

fn percent_encoded(plain: &str, kept: &str) -> String {
    let mut out = String::new();
    for byte in plain.bytes() {
        if byte.is_ascii_alphanumeric() || (byte.is_ascii() && kept.contains(char::from(byte))) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Only what follows a `%`: letters of the secret itself have a case of their own.
fn with_small_digits(percent: &str) -> String {
    let mut digits = 0;
    let small = percent.chars().map(|c| {
        digits = if c == '%' { 3 } else { i32::max(digits - 1, 0) };
        if digits > 0 { c.to_ascii_lowercase() } else { c }
    });
    small.collect()
}

/// As JSON writes it: as little as it must, ASCII alone, what would mean something in HTML, and all but letters and digits.
fn json_forms(plain: &str) -> Vec<String> {
    let quoted = serde_json::to_string(plain).unwrap_or_default();
    let least = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    let classes: [fn(char) -> bool; 5] = [
        |c| !c.is_ascii(),
        |c| "&<>".contains(c),
        |c| !c.is_ascii() || "&<>".contains(c),
        |c| !c.is_ascii() || "&<>+'\"".contains(c),
        |c| "&<>'\"".contains(c),
    ];
    let mut forms = vec![least.to_owned()];
    for class in classes {
        forms.extend([with_numbers(plain, class, false), with_numbers(plain, class, true)]);
    }
    let slashes: Vec<_> = forms.iter().map(|form| form.replace('/', "\\/")).collect();
    forms.extend(slashes);
    forms
}

/// `\u00f6` for the characters of a class, in UTF-16 as JSON wants it; others as JSON must.
fn with_numbers(plain: &str, class: fn(char) -> bool, large: bool) -> String {
    let mut out = String::new();
    for c in plain.chars() {
        if class(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = if large { write!(out, "\\u{unit:04X}") } else { write!(out, "\\u{unit:04x}") };
            }
        } else {
            let quoted = serde_json::to_string(&c).unwrap_or_default();
            out.push_str(quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default());
        }
    }
    out
}

/// As HTML writes it: quotes as they are, by name, and by number.
fn html_forms(plain: &str) -> impl Iterator<Item = String> {
    let least = plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quotes = [
        ("\"", "'"),
        ("&quot;", "'"),
        ("&quot;", "&#x27;"),
        ("&#34;", "&#39;"),
        ("&quot;", "&#39;"),
        ("&quot;", "&#039;"),
    ];
    quotes.into_iter().map(move |(double, single)| least.replace('"', double).replace('\'', single))
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
        redactor.secret(&Secret::new("aZ&9\"/+<\u{f6} ~'>?kQ"));
        for form in [
            "aZ&9\"/+<\u{f6} ~'>?kQ",
            // Base64: RFC 4648 sections 4 and 5, with and without padding, and inside a form.
            "YVomOSIvKzzDtiB+Jz4/a1E=",
            "YVomOSIvKzzDtiB-Jz4_a1E=",
            "YVomOSIvKzzDtiB+Jz4/a1E",
            "YVomOSIvKzzDtiB-Jz4_a1E",
            "YVomOSIvKzzDtiB%2BJz4%2Fa1E%3D",
            // Percent: of a form, of a path, of JavaScript's encodeURIComponent; digits large and small.
            "aZ%269%22%2F%2B%3C%C3%B6+%7E%27%3E%3FkQ",
            "aZ%269%22%2f%2b%3c%c3%b6+%7e%27%3e%3fkQ",
            "aZ%269%22%2F%2B%3C%C3%B6%20~%27%3E%3FkQ",
            "aZ%269%22%2f%2b%3c%c3%b6%20~%27%3e%3fkQ",
            "aZ%269%22%2F%2B%3C%C3%B6%20~'%3E%3FkQ",
            // JSON: as little as possible, the slash as well, ASCII alone, safe inside HTML.
            "aZ&9\\\"/+<\u{f6} ~'>?kQ",
            "aZ&9\\\"\\/+<\u{f6} ~'>?kQ",
            "aZ&9\\\"/+<\\u00f6 ~'>?kQ",
            "aZ&9\\\"\\/+<\\u00F6 ~'>?kQ",
            "aZ\\u00269\\\"/+\\u003c\u{f6} ~'\\u003e?kQ",
            "aZ\\u00269\\u0022\\/\\u002B\\u003C\\u00F6 ~\\u0027\\u003E?kQ",
            // HTML: with the names of quotes, and with their numbers.
            "aZ&amp;9\"/+&lt;\u{f6} ~'&gt;?kQ",
            "aZ&amp;9&quot;/+&lt;\u{f6} ~&#x27;&gt;?kQ",
            "aZ&amp;9&#34;/+&lt;\u{f6} ~&#39;&gt;?kQ",
            "aZ&amp;9&quot;/+&lt;\u{f6} ~&#039;&gt;?kQ",
        ] {
            assert_eq!(redactor.clean(&format!("<{form}>")), "<***>", "{form}");
        }
    }

    #[test]
    fn a_secret_is_found_inside_what_is_base64_with_others() {
        let redactor = Redactor::default();
        redactor.secret(&Secret::new("aZ&9\"/+<\u{f6} ~'>?kQ"));
        // After one, two and three other bytes, before one or two.
        for form in ["eGFaJjkiLys8w7Ygfic+P2tReXo=", "eHhhWiY5Ii8rPMO2IH4nPj9rUXl6", "eHh4YVomOSIvKzzDtiB-Jz4_a1F5"] {
            let cleaned = redactor.clean(form);
            assert!(cleaned.contains("***") && cleaned.len() < 16, "{cleaned}");
        }
        redactor.secret(&Secret::new("abc"));
        assert_eq!(redactor.clean("YW Fi JjZA"), "YW Fi JjZA", "too short to be told from words");
    }

    #[test]
    fn a_pair_is_found_as_well_as_its_password() {
        let redactor = Redactor::default();
        let password = Secret::new("hunter2\"");
        redactor.credential(&Credential::Basic { username: "robot".into(), password });
        assert_eq!(redactor.clean("cm9ib3Q6aHVudGVyMiI= robot:hunter2\\\" hunter2\""), "*** *** ***");
        redactor.token(&Secret::new("t.o.k"), &Credential::Anonymous);
        assert_eq!((redactor.clean("no t.o.k here"), redactor.sweep("t.o.k")), ("no *** here".into(), "t.o.k".into()));
    }

    /// What a registry's own service gave may be repeated by whoever it is shown to, and written as they like.
    #[test]
    fn a_token_is_found_in_the_forms_that_it_may_travel_in() {
        let redactor = Redactor::default();
        redactor.token(&Secret::new("v1:tok/en+42\\x=="), &Credential::Anonymous);
        for form in [
            "v1:tok/en+42\\x==",
            "v1%3Atok%2Fen%2B42%5Cx%3D%3D",
            "v1%3atok%2fen%2b42%5cx%3d%3d",
            "v1:tok/en+42\\\\x==",
            "v1:tok\\/en+42\\\\x==",
            "djE6dG9rL2VuKzQyXHg9PQ==",
            "djE6dG9rL2VuKzQyXHg9PQ",
        ] {
            assert_eq!(redactor.clean(&format!("<{form}>")), "<***>", "{form}");
        }
        // `token:` and `Bearer ` before it, in base64.
        for form in ["dG9rZW46djE6dG9rL2VuKzQyXHg9PQ==", "QmVhcmVyIHYxOnRvay9lbis0Mlx4PT0="] {
            let cleaned = redactor.clean(form);
            assert!(cleaned.contains("***") && cleaned.len() < 20, "{cleaned}");
        }
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
