//! Plans and results as `JUnit`'s XML, which most CI systems show as a list of tests: a suite for each mirror, a case for each
//! step.
//!
//! Owns which steps fail (in error, blocked, failed), which are skipped (stale, not run), and that text from outside is
//! text: [`Untrusted`] leaves no character that XML 1.0 forbids (§2.2), and what means something to XML is written as an
//! entity. There is no DTD and no CDATA.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::groups::{Group, groups};
use super::merge::missing;
use super::{Applied, Untrusted, failure_of};
use crate::event::{Ending, Outcome};
use crate::image::Failure;
use crate::plan::{Action, Plan, Step};

/// How a case ends.
enum Verdict<'a> {
    Passed,
    Failed(&'static str, Option<&'a Failure>),
    Skipped(&'static str, Option<&'a Failure>),
}

/// A step as a case.
struct Case<'a> {
    step: &'a Step,
    verdict: Verdict<'a>,
    elapsed: Option<Duration>,
}

/// Renders `plan`: what apply would leave undone has failed.
pub fn plan(plan: &Plan) -> String {
    let case = |step| Case { step, verdict: planned(step), elapsed: None };
    render("regsync plan", plan, (case, None))
}

/// Renders `applied`.
pub fn result(applied: &Applied<'_>) -> String {
    let ends: std::collections::BTreeMap<*const Step, &Outcome> =
        applied.steps().map(|(step, outcome)| (std::ptr::from_ref(step), outcome)).collect();
    let case = |step| match ends.get(&std::ptr::from_ref(step)) {
        Some(outcome) => Case { step, verdict: ended(step, outcome), elapsed: Some(outcome.elapsed) },
        None => Case { step, verdict: planned(step), elapsed: None },
    };
    render("regsync apply", applied.plan, (case, Some(applied.elapsed)))
}

fn planned(step: &Step) -> Verdict<'_> {
    match step.action() {
        Action::Copy | Action::Update | Action::Skip => Verdict::Passed,
        Action::Blocked => Verdict::Failed("blocked", step.reason.failure()),
        Action::Error => Verdict::Failed("error", step.reason.failure()),
    }
}

fn ended<'a>(step: &'a Step, outcome: &'a Outcome) -> Verdict<'a> {
    let (name, failure) = (outcome.ending.as_str(), failure_of(step, outcome));
    match outcome.ending {
        Ending::Copied | Ending::Updated | Ending::Skipped => Verdict::Passed,
        Ending::Blocked(_) | Ending::Failed(_) => Verdict::Failed(name, failure),
        Ending::Stale(_) | Ending::NotRun(_) => Verdict::Skipped(name, failure),
    }
}

fn render<'a>(
    name: &str,
    plan: &'a Plan,
    (case, elapsed): (impl Fn(&'a Step) -> Case<'a>, Option<Duration>),
) -> String {
    let (mut total, mut suites) = (Counts::default(), String::new());
    for group in groups(plan) {
        let cases: Vec<Case<'_>> = group.steps.iter().map(|step| case(step)).collect();
        let counts = Counts::of(&cases);
        total.add(&counts);
        let _ = writeln!(suites, "  <testsuite name=\"{}\"{counts}>", attribute(&suite_name(&group)));
        for case in &cases {
            suites.push_str(&case.render());
        }
        suites.push_str("  </testsuite>\n");
    }
    if let Some(text) = missing(plan) {
        let counts = Counts { tests: 1, failures: 1, skipped: 0 };
        total.add(&counts);
        let case = "<testcase classname=\"regsync\" name=\"all shards\">";
        let failure = format!("<failure message=\"{}\"/>", attribute(&text));
        let _ = writeln!(
            suites,
            "  <testsuite name=\"shards\"{counts}>\n    {case}\n      {failure}\n    </testcase>\n  </testsuite>"
        );
    }
    let time = elapsed.map(time).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\"{total}{time}>\n{suites}</testsuites>\n"
    )
}

/// `docker.io/library/nginx -> ghcr.io/acme/nginx (regsync.yaml:12:5)`.
fn suite_name(group: &Group<'_>) -> String {
    let place = &group.first.place;
    match group.route {
        Some((source, target)) => format!("{source} -> {target} ({place})"),
        None => place.to_string(),
    }
}

