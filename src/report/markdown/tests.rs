//! Golden pages, and what holds of every page: its length, its tables, its tags, and that text from outside is text.

use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::super::github::{Annotation, Level};
use super::super::tests::{
    ALPINE, GRAFANA, NGINX, changing, failure, mixed, outcomes, place, plan as plan_of, poisoned, risky, warned,
};
use super::super::untrusted::is_unsafe;
use super::super::untrusted::tests::HOSTILE;
use super::super::{Applied, Checkout, Setting};
use super::inert::tests::{GITLAB, MARKUP, live_reference};
use super::{Budget, plan, refusal, result};
use crate::event::{Ending, Outcome};
use crate::image::{Code, Failure};
use crate::plan::{Plan, Reason, Scope, Warning};

/// A run of GitHub's.
fn setting() -> Setting {
    Setting {
        label: Some("prod-eu".into()),
        commit: Some("3f9c2d1ab0".into()),
        run: Some(("run 812".into(), "https://github.com/acme/mirrors/actions/runs/99".into())),
        checkout: Some(Checkout {
            root: "/work".into(),
            directory: "/work".into(),
            address: "https://github.com/acme/mirrors/blob/3f9c2d1ab0".into(),
        }),
        objection: None,
        notice: None,
    }
}

fn show(some: &Plan) -> String {
    plan(some, &Setting::default(), Budget::COMMENT)
}

fn show_result(plan: &Plan, outcomes: &[Outcome], budget: Budget) -> String {
    result(&Applied { plan, outcomes, elapsed: Duration::from_millis(6_200) }, &setting(), budget)
}

/// Fails unless every row of a table has as many cells as its header, and what is opened is closed, in its order, with
/// nothing of it within a table.
#[track_caller]
fn assert_well_formed(page: &str) {
    let mut columns = None;
    let mut depth = 0_i32;
    for line in page.lines() {
        let cells = line.matches('|').count();
        match (line.starts_with('|'), columns) {
            (true, None) => columns = Some(cells),
            (true, Some(wanted)) => assert_eq!(cells, wanted, "{line}\n{page}"),
            (false, _) => columns = None,
        }
        let (opened, closed) = (line.matches("<details>").count(), line.matches("</details>").count());
        assert!(opened + closed == 0 || !line.starts_with('|'), "{line}");
        depth += i32::try_from(opened).unwrap() - i32::try_from(closed).unwrap();
        assert!((0..=1).contains(&depth), "{page}");
        assert_eq!(line.matches('`').count() % 2, 0, "{line}");
    }
    assert_eq!(depth, 0, "{page}");
    assert!(page.ends_with('\n'));
}

/// Fails if anything on the page is neither our own markup nor plain text.
#[track_caller]
fn assert_nothing_acts(page: &str) {
    assert_well_formed(page);
    for line in page.lines() {
        let wrong = line.chars().find(|c| is_unsafe(*c) && *c != '\u{fe0f}');
        assert_eq!(wrong, None, "in {line:?}");
        let prose: Vec<&str> = line.split('`').step_by(2).collect();
        let mut prose = prose.concat();
        for ours in super::parsed::HTML {
            prose = prose.replace(ours, "");
        }
        let prose = prose.strip_prefix("> ").unwrap_or(&prose).trim_start_matches("[!");
        for bad in ["<", ">", "@", "://", "www.", "[", "!["] {
            assert!(!prose.replace(" @ ", "").contains(bad), "{bad} in {line:?}");
        }
    }
    for line in outside_code(page) {
        assert_eq!(live_reference(&line), None, "in {line:?}");
    }
}

/// The lines of a page without what is code, where no forge links anything; of preformatted lines only how they begin,
/// its own counts all the same as a line that could be a command.
fn outside_code(page: &str) -> Vec<String> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        is_code |= line.starts_with("<pre");
        let spans = line.split("<code>").map(|piece| piece.split_once("</code>").map_or(piece, |(_, rest)| rest));
        let spans = spans.collect::<Vec<_>>().join("·");
        let bare = spans.split('`').step_by(2).collect::<Vec<_>>().join("·");
        let bare = bare.replace("> [!", "> ");
        lines.push(if is_code { line.chars().take_while(|c| " /".contains(*c)).collect() } else { bare });
        is_code &= line != "</pre>";
    }
    lines
}

#[test]
fn plan_with_a_bit_of_everything() {
    let mut some = mixed();
    some.warnings = vec![Warning { place: Some(place(33)), message: "no tag matches `9.*`".into() }];
    assert_snapshot!(plan(&some, &setting(), Budget::COMMENT));
}

#[test]
fn plan_with_nothing_to_do() {
    assert_snapshot!(show(&plan_of(NGINX.in_sync(125).collect())));
    assert!(show(&plan_of(Vec::new())).contains("✅ regsync plan — no tag selected"));
}

