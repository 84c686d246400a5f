//! What is told to a CI system, and which risks it lets pass.

use std::collections::BTreeSet;
use std::str::FromStr;

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use clap::{ArgAction, Args, ValueEnum};

use crate::plan::Risk;

/// What is told to a CI system.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "CI options")]
pub struct CiArgs {
    /// A name for what is mirrored, such as prod-eu: shown in Markdown, and what its comment is known by
    #[arg(long, env = "REGSYNC_LABEL", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub label: Option<String>,
    /// Whether a run for a pull request comments on it
    ///
    /// It takes the token of `GITHUB_TOKEN` in GitHub Actions, and of `GITLAB_TOKEN` in GitLab CI. Where that may not comment,
    /// it is said, and the run ends as it would.
    #[arg(long, env = "REGSYNC_COMMENT", value_name = "WHEN", default_value = "auto")]
    pub comment: CommentArg,
    /// Whether a job summary is written in GitHub Actions
    #[arg(long, env = "REGSYNC_SUMMARY", value_name = "BOOL", default_value_t = true, value_parser = BoolishValueParser::new(), action = ArgAction::Set)]
    pub summary: bool,
    /// How lines of the configuration are marked.
    #[command(flatten)]
    pub marks: MarkArgs,
}

/// When a pull request is commented on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CommentArg {
    /// One comment for each label and command, kept up to date.
    Auto,
    /// The same, begun only where something changes or is wrong.
    ChangesOnly,
    /// One comment for each run.
    AlwaysNew,
    /// Never.
    #[default]
    Off,
}

/// How lines of the configuration are marked.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "CI options")]
pub struct MarkArgs {
    /// Whether problems are annotated on their lines of the configuration in GitHub Actions
    #[arg(long, env = "REGSYNC_ANNOTATIONS", value_name = "BOOL", default_value_t = true, value_parser = BoolishValueParser::new(), action = ArgAction::Set)]
    pub annotations: bool,
}

/// Which risks are too much.
#[derive(Clone, Debug, Default, Args)]
pub struct RiskArgs {
    /// Exit with 5 where the plan carries one of these risks; `apply` then writes nothing
    ///
    /// A list, separated by commas. `tag-move`: a tag that people may already use would name something else.
    /// `platform-loss`: and the new image lacks a platform of the old one. `downgrade`: and it says that it is of an earlier
    /// version. Where these two cannot be told of a tag that moves, it counts as risky.
    #[arg(long, env = "REGSYNC_FAIL_ON_RISK", value_name = "LIST")]
    pub fail_on_risk: Option<Risks>,
    /// Risks that are fine; stronger than --fail-on-risk
    #[arg(long, env = "REGSYNC_ALLOW", value_name = "LIST")]
    pub allow: Option<Risks>,
}

impl RiskArgs {
    /// The risks that are too much.
    pub fn forbidden(&self) -> BTreeSet<Risk> {
        let of = |risks: &Option<Risks>| risks.as_ref().map(|risks| risks.0.clone()).unwrap_or_default();
        &of(&self.fail_on_risk) - &of(&self.allow)
    }
}

/// A list of risks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Risks(BTreeSet<Risk>);

impl FromStr for Risks {
    type Err = String;

    /// A risk that cannot be told is refused: whoever names it would rely on it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split([',', '\n', ' ']).map(str::trim).filter(|name| !name.is_empty());
        let risk = |name| match name {
            "tag-move" => Ok(Risk::TagMove),
            "platform-loss" => Ok(Risk::PlatformLoss),
            "downgrade" => Ok(Risk::Downgrade),
            _ => Err(format!(
                "`{name}` is not a risk that this version can tell; there are tag-move, platform-loss and downgrade"
            )),
        };
        names.map(risk).collect::<Result<_, _>>().map(Self)
    }
}