#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    skipped: usize,
}

impl Counts {
    fn of(cases: &[Case<'_>]) -> Self {
        let count = |is: fn(&Verdict<'_>) -> bool| cases.iter().filter(|case| is(&case.verdict)).count();
        Self {
            tests: cases.len(),
            failures: count(|verdict| matches!(verdict, Verdict::Failed(..))),
            skipped: count(|verdict| matches!(verdict, Verdict::Skipped(..))),
        }
    }

    fn add(&mut self, other: &Self) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tests, failures, skipped } = self;
        write!(f, " tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"")
    }
}

impl Case<'_> {
    fn render(&self) -> String {
        let place = &self.step.place;
        let name = match &self.step.target {
            Some(target) => attribute(&target.reference),
            None => format!("{} as a whole", attribute(place)),
        };
        let class = match &self.step.source {
            Some(source) => attribute(&source.reference.location),
            None => attribute(place),
        };
        let (file, line) = (attribute(&place.file), place.line);
        let time = self.elapsed.map(time).unwrap_or_default();
        let head = format!("    <testcase classname=\"{class}\" name=\"{name}\" file=\"{file}\" line=\"{line}\"{time}");
        match self.verdict {
            Verdict::Passed => format!("{head}/>\n"),
            Verdict::Failed(what, failure) => {
                format!("{head}>\n{}    </testcase>\n", trouble("failure", what, failure))
            }
            Verdict::Skipped(what, failure) => {
                format!("{head}>\n{}    </testcase>\n", trouble("skipped", what, failure))
            }
        }
    }
}

/// `<failure type="E_DENIED" message="failed: the words">the words, and what to do</failure>`.
fn trouble(element: &str, what: &str, failure: Option<&Failure>) -> String {
    let Some(failure) = failure else { return format!("      <{element} message=\"{what}\"/>\n") };
    let kind = if element == "failure" { format!(" type=\"{}\"", failure.code) } else { String::new() };
    let words = attribute(&super::words(failure));
    let hint = failure.hint.as_ref().map(|hint| format!("\nhelp: {}", attribute(hint))).unwrap_or_default();
    format!("      <{element}{kind} message=\"{what}: {words}\">{words}{hint}</{element}>\n")
}

/// ` time="4.213"`, in seconds.
fn time(elapsed: Duration) -> String {
    format!(" time=\"{:.3}\"", elapsed.as_secs_f64())
}

