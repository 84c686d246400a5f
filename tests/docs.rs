//! What the documentation says of the program, held against the program; and its links, against the files.
#![expect(clippy::unwrap_used, reason = "a test reports a broken assumption by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Every code of [`regsync::image::Code`], as its schema lists them.
fn codes() -> Vec<String> {
    let schema = schemars::schema_for!(regsync::image::Code).to_value();
    let variants = schema["oneOf"].as_array().expect("a schema with one entry for each code");
    variants.iter().map(|variant| variant["const"].as_str().expect("a constant").to_owned()).collect()
}

#[test]
fn every_error_code_is_explained_and_none_is_invented() {
    let page = include_str!("../docs/errors.md");
    let explained: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `E_")).filter_map(|rest| rest.split('`').next()).collect();
    let codes = codes();
    for code in &codes {
        assert!(explained.contains(&&code[2..]), "{code} is missing from docs/errors.md");
    }
    assert_eq!(explained.len(), codes.len(), "docs/errors.md explains codes that do not exist");
}

/// Each part of `docs/commands.md` that has the heading of a command, by that command.
fn commands_page() -> (String, Vec<(String, String)>) {
    let page = read("docs/commands.md");
    let parts = page.split("\n## ").map(|part| part.split_once('\n').unwrap_or((part, "")));
    let commands = parts.filter(|(heading, _)| heading.starts_with("`regsync "));
    let commands = commands.map(|(heading, part)| (heading.trim_matches('`').to_owned(), part.to_owned())).collect();
    (page, commands)
}

/// The commands that do something, each with its arguments, those for all commands apart.
fn leaves(name: &str, command: &clap::Command) -> Vec<(String, Vec<clap::Arg>)> {
    if command.has_subcommands() {
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        return below.flat_map(|below| leaves(&format!("{name} {}", below.get_name()), below)).collect();
    }
    vec![(name.to_owned(), command.get_arguments().filter(|arg| !arg.is_global_set()).cloned().collect())]
}

fn names(arg: &clap::Arg) -> (Option<String>, Option<String>) {
    let variable = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy()));
    (arg.get_long().map(|long| format!("--{long}")), variable)
}

/// The whole words of `text` that begin with `start`.
fn words<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.split(move |c| !is_part(c)).filter(move |word| word.len() > start.len() && word.starts_with(start))
}

#[test]
fn every_flag_and_variable_is_documented_with_its_command() {
    let root = regsync::cli::command();
    let (page, parts) = commands_page();
    let leaves = leaves("regsync", &root);
    let known: Vec<&String> = leaves.iter().map(|(name, _)| name).collect();
    assert_eq!(parts.iter().map(|(name, _)| name).collect::<Vec<_>>(), known, "the commands, in the order of the help");
    let global: Vec<clap::Arg> = root.get_arguments().cloned().collect();
    for (name, arg) in leaves.iter().flat_map(|(name, args)| args.iter().map(move |arg| (name, arg))) {
        let (_, part) = parts.iter().find(|(heading, _)| heading == name).unwrap();
        let (flag, variable) = names(arg);
        for text in flag.iter().chain(&variable) {
            assert!(part.contains(text.as_str()), "docs/commands.md lacks {text} of {name}");
        }
        for flag in words(part, "--").filter(|word| !word.ends_with('-')) {
            let own = leaves.iter().find(|(leaf, _)| leaf == name).unwrap().1.iter().chain(&global);
            assert!(own.filter_map(clap::Arg::get_long).any(|long| flag[2..] == *long), "{name} has no {flag}");
        }
    }
    let all: Vec<_> = leaves.iter().flat_map(|(_, args)| args).chain(&global).map(names).collect();
    for (flag, variable) in global.iter().map(names) {
        assert!(flag.iter().chain(&variable).all(|text| page.contains(text.as_str())), "{flag:?} is missing");
    }
    let flagless = ["REGSYNC_AUTH", "REGSYNC_AUTH_", "REGSYNC_TOKEN_", "REGSYNC_INSECURE_HOSTS"];
    for word in words(&page, "REGSYNC_") {
        let is_known = all.iter().any(|(_, variable)| variable.as_deref() == Some(&format!("`{word}`")));
        assert!(is_known || flagless.contains(&word), "docs/commands.md invents {word}");
    }
    assert!(flagless.iter().all(|name| page.contains(name)));
}

/// What the documentation links to: `[text](path#anchor)`, outside of code, within the repository.
fn links(page: &str) -> Vec<&str> {
    let mut in_code = false;
    let prose = page.lines().filter(|line| {
        in_code ^= line.starts_with("```");
        !in_code
    });
    let targets = prose.flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

/// The pages of the repository.
fn pages() -> Vec<PathBuf> {
    let listed = ["", "docs"].into_iter().flat_map(|directory| fs::read_dir(root().join(directory)).unwrap());
    let pages = listed.map(|entry| entry.unwrap().path());
    pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 8, "{pages:?}");
    for page in pages {
        for link in links(&read(&page)) {
            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(target.exists(), "{} links to {link}, which is not there", page.display());
            if !wanted.is_empty() {
                let text = read(&target);
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let is_there = headings.any(|line| anchor(line.trim_start_matches('#').trim()) == wanted);
                assert!(is_there, "{} links to {link}, and there is no such heading", page.display());
            }
        }
    }
}

#[test]
fn the_index_lists_every_page() {
    let index = read("docs/README.md");
    let links = links(&index);
    for page in pages().into_iter().filter(|page| page.parent().is_some_and(|parent| parent.ends_with("docs"))) {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || links.contains(&name), "docs/README.md does not list {name}");
    }
}
