//! The command line: what can be written, as types. Refuses to act on any of it.
//!
//! Every flag has an environment variable `REGSYNC_…`. A flag is stronger than its variable, and that is stronger than
//! the default; a variable that is empty counts as unset.

mod ci;
mod flags;
mod help;
mod lines;
mod variables;
mod verbs;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use ci::{CiArgs, CommentArg, MarkArgs, RiskArgs, Risks};
pub use flags::{ChangesArg, ConfigArgs, FormatArg, OutputArgs, ReportArg, ScopeArgs, SizesArg, WorkArgs};
pub use variables::{Mistake, command, parse};
pub use verbs::{
    ApplyArgs, AuthCheckArgs, AuthCommand, CompletionsArgs, ExplainArgs, InitArgs, ManArgs, MergeArgs, PlanArgs,
    ReportCommand, SchemaArgs, SchemaOf, ShowArgs, ValidateArgs, VerbArg,
};

/// `0.1.0 (3f9c2d1ab) x86_64-unknown-linux-gnu`; without the commit where it is not known.
pub const LONG_VERSION: &str = env!("REGSYNC_LONG_VERSION");

/// Keep container images in target registries equal to what a committed YAML file says
///
/// `regsync plan` reads both sides and shows what would change; `regsync apply` does exactly that. An image whose
/// target already has the wanted digest is skipped.
#[derive(Debug, Parser)]
#[command(name = "regsync", version = env!("CARGO_PKG_VERSION"), long_version = LONG_VERSION)]
#[command(after_help = help::ROOT, after_long_help = help::ROOT_LONG, max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to talk.
    #[command(flatten)]
    pub talk: Talk,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented regsync.yaml to begin with; with --github, two workflows
    ///
    /// Nothing that is there is overwritten.
    #[command(after_help = help::INIT)]
    Init(InitArgs),
    /// Check the configuration, offline
    ///
    /// Every problem is reported at once, each with its place in the file. Nothing but files is read.
    #[command(after_help = help::VALIDATE)]
    Validate(ValidateArgs),
    /// Show what apply would do; write nothing to a target
    ///
    /// Reads sources and targets, decides for each tag, and prints what would change. With --out the plan is saved:
    /// it can be reviewed, and `regsync apply FILE` does what it says and nothing else.
    #[command(after_help = help::PLAN, after_long_help = help::PLAN_LONG)]
    Plan(PlanArgs),
    /// Do what a saved plan says; without one, plan and do that
    ///
    /// Never asks. A target is read again just before its tag is written; one that is no longer what the plan saw is
    /// left alone. One image's failure does not stop the others, and the exit code tells. It is safe to run it again:
    /// what is done is skipped.
    #[command(after_help = help::APPLY, after_long_help = help::APPLY_LONG)]
    Apply(ApplyArgs),
    /// Show a saved plan or result again
    #[command(after_help = help::SHOW)]
    Show(ShowArgs),
    /// Say why a tag is selected or not
    ///
    /// For a tag: every mirror that it belongs to, what each rule says of it, and the line that decided. For a repository:
    /// how many tags each rule leaves, and some of those that it drops. Only tags are listed.
    #[command(after_help = help::EXPLAIN)]
    Explain(ExplainArgs),
    /// Look into credentials
    #[command(subcommand, arg_required_else_help = true)]
    Auth(AuthCommand),
    /// Work on reports that were saved
    #[command(subcommand, arg_required_else_help = true)]
    Report(ReportCommand),
    /// Print the JSON Schema of the configuration, a plan or a result
    #[command(after_help = help::SCHEMA)]
    Schema(SchemaArgs),
    /// Print a shell's completion script
    #[command(after_help = help::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Write the manual pages
    #[command(after_help = help::MAN)]
    Man(ManArgs),
}

/// How much is said, and in which colours.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Talk {
    /// Say nothing on stderr but what goes wrong
    ///
    /// No progress, no remarks. The result is printed to stdout all the same.
    #[arg(short, long, global = true, env = "REGSYNC_QUIET", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub quiet: bool,
    /// List unchanged tags and full digests too; -vv logs requests, -vvv everything
    ///
    /// The variable takes the number of times.
    #[arg(short, long, global = true, env = "REGSYNC_VERBOSE", action = ArgAction::Count)]
    pub verbose: u8,
    /// What to log on stderr, in place of what -vv would: a level, or a filter
    ///
    /// A level is one of error, warn, info, debug, trace. A filter names parts, such as
    /// `regsync::store=debug,hyper=info`.
    #[arg(long, global = true, env = "REGSYNC_LOG", value_name = "FILTER", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub log: Option<String>,
    /// Colour the text output
    #[arg(long, global = true, env = "REGSYNC_COLOR", value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal and in GitHub Actions; not where `NO_COLOR` is set or `TERM` is dumb.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
