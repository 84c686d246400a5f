//! The dependency rule: which room of `src` may use which, and what the pure rooms stay clear of.
//!
//! Reads the source text itself, so that a wrong `use crate::…` fails here with the file, the
//! line and the rule, in milliseconds. It looks at code only: comments, strings and test code
//! are blanked first (tests may reach further than the code they test). It knows names, not
//! types: a value whose type comes from elsewhere can still pass through a room unnamed.

#[path = "architecture/source.rs"]
mod source;

use source::{Token, segments_after};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Each room and the rooms that its code may name, lowest first. A room may always name itself.
///
/// `command` alone may use everything. A file or directory of `src` that is not in this table
/// fails the test: a new room is a decision, made here and in the table of `src/lib.rs`.
const ROOMS: &[(&str, &[&str])] = &[
    ("image", &[]),
    ("config", &["image"]),
    ("plan", &["image", "config"]),
    ("event", &["image", "plan"]),
    ("auth", &["image"]),
    ("store", &["image", "auth", "event"]),
    ("copy", &["image", "store", "event"]),
    ("observe", &["image", "config", "plan", "store", "event"]),
    ("apply", &["image", "plan", "store", "copy", "event"]),
    ("comment", &["image", "auth"]),
    ("report", &["image", "plan", "event"]),
    ("cli", &["image", "config", "plan", "report"]),
    ("command", EVERYTHING),
    ("lib", EVERYTHING),
    ("main", EVERYTHING),
];

const EVERYTHING: &[&str] = &[
    "image", "config", "plan", "event", "auth", "store", "copy", "observe", "apply", "comment", "report", "cli",
    "command",
];

/// Rooms that compute and never act: the same inputs give the same bytes.
const PURE: &[&str] = &["image", "config", "plan"];
const IMPURE_NAMES: &[&str] = &["tokio", "reqwest", "tracing", "SystemTime", "Instant"];
/// Not `net`: an address is a value.
const IMPURE_STD: &[&str] = &["env", "fs", "process", "thread"];

const MAY_USE_ANYHOW: &[&str] = &["cli", "command", "main"];
const PRINT_MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];
const MAX_LINES: usize = 400;

#[test]
fn every_room_keeps_the_dependency_rule() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src);
    assert!(files.iter().any(|file| file.ends_with("lib.rs")), "no sources below {}", src.display());
    let mut report = String::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a source file is readable UTF-8");
        let path = file.strip_prefix(&src).expect("found below src");
        for violation in check(path, &text) {
            writeln!(report, "src/{}:{violation}", path.display()).expect("a String takes it");
        }
    }
    assert!(report.is_empty(), "the house rules are broken:\n{report}");
}

/// `//! | [`plan`] | the decision, … (pure) | image, config |` in `src/lib.rs`, for each room.
#[test]
fn the_table_of_the_library_is_this_one() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("it is there");
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | [`")).filter_map(|row| row.split_once("`] |"));
    let written: Vec<(&str, Vec<&str>)> = rows
        .map(|(room, rest)| {
            let cell = rest.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            (room, cell.split(',').map(str::trim).filter(|name| !name.is_empty()).collect())
        })
        .collect();
    let rooms = ROOMS.iter().filter(|(room, _)| !matches!(*room, "lib" | "main"));
    let expected: Vec<(&str, Vec<&str>)> = rooms
        .map(|(room, allowed)| (*room, if *allowed == EVERYTHING { vec!["all"] } else { allowed.to_vec() }))
        .collect();
    assert_eq!(written, expected);
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What is wrong with one file, each as `line: rule`; `path` is relative to `src`.
fn check(path: &Path, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    if !text.starts_with("//!") {
        violations.push("1: a file opens with `//!`: what it owns and what it refuses".to_owned());
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        violations.push(format!("{lines}: longer than {MAX_LINES} lines: split it by what it holds"));
    }
    let module = module_path(path);
    if module.last().is_some_and(|name| name == "tests") || module.iter().any(|name| name == "fuzzing") {
        return violations;
    }
    let room = module.first().map_or("lib", String::as_str);
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        violations.push(format!("1: `{room}` is no room of the house: see ROOMS in tests/architecture.rs"));
        return violations;
    };

    let code = source::blank(text);
    let code = source::without_tests(&source::tokens(&code));
    for (line, name) in rooms_named(&code, module.len()) {
        if name != room && !allowed.contains(&name) {
            violations.push(format!("{line}: `{room}` may not use `{name}`, only {allowed:?}"));
        }
    }
    violations.extend(effects(room, &code));
    violations
}

/// Effects that `room` names and is not the home of.
fn effects(room: &str, code: &[Token<'_>]) -> Vec<String> {
    let mut violations = Vec::new();
    if PURE.contains(&room) {
        let names = code.iter().filter(|token| IMPURE_NAMES.contains(&token.text));
        let modules = segments_after(code, &["std"]).into_iter();
        let modules = modules.filter(|token| IMPURE_STD.contains(&token.text));
        for Token { line, text } in names.copied().chain(modules) {
            violations.push(format!("{line}: `{room}` is pure and may not name `{text}`"));
        }
    }
    for (at, Token { line, text }) in code.iter().enumerate() {
        let next = code.get(at + 1).map_or("", |token| token.text);
        if *text == "anyhow" && !MAY_USE_ANYHOW.contains(&room) {
            violations.push(format!("{line}: `anyhow` is for {MAY_USE_ANYHOW:?}; rooms have typed errors"));
        }
        if next == "!" && PRINT_MACROS.contains(text) {
            violations.push(format!("{line}: `{text}!`: output goes through a reporter or a locked writer"));
        }
        if *text == "exit" && at >= 3 && code[at - 3].text == "process" {
            violations.push(format!("{line}: `process::exit` skips destructors: return the exit code"));
        }
    }
    violations
}

/// `store/registry/upload.rs` → `[store, registry, upload]`; `plan/mod.rs` → `[plan]`; `lib.rs` → `[]`.
fn module_path(path: &Path) -> Vec<String> {
    let path = path.with_extension("");
    let mut parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] {
        parts.pop();
    }
    parts
}

