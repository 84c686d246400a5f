//! The standard streams: the only place that writes to them. Results on stdout, everything else on stderr.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};

use super::files::{in_words, write_file};
use super::session::{Session, format_of, format_of_file};
use super::signals::Signals;
use super::{Exit, github};
use crate::cli::{Mistake, OutputArgs};
use crate::report::github::Annotation;
use crate::report::{Format, Style, Untrusted};

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
    /// What it is about, each on its line.
    pub(super) problems: Vec<Annotation>,
}

impl Refusal {
    /// A refusal in one sentence.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, rendered: false, problems: Vec::new() }
    }

    /// A refusal whose text is complete as it is, and the single problems in it.
    pub(super) fn rendered(exit: Exit, message: String, problems: Vec<Annotation>) -> Self {
        Self { exit, message, hint: None, rendered: true, problems }
    }

    /// The same with advice.
    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, in_words(&error))
    }
}

/// Says what clap has to say. Help and version are answers; everything else that it stops at is a mistake in usage.
/// clap's own exit code for that is 2, which means pending changes here.
pub fn say_usage(mistake: &Mistake, variables: &[(OsString, OsString)]) -> Exit {
    if mistake.error.use_stderr() && github::is_runner(&variables.iter().cloned().collect()) {
        // clap repeats values as they are, and they may be anybody's where the runner reads each line for commands.
        mistake.error.render().to_string().lines().for_each(|line| say(&Untrusted::new(line).to_string()));
    } else {
        // A stream that has gone away is nobody to tell.
        let _ = mistake.error.print();
    }
    if let Some(variable) = &mistake.variable {
        say(&format!("  note: the value is that of the environment variable {variable}"));
    }
    if !mistake.error.use_stderr() {
        return Exit::Done;
    }
    github::usage(&variables.iter().cloned().collect());
    Exit::Usage
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
            let message = format!("could not write to the standard output: {}", in_words(&error));
            Err(Refusal::new(Exit::Failed, message))
        }
        _ => Ok(()),
    }
}

/// Writes the reports that were asked for, and prints a result, unless only the files are to get it. The files come first:
/// whoever reads the standard output may take long. Each is tried, whatever became of the others, and what could not be
/// written is said: what was done is done, and its exit code stands. The standard output's failure comes back, for whom it
/// was all the work.
pub(super) fn deliver(
    output: &OutputArgs,
    session: &Session,
    prints: bool,
    render: impl Fn(Format, Style) -> String,
) -> Result<(), Refusal> {
    write_reports(output, session, &render);
    if prints { print(&render(format_of(output.format), session.style())) } else { Ok(()) }
}

/// The same where signals are listened to: the next one ends the printing.
pub(super) async fn deliver_until_signal(
    output: &OutputArgs,
    (session, signals): (&Session, &mut Signals),
    prints: bool,
    render: impl Fn(Format, Style) -> String,
) -> Result<(), Refusal> {
    write_reports(output, session, &render);
    if !prints {
        return Ok(());
    }
    print_until_signal(render(format_of(output.format), session.style()), signals).await
}

/// As [`print`], until the next signal: a reader that takes its time keeps nobody from stopping.
pub(super) async fn print_until_signal(text: String, signals: &mut Signals) -> Result<(), Refusal> {
    let printing = async { tokio::task::spawn_blocking(move || print(&text)).await };
    match signals.until_next(printing).await {
        Some(Ok(printed)) => printed,
        Some(Err(_)) => Err(Refusal::new(Exit::Failed, "could not write to the standard output")),
        None => Ok(()),
    }
}

fn write_reports(output: &OutputArgs, session: &Session, render: impl Fn(Format, Style) -> String) {
    let reports = output.reports().filter_map(|(format, path)| Some((format_of_file(format)?, path)));
    for (format, path) in reports {
        if let Err(refusal) = write_file(path, &render(format, session.plain())) {
            say_error(&refusal, session.error_color());
        }
    }
}
