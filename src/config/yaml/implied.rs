//! What readers of YAML make of a plain scalar: the reason why `1.10` must be quoted.
//!
//! Covers the core schema of YAML 1.2.2 (§10.3.2) and the types of YAML 1.1 (yaml.org/type), which most tools still
//! follow: a file means the same to each of them, or it is refused.

/// The type that some reader gives to a plain scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implied {
    /// `null`, `~`, nothing.
    Null,
    /// `true`, `no`, `on`.
    Boolean,
    /// `1.10`, `0x10`, `1e3`, `0123`, `22:30`.
    Number,
    /// `2024-01-01`.
    Date,
}

impl Implied {
    /// With its article.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Date => "a date",
        }
    }
}

/// The type that some reader gives to the plain scalar `text`; `None` where all of them see text.
pub(crate) fn implied(text: &str) -> Option<Implied> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Implied::Null),
        _ if is_boolean(text) => return Some(Implied::Boolean),
        _ => {}
    }
    if is_number(text) {
        Some(Implied::Number)
    } else if is_date(text) {
        Some(Implied::Date)
    } else {
        None
    }
}

fn is_boolean(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if !matches!(lower.as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n") {
        return false;
    }
    let first_upper = lower[..1].to_ascii_uppercase() + &lower[1..];
    text == lower || text == lower.to_ascii_uppercase() || text == first_upper
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let based = |prefix: &str, digit: fn(u8) -> bool| {
        let digits = unsigned.strip_prefix(prefix);
        digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| digit(b) || b == b'_'))
    };
    based("0x", |b| b.is_ascii_hexdigit())
        || based("0b", |b| matches!(b, b'0' | b'1'))
        || based("0o", |b| matches!(b, b'0'..=b'7'))
        || is_decimal(unsigned)
        || is_sexagesimal(unsigned)
}

/// `12`, `1_000`, `1.`, `.5`, `1.10`, `1e3`, `1.5e-3`.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && exponent.bytes().all(|b| b.is_ascii_digit())
    });
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let starts_with_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let first = starts_with_digit(whole) || (whole.is_empty() && starts_with_digit(part));
    first && digits(whole) && digits(part) && exponent_fits
}

/// YAML 1.1 base 60: `22:30`, `1:30:00.5`.
fn is_sexagesimal(text: &str) -> bool {
    let mut parts = text.split(':');
    let first = parts.next().is_some_and(|first| {
        first.starts_with(|c: char| c.is_ascii_digit()) && first.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    });
    let mut rest = parts.peekable();
    let mut fits = first && rest.peek().is_some();
    while let Some(part) = rest.next() {
        let part = if rest.peek().is_none() { part.split_once('.').map_or(part, |(minutes, _)| minutes) } else { part };
        fits &= matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    }
    fits
}

/// YAML 1.1 timestamps: `2024-01-01`, and with a time behind.
fn is_date(text: &str) -> bool {
    let date_end = text.find(['T', 't', ' ', '\t']).unwrap_or(text.len());
    let (date, time) = text.split_at(date_end);
    let parts: Vec<&str> = date.splitn(4, '-').collect();
    let digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let [year, month, day] = parts[..] else { return false };
    let exact = if time.is_empty() { 2..=2 } else { 1..=2 };
    let time_fits =
        time.is_empty() || time.trim_start_matches(['T', 't', ' ', '\t']).starts_with(|c: char| c.is_ascii_digit());
    digits(year, 4..=4) && digits(month, exact.clone()) && digits(day, exact) && time_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_reader_takes_for_something_else_is_known() {
        let cases = [
            (Implied::Null, &["", "~", "null", "NULL"][..]),
            (Implied::Boolean, &["true", "False", "no", "ON", "y", "N", "Yes"]),
            (
                Implied::Number,
                &[
                    "1",
                    "1.10",
                    "1.",
                    ".5",
                    "1e3",
                    "1E-3",
                    "0123",
                    "089",
                    "0x1F",
                    "0o17",
                    "0b101",
                    "-1",
                    "+1.5",
                    "1_000",
                    ".inf",
                    "-.INF",
                    ".NaN",
                    "22:30",
                    "1:30:00.5",
                    "123456789012345678901234567890",
                    "0e12345",
                ],
            ),
            (Implied::Date, &["2024-01-01", "2024-1-1T10:00:00Z", "2001-12-14 21:59:43"]),
        ];
        for (expected, texts) in cases {
            for text in texts {
                assert_eq!(implied(text), Some(expected), "{text}");
            }
        }
    }

    #[test]
    fn what_every_reader_takes_for_text_is_text() {
        for text in [
            "1.2.3",
            "v1.10",
            "latest",
            "1.36-alpine",
            "nO",
            "tRUE",
            "0xg",
            "1e",
            "e3",
            "_1",
            ".",
            "-",
            "1.10-rc.1",
            "22:61",
            "alpine:3.20",
            "2024-01-01-slim",
            "2024-1-1",
            "20240101T",
            "é",
            "nan",
            "inf",
            "0x",
            "yess",
        ] {
            assert_eq!(implied(text), None, "{text}");
        }
    }
}