/// The rooms that code at this depth names, by `crate::` or by climbing to the root with `super::`.
fn rooms_named<'a>(code: &[Token<'a>], depth: usize) -> Vec<(usize, &'a str)> {
    let climb: Vec<&str> = std::iter::repeat_n("super", depth).collect();
    let mut named = segments_after(code, &["crate"]);
    // At the root itself every name is a room's already.
    if depth > 0 {
        let climbed = segments_after(code, &climb);
        named.extend(climbed.into_iter().filter(|token| ROOMS.iter().any(|room| room.0 == token.text)));
    }
    named.into_iter().map(|token| (token.line, token.text)).collect()
}

/// The checker itself: it must catch what it is for, and nothing else.
mod checker {
    use super::{Path, check};

    fn violations(path: &str, code: &str) -> Vec<String> {
        check(Path::new(path), &format!("//! A room.\n{code}"))
    }

    fn caught(path: &str, code: &str, wanted: &str) {
        let found = violations(path, code);
        assert!(found.len() == 1 && found[0].contains(wanted), "{path}: {code}\nfound {found:?}");
    }

    fn fine(path: &str, code: &str) {
        assert_eq!(violations(path, code), Vec::<String>::new(), "{path}: {code}");
    }

    #[test]
    fn catches_an_import_against_the_rule() {
        caught("plan/decide.rs", "use crate::store::Stores;", "2: `plan` may not use `store`");
        caught("apply.rs", "use crate::{plan::Plan, config};", "`apply` may not use `config`");
        caught("store/layout.rs", "fn f(_: crate::plan::Plan) {}", "`store` may not use `plan`");
        caught("store/registry/mod.rs", "\nuse super::super::report;", "3: `store` may not");
        caught("image/digest.rs", "use crate::Shortcut;", "`image` may not use `Shortcut`");
        caught("event.rs", "use super::auth::Secret;", "`event` may not use `auth`");
        caught("cli.rs", "use crate::command;", "`cli` may not use `command`");
    }

    #[test]
    fn catches_effects_outside_their_home() {
        caught("plan/mod.rs", "use std::time::{Duration, Instant};", "may not name `Instant`");
        caught("config/mod.rs", "use std::{fmt, fs};", "may not name `fs`");
        caught("image/tag.rs", "fn f() { tracing::debug!(\"x\"); }", "may not name `tracing`");
        caught("plan/mod.rs", "fn f() { std::env::var(\"HOME\").ok(); }", "may not name `env`");
        caught("copy/mod.rs", "fn f() -> anyhow::Result<()> { Ok(()) }", "`anyhow` is for");
        caught("report/text.rs", "fn f() { println!(); }", "`println!`");
        caught("main.rs", "fn main() { std::process::exit(1) }", "`process::exit`");
    }

    #[test]
    fn catches_a_stranger_a_bare_file_and_a_long_one() {
        caught("utils.rs", "", "`utils` is no room");
        caught("event.rs", &"\n".repeat(400), "longer than 400 lines");
        let found = check(Path::new("event.rs"), "use std::fmt;\n");
        assert!(found.len() == 1 && found[0].contains("opens with `//!`"), "{found:?}");
    }

    #[test]
    fn lets_through_what_the_rule_allows() {
        fine("observe.rs", "use crate::{config::Desired, event::Event, image, plan, store};");
        fine("plan/decide.rs", "use super::{Plan, Step};\nuse crate::config::Desired;");
        fine("store/registry/upload.rs", "use super::super::Location;\nuse super::error::Error;");
        fine("command/plan.rs", "use crate::{apply, cli, report};\nuse anyhow::Context as _;");
        fine("lib.rs", "pub mod image;\npub mod plan;");
    }

    #[test]
    fn reads_code_and_not_comments_strings_or_tests() {
        fine("plan/mod.rs", "// crate::store\n/* tokio /* reqwest */ std::env */\nfn f() {}");
        fine("plan/mod.rs", r##"const A: &str = "tokio \" std::fs"; const B: &str = r#"tokio"#;"##);
        fine("plan/mod.rs", "fn f<'a>(c: char, s: &'a str) -> bool { c == '\"' || c == '\\'' }");
        fine("plan/mod.rs", "#[cfg(test)]\nmod tests { use std::fs; mod a { use crate::store; } }");
        fine("plan/mod.rs", "#[cfg(test)]\nmod tests;\nfn f() {}");
        fine("plan/tests.rs", "use crate::store;");
        let after = "fn f(c: char) -> bool { c == '\"' }\nuse crate::store;\n// \"";
        caught("plan/mod.rs", after, "3: `plan` may not use `store`");
        let after = "#[cfg(test)]\nmod tests { fn f() { if true {} } }\nuse crate::store;";
        caught("plan/mod.rs", after, "4: `plan` may not use `store`");
    }
}
