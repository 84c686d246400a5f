//! The standard streams and report files: the only place that writes to them.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::Exit;
use crate::cli::FormatArg;
use crate::report::Untrusted;

/// Why a command ends before its work: said to the user, with the exit code that fits.
#[derive(Debug)]
pub(super) struct Refusal {
    /// How the process ends.
    pub(super) exit: Exit,
    /// What is wrong: a lowercase fragment, or a rendered list of problems.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
    /// Whether `message` is already in its final form.
    pub(super) rendered: bool,
}

impl Refusal {
    /// A refusal in one sentence.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, rendered: false }
    }

    /// A refusal whose text is complete as it is.
    pub(super) fn rendered(exit: Exit, message: String) -> Self {
        Self { exit, message, hint: None, rendered: true }
    }

    /// The same with advice.
    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}

/// Says on stderr why the command ends.
pub(super) fn say_error(refusal: &Refusal, color: bool) {
    if refusal.rendered {
        return say(refusal.message.trim_end());
    }
    let (on, off) = if color { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
    say(&format!("{on}error{off}: {}", Untrusted::new(&refusal.message)));
    if let Some(hint) = &refusal.hint {
        say(&format!("  help: {}", Untrusted::new(hint)));
    }
}

/// Writes a line to stderr; a reader that has gone away is nobody to tell.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes to stdout. A closed pipe (`| head`) is no failure: whoever read has read enough.
pub(super) fn print(text: &str) -> Result<(), Refusal> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Refusal::new(Exit::Failed, format!("could not write to the standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes `text` to a file: beside it first, then renamed, so that no reader meets a half of it. What is not a regular
/// file (`/dev/stdout`, a FIFO) is written to directly.
pub(super) fn write_file(path: &Path, text: &str) -> Result<(), Refusal> {
    let special = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
    let written = if special { std::fs::write(path, text) } else { replace(path, text) };
    written.map_err(|error| Refusal::new(Exit::Failed, format!("could not write {}: {error}", path.display())))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.prefix(".regsync-").tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Writes each report that was asked for; the first that fails is the error, after all were tried.
pub(super) fn write_reports(
    reports: &[(FormatArg, PathBuf)],
    render: impl Fn(FormatArg) -> String,
) -> Result<(), Refusal> {
    let written = reports.iter().map(|(format, path)| write_file(path, &render(*format)));
    written.collect::<Vec<_>>().into_iter().collect()
}
