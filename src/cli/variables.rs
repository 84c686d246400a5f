//! Arguments and variables to [`Cli`]: what counts as set, and whose mistake a wrong value is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches};

use super::Cli;

/// Arguments that are no command line, or that ask for help or the version.
#[derive(Debug)]
pub struct Mistake {
    /// What clap says about it.
    pub error: clap::Error,
    /// The variable that the wrong value stands in, where it does not stand on the command line.
    pub variable: Option<String>,
}

/// The command line as it is documented, whatever the environment holds.
pub fn command() -> clap::Command {
    each_argument(Cli::command(), &|arg| arg.hide_env_values(true))
}

/// Reads `arguments`, the program's name first. `variables` are those of the process: clap looks values up itself, and
/// is kept from those that are empty.
pub fn parse(arguments: &[OsString], variables: &[(OsString, OsString)]) -> Result<Cli, Mistake> {
    let empty = |name: &OsStr| variables.iter().any(|(known, value)| known == name && value.is_empty());
    let mut command = each_argument(command(), &|arg| match arg.get_env() {
        Some(name) if empty(name) => arg.env(None::<&str>),
        _ => arg,
    });
    command.build();
    let parsed = command.clone().try_get_matches_from(arguments).and_then(|found| Cli::from_arg_matches(&found));
    parsed.map_err(|error| {
        let variable = culprit(&error, &command, arguments, &variables.iter().cloned().collect());
        Mistake { error, variable }
    })
}

fn each_argument(command: clap::Command, change: &dyn Fn(clap::Arg) -> clap::Arg) -> clap::Command {
    command.mut_args(change).mut_subcommands(|verb| each_argument(verb, change))
}

/// The variable that holds the invalid value of `error`. clap names the flag even where nobody has written it.
fn culprit(
    error: &clap::Error,
    command: &clap::Command,
    arguments: &[OsString],
    variables: &BTreeMap<OsString, OsString>,
) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (named, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let on_the_line = |argument: &OsString| argument.to_string_lossy().ends_with(&value);
    if value.is_empty() || arguments.iter().any(on_the_line) {
        return None;
    }
    let name = variable_of(command, &named)?;
    let holds = variables.get(OsStr::new(&name)).is_some_and(|text| text.to_string_lossy().contains(&value));
    holds.then_some(name)
}

/// The variable of the argument that is shown as `named`: `--format <FORMAT>`.
fn variable_of(command: &clap::Command, named: &str) -> Option<String> {
    let here = command.get_arguments().find(|arg| arg.to_string() == named).and_then(clap::Arg::get_env);
    let name = here.map(|name| name.to_string_lossy().into_owned());
    name.or_else(|| command.get_subcommands().find_map(|verb| variable_of(verb, named)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    /// Positional arguments apart, and what clap adds itself. `REGSYNC_FOR` would not say what for.
    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments().filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")) {
                let Some(long) = arg.get_long() else { continue };
                let long = if long == "for" { "check-for" } else { long };
                let expected = format!("REGSYNC_{}", long.to_uppercase().replace('-', "_"));
                assert_eq!(arg.get_env().and_then(OsStr::to_str), Some(expected.as_str()), "{}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }
}
