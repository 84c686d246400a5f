//! Makes output comparable: everything that differs between two runs gets a name.

use super::server::short_digests;

/// What to put in the place of what.
#[derive(Clone, Debug, Default)]
pub struct Redactions {
    /// Longest first, so that a path is replaced before its parent.
    names: Vec<(String, String)>,
    all_digests: bool,
}

impl Redactions {
    /// Puts `[name]` in the place of `text`.
    pub fn name(&mut self, text: &str, name: &str) {
        self.names.push((text.to_owned(), format!("[{name}]")));
        self.names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// Puts `sha256:[digest]` in the place of every digest that has no name.
    pub fn all_digests(&mut self) {
        self.all_digests = true;
    }

    /// The text with names for what differs: named strings, durations (`1.2s`, `1.2 s`), RFC 3339 times, the version.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.names {
            text = text.replace(from, to);
        }
        text = text.replace(concat!("regsync ", env!("CARGO_PKG_VERSION")), "regsync [version]");
        if self.all_digests {
            text = without_digests(&short_digests(&text));
        }
        without_seconds(&text).split_inclusive([' ', '\n', '"', '(', ')', ',']).map(neutral_word).collect()
    }
}

/// Reports write durations with a space: `1.2 s`.
fn without_seconds(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(" s") {
        let (before, after) = rest.split_at(at);
        let ends = !after[2..].starts_with(|c: char| c.is_alphanumeric());
        let number = before.rsplit(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
        if ends && number.contains('.') && number.parse::<f64>().is_ok() {
            out += &before[..before.len() - number.len()];
            out += "[time]";
        } else {
            out += &rest[..at + 2];
        }
        rest = &after[2..];
    }
    out + rest
}

fn without_digests(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("sha256:") {
        let (before, after) = rest.split_at(at + "sha256:".len());
        let digits = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        out += before;
        out += if digits >= 12 { "[digest]" } else { &after[..digits] };
        rest = &after[digits..];
    }
    out + rest
}

/// A duration (`1.2s`, `350ms`) or an RFC 3339 time becomes a placeholder; other words stay.
fn neutral_word(word: &str) -> String {
    let bare = word.trim_end_matches([' ', '\n', '"', '(', ')', ',', '.', ';']);
    let tail = &word[bare.len()..];
    let number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok();
    let units = ["ms", "µs", "s"];
    if units.iter().any(|unit| bare.strip_suffix(unit).is_some_and(number)) {
        return format!("[time]{tail}");
    }
    let is_timestamp =
        bare.len() >= 20 && bare.as_bytes()[10] == b'T' && bare.ends_with('Z') && bare[..4].parse::<u16>().is_ok();
    if is_timestamp { format!("[timestamp]{tail}") } else { word.to_owned() }
}
