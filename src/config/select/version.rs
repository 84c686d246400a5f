//! Versions as tags write them: `v`?`MAJOR[.MINOR[.PATCH[.FOURTH]]]` and a suffix, which is a pre-release, a variant, or both.
//!
//! Owns what counts as a version and which of two is the newer. Refuses to guess at names such as `latest`, `release-1.2`
//! or `3f9c2d1`: they are no versions. The order of pre-releases is that of <https://semver.org/spec/v2.0.0.html#spec-item-11>
//! with digits compared as numbers wherever they stand (`rc10` is newer than `rc9`).

use std::cmp::Ordering;

/// The most numbers of a version.
pub(super) const NUMBERS: usize = 4;
/// From so many digits on, a first number is a date, a build or a commit, as often as a version.
const LONG_NUMBER: usize = 6;

/// How pre-releases begin. Those of the second list are made of hexadecimal digits, or of one letter: commits begin so,
/// too, and they count only with a number behind them that ends there.
const WORDS: [&str; 19] = [
    "alpha",
    "beta",
    "rc",
    "cr",
    "pre",
    "preview",
    "prerelease",
    "dev",
    "snapshot",
    "nightly",
    "canary",
    "next",
    "milestone",
    "test",
    "testing",
    "unstable",
    "experimental",
    "insider",
    "insiders",
];
const SHORT_WORDS: [&str; 4] = ["a", "b", "m", "ea"];

/// A tag that is a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version<'t> {
    /// Those that are not written are 0.
    pub(super) numbers: [u64; NUMBERS],
    /// How many are written.
    pub(super) written: usize,
    /// The pre-release, without what divides it from the numbers: `rc.1`.
    pub(super) pre: Option<&'t str>,
    /// What comes after that, without what divides it from the rest: `alpine3.20`. Empty where there is nothing.
    pub(super) variant: &'t str,
    /// Everything before the variant and its separator.
    pub(super) plain: &'t str,
    /// Whether it begins with a long number, which may as well be a date or a commit.
    pub(super) is_long_number: bool,
}

impl<'t> Version<'t> {
    /// Reads `text`; `None` where it is no version.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let start = usize::from(text.starts_with(['v', 'V']));
        let (numbers, written, mut end) = numbers(text, start)?;
        let mut version = Self { numbers, written, pre: None, variant: "", plain: text, is_long_number: false };
        let date = if written == 1 { version.take_date(&text[start..]) } else { None };
        end = date.map_or(end, |length| start + length);
        version.is_long_number = date.is_none() && digits(text, start) - start >= LONG_NUMBER;
        let suffix = Suffix::new(&text[end..]);
        // What stands behind `2024.01.15` counts builds of that day, however the day is written. Numbers of Semantic
        // Versioning have no leading zeros.
        let counts_up = date.is_none() && !version.is_long_number && !has_padded(&text[start..end]);
        let pre = suffix.pre_release(written, counts_up);
        let behind = end + suffix.separator + pre.len();
        let variant_at = if pre.is_empty() { end } else { behind };
        version.pre = Some(pre).filter(|pre| !pre.is_empty());
        // Letters right behind a single number: `1f3a9c2`, `8u342`.
        if variant_at == end && suffix.separator == 0 && !suffix.body.is_empty() && written == 1 {
            return None;
        }
        version.plain = &text[..variant_at];
        version.variant = text[variant_at..].trim_start_matches(['-', '.', '_']);
        // `1.2.3-` is no release, and no variant of one either.
        (version.is_variant() || variant_at == text.len()).then_some(version)
    }

    /// `2024-01-15` or `2024-01`: a date is three numbers or two, whatever divides them. Gives back its length.
    fn take_date(&mut self, text: &str) -> Option<usize> {
        let number = |part: &str, length: usize, most: u64| {
            let digits = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten().filter(|number| (1..=most).contains(number))
        };
        let ends = |at: usize| !text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        let part = |from: usize, to: usize| text.get(from..to);
        let divided = |at: usize| part(at, at + 1) == Some("-");
        let year = number(part(0, 4)?, 4, 9999).filter(|_| divided(4))?;
        let month = number(part(5, 7)?, 2, 12).filter(|_| ends(7))?;
        let day = part(8, 10).filter(|_| divided(7) && ends(10)).and_then(|day| number(day, 2, 31));
        (self.numbers, self.written) = ([year, month, day.unwrap_or(0), 0], if day.is_some() { 3 } else { 2 });
        Some(if day.is_some() { 10 } else { 7 })
    }

    /// Whether nothing but a variant tells it from a release.
    pub(super) fn is_variant(&self) -> bool {
        !self.variant.is_empty()
    }

    /// Which comes first by the rules of versions: variants do not count, and what is not written is 0.
    pub(super) fn precedence(&self, other: &Version<'_>) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| pre_order(self.pre, other.pre))
    }

    /// Which is newer, so that no two different texts are equal: by precedence; then the one that is written with more
    /// numbers, the one without a variant, the higher variant, and the text that sorts first.
    pub(super) fn newness(&self, other: &Version<'_>) -> Ordering {
        let by_variant = || match (self.variant, other.variant) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (a, b) => natural(a, b),
        };
        let precedence = self.precedence(other).then_with(|| self.written.cmp(&other.written));
        precedence.then_with(by_variant)
    }
}

