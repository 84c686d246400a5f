//! A unified diff within limits.
//!
//! Owns where it is cut. Lines that are too long, or too many, are cut before they are compared, each with a hash of what is
//! left out, so that what differs there still shows, and so that the comparison is short work whatever the lines hold.

use similar::TextDiff;

use super::super::Digest;
use super::{DIFF_BYTES, DIFF_LINES};

/// The most lines of either side that are compared.
const LINES: usize = 1000;
/// The longest line that is compared whole, in characters.
const LINE: usize = 200;
/// So many lines around a difference are shown.
const CONTEXT: usize = 2;

/// The diff, each line with its line break, and how many lines are left out at its end.
pub(super) fn diff(old: &[String], new: &[String]) -> (String, u64) {
    let (old, new) = (cut(old), cut(new));
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
    let whole = TextDiff::from_slices(&old, &new).unified_diff().context_radius(CONTEXT).to_string();
    limited(whole.lines().map(str::to_owned))
}

/// As many of the lines as a diff may have, each with its line break, and how many are left out.
pub(super) fn limited(lines: impl Iterator<Item = String>) -> (String, u64) {
    let (mut shown, mut left_out) = (String::new(), 0);
    for (number, line) in lines.enumerate() {
        if left_out > 0 || number >= DIFF_LINES || shown.len() + line.len() + 1 > DIFF_BYTES {
            left_out += 1;
        } else {
            shown.push_str(&line);
            shown.push('\n');
        }
    }
    (shown, left_out)
}

fn cut(lines: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = lines.iter().take(LINES).map(|line| shortened(line)).collect();
    if let Some(rest) = lines.get(LINES..).filter(|rest| !rest.is_empty()) {
        kept.push(format!("… {} more lines, {}", rest.len(), hash(&rest.join("\n"))));
    }
    kept
}

/// The line, without what breaks lines or is no character to be seen; where it is long, its beginning and a hash of it all.
fn shortened(line: &str) -> String {
    let mut shown = String::with_capacity(line.len().min(4 * LINE));
    for (number, c) in line.chars().enumerate() {
        if number == LINE {
            return format!("{shown}… {} bytes, {}", line.len(), hash(line));
        }
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

fn hash(text: &str) -> String {
    format!("sha256:{}", Digest::sha256(text.as_bytes()).short())
}
