//! The arguments of each verb.

use std::path::PathBuf;

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use clap::{ArgAction, Args, Subcommand, ValueEnum};

use super::ci::{CiArgs, MarkArgs, RiskArgs};
use super::flags::{ConfigArgs, OutputArgs, ScopeArgs, WorkArgs};
use super::help;
use crate::plan::Shards;

/// `regsync init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Write workflows for GitHub Actions: a plan on each pull request; on main and every day a plan, and its apply
    ///
    /// They are written below .github/workflows, and regsync.yaml where there is none.
    #[arg(long, env = "REGSYNC_GITHUB", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub github: bool,
}

/// `regsync validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How its lines are marked.
    #[command(flatten)]
    pub marks: MarkArgs,
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
    /// How much work at once.
    #[command(flatten)]
    pub work: WorkArgs,
    /// Exit with 2 where changes are pending
    #[arg(long, env = "REGSYNC_DETAILED_EXITCODE", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub detailed_exitcode: bool,
    /// Save the plan as JSON, to review it and to apply it later
    #[arg(short, long, env = "REGSYNC_OUT", value_name = "FILE", help_heading = "Output options")]
    pub out: Option<PathBuf>,
    /// Which risks are too much.
    #[command(flatten)]
    pub risks: RiskArgs,
    /// What comes out.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What is told to a CI system.
    #[command(flatten)]
    pub ci: CiArgs,
}

/// `regsync apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A saved plan: exactly that is done. Without it, a plan is made first
    ///
    /// The images are copied by the digests it names; no tag of a source is looked up again. Connection settings come
    /// from the configuration files that it names, or from --config; they must be the ones it was made from, byte for
    /// byte.
    #[arg(value_name = "PLAN", env = "REGSYNC_PLAN")]
    pub plan: Option<PathBuf>,
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which part of it.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// How much work at once.
    #[command(flatten)]
    pub work: WorkArgs,
    /// Refuse a plan with another id than this, the one that was reviewed
    ///
    /// The whole id, or the twelve digits that are shown.
    #[arg(long, env = "REGSYNC_EXPECT_PLAN_ID", value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub expect_plan_id: Option<String>,
    /// Write nothing at all while any step of the plan is in error
    #[arg(long, env = "REGSYNC_REQUIRE_COMPLETE", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub require_complete: bool,
    /// Begin nothing new after the first failure
    #[arg(long, env = "REGSYNC_FAIL_FAST", value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub fail_fast: bool,
    /// Which risks are too much.
    #[command(flatten)]
    pub risks: RiskArgs,
    /// What comes out.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What is told to a CI system.
    #[command(flatten)]
    pub ci: CiArgs,
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

/// `regsync explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A source or a target of the configuration, with or without a tag
    #[arg(value_name = "REF")]
    pub reference: String,
    /// Take the tags of the source from this file, and ask no registry
    ///
    /// One tag to a line, or JSON as registries answer: {"tags": […]}. `-` is the standard input.
    #[arg(long, env = "REGSYNC_TAGS_FROM", value_name = "FILE")]
    pub tags_from: Option<PathBuf>,
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// `regsync auth`.
#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// Say which credential is used for each host, why the earlier ones were not, and whether it works
    ///
    /// Asks each registry with the credential that plan and apply would use; no image is read and nothing is written.
    /// No secret is printed.
    #[command(after_help = help::AUTH_CHECK)]
    Check(AuthCheckArgs),
}

/// `regsync auth check`.
#[derive(Debug, Args)]
pub struct AuthCheckArgs {
    /// Hosts or repositories to check; without one, all that the configuration names
    #[arg(value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Check what this verb needs, with its identity: `plan` reads, with those named by `plan-…`
    ///
    /// Without it, `apply`, and `plan` too where the configuration names an identity for it.
    #[arg(long = "for", env = "REGSYNC_CHECK_FOR", value_name = "VERB")]
    pub verb: Option<VerbArg>,
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What credentials are checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerbArg {
    /// Reading, with the identity of `plan`.
    Plan,
    /// Reading sources and writing targets, with the identity of `apply`.
    Apply,
}

/// `regsync report`.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Join the plans, or the results, of several shards into one report and one exit code
    ///
    /// They must be of one configuration, and no target in two of them. Nothing is asked of any registry.
    #[command(after_help = help::REPORT_MERGE)]
    Merge(MergeArgs),
}

/// `regsync report merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Plans, or results, that were saved as JSON
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The shards that must be among them, such as 1/3,3/3: without one of them the whole is incomplete
    ///
    /// As the output `shards` of a plan lists them: JSON, or separated by commas. Without this, a shard that is not there is
    /// no more than remarked on, since what has nothing to do need not run.
    #[arg(long, env = "REGSYNC_SHARDS", value_name = "LIST")]
    pub shards: Option<Shards>,
    /// What comes out.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What is told to a CI system.
    #[command(flatten)]
    pub ci: CiArgs,
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
    /// The directory to write a page for each verb to; without it, the main page is printed
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}
