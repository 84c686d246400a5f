//! Is it text at all?

use super::super::problem::{Diagnosis, ProblemCode};
use super::super::text::{FILE_LIMIT, Span};

/// Reports bytes that are not the text of a YAML file; at most one problem.
pub(super) fn check(bytes: &[u8], file: usize, diagnosis: &mut Diagnosis<'_>) -> Result<(), ()> {
    let (code, offset, message, help) = if bytes.len() > FILE_LIMIT {
        let message = format!("the file has {} bytes, more than the limit of {FILE_LIMIT}", bytes.len());
        (ProblemCode::TooLarge, 0, message, Some("several files are joined: `-c a.yaml -c b.yaml`"))
    } else if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        (ProblemCode::Encoding, 0, "the file is UTF-16".to_owned(), Some("save it as UTF-8"))
    } else if let Err(error) = std::str::from_utf8(bytes) {
        let offset = error.valid_up_to();
        let message = format!("not UTF-8: byte 0x{:02X} at offset {offset}", bytes[offset]);
        (ProblemCode::Encoding, offset, message, Some("save the file as UTF-8"))
    } else if let Some((offset, c)) = unprintable(diagnosis.text(file).source()) {
        let message = format!("the character U+{:04X} at offset {offset} cannot stand in YAML", u32::from(c));
        (ProblemCode::Encoding, offset, message, None)
    } else {
        return Ok(());
    };
    let mut problem = diagnosis.problem(code, Span { file, start: offset, end: offset + 1 }, message);
    problem.help = help.map(str::to_owned);
    diagnosis.report(problem);
    Err(())
}

/// The first character outside YAML 1.2.2 §5.1 `c-printable`.
fn unprintable(source: &str) -> Option<(usize, char)> {
    let wrong = |c: char| {
        (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')) || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    source.char_indices().find(|(_, c)| wrong(*c))
}
