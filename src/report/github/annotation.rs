//! Annotations: workflow commands that GitHub shows beside the line of the file they are about.
//!
//! Owns their escaping, and their number: the runner keeps ten of each type in a step (`_maxCountPerIssueType`), so the
//! most important come first, those that share a cause are one, and the last one says how many there were.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::merge::missing;
use super::super::quantity::count;
use super::super::text::{named, risk_name, versions};
use super::super::{Applied, Setting, Untrusted, common_cause, failure_of, words};
use crate::event::Ending;
use crate::image::{Code, Failure};
use crate::plan::{Plan, Risk, Step};

/// How many of one type are shown in a step.
const MOST: usize = 10;

/// How grave an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It is why the run fails.
    Error,
    /// It deserves a look.
    Warning,
    /// It is only said.
    Notice,
}

impl Level {
    fn command(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// Something to be said beside a line of a file. Its texts may be anybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// How grave it is.
    pub level: Level,
    /// The file as it was named, the line and the column, from 1; `None` for what is about no line.
    pub place: Option<(String, u32, u32)>,
    /// What it is, in a few words.
    pub title: String,
    /// What is to be said.
    pub message: String,
}

/// `annotations` as workflow commands, one a line, at most ten of each type: the first ones.
pub fn annotations(annotations: &[Annotation], setting: &Setting) -> String {
    let mut out = String::new();
    for level in [Level::Error, Level::Warning, Level::Notice] {
        let all: Vec<&Annotation> = annotations.iter().filter(|annotation| annotation.level == level).collect();
        let shown = if all.len() > MOST { MOST - 1 } else { all.len() };
        for annotation in &all[..shown] {
            out.push_str(&command(annotation, setting));
        }
        if all.len() > shown {
            let message = format!("…and {} more; the log and the reports have all", all.len() - shown);
            let rest = Annotation { level, place: None, title: "regsync".to_owned(), message };
            out.push_str(&command(&rest, setting));
        }
    }
    out
}

/// `::error file=regsync.yaml,line=12,col=5,title=E_DENIED::the words`.
fn command(annotation: &Annotation, setting: &Setting) -> String {
    let mut line = format!("::{} ", annotation.level.command());
    if let Some((file, number, column)) = &annotation.place {
        let path = setting.checkout.as_ref().and_then(|checkout| checkout.path(file));
        let file = property(path.as_deref().unwrap_or(file));
        let _ = write!(line, "file={file},line={number},col={column},");
    }
    let _ = writeln!(line, "title={}::{}", property(&annotation.title), data(&annotation.message));
    line
}

/// Text as the data of a workflow command (actions/toolkit, `escapeData`). What leaves [`Untrusted`] has no line break;
/// the escapes stand here all the same, since the rules of one must not lean on those of the other.
fn data(text: &str) -> String {
    let text = Untrusted::new(text).to_string();
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text as a property of a workflow command (`escapeProperty`).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// What a plan has to say: its errors and blocked steps but for those `excused`, risks and remarks.
pub fn of_plan(plan: &Plan, excused: impl Fn(&Step) -> bool) -> Vec<Annotation> {
    let troubles = plan.steps.iter().filter(|step| !excused(step));
    let troubles = troubles.filter_map(|step| Some((step, Level::Error, step.reason.failure()?)));
    [absent(plan), crowded(troubles), risks(plan), remarks(plan)].concat()
}

/// What came of a plan: what failed, what is stale or was not run, and what was left undone.
pub fn of_result(applied: &Applied<'_>) -> Vec<Annotation> {
    let rows = || applied.steps().filter_map(|(step, outcome)| Some((step, outcome, failure_of(step, outcome)?)));
    let of = |wanted: fn(&Ending) -> bool, level: Level| {
        let rows = rows().filter(move |(_, outcome, _)| wanted(&outcome.ending));
        crowded(rows.map(move |(step, _, failure)| (step, level, failure)))
    };
    let done = applied.steps().flat_map(|(step, outcome)| outcome.warnings.iter().map(move |text| (step, text)));
    let left: Vec<Annotation> = done.map(|(step, text)| at(step, Level::Warning, ("left undone", text))).collect();
    [
        absent(applied.plan),
        of(|ending| matches!(ending, Ending::Failed(_)), Level::Error),
        of(|ending| matches!(ending, Ending::Stale(_)), Level::Error),
        of(|ending| matches!(ending, Ending::Blocked(_)), Level::Error),
        of(|ending| matches!(ending, Ending::NotRun(_)), Level::Warning),
        left,
        remarks(applied.plan),
    ]
    .concat()
}

/// What should be there and is not.
fn absent(plan: &Plan) -> Vec<Annotation> {
    let one = |message| Annotation { level: Level::Error, place: None, title: "regsync".to_owned(), message };
    missing(plan).map(one).into_iter().collect()
}

/// Steps of one mirror that fail for one cause share an annotation: it is about one line.
fn crowded<'a>(rows: impl Iterator<Item = (&'a Step, Level, &'a Failure)>) -> Vec<Annotation> {
    let mut order: Vec<(&Step, Level, &Failure, usize)> = Vec::new();
    let mut known: BTreeMap<(&str, u32, Level, Code, String), usize> = BTreeMap::new();
    for (step, level, failure) in rows {
        let key = (&*step.place.file, step.place.line, level, failure.code, common_cause(failure));
        if let Some(index) = known.get(&key) {
            order[*index].3 += 1;
        } else {
            known.insert(key, order.len());
            order.push((step, level, failure, 0));
        }
    }
    let one = |(step, level, failure, more): (&Step, Level, &Failure, usize)| {
        let more = if more > 0 { format!("; and {} like it", count(more, "more tag")) } else { String::new() };
        let hint = failure.hint.as_ref().map(|hint| format!(" — {hint}")).unwrap_or_default();
        let words = words(failure);
        let words = words.strip_prefix(failure.code.as_str()).unwrap_or(&words).trim_start();
        at(step, level, (failure.code.as_str(), &format!("{words}{more}{hint}")))
    };
    order.into_iter().map(one).collect()
}

fn risks(plan: &Plan) -> Vec<Annotation> {
    let risky = plan.steps.iter().flat_map(|step| step.risk.iter().map(move |risk| (step, *risk)));
    let one = |(step, risk): (&Step, Risk)| {
        let digest =
            |digest: Option<&crate::image::Digest>| digest.map_or("nothing", |digest| digest.short()).to_owned();
        let now = digest(step.target.as_ref().and_then(|target| target.digest.as_ref()));
        let name = step.target.as_ref().map(|target| target.reference.to_string()).unwrap_or_default();
        let change = step.change.as_deref();
        let message = match risk {
            Risk::TagMove => format!("{name} would move from {now} to {}", digest(step.wanted())),
            Risk::PlatformLoss => {
                format!(
                    "{name} would lose {}",
                    change.map(|change| named(&change.platforms.removed)).unwrap_or_default()
                )
            }
            Risk::Downgrade => {
                format!("{name} would go back a version: {}", change.and_then(versions).unwrap_or_default())
            }
        };
        at(step, Level::Warning, (risk_name(risk), &message))
    };
    risky.map(one).collect()
}

fn remarks(plan: &Plan) -> Vec<Annotation> {
    let own = plan.warnings.iter().map(|warning| Annotation {
        level: Level::Warning,
        place: warning.place.as_ref().map(|place| (place.file.to_string(), place.line, place.column)),
        title: "regsync".to_owned(),
        message: warning.message.clone(),
    });
    let each = plan.steps.iter().flat_map(|step| step.warnings.iter().map(move |text| (step, text)));
    own.chain(each.map(|(step, text)| at(step, Level::Warning, ("regsync", text)))).collect()
}

/// An annotation on the mirror of `step`.
fn at(step: &Step, level: Level, (title, message): (&str, &str)) -> Annotation {
    let place = Some((step.place.file.to_string(), step.place.line, step.place.column));
    Annotation { level, place, title: title.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::super::tests::{NGINX, failure, mixed, outcomes, plan as plan_of, poisoned, risky};
    use super::super::super::untrusted::is_unsafe;
    use super::super::super::untrusted::tests::HOSTILE;
    use super::*;
    use crate::plan::Reason;

    fn shown(all: &[Annotation]) -> String {
        annotations(all, &Setting::default())
    }

    #[test]
    fn a_plan_is_told_on_its_lines() {
        insta::assert_snapshot!(shown(&of_plan(&mixed(), |_| false)), @r"
        ::error file=regsync.yaml,line=44,col=5,title=E_AUTH::source: ghcr.io/acme/grafana:11.4.0: answered 401 (token lacks pull on acme/grafana) — see which credential is used: regsync auth check ghcr.io
        ::warning file=regsync.yaml,line=27,col=5,title=tag-move::registry.acme.io/mirror/alpine:3.20 would move from a1b2c3d4e5f6 to 5566778899aa
        ");
    }

    #[test]
    fn each_risk_is_told() {
        insta::assert_snapshot!(shown(&of_plan(&plan_of(vec![risky()]), |_| false)), @r"
        ::warning file=regsync.yaml,line=27,col=5,title=tag-move::registry.acme.io/mirror/alpine:3.20 would move from a1b2c3d4e5f6 to 5566778899aa
        ::warning file=regsync.yaml,line=27,col=5,title=platform-loss::registry.acme.io/mirror/alpine:3.20 would lose linux/386, linux/arm/v7
        ::warning file=regsync.yaml,line=27,col=5,title=downgrade::registry.acme.io/mirror/alpine:3.20 would go back a version: 3.20.4 -> 3.20.3
        ");
    }

    #[test]
    fn what_one_mirror_has_in_common_is_one_annotation() {
        let gone = |tag: usize| {
            let failure = Failure::new(Code::Connect, format!("no answer for {tag}"));
            let failure = Failure { cause: Some("no connection".into()), ..failure };
            NGINX.step(&tag.to_string(), Reason::SourceUnreadable(failure), ("", ""))
        };
        let all = of_plan(&plan_of((0..30).map(gone).collect()), |_| false);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].message, "no answer for 0; and 29 more tags like it");
    }

    #[test]
    fn ten_of_each_type_and_the_errors_first() {
        let one = |level, message: usize| Annotation {
            level,
            place: Some(("a.yaml".into(), 1, 1)),
            title: "t".into(),
            message: message.to_string(),
        };
        let mut all: Vec<_> = (0..12).map(|n| one(Level::Warning, n)).collect();
        all.extend((0..10).map(|n| one(Level::Error, n)));
        let text = shown(&all);
        assert_eq!(text.matches("::error ").count(), 10);
        assert_eq!(text.matches("::warning ").count(), 10);
        assert!(text.starts_with("::error "), "{text}");
        assert!(text.ends_with("::warning title=regsync::…and 3 more; the log and the reports have all\n"), "{text}");
    }

    /// What the runner reads of a line (actions/runner, `ActionCommand.TryParseV2`).
    fn read(line: &str) -> (String, BTreeMap<String, String>, String) {
        let (head, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let unescape = |text: &str| {
            text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
        };
        let (name, properties) = head.split_once(' ').unwrap();
        let properties = properties.split(',').map(|pair| pair.split_once('=').unwrap());
        let properties = properties.map(|(key, value)| (key.to_owned(), unescape(value))).collect();
        (name.to_owned(), properties, unescape(message))
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(
            title in "[a-z:,%=\\]\\[# \r\n]{0,12}",
            message in prop_oneof!["[a-z:,%=\r\n#\\[\\]]{0,20}", prop::sample::select(HOSTILE).prop_map(str::to_owned)],
        ) {
            let place = Some(("a,b:c%.yaml".to_owned(), 3, 4));
            let text = shown(&[Annotation { level: Level::Error, place, title: title.clone(), message: message.clone() }]);
            prop_assert_eq!(text.lines().count(), 1, "{}", text);
            let (name, properties, said) = read(text.trim_end_matches('\n'));
            prop_assert_eq!(name, "error");
            prop_assert_eq!(&properties["file"], "a,b:c%.yaml");
            prop_assert_eq!(&properties["title"], &Untrusted::new(&title).to_string());
            prop_assert_eq!(said, Untrusted::new(&message).to_string());
            prop_assert_eq!(properties.len(), 4);
        }
    }

    #[test]
    fn text_from_outside_adds_no_command() {
        for bad in HOSTILE {
            let some = poisoned(bad);
            let trouble = failure(Code::Denied, bad, bad);
            let ends = outcomes(&some, |_, _| Some(Ending::Failed(trouble.clone())));
            let applied = Applied { plan: &some, outcomes: &ends, elapsed: Duration::ZERO };
            for line in (shown(&of_plan(&some, |_| false)) + &shown(&of_result(&applied))).lines() {
                assert!(line.starts_with("::error ") || line.starts_with("::warning "), "{line:?}");
                assert!(!line.contains("##[") && !line.chars().any(is_unsafe), "{line:?}");
            }
        }
    }
}
