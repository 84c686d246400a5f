//! The command line: types only, no behaviour.
//!
//! Every flag has an environment variable `REGSYNC_…`; a flag is stronger than the variable, and an empty variable counts as
//! unset (see [`command`]).

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};

/// `0.1.0 (3f9c2d1ab) x86_64-unknown-linux-gnu`.
pub const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("REGSYNC_COMMIT"), ") ", env!("REGSYNC_TARGET"));

const EXAMPLES: &str = "\
Examples:
  regsync validate                      check regsync.yaml, offline
  regsync plan                          show what would be copied
  regsync plan -o plan.json             save it for review
  regsync apply plan.json               do exactly that
  regsync apply --only 'ghcr.io/acme/*' plan and apply a part
  regsync auth check ghcr.io            which credential is used, and whether it works

Exit codes:
  0 done or nothing to do · 1 failed, nothing written · 2 changes (plan --detailed-exitcode)
  3 partly applied · 4 stale plan · 5 blocked · 64 usage · 65 invalid input · 130/143 interrupted";

/// Keeps container images in target registries equal to what a committed YAML file says.
#[derive(Debug, Parser)]
#[command(name = "regsync", version = VERSION, after_help = EXAMPLES, disable_help_subcommand = true)]
#[command(max_term_width = 100, arg_required_else_help = false)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to talk.
    #[command(flatten)]
    pub talk: Talk,
}

/// How much is said, and in which colours.
#[derive(Clone, Debug, Args)]
pub struct Talk {
    /// Colour the text output
    #[arg(
        long,
        global = true,
        env = "REGSYNC_COLOR",
        value_name = "WHEN",
        default_value = "auto",
        hide_env_values = true
    )]
    pub color: ColorWhen,
    /// Say only what goes wrong
    #[arg(short, long, global = true, env = "REGSYNC_QUIET", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub quiet: bool,
    /// List unchanged tags too; twice: log requests; three times: log everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// What to log to stderr, in place of -v: error, warn, info, debug, trace, or a filter
    #[arg(long, global = true, env = "REGSYNC_LOG", value_name = "FILTER", hide_env_values = true)]
    pub log: Option<String>,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal and in GitHub Actions, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the configuration, offline
    Validate(ValidateArgs),
    /// Show what apply would do; write nothing to a target
    Plan(PlanArgs),
    /// Do what a saved plan says; without one, plan and do that
    Apply(ApplyArgs),
    /// Show a saved plan or result again
    Show(ShowArgs),
    /// Look into credentials
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Print the JSON Schema of the configuration, a plan or a result
    Schema(SchemaArgs),
    /// Print shell completions
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
}

/// Which configuration.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file; repeat it to join several [default: regsync.yaml]
    #[arg(short, long, env = "REGSYNC_CONFIG", value_name = "FILE", value_delimiter = '\n', hide_env_values = true)]
    pub config: Vec<PathBuf>,
    /// Let layouts and certificates lie in this directory too, not only below the configuration file
    #[arg(long, env = "REGSYNC_ALLOW_PATH", value_name = "DIR", value_delimiter = '\n', hide_env_values = true)]
    pub allow_path: Vec<PathBuf>,
}

/// Which part of it.
#[derive(Clone, Debug, Default, Args)]
pub struct ScopeArgs {
    /// Only target references that match, such as 'ghcr.io/acme/*' or '**/*:1.*'
    #[arg(long, env = "REGSYNC_ONLY", value_name = "GLOB", value_delimiter = '\n', hide_env_values = true)]
    pub only: Vec<String>,
    /// All but target references that match
    #[arg(long, env = "REGSYNC_EXCLUDE", value_name = "GLOB", value_delimiter = '\n', hide_env_values = true)]
    pub exclude: Vec<String>,
}

