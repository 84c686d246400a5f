//! The verbs: each file reads from top to bottom as the pipeline it runs.
//!
//! Owns everything that touches the process: arguments, the snapshot of the environment, standard streams, files, the
//! clock, signals and the exit code. Refuses to decide anything about images.

mod apply;
mod auth;
mod cache;
mod comment;
mod complete;
mod core_dumps;
mod disk;
mod exit;
mod explain;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod generate;
mod github;
mod gitlab;
mod init;
mod load;
mod mask;
mod merge;
mod mirrored;
mod open_files;
mod output;
mod outputs;
mod plan;
mod providers;
mod pull_request;
mod session;
mod show;
mod signals;
mod subjects;
mod trust;
mod validate;
mod voice;

pub use core_dumps::forbid_core_dumps;
pub use exit::Exit;
pub use output::say_usage;
pub use session::{Session, environment};

use output::say_error;
use session::block_on;

use crate::cli::{AuthCommand, Cli, Command, ReportCommand};

/// Runs one command line to its exit code. What went wrong has been said when it returns.
pub fn run(cli: &Cli, session: &Session) -> Exit {
    let ended = session.install_log(&cli.talk).and_then(|()| match &cli.command {
        Command::Init(args) => init::run(args, session),
        Command::Validate(args) => validate::run(args, session),
        Command::Plan(args) => block_on(plan::run(args, session)),
        Command::Apply(args) => block_on(apply::run(args, session)),
        Command::Show(args) => show::run(args, session),
        Command::Explain(args) => block_on(explain::run(args, session)),
        Command::Auth(AuthCommand::Check(args)) => block_on(auth::check(args, session)),
        Command::Report(ReportCommand::Merge(args)) => block_on(merge::run(args, session)),
        Command::Schema(args) => generate::schema(args),
        Command::Completions(args) => generate::completions(args),
        Command::Man(args) => generate::man(args),
    });
    ended.unwrap_or_else(|refusal| {
        say_error(&refusal, session.error_color());
        refusal.exit
    })
}