/// How version `a` stands to version `b`, variants aside: 1.10 comes after 1.9, and a pre-release before its release. `None`
/// where either is no version, or one of them may as well be a date or a commit.
pub fn version_order(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    (a.is_long_number == b.is_long_number).then(|| a.precedence(&b))
}

/// The numbers from `start` on, how many there are, and where they end.
fn numbers(text: &str, start: usize) -> Option<([u64; NUMBERS], usize, usize)> {
    let (mut numbers, mut written, mut at) = ([0; NUMBERS], 0, start);
    loop {
        let digits = text[at..].bytes().take_while(u8::is_ascii_digit).count();
        *numbers.get_mut(written)? = text[at..at + digits].parse().ok()?;
        written += 1;
        at += digits;
        match text.as_bytes().get(at..at + 2) {
            Some([b'.', next]) if next.is_ascii_digit() => at += 1,
            _ => return Some((numbers, written, at)),
        }
    }
}

/// Whether a number is written with zeros before it.
fn has_padded(numbers: &str) -> bool {
    numbers.split('.').any(|number| number.len() > 1 && number.starts_with('0'))
}

/// What stands behind the numbers.
struct Suffix<'t> {
    /// The length of what divides it from them: 0 or 1.
    separator: usize,
    /// Whether that is a hyphen, the separator of Semantic Versioning.
    hyphen: bool,
    body: &'t str,
}

impl<'t> Suffix<'t> {
    fn new(text: &'t str) -> Self {
        let separator = usize::from(text.starts_with(['-', '.', '_']));
        Self { separator, hyphen: text.starts_with('-'), body: &text[separator..] }
    }

    /// The part that is a pre-release: a word of ours and what belongs to it, or, where `counts_up`, a number behind a
    /// hyphen. Empty where it is none.
    fn pre_release(&self, written: usize, counts_up: bool) -> &'t str {
        let letters = self.body.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = self.body[..letters].to_ascii_lowercase();
        let word = word.as_str();
        let end = match letters {
            0 if counts_up && self.hyphen => Some(digits(self.body, 0)).filter(|end| *end > 0 && self.ends(*end)),
            0 => None,
            _ if WORDS.contains(&word) => Some(self.number_of(letters).unwrap_or_else(|| alphanumeric(self.body, 0))),
            // Attached to the numbers as Python does it, `3.14.0a5`, and never to a single one, as in `3a51234`.
            1 if self.separator == 0 && written < 2 => None,
            _ if SHORT_WORDS.contains(&word) && (letters == 1 || self.separator > 0) => self.number_of(letters),
            _ => None,
        };
        end.map_or("", |end| &self.body[..identifiers(self.body, end)])
    }

    /// Where the number behind the word of `letters` letters ends, if it ends there: `rc1`, `rc.1`, `rc-1`.
    fn number_of(&self, letters: usize) -> Option<usize> {
        let direct = digits(self.body, letters);
        let end = match self.body.as_bytes().get(letters) {
            Some(b'.' | b'-') if direct == letters => digits(self.body, letters + 1),
            _ => direct,
        };
        (end > letters + 1 || direct > letters).then_some(end).filter(|end| self.ends(*end))
    }

    fn ends(&self, at: usize) -> bool {
        self.body.as_bytes().get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric())
    }
}

/// Where the digits from `at` on end.
fn digits(text: &str, at: usize) -> usize {
    at + text[at..].bytes().take_while(u8::is_ascii_digit).count()
}

fn alphanumeric(text: &str, at: usize) -> usize {
    at + text[at..].bytes().take_while(u8::is_ascii_alphanumeric).count()
}

/// Where the identifiers `.x.y` from `at` on end.
fn identifiers(text: &str, mut at: usize) -> usize {
    while text[at..].starts_with('.') {
        let end = alphanumeric(text, at + 1);
        if end == at + 1 {
            break;
        }
        at = end;
    }
    at
}

/// Pre-releases come before the release.
pub(super) fn pre_order(a: Option<&str>, b: Option<&str>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => natural(a, b),
    }
}

/// Word by word and number by number, numbers first, whatever divides them; upper case counts as lower.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Pieces(a), Pieces(b));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => piece_order(a, b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn piece_order(a: &str, b: &str) -> Ordering {
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    match (is_number(a), is_number(b)) {
        (true, true) => {
            // However long: no number is too large.
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => {
            let lower = |text: &'_ str| text.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
            lower(a).cmp(&lower(b))
        }
    }
}

/// The runs of letters and of digits.
struct Pieces<'t>(&'t str);

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let text = self.0.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_number = text.starts_with(|c: char| c.is_ascii_digit());
        let same = |c: char| if is_number { c.is_ascii_digit() } else { c.is_ascii_alphabetic() };
        let end = text.find(|c| !same(c)).unwrap_or(text.len());
        self.0 = &text[end..];
        (end > 0).then_some(&text[..end])
    }
}
