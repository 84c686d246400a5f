//! What attackers write, in every place that text from outside may have, on every sink: nothing but text comes out.
//!
//! Owns the table of sinks, each with how it is read by whoever it is for: a terminal, the runner of GitHub, a Markdown
//! parser, the readers of outputs, of variables, of XML and of JSON. The corpus is that of the sinks' own tests.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::github::{Annotation, Level, Outputs, Verdict, annotations, of_plan, of_result};
use super::markdown::inert::tests::{GITLAB, MARKUP};
use super::markdown::{self, Budget, parsed};
use super::tests::{failure, outcomes, poisoned};
use super::untrusted::is_unsafe;
use super::untrusted::tests::{HOSTILE, assert_harmless, runner_command};
use super::{Applied, Checkout, Format, Setting, Style, gitlab, json, junit, text};
use crate::event::{Ending, Outcome};
use crate::image::Code;
use crate::plan::Plan;
use crate::plan::file::Stamp;

/// What attacks the readers of outputs and variables.
const LINES: &[&str] = &[
    "x\nresult=owned",
    "x\r\nresult<<E\nowned\nE",
    "result<<ghadelimiter_1\nowned\nghadelimiter_1",
    "$(touch pwned) `touch pwned` ${IFS}",
    "::stop-commands::x",
    "\u{1b}]0;title\u{7}\u{1b}[2J",
];

fn corpus() -> impl Iterator<Item = &'static str> {
    [HOSTILE, MARKUP, GITLAB, junit::tests::MARKUP, LINES].into_iter().flatten().copied()
}

/// A run in which each text from outside is the same.
struct Run {
    bad: String,
    plan: Plan,
    outcomes: Vec<Outcome>,
    setting: Setting,
}

impl Run {
    fn of(bad: &str) -> Self {
        let plan = poisoned(bad);
        let trouble = failure(Code::Denied, bad, bad);
        let mut outcomes = outcomes(&plan, |index, _| match index % 3 {
            0 => Some(Ending::Failed(trouble.clone())),
            1 => Some(Ending::Stale(trouble.clone())),
            _ => None,
        });
        for outcome in &mut outcomes {
            outcome.warnings.push(bad.to_owned());
        }
        let checkout = Checkout {
            root: "/checkout".into(),
            directory: "/checkout".into(),
            address: "https://forge.example/blob/1".into(),
        };
        let setting = Setting {
            label: Some(bad.to_owned()),
            commit: Some(bad.to_owned()),
            run: Some((bad.to_owned(), "https://forge.example/run".into())),
            checkout: Some(checkout),
            objection: Some(bad.to_owned()),
            notice: Some(bad.to_owned()),
        };
        Self { bad: bad.to_owned(), plan, outcomes, setting }
    }

    fn applied(&self) -> Applied<'_> {
        Applied { plan: &self.plan, outcomes: &self.outcomes, elapsed: Duration::from_millis(6_200) }
    }

    fn problems(&self) -> Vec<Annotation> {
        let one = |place| Annotation { level: Level::Error, place, title: self.bad.clone(), message: self.bad.clone() };
        vec![one(Some((self.bad.clone(), 3, 4))), one(None)]
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs {
            verdict: Verdict { result: "failed", failure_reason: "incomplete", exit_code: 1 },
            plan: Some(&self.plan),
            outcomes: Some(&self.outcomes),
            plan_file: &self.bad,
            result_file: &self.bad,
            summary_file: &self.bad,
            subjects_file: &self.bad,
            comment_url: &self.bad,
            version: &self.bad,
        }
    }
}

fn stamp() -> Stamp {
    Stamp { tool_version: "0.1.0".into(), created_at: "2026-01-02T03:04:05Z".into() }
}

/// Lines without our own colours.
fn terminal(run: &Run) {
    for style in [(false, false), (false, true), (true, false), (true, true)] {
        let style = Style { color: style.0, verbose: style.1 };
        let shown = text::plan(&run.plan, style)
            + &text::result(&run.applied(), style)
            + &text::result_below_plan(&run.applied(), style);
        let ours = |text: &str| text.split("\u{1b}[").skip(1).all(|rest| rest.find('m').is_some_and(|at| at < 8));
        assert!(ours(&shown) && shown.contains('\u{1b}') == style.color, "{shown:?}");
        anstream::adapter::strip_str(&shown).to_string().lines().for_each(assert_harmless);
    }
}

