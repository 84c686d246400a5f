//! Where log lines go on their way out: escaped like all text that may come from outside.
//!
//! Owns one adapter. Refuses to decide what is logged.

use std::io::{self, Write};

use super::Untrusted;

/// How many characters of one record are shown.
const LIMIT: usize = 8192;

/// Escapes what is written to it, record by record, as [`Untrusted`] does.
///
/// A record ends where a write ends in a line break: that break stays, any other within the record is shown as `\n`, so
/// that no text from outside can pass for a line of its own. `tracing_subscriber` writes each event at once.
/// Colours do not survive: switch them off in whatever writes here.
#[derive(Debug)]
pub struct EscapingWriter<W: Write> {
    inner: W,
    record: Vec<u8>,
}

impl<W: Write> EscapingWriter<W> {
    /// An adapter in front of `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, record: Vec::new() }
    }

    fn finish_record(&mut self, end: &str) -> io::Result<()> {
        let record = std::mem::take(&mut self.record);
        let text = String::from_utf8_lossy(&record);
        write!(self.inner, "{}{end}", Untrusted::new(&text).limit(LIMIT))
    }
}

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(last) = bytes.strip_suffix(b"\n") else {
            self.record.extend_from_slice(bytes);
            return Ok(bytes.len());
        };
        self.record.extend_from_slice(last.strip_suffix(b"\r").unwrap_or(last));
        self.finish_record("\n")?;
        Ok(bytes.len())
    }

    /// Ends the record, with a line break: the rest of it would otherwise start a line unescaped.
    fn flush(&mut self) -> io::Result<()> {
        if !self.record.is_empty() {
            self.finish_record("\n")?;
        }
        self.inner.flush()
    }
}

impl<W: Write> Drop for EscapingWriter<W> {
    fn drop(&mut self) {
        // There is nobody left to tell: this is the way that would have told it.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::untrusted::tests::{HOSTILE, assert_harmless};
    use super::*;

    fn written(pieces: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut writer = EscapingWriter::new(&mut out);
        for piece in pieces {
            writer.write_all(piece).expect("a vector takes everything");
        }
        drop(writer);
        String::from_utf8(out).expect("escaped text is UTF-8")
    }

    #[test]
    fn each_record_keeps_its_own_line_break_and_no_other() {
        assert_eq!(written(&[b"INFO one\n", b"WARN two\n::error::three\n"]), "INFO one\nWARN two\\n::error::three\n");
        assert_eq!(written(&[b"a", b"b\n", b"\n"]), "ab\n\n");
        assert_eq!(written(&[b"no end"]), "no end\n");
        assert_eq!(written(&[b"\xff\x1b[0m\r\n"]), "\u{fffd}\\u{1b}[0m\n");
        assert_eq!(written(&[b"   ::error::x\n"]), "   \\::error::x\n");
    }

    proptest! {
        #[test]
        fn no_line_that_leaves_is_a_command(
            pieces in prop::collection::vec((prop::sample::select(HOSTILE), "[a-z:#\\[\\]\n]{0,5}"), 0..6),
        ) {
            let pieces: Vec<String> = pieces.into_iter().map(|(hostile, rest)| format!("{rest}{hostile}{rest}")).collect();
            let bytes: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            for line in written(&bytes).lines() {
                assert_harmless(line);
            }
        }
    }
}