/// What comes out.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputArgs {
    /// The form of the standard output
    #[arg(long, env = "REGSYNC_FORMAT", value_name = "FORMAT", default_value = "text", hide_env_values = true)]
    pub format: FormatArg,
    /// Write a report to a file too: text=FILE or json=FILE; repeatable
    #[arg(long, env = "REGSYNC_REPORT", value_name = "FORMAT=FILE", value_delimiter = '\n', value_parser = report, hide_env_values = true)]
    pub report: Vec<(FormatArg, PathBuf)>,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For people.
    #[default]
    Text,
    /// For scripts: versioned, with a schema.
    Json,
}

fn report(text: &str) -> Result<(FormatArg, PathBuf), String> {
    let (format, file) = text.split_once('=').ok_or("write FORMAT=FILE, such as json=result.json")?;
    if file.is_empty() {
        return Err("the file is missing".to_owned());
    }
    Ok((FormatArg::from_str(format, false)?, file.into()))
}

/// How much work at once.
#[derive(Clone, Debug, Default, Args)]
pub struct WorkArgs {
    /// Images copied at once
    #[arg(long, env = "REGSYNC_CONCURRENCY", value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256), hide_env_values = true)]
    pub concurrency: u16,
    /// Ask for sizes: it costs manifest reads; auto leaves out hosts that meter them
    #[arg(long, env = "REGSYNC_SIZES", value_name = "WHEN", default_value = "auto", hide_env_values = true)]
    pub sizes: SizesArg,
}

/// When sizes are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SizesArg {
    /// Unless the host counts manifest reads.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `regsync validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// `regsync plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which part of it.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Save the plan as JSON, to review it and to apply it later
    #[arg(short, long, env = "REGSYNC_OUT", value_name = "FILE", hide_env_values = true)]
    pub out: Option<PathBuf>,
    /// Exit with 2 where changes are pending
    #[arg(long, env = "REGSYNC_DETAILED_EXITCODE", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub detailed_exitcode: bool,
    /// How much work at once.
    #[command(flatten)]
    pub work: WorkArgs,
    /// What comes out.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `regsync apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A saved plan: exactly that is done. Without it, a plan is made first
    #[arg(value_name = "PLAN", env = "REGSYNC_PLAN", conflicts_with_all = ["only", "exclude"], hide_env_values = true)]
    pub plan: Option<PathBuf>,
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which part of it.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Refuse a plan with another id than this, the one that was reviewed
    #[arg(long, env = "REGSYNC_EXPECT_PLAN_ID", value_name = "ID", hide_env_values = true)]
    pub expect_plan_id: Option<String>,
    /// Write nothing at all while any step of the plan is in error
    #[arg(long, env = "REGSYNC_REQUIRE_COMPLETE", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub require_complete: bool,
    /// Begin nothing new after the first failure
    #[arg(long, env = "REGSYNC_FAIL_FAST", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub fail_fast: bool,
    /// How much work at once.
    #[command(flatten)]
    pub work: WorkArgs,
    /// What comes out.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `regsync show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A plan or result that was saved as JSON
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What comes out.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `regsync auth`.
#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// Say which credential is used for each host, why the earlier ones were not, and whether it works
    Check(AuthCheckArgs),
}

/// `regsync auth check`.
#[derive(Debug, Args)]
pub struct AuthCheckArgs {
    /// Hosts or repositories to check; all of the configuration's where none is named
    #[arg(value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// `regsync schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of what
    #[arg(value_name = "WHAT", default_value = "config")]
    pub what: SchemaOf,
}

/// What a schema describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// `regsync.yaml`.
    #[default]
    Config,
    /// A saved plan.
    Plan,
    /// A saved result.
    Result,
}

/// `regsync completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `regsync man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The directory to write the pages to; without it, the main page is printed
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// The command line, with the variables for which `is_empty` says so taken out: an empty variable counts as unset.
pub fn command(is_empty: impl Fn(&OsStr) -> bool + Copy) -> clap::Command {
    let keep = move |arg: clap::Arg| match arg.get_env() {
        Some(name) if is_empty(name) => arg.env(None::<&str>),
        _ => arg,
    };
    let command = Cli::command().mut_args(keep);
    command.mut_subcommands(|verb| verb.mut_args(keep))
}
