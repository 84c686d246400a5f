//! `regsync show`: a saved plan or result, rendered again.

use std::path::PathBuf;

use super::Exit;
use super::files::check_writable;
use super::load::read_text;
use super::output::{Refusal, deliver};
use super::session::Session;
use crate::cli::{ReportArg, ShowArgs};
use crate::plan::file::{ConfigDocument, FileError, Stamp};
use crate::plan::{self, Bases};
use crate::report::{self, Setting, json};

pub(super) fn run(args: &ShowArgs, session: &Session) -> Result<Exit, Refusal> {
    check_writable(args.output.reports().map(|(_, file)| file))?;
    if args.output.reports().any(|(format, _)| format == ReportArg::Dotenv) {
        return Err(Refusal::new(Exit::Usage, "dotenv tells how a run of plan or apply ends; show has none"));
    }
    if args.output.reports().any(|(format, _)| format == ReportArg::Subjects) {
        return Err(Refusal::new(Exit::Usage, "subjects lists what a run of apply has written; show writes nothing"));
    }
    let text = read_text(&args.file)?;
    let invalid = |error: FileError| Refusal::new(Exit::Invalid, format!("{}: {error}", args.file.display()));
    match plan::document(&text) {
        Ok(document) => {
            let plan = document.plan(&bases(&document.config)).map_err(invalid)?;
            let stamp = Stamp { tool_version: document.tool_version, created_at: document.created_at };
            show(args, session, |format, style| report::plan(format, &plan, (&stamp, &Setting::default()), style))
        }
        Err(FileError::Kind(kind)) if kind == json::KIND => {
            let document = json::read(&text).map_err(invalid)?;
            let saved = document.saved(&bases(&document.config)).map_err(invalid)?;
            let stamp = Stamp { tool_version: document.tool_version.clone(), created_at: document.created_at.clone() };
            show(args, session, |format, style| {
                report::result(format, &saved.applied(), (&stamp, &Setting::default()), style)
            })
        }
        Err(error) => Err(invalid(error)),
    }
}

fn show(
    args: &ShowArgs,
    session: &Session,
    render: impl Fn(report::Format, report::Style) -> String,
) -> Result<Exit, Refusal> {
    deliver(&args.output, session, true, render)?;
    Ok(Exit::Done)
}

/// Layouts are only named here, never opened: they may lead anywhere below an imagined root.
pub(super) fn bases(configs: &[ConfigDocument]) -> Bases {
    let root = PathBuf::from("/");
    let directories = configs.iter().map(|config| (config.path.clone(), root.join("shown"))).collect();
    Bases { directories, allowed: vec![root] }
}