/// Text from outside, as it may stand in an attribute or between tags.
fn attribute(value: &impl fmt::Display) -> String {
    let mut shown = String::new();
    for c in Untrusted::of(value).to_string().chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&apos;"),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
pub(super) mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::super::tests::{mixed, outcomes, poisoned};
    use super::super::untrusted::tests::HOSTILE;
    use super::*;
    use crate::image::Code;

    /// What attacks XML.
    pub(in crate::report) const MARKUP: &[&str] = &[
        "]]>",
        "<![CDATA[x]]>",
        "\"/><testcase name=\"x",
        "' onload='",
        "&lt;&#60;&#x3c;&nbsp;",
        "<!-- x --> <!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>",
        "<?xml version='1.1'?>",
        "\0\u{1}\u{8}\u{b}\u{c}\u{e}\u{1f}\u{7f}\u{85}",
        "\u{fffe}\u{ffff}\u{1fffe}",
        "\u{202e}\u{2028}",
    ];

    /// Reads `xml` as strictly as XML 1.0 wants it, as far as we write any: the elements, each with its attributes, in order.
    pub(in crate::report) fn read(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
        let is_char = |c: char| matches!(c, '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(xml.chars().all(is_char), "a character that XML forbids in {xml:?}");
        let body = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
        let (mut open, mut found) = (Vec::new(), Vec::new());
        for (index, part) in body.split('<').enumerate() {
            if index == 0 {
                assert_eq!(part, "");
                continue;
            }
            let (tag, text) = part.split_once('>').expect("a tag ends");
            unescape(text);
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "{xml}");
                continue;
            }
            let (inner, is_empty) = tag.strip_suffix('/').map_or((tag, false), |inner| (inner, true));
            let (name, mut rest) = inner.split_once(' ').unwrap_or((inner, ""));
            let mut attributes = Vec::new();
            while !rest.is_empty() {
                let (key, after) = rest.trim_start().split_once("=\"").expect("an attribute");
                assert!(key.chars().all(|c| c.is_ascii_lowercase()), "{key}");
                let (value, after) = after.split_once('"').expect("a quote");
                attributes.push((key.to_owned(), unescape(value)));
                rest = after;
            }
            assert!(["testsuites", "testsuite", "testcase", "failure", "skipped"].contains(&name), "{name}");
            found.push((name.to_owned(), attributes));
            if !is_empty {
                open.push(name.to_owned());
            }
        }
        assert!(open.is_empty(), "{open:?} in {xml}");
        found
    }

    fn unescape(text: &str) -> String {
        assert!(!text.contains("]]>") && !text.contains('<'), "{text}");
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('&') {
            let (entity, after) = after.split_once(';').expect("an entity ends");
            plain.push_str(before);
            plain.push(match entity {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => panic!("&{entity};"),
            });
            rest = after;
        }
        plain + rest
    }

    fn applied(plan: &Plan, outcomes: &[Outcome]) -> String {
        result(&Applied { plan, outcomes, elapsed: Duration::from_millis(6_200) })
    }

    fn small() -> Plan {
        let mut some = mixed();
        some.steps.retain(|step| step.action() != Action::Skip);
        some
    }

    #[test]
    fn a_plan_with_a_bit_of_everything() {
        assert_snapshot!(plan(&small()));
    }

    #[test]
    fn a_result_of_a_partial_failure() {
        let some = small();
        let ends = outcomes(&some, |_, step| match step.place.line {
            19 => Some(Ending::Failed(Failure::new(
                Code::RateLimited,
                "registry.acme.io/mirror/redis:8.2.1: answered 429",
            ))),
            27 => {
                Some(Ending::Stale(Failure::new(Code::Stale, "registry.acme.io/mirror/alpine:3.20: names c0ffee now")))
            }
            12 => Some(Ending::NotRun(Failure::new(Code::Interrupted, "interrupted"))),
            _ => None,
        });
        assert_snapshot!(applied(&some, &ends));
    }

    #[test]
    fn the_counts_are_those_of_the_cases() {
        let elements = read(&plan(&mixed()));
        let count = |wanted: &str| elements.iter().filter(|(name, _)| name == wanted).count();
        let get = |(_, attributes): &(String, Vec<(String, String)>), key: &str| -> usize {
            attributes.iter().find(|(name, _)| name == key).expect("it is there").1.parse().expect("a number")
        };
        assert_eq!(get(&elements[0], "tests"), mixed().steps.len());
        assert_eq!((count("testcase"), count("failure")), (mixed().steps.len(), get(&elements[0], "failures")));
        let suites = elements.iter().filter(|(name, _)| name == "testsuite");
        assert_eq!(suites.map(|suite| get(suite, "tests")).sum::<usize>(), mixed().steps.len());
    }

    #[test]
    fn text_from_outside_stays_text() {
        let sound = poisoned("plain");
        let shape = |xml: &str| read(xml).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        for bad in HOSTILE.iter().chain(MARKUP) {
            let some = poisoned(bad);
            assert_eq!(shape(&plan(&some)), shape(&plan(&sound)), "{bad:?}");
            let ends = |text: &str, plan: &Plan| {
                let failure = Failure { hint: Some(text.to_owned()), ..Failure::new(Code::Denied, text) };
                outcomes(plan, |_, _| Some(Ending::Stale(failure.clone())))
            };
            let shown = applied(&some, &ends(bad, &some));
            assert_eq!(shape(&shown), shape(&applied(&sound, &ends("plain", &sound))), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_is_shown_elsewhere(text in any::<String>()) {
            let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<failure message=\"{}\"/>", attribute(&text));
            let read = read(&xml);
            prop_assert_eq!(&read[0].1[0].1, &Untrusted::new(&text).to_string());
        }
    }
}