#[test]
fn plan_of_a_part_that_a_policy_forbids() {
    let message = "registry.acme.io/mirror/nginx:v1 would move, and `on-tag-move: block` protects it";
    let wall = failure(Code::TagWouldMove, message, "set `on-tag-move: update` to let it move");
    let mut some = plan_of(vec![
        NGINX.step("v1", Reason::TagWouldMove(wall), ("a1b2c3d4e5f6", "5566778899aa")),
        warned(ALPINE.step("3.20", Reason::Kept, ("a1b2c3d4e5f6", "5566778899aa")), "names 5566778899aa by now"),
    ]);
    some.scope = Scope { only: vec!["**/nginx*".into()], exclude: vec!["**:3.1*".into()], ..Scope::default() };
    assert_snapshot!(show(&some));
}

#[test]
fn result_of_a_partial_failure() {
    let some = mixed();
    let slow = failure(Code::RateLimited, "registry.acme.io/mirror/redis:8.2.1: answered 429", "ask for less");
    let changed = Failure::new(Code::Stale, "registry.acme.io/mirror/alpine:3.20: names c0ffee001122 now");
    let ends = outcomes(&some, |_, step| match (step.place.line, &step.reason) {
        (19, Reason::New) => Some(Ending::Failed(slow.clone())),
        (27, _) => Some(Ending::Stale(changed.clone())),
        _ => None,
    });
    assert_snapshot!(show_result(&some, &ends, Budget::COMMENT));
}

#[test]
fn result_of_a_whole_success() {
    let mut all = mixed();
    all.steps.retain(|step| step.reason.failure().is_none());
    let ends = outcomes(&all, |_, _| None);
    assert_snapshot!(show_result(&all, &ends, Budget::SUMMARY));
}

fn problem(text: &str, line: u32) -> Annotation {
    let place = Some(("regsync.yaml".to_owned(), line, 3)).filter(|_| line > 0);
    Annotation { level: Level::Error, place, title: "E_CFG_UNKNOWN_KEY".into(), message: text.into() }
}

#[test]
fn why_there_is_no_plan() {
    let problems = [problem("unknown key `mirors` — did you mean `mirrors`?", 2), problem("unknown key `tag`", 9)];
    let refused = refusal("plan", &problems, &setting(), Budget::COMMENT);
    let stale = refusal("apply", &[problem("the file is another one", 0)], &Setting::default(), Budget::COMMENT);
    assert_snapshot!(refused + "\n" + &stale);
}

#[test]
fn plan_that_loses_platforms() {
    let quiet = ALPINE.moved("3.21", ("a1b2c3d4e5f6", "5566778899aa"), (7, 3_600_000, 0));
    let page = show(&plan_of(vec![changing(quiet, &[], ("3.21.0", "3.21.1"), ""), risky()]));
    assert_nothing_acts(&page);
    assert_snapshot!(page);
}
/// Each is there whole or not at all; those that lose something come first.
#[test]
fn what_changes_is_never_cut_within() {
    let line = "+Labels: `<details>` </pre> ```\n".repeat(60);
    let one = |n: usize| {
        let step = NGINX.moved(&format!("1.{n}"), ("aa", "bb"), (1, 1, 0));
        let removed: &[&str] = if n == 299 { &["linux/386"] } else { &[] };
        changing(step, removed, ("1", "1"), &line)
    };
    let page = show(&plan_of((0..300).map(one).collect()));
    assert!(page.len() <= Budget::COMMENT.bytes());
    assert_nothing_acts(&page);
    let (opened, closed) = (page.matches("<pre lang=\"diff\">").count(), page.matches("</pre>").count());
    assert!(opened == closed && (1..300).contains(&opened), "{opened} {closed}");
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} in {page}"));
    assert!(at("nginx:1.299</code> · loses linux/386") < at("nginx:1.0</code>"), "{page}");
    assert!(page.contains(&format!("…and what changes in {} more tags;", 300 - opened)), "{page}");
}

/// A registry that is down is one row.
#[test]
fn what_many_tags_share_is_said_once() {
    let down = |tag: usize| {
        let failure = Failure::new(Code::Connect, format!("could not look up ghcr.io/acme/grafana:{tag}"));
        let failure = Failure { cause: Some("no connection to ghcr.io".into()), ..failure };
        GRAFANA.step(&tag.to_string(), Reason::SourceUnreadable(failure), ("", ""))
    };
    let shown = show(&plan_of((0..20).map(down).collect()));
    assert_eq!(shown.matches("| ❌ error |").count(), 1, "{shown}");
    assert_eq!(shown.matches("and 19 more like it").count(), 2, "{shown}");
}