/// Pages with no link, image, HTML, mention, reference or line of anybody's but ours.
fn pages(run: &Run, budget: Budget) {
    for page in [
        markdown::plan(&run.plan, &run.setting, budget),
        markdown::result(&run.applied(), &run.setting, budget),
        markdown::refusal("plan", &run.problems(), &run.setting, budget),
    ] {
        let found = parsed::read(&page);
        let strange = found.links.iter().find(|link| !link.starts_with("https://forge.example/"));
        assert_eq!(strange, None, "{page}");
        for line in page.lines() {
            assert_eq!(runner_command(line), None, "{line:?}");
            assert_eq!(line.chars().find(|c| is_unsafe(*c) && *c != '\u{fe0f}'), None, "{line:?}");
            assert!(!line.starts_with('/'), "a command of GitLab's: {line:?}");
        }
        for text in found.prose {
            let mention = |at: usize| text[at + 1..].starts_with(|c: char| c.is_ascii_alphanumeric());
            assert!(!text.match_indices(['@', '#']).any(|(at, _)| mention(at)), "{text:?}");
        }
    }
}

/// Whole commands, each an annotation.
fn commands(run: &Run) {
    let all = [of_plan(&run.plan, |_| false), of_result(&run.applied()), run.problems()].concat();
    for annotation in &all {
        let shown = annotations(std::slice::from_ref(annotation), &run.setting);
        let line = shown.strip_suffix('\n').expect("a line");
        assert!(!line.contains("##[") && !line.chars().any(is_unsafe), "{line:?}");
        let (head, message) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")).expect("a command");
        let (name, properties) = head.split_once(' ').expect("properties");
        assert!(["error", "warning"].contains(&name) && !message.contains(['\r', '\n']), "{line:?}");
        let keys: Vec<&str> = properties.split(',').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
        let known = if annotation.place.is_some() { &["file", "line", "col", "title"][..] } else { &["title"] };
        assert_eq!(keys, known, "{line:?}");
    }
}

/// What the runner reads from the file of outputs (actions/runner, `FileCommandManager`): `name=value`, or a heredoc where
/// `<<` comes before any `=`.
fn step_outputs(run: &Run) {
    let names = |text: &str| -> Vec<String> {
        let name = |line: &str| {
            let (equals, heredoc) = (line.find('=').expect("a pair"), line.find("<<"));
            assert!(heredoc.is_none_or(|at| equals < at), "{line:?}");
            line[..equals].to_owned()
        };
        text.split(['\r', '\n']).filter(|line| !line.is_empty()).map(name).collect()
    };
    let (plain, shown) = (Run::of("plain"), run.outputs());
    assert_eq!(names(&shown.render()), names(&plain.outputs().render()));
    let variables = names(&shown.dotenv());
    assert_eq!(variables, names(&plain.outputs().dotenv()));
    assert!(variables.iter().all(|name| name.starts_with("REGSYNC_OUTPUT_")), "{variables:?}");
}

/// The same elements, whatever they say.
fn xml(run: &Run) {
    let shape = |xml: &str| junit::tests::read(xml).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let plain = Run::of("plain");
    assert_eq!(shape(&junit::plan(&run.plan)), shape(&junit::plan(&plain.plan)));
    assert_eq!(shape(&junit::result(&run.applied())), shape(&junit::result(&plain.applied())));
}

/// Three numbers.
fn widget(run: &Run) {
    for shown in [gitlab::plan(&run.plan), gitlab::result(&run.applied())] {
        let numbers: BTreeMap<String, u64> = serde_json::from_str(&shown).expect("numbers");
        assert_eq!(numbers.keys().collect::<Vec<_>>(), ["create", "delete", "update"]);
    }
}

/// The text itself, in lines that nobody takes for anything else.
fn data(run: &Run) {
    let (stamp, setting) = (stamp(), &run.setting);
    let plan = super::plan(Format::Json, &run.plan, (&stamp, setting), Style::default());
    let result = super::result(Format::Json, &run.applied(), (&stamp, setting), Style::default());
    assert_eq!(plan, json::plan(&run.plan, &stamp));
    for shown in [plan, result] {
        shown.lines().for_each(assert_harmless);
        let value: Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(value["warnings"][0]["message"], run.bad);
        assert_eq!(value["scope"]["only"][0], run.bad);
    }
}

type Sink = fn(&Run);

/// Who reads, and how.
const SINKS: [(&str, Sink); 8] = [
    ("terminal", terminal),
    ("comment", |run| pages(run, Budget::COMMENT)),
    ("job summary", |run| pages(run, Budget::SUMMARY)),
    ("annotations", commands),
    ("outputs and variables", step_outputs),
    ("JUnit", xml),
    ("widget of GitLab", widget),
    ("JSON", data),
];

#[test]
fn every_text_is_inert_on_every_sink() {
    for bad in corpus() {
        let long = bad.repeat(1 + 1_500 / bad.len());
        for text in [bad, &long] {
            let run = Run::of(text);
            for (name, sink) in SINKS {
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sink(&run)));
                assert!(ended.is_ok(), "{name}: {:?}", text.chars().take(100).collect::<String>());
            }
        }
    }
}
