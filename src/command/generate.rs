//! What is generated from the program itself: schemas, completions, manual pages.

use std::path::Path;

use super::Exit;
use super::files::write_file;
use super::output::{Refusal, print};
use crate::cli::{self, CompletionsArgs, ManArgs, SchemaArgs, SchemaOf};
use crate::{config, plan, report};

/// `regsync schema`.
pub(super) fn schema(args: &SchemaArgs) -> Result<Exit, Refusal> {
    let schema = match args.what {
        SchemaOf::Config => config::json_schema(),
        SchemaOf::Plan => plan::file::json_schema(),
        SchemaOf::Result => report::json::schema(),
    };
    print(&format!("{schema:#}\n"))?;
    Ok(Exit::Done)
}

/// `regsync completions`.
pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit, Refusal> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "regsync", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// `regsync man`.
pub(super) fn man(args: &ManArgs) -> Result<Exit, Refusal> {
    let mut root = cli::command().disable_help_subcommand(true);
    root.build();
    let Some(directory) = &args.directory else {
        print(&page(&root)?)?;
        return Ok(Exit::Done);
    };
    std::fs::create_dir_all(directory)?;
    write_pages(&root, directory)?;
    Ok(Exit::Done)
}

fn write_pages(command: &clap::Command, directory: &Path) -> Result<(), Refusal> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    write_file(&directory.join(format!("{name}.1")), &page(command)?)?;
    command.get_subcommands().try_for_each(|verb| write_pages(verb, directory))
}

fn page(command: &clap::Command) -> Result<String, Refusal> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