#[test]
fn what_needs_eyes_is_cut_off_last() {
    let mut steps: Vec<_> = (0..5_000).map(|n| NGINX.copy(&format!("1.{n}"), "9f1a2b3c4d5e", (2, 1_000, 0))).collect();
    steps.push(ALPINE.moved("3.20", ("a1b2c3d4e5f6", "5566778899aa"), (7, 3_600_000, 0)));
    let shown = show(&plan_of(steps));
    assert!(shown.len() <= Budget::COMMENT.bytes());
    assert!(shown.len() > Budget::COMMENT.bytes() * 9 / 10, "the room is used: {}", shown.len());
    assert!(shown.contains("| 🔁 update | `3.20` |"), "{shown}");
    assert!(shown.contains("more rows; the saved plan"), "{shown}");
    assert!(shown.contains("<summary>Full digests"), "{shown}");
    assert_well_formed(&shown);
}

#[test]
fn text_from_outside_stays_text() {
    for bad in HOSTILE.iter().chain(MARKUP).chain(GITLAB) {
        let some = poisoned(bad);
        assert_nothing_acts(&show(&some));
        let problem = Annotation { title: (*bad).to_owned(), ..problem(bad, 2) };
        let place = Some(((*bad).to_owned(), 1, 1));
        let problems = [Annotation { place, ..problem.clone() }, problem];
        assert_nothing_acts(&refusal("plan", &problems, &Setting::default(), Budget::COMMENT));
        let trouble = failure(Code::Denied, bad, bad);
        let applied = |ends: &[Outcome]| {
            result(
                &Applied { plan: &some, outcomes: ends, elapsed: Duration::ZERO },
                &Setting::default(),
                Budget::COMMENT,
            )
        };
        let mut ends = outcomes(&some, |_, _| Some(Ending::Stale(trouble.clone())));
        ends[0].warnings.push((*bad).to_owned());
        assert_nothing_acts(&applied(&ends));
        assert_nothing_acts(&applied(&outcomes(&some, |_, _| None)));
    }
}

fn many() -> impl Strategy<Value = Plan> {
    let messages = prop::sample::select([HOSTILE, MARKUP, GITLAB].concat());
    let kinds = prop::collection::vec(0..6_u8, 1..40);
    (kinds, messages, prop_oneof![Just(1_usize), Just(40), Just(250)], 1..4_usize).prop_map(
        |(kinds, bad, times, long)| {
            let bad = bad.repeat(long * 20);
            let step = |(index, kind): (usize, u8)| {
                let tag = format!("t{index}-{}", "x".repeat(index % 100));
                let trouble = |code| failure(code, &bad, &bad);
                match kind {
                    0 => NGINX.copy(&tag, "9f1a2b3c4d5e", (2, 1, 0)),
                    1 if index < 60 => {
                        changing(ALPINE.moved(&tag, ("aa", "bb"), (7, 1, 0)), &[&bad], ("2", &bad), &bad.repeat(3))
                    }
                    1 => ALPINE.moved(&tag, ("aa", "bb"), (7, 1, 0)),
                    2 => GRAFANA.step(&tag, Reason::SourceUnreadable(trouble(Code::NotFound)), ("", "")),
                    3 => NGINX.step(&tag, Reason::TagWouldMove(trouble(Code::TagWouldMove)), ("aa", "bb")),
                    4 => warned(NGINX.step(&tag, Reason::Kept, ("aa", "bb")), &bad),
                    _ => NGINX.step(&tag, Reason::InSync, ("aa", "aa")),
                }
            };
            let steps = std::iter::repeat_n(kinds, times).flatten().enumerate().map(step).collect();
            let mut some = plan_of(steps);
            some.warnings = vec![Warning { place: Some(place(3)), message: bad.clone() }; times.min(30)];
            some
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 30, ..ProptestConfig::default() })]

    /// Up to 10,000 steps.
    #[test]
    fn every_page_keeps_its_budget_and_its_form(some in many(), room in 3_000_usize..70_000) {
        let ends = outcomes(&some, |_, _| None);
        for budget in [Budget::COMMENT, Budget::SUMMARY, Budget::COMMENT.without(60_000 - room.min(60_000))] {
            for page in [plan(&some, &setting(), budget), show_result(&some, &ends, budget)] {
                prop_assert!(page.len() <= budget.bytes(), "{} > {budget:?}", page.len());
                assert_well_formed(&page);
            }
        }
    }

    #[test]
    fn a_page_of_problems_keeps_its_budget(bad in prop::sample::select([HOSTILE, MARKUP, GITLAB].concat()), number in 1..500_usize) {
        let problems = vec![problem(&bad.repeat(100), 2); number];
        for budget in [Budget::COMMENT, Budget::COMMENT.without(55_000)] {
            let page = refusal("plan", &problems, &setting(), budget);
            prop_assert!(page.len() <= budget.bytes(), "{} > {budget:?}", page.len());
            assert_well_formed(&page);
        }
    }
}

#[test]
fn a_result_shows_the_remarks_of_its_plan() {
    let mut some = mixed();
    some.warnings = vec![Warning { place: Some(place(33)), message: "without shard 2/3".into() }];
    let shown = show_result(&some, &outcomes(&some, |_, _| None), Budget::COMMENT);
    assert!(shown.contains("> [!NOTE]\n") && shown.contains("): without shard 2/3"), "{shown}");
}
