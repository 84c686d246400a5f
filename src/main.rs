//! The `regsync` binary: arguments in, exit code out. Everything else is the library's.

use std::ffi::OsString;
use std::process::ExitCode;

use regsync::cli;
use regsync::command::{self, Session};

fn main() -> ExitCode {
    // Before the first secret is read.
    command::forbid_core_dumps();
    let variables = command::environment();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match cli::parse(&arguments, &variables) {
        Ok(cli) => cli,
        Err(mistake) => return command::say_usage(&mistake, &variables).into(),
    };
    let session = Session::new(variables.into_iter().collect(), &cli.talk);
    command::run(&cli, &session).into()
}
