//! `regsync init`: a configuration to begin with, and the two workflows that plan and apply it.
//!
//! Owns their texts. Refuses to overwrite anything, to follow a link out of the directory, and to write a part: where one
//! of the files is there already, none is written.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::Exit;
use super::files::in_words;
use super::output::{Refusal, say};
use super::session::Session;
use crate::cli::InitArgs;

const CONFIG: &str = "regsync.yaml";
const CONFIG_TEXT: &str = include_str!("regsync.yaml");
const WORKFLOWS: [(&str, &str); 2] = [
    (".github/workflows/regsync-plan.yml", include_str!("plan.yml")),
    (".github/workflows/regsync-apply.yml", include_str!("apply.yml")),
];
/// What stands in the workflows for the commit of the action, and the comment beside it.
const PLACE: &str = "@COMMIT@";
/// No commit: GitHub says that it cannot be found.
const NOWHERE: &str = "0000000000000000000000000000000000000000";
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn run(args: &InitArgs, session: &Session) -> Result<Exit, Refusal> {
    let files = files(args.github);
    if let Some((name, _)) = files.iter().find(|(name, _)| Path::new(name).symlink_metadata().is_ok()) {
        let refusal = Refusal::new(Exit::Failed, format!("{name} is there already; nothing was written"));
        return Err(refusal.hint("take it away, or change it by hand"));
    }
    let links = files.iter().flat_map(|(name, _)| Path::new(name).ancestors().skip(1));
    let is_link = |path: &&Path| path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    if let Some(link) = links.filter(|path| !path.as_os_str().is_empty()).find(is_link) {
        return Err(Refusal::new(Exit::Failed, format!("{} is a link; nothing was written", link.display())));
    }
    for (name, text) in &files {
        write_new(Path::new(name), text)
            .map_err(|error| Refusal::new(Exit::Failed, format!("could not write {name}: {}", in_words(&error))))?;
        if !session.is_quiet() {
            say(&format!("Wrote {name}"));
        }
    }
    if !session.is_quiet() {
        say_next(args.github);
    }
    Ok(Exit::Done)
}

/// What is to be written. A configuration that is there is what the workflows are for.
fn files(github: bool) -> Vec<(&'static str, String)> {
    let mut files = Vec::new();
    if !github || Path::new(CONFIG).symlink_metadata().is_err() {
        files.push((CONFIG, CONFIG_TEXT.to_owned()));
    }
    if github {
        let commit = match commit() {
            Some(commit) => format!("{commit} # what {VERSION} was built from"),
            None => format!("{NOWHERE} # to be that of the tag v{VERSION}"),
        };
        files.extend(WORKFLOWS.map(|(name, text)| (name, text.replace(PLACE, &commit))));
    }
    files
}

/// The commit that this program was built from, where it is known in full. That of its release is a later one: it has the
/// hashes of the binaries, which are not known before they are built.
fn commit() -> Option<&'static str> {
    option_env!("REGSYNC_FULL_COMMIT")
}

/// Writes a file that is not there.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

fn say_next(github: bool) {
    say(&format!("Next: say in {CONFIG} what goes where, then: regsync validate, regsync plan"));
    if github {
        say(
            "The apply job waits in the environment `regsync`: give that its reviewers, in the settings of the repository",
        );
        let there = if commit().is_some() { "the commit that this program was built from" } else { "the zeros" };
        say(&format!(
            "Both workflows need the commit of a release in place of {there}: that of its tag, v{VERSION} or a later one, lists the binaries that may be run"
        ));
    }
}
