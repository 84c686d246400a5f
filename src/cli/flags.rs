//! The flags that several verbs share: which configuration, which part of it, how much at once, and what comes out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, PathBufValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use super::lines::{Lines, LinesParser};
use crate::plan::Shard;

/// Which configuration.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file; repeat it to join several [default: regsync.yaml]
    ///
    /// The mirrors of all files are joined; two different entries for one registry are an error. The variable holds one
    /// file a line.
    #[arg(short, long, env = "REGSYNC_CONFIG", value_name = "FILE", value_parser = LinesParser(PathBufValueParser::new()))]
    config: Vec<Lines<PathBuf>>,
    /// Let layouts and certificates lie in this directory too; repeatable
    ///
    /// Without it they must lie in the directory of the configuration file, or below. The variable holds one directory a
    /// line.
    #[arg(long, env = "REGSYNC_ALLOW_PATH", value_name = "DIR", value_parser = LinesParser(PathBufValueParser::new()))]
    allow_path: Vec<Lines<PathBuf>>,
}

impl ConfigArgs {
    /// The files named; none where the default is meant.
    pub fn files(&self) -> Vec<&Path> {
        self.config.iter().flatten().map(PathBuf::as_path).collect()
    }

    /// The further directories in which layouts and certificates may lie.
    pub fn allowed_paths(&self) -> impl Iterator<Item = &Path> {
        self.allow_path.iter().flatten().map(PathBuf::as_path)
    }
}

/// Which part of it.
#[derive(Clone, Debug, Default, Args)]
pub struct ScopeArgs {
    /// Only target references that match, such as 'ghcr.io/acme/*'; repeatable
    ///
    /// A glob matches a repository, or a whole reference: 'ghcr.io/acme/app:1.*'. `*` does not cross a slash, `**`
    /// does. The variable holds one glob a line.
    #[arg(long, env = "REGSYNC_ONLY", value_name = "GLOB", value_parser = LinesParser(NonEmptyStringValueParser::new()))]
    only: Vec<Lines<String>>,
    /// All but target references that match; repeatable
    ///
    /// Stronger than --only. The variable holds one glob a line.
    #[arg(long, env = "REGSYNC_EXCLUDE", value_name = "GLOB", value_parser = LinesParser(NonEmptyStringValueParser::new()))]
    exclude: Vec<Lines<String>>,
    /// Only the targets that fall to this one of N runs, such as 1/4
    ///
    /// A target repository belongs to one shard, whatever else there is: runs of all shards do together, each at its own
    /// time and place, what one would do.
    #[arg(long, env = "REGSYNC_SHARD", value_name = "K/N", value_parser = LinesParser(NonEmptyStringValueParser::new().try_map(|text| text.parse::<Shard>())))]
    shard: Option<Lines<Shard>>,
}

impl ScopeArgs {
    /// The globs of `--only`.
    pub fn only(&self) -> Vec<String> {
        self.only.iter().flatten().cloned().collect()
    }

    /// The shard of `--shard`.
    pub fn shard(&self) -> Option<String> {
        self.shard.iter().flatten().last().map(ToString::to_string)
    }

    /// Whether any of it stands on the command line, not in a variable.
    pub fn is_flag(&self) -> bool {
        self.only.iter().chain(&self.exclude).any(Lines::is_flag) || self.shard.as_ref().is_some_and(Lines::is_flag)
    }

    /// The globs of `--exclude`.
    pub fn exclude(&self) -> Vec<String> {
        self.exclude.iter().flatten().cloned().collect()
    }
}

/// How much work at once, and until when.
#[derive(Clone, Debug, Default, Args)]
pub struct WorkArgs {
    /// Images worked on at once
    ///
    /// While applying, so many at each target host: one that is slow holds up no other.
    #[arg(long, env = "REGSYNC_CONCURRENCY", value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Ask for sizes and platforms, which costs manifest reads
    #[arg(long, env = "REGSYNC_SIZES", value_name = "WHEN", default_value = "auto")]
    pub sizes: SizesArg,
    /// How much of a changed image configuration is told, in plans and all reports
    #[arg(long, env = "REGSYNC_CHANGES", value_name = "WHAT", default_value = "names")]
    pub changes: ChangesArg,
    /// Where to remember what was found of images in place [default: the user's cache]
    ///
    /// What is left of images of which only some platforms are wanted, and which indexes of referrers targets have all of. It
    /// saves reading these again. It never decides what is written.
    #[arg(long, env = "REGSYNC_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Begin nothing new so long after the start, such as 5h30m
    ///
    /// What is under way then has four seconds to end, the report is written as always, and what is left is a failure (1, or 3
    /// where something was written). A plan that is not made by then is given up.
    #[arg(long, env = "REGSYNC_DEADLINE", value_name = "DURATION", value_parser = deadline)]
    pub deadline: Option<Duration>,
}

/// Units as people write them: hours and less, since a day is not always as long.
fn deadline(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    duration.filter(|duration| !duration.is_zero()).ok_or_else(|| "write how long, such as 5h30m or 90s".to_owned())
}

/// When sizes are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SizesArg {
    /// Unless the host counts manifest reads, as Docker Hub does.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much of a changed image configuration is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ChangesArg {
    /// All of it, values of environment variables too.
    Full,
    /// Environment variables by their names: values may be secrets of private images.
    #[default]
    Names,
    /// None of it.
    None,
}

/// What comes out.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output options")]
pub struct OutputArgs {
    /// The form of the standard output
    #[arg(long, env = "REGSYNC_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub format: FormatArg,
    /// Write a report to a file too: text, json, markdown, junit, gitlab, dotenv or subjects, =FILE; repeatable
    ///
    /// One run, several reports. `gitlab` and `dotenv` are for `artifacts: reports:` of GitLab: what changes, and the
    /// outputs as variables. `subjects` lists what apply has written, to attest it. What becomes of a report does not change how the run ends. The variable holds one a line.
    #[arg(long, env = "REGSYNC_REPORT", value_name = "FORMAT=FILE", value_parser = LinesParser(NonEmptyStringValueParser::new().try_map(|text| report(&text))))]
    report: Vec<Lines<(ReportArg, PathBuf)>>,
}

impl OutputArgs {
    /// The reports to write to files.
    pub fn reports(&self) -> impl Iterator<Item = (ReportArg, &Path)> {
        self.report.iter().flatten().map(|(format, file)| (*format, file.as_path()))
    }
}

/// The form of the standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For people.
    #[default]
    Text,
    /// For scripts: versioned, with a schema.
    Json,
    /// For reviewers: for comments and job summaries.
    Markdown,
}

/// The form of a report in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportArg {
    /// As on the standard output.
    Text,
    /// As on the standard output.
    Json,
    /// As on the standard output.
    Markdown,
    /// A test for each step, as XML.
    Junit,
    /// How much changes, for a merge request.
    Gitlab,
    /// The outputs, one a line.
    Dotenv,
    /// The images that were written, one a line.
    Subjects,
}

fn report(text: &str) -> Result<(ReportArg, PathBuf), String> {
    let (format, file) = text.split_once('=').ok_or("write FORMAT=FILE, such as json=result.json")?;
    let unknown = |_| format!("`{format}` is not text, json, markdown, junit, gitlab, dotenv or subjects");
    let format = ReportArg::from_str(format, false).map_err(unknown)?;
    if file.is_empty() { Err("the file is missing".to_owned()) } else { Ok((format, file.into())) }
}
