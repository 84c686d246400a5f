//! The `regsync` binary: arguments in, exit code out. Everything else is the library's.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::FromArgMatches;
use regsync::auth::Environment;
use regsync::cli::{self, Cli};
use regsync::command::{self, Exit, Session};

fn main() -> ExitCode {
    let variables = command::environment();
    let empty: BTreeSet<_> = variables.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name).collect();
    let parsed = cli::command(|name| empty.contains(&name.to_owned())).try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return say_usage(&error).into(),
    };
    let environment: Environment = variables.into_iter().collect();
    let session = Session::new(environment, &cli.talk);
    command::run(&cli, &session).into()
}

/// Help and version are answers; everything else that clap stops at is a mistake in usage. clap's own exit code for
/// that is 2, which means pending changes here.
fn say_usage(error: &clap::Error) -> Exit {
    // A stream that has gone away is nobody to tell.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}
