//! Golden texts: what people see, as they see it.

use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::super::tests::{
    ALPINE, GRAFANA, NGINX, REDIS, WEB, digest, failure, mixed, outcomes, place, plan, poisoned, refused, risky, warned,
};
use super::super::untrusted::tests::{HOSTILE, assert_harmless};
use super::super::{Applied, Style, text};
use crate::event::{Ending, Outcome};
use crate::image::{Code, Failure, Side, Single, Subset};
use crate::plan::{Plan, Reason, Scope, Step, StepTrim, Warning};

const SHORT: Style = Style { color: false, verbose: false };
const VERBOSE: Style = Style { color: false, verbose: true };

fn show(plan: &Plan) -> String {
    text::plan(plan, SHORT)
}

fn show_result(plan: &Plan, outcomes: &[Outcome]) -> String {
    text::result(&Applied { plan, outcomes, elapsed: Duration::from_millis(6_200) }, SHORT)
}

/// A first run between two layouts.
fn first_run() -> Plan {
    plan(vec![
        WEB.copy("2.4", "9f1a2b3c4d5e", (2, 48_100_000, 0)),
        WEB.copy("2.5", "77c0de118a90", (2, 61_400_000, 131_000_000)),
    ])
}

fn protected() -> Plan {
    let wall = |tag: &str| {
        let message = format!(
            "registry.acme.io/mirror/nginx:{tag} would move from a1b2c3d4e5f6 to 5566778899aa, \
             and `on-tag-move: block` protects it"
        );
        let would_move = failure(Code::TagWouldMove, &message, "set `on-tag-move: update` to let it move");
        NGINX.step(tag, Reason::TagWouldMove(would_move), ("a1b2c3d4e5f6", "5566778899aa"))
    };
    let two = failure(
        Code::Conflict,
        "registry.acme.io/mirror/alpine:3.20: regsync.yaml:31 wants another image here",
        "give one of the two another target",
    );
    let conflict = ALPINE.step("3.20", Reason::Conflict(two), ("", "5566778899aa"));
    plan(vec![wall("v1.0"), wall("v1.1"), conflict])
}

fn all_errors() -> Plan {
    let missing = Failure::new(Code::NotFound, "docker.io/library/nginx:9.9: no such tag");
    let nothing = failure(
        Code::NothingSelected,
        "no tag of docker.io/library/redis matches `9.*`",
        "look for what it has: regsync explain docker.io/library/redis",
    );
    let mirror = NGINX.step("9.9", Reason::SourceMissing(missing), ("", ""));
    let whole = Step {
        source: None,
        target: None,
        place: place(19),
        ..NGINX.step("x", Reason::NothingSelected(nothing), ("", ""))
    };
    let grafana = |tag: &str| GRAFANA.step(tag, Reason::SourceUnreadable(refused(tag)), ("", ""));
    plan(vec![mirror, whole, grafana("11.3.0"), grafana("11.4.0")])
}

#[test]
fn plan_of_a_first_run() {
    assert_snapshot!(show(&first_run()));
}

/// Tags that are made of digests: cut like digests, whole where everything is asked for, and in line either way.
#[test]
fn tags_of_signatures() {
    let hex = "87d05a1bc65b7cf84a0c65d836b3bf8001879996b9b1350adba834e7b6f1f586";
    let tags =
        [format!("sha256-{hex}.sig"), format!("sha256-{hex}"), format!("sha256-{}", &hex[1..]), "2.4".to_owned()];
    let plan = plan(tags.iter().map(|tag| WEB.copy(tag, "9f1a2b3c4d5e", (0, 437, 0))).collect());
    let done = outcomes(&plan, |_, _| None);
    let applied = Applied { plan: &plan, outcomes: &done, elapsed: Duration::from_millis(6_200) };
    let full = text::result(&applied, VERBOSE);
    assert_snapshot!(format!("{}\n{}\n{full}", show(&plan), text::result(&applied, SHORT)));
}

#[test]
fn plan_with_nothing_to_do_is_one_line() {
    let steps = NGINX.in_sync(125).collect();
    assert_eq!(show(&plan(steps)), "No changes. 125 tags match regsync.yaml.\n");
    assert_eq!(show(&plan(NGINX.in_sync(1).collect())), "No changes. 1 tag matches regsync.yaml.\n");
    assert_eq!(show(&plan(Vec::new())), "No changes. regsync.yaml selects no tag.\n");
    let mut kept: Vec<Step> = NGINX.in_sync(3).collect();
    kept.push(NGINX.step("1.0", Reason::Kept, ("a1b2c3d4e5f6", "5566778899aa")));
    assert_eq!(show(&plan(kept)), "No changes. 3 tags match regsync.yaml, 1 is kept as it is.\n");
}

#[test]
fn plan_with_a_bit_of_everything() {
    assert_snapshot!(show(&mixed()));
}

#[test]
fn plan_in_full() {
    let mut small = mixed();
    small.steps.retain(|step| step.reason != Reason::InSync || step.place.line == 19);
    small.steps.push(ALPINE.step("3.19", Reason::Kept, ("a1b2c3d4e5f6", "5566778899aa")));
    assert_snapshot!(text::plan(&small, VERBOSE));
}

#[test]
fn plan_that_policies_forbid() {
    assert_snapshot!(show(&protected()));
}

#[test]
fn plan_with_nothing_but_errors() {
    assert_snapshot!(show(&all_errors()));
}

#[test]
fn plan_of_a_part_with_remarks() {
    let pin = "docker.io/library/alpine:3.20 names 5566778899aa by now";
    let mut some = plan(vec![
        warned(ALPINE.step("3.20", Reason::InSync, ("a1b2c3d4e5f6", "a1b2c3d4e5f6")), pin),
        ALPINE.step("3.21", Reason::InSync, ("0ddba11", "0ddba11")),
        ALPINE.step("edge", Reason::Kept, ("a1b2c3d4e5f6", "5566778899aa")),
        ALPINE.step("next", Reason::New, ("", "5566778899aa")),
    ]);
    some.scope = Scope { only: vec!["**/alpine*".into()], exclude: vec!["**:3.1*".into()], ..Scope::default() };
    some.warnings = vec![
        Warning { place: Some(place(33)), message: "no tag of docker.io/library/postgres matches `9.*`".into() },
        Warning { place: None, message: "docker.io meters reads of manifests: sizes are not asked for".into() },
    ];
    assert_snapshot!(show(&some));
}

#[test]
fn result_of_a_whole_success() {
    let mut all = mixed();
    all.steps.retain(|step| step.reason.failure().is_none());
    let mut ends = outcomes(&all, |_, _| None);
    ends[0].moved.mounted = 12_000_000;
    assert_snapshot!(show_result(&all, &ends));
}

#[test]
fn result_of_nothing_to_do() {
    let same = plan(NGINX.in_sync(125).collect());
    let ends = outcomes(&same, |_, _| None);
    assert_eq!(show_result(&same, &ends), "Nothing to do. 125 tags of regsync.yaml are as they should be.\n");
}

#[test]
fn result_of_a_partial_failure() {
    let some = mixed();
    let slow = failure(
        Code::RateLimited,
        "registry.acme.io/mirror/redis:8.2.1: target answered 429 (slow down)",
        "the registry asks to wait 120 s; lower `requests-per-second` for it",
    );
    let changed = Failure::new(
        Code::Stale,
        "registry.acme.io/mirror/alpine:3.20: names c0ffee001122 now, the plan saw a1b2c3d4e5f6",
    );
    let mut ends = outcomes(&some, |_, step| match (step.place.line, &step.reason) {
        (19, Reason::New) => Some(Ending::Failed(slow.clone())),
        (27, _) => Some(Ending::Stale(changed.clone())),
        _ => None,
    });
    let failed = ends.iter_mut().find(|o| matches!(&o.ending, Ending::Failed(f) if f.code == Code::RateLimited));
    let failed = failed.expect("it failed");
    (failed.attempts, failed.elapsed) = (5, Duration::from_secs(61));
    assert_snapshot!(show_result(&some, &ends));
}

#[test]
fn result_of_an_interrupted_run() {
    let stopped = Failure::new(Code::Interrupted, "stopped by SIGINT before it was begun");
    let steps: Vec<Step> = (0..9).map(|n| NGINX.copy(&format!("1.{n}"), "9f1a2b3c4d5e", (2, 48_100_000, 0))).collect();
    let many = plan(steps);
    let ends = outcomes(&many, |index, _| (index > 1).then(|| Ending::NotRun(stopped.clone())));
    assert_snapshot!(show_result(&many, &ends));
    let few = plan(many.steps[..4].to_vec());
    assert_snapshot!(show_result(&few, &ends[..4]));
}

#[test]
fn result_with_only_stale_blocked_and_met_steps() {
    let changed = Failure::new(Code::Stale, "oci:mirror/web:2.4: names c0ffee001122 now, the plan saw none");
    let mut some = protected();
    some.steps.extend(first_run().steps);
    let ends = outcomes(&some, |_, step| match step.target.as_ref()?.reference.tag()?.as_str() {
        "2.4" => Some(Ending::Stale(changed.clone())),
        "2.5" => Some(Ending::Skipped),
        _ => None,
    });
    assert_snapshot!(show_result(&some, &ends));
}

#[test]
fn colours_add_nothing_but_colour() {
    for some in [first_run(), mixed(), protected(), all_errors()] {
        let ends = outcomes(&some, |_, _| None);
        let applied = Applied { plan: &some, outcomes: &ends, elapsed: Duration::ZERO };
        for verbose in [false, true] {
            let pairs = [true, false].map(|color| Style { color, verbose });
            let [with, without] = pairs.map(|style| text::plan(&some, style) + &text::result(&applied, style));
            assert_ne!(with, without);
            assert_eq!(anstream::adapter::strip_str(&with).to_string(), without);
        }
    }
}

/// Names where there are few, numbers where there are many, and where the part comes from where everything is asked for.
#[test]
fn parts_of_images() {
    let part = |tag: &str, platforms: usize| {
        let step = ALPINE.moved(tag, ("a1b2c3d4e5f6", "77c0de118a90"), (platforms, 3_600_000, 0));
        let names = step.platforms.iter().filter(|platform| !platform.is_unknown());
        let names = names.map(|platform| platform.to_string().parse().expect("a platform")).collect();
        let subset = Subset::new(names, Single::Index).expect("some platforms");
        Step { trim: Some(StepTrim { subset: subset.into(), digest: digest("5566778899aa"), of: Some(7) }), ..step }
    };
    let plan = plan(vec![part("3.18", 1), part("3.19", 3), part("3.20", 5)]);
    assert_snapshot!(format!("{}\n{}", show(&plan), text::plan(&plan, VERBOSE)));
}

/// A registry that is down, and a mirror of which many tags are gone: the first is one thing to know, the second many.
#[test]
fn what_many_tags_share_is_said_once() {
    let down = |reference: &str, tag: usize| {
        let cause = "no connection to docker.io: refused";
        // What stores say: the first ones have tried, each for as long as it took, and the others did not even begin.
        let end = match tag {
            0..10 => format!("{} attempts in 2.{tag} s; not tried again: the host does not answer", 2 + tag % 4),
            _ => "not asked: the host does not answer".to_owned(),
        };
        let message = format!("could not look up docker.io/library/{reference}.{tag}: {cause} ({end})");
        let failure = failure(Code::Connect, &message, "is the host right?").on(Side::Source);
        Reason::SourceUnreadable(Failure { cause: Some(cause.to_owned()), ..failure })
    };
    let nginx = |tag: usize| NGINX.step(&format!("1.{tag}"), down("nginx:1", tag), ("", ""));
    let redis = |tag: usize| REDIS.step(&format!("8.{tag}"), down("redis:8", tag), ("", ""));
    let gone = |tag: usize| {
        let missing = Failure::new(Code::NotFound, format!("ghcr.io/acme/grafana:{tag} does not exist at the source"));
        GRAFANA.step(&tag.to_string(), Reason::SourceMissing(missing), ("", ""))
    };
    let mut steps: Vec<Step> = (0..250).map(nginx).chain((0..250).map(redis)).collect();
    steps.extend(REDIS.in_sync(3));
    steps.extend((0..6).map(gone));
    let many = plan(steps);
    let done = outcomes(&many, |_, _| None);
    assert_snapshot!(format!("{}\n{}", show(&many), show_result(&many, &done)));
    let verbose = text::plan(&many, VERBOSE);
    assert_eq!(verbose.lines().filter(|line| line.contains("E_CONNECT")).count(), 500, "{verbose}");
    let few = plan((0..5).map(nginx).collect());
    assert_eq!(show(&few).matches("E_CONNECT").count(), 5, "{}", show(&few));
}

#[test]
fn a_mirror_whose_list_failed_has_one_heading() {
    let tag = GRAFANA.step("11.4.0", Reason::SourceUnreadable(refused("11.4.0")), ("", ""));
    let unlisted = Failure::new(Code::Auth, "could not list the tags of ghcr.io/acme/grafana: answered 401");
    let whole = Step { source: None, target: None, ..GRAFANA.step("x", Reason::ListFailed(unlisted), ("", "")) };
    let shown = show(&plan(vec![tag, whole]));
    assert_eq!(shown.matches("regsync.yaml:44").count(), 1, "{shown}");
    assert!(shown.contains("could not list the tags"), "{shown}");
}

#[test]
fn what_a_registry_says_of_one_request_keeps_no_crowd_apart() {
    let busy = |tag: usize| {
        let cause =
            format!("ghcr.io answered 429 Too Many Requests: \"TOOMANYREQUESTS: retry-after: {tag}.3ms, id {tag}f\"");
        let message = format!("could not look up ghcr.io/acme/grafana:{tag}: {cause} (5 attempts in {tag}.1 s)");
        let failure = Failure { cause: Some(cause), ..Failure::new(Code::RateLimited, message) };
        GRAFANA.step(&tag.to_string(), Reason::SourceUnreadable(failure), ("", ""))
    };
    let shown = show(&plan((0..20).map(busy).collect()));
    assert_eq!(shown.matches("E_RATE_LIMITED").count(), 1, "{shown}");
    assert!(shown.contains("same: 19 more"), "{shown}");
}

#[test]
fn what_a_moved_tag_loses_is_said_and_the_rest_behind_a_flag() {
    let some = plan(vec![risky()]);
    assert_snapshot!(show(&some) + "\n" + &text::plan(&some, VERBOSE));
}

fn assert_text_is_harmless(plan: &Plan, ends: &[Outcome]) {
    for verbose in [false, true] {
        let style = Style { verbose, color: false };
        let applied = Applied { plan, outcomes: ends, elapsed: Duration::ZERO };
        for line in (text::plan(plan, style) + &text::result(&applied, style)).lines() {
            assert_harmless(line);
        }
    }
}

#[test]
fn text_from_outside_stays_text() {
    for bad in HOSTILE {
        let some = poisoned(bad);
        let trouble = failure(Code::Denied, bad, bad);
        assert_text_is_harmless(&some, &outcomes(&some, |_, _| None));
        assert_text_is_harmless(&some, &outcomes(&some, |_, _| Some(Ending::Stale(trouble.clone()))));
        assert_text_is_harmless(&some, &outcomes(&some, |_, _| Some(Ending::NotRun(trouble.clone()))));
        let some = plan(poisoned(bad).steps.into_iter().filter(|step| step.warnings.is_empty()).collect());
        assert_text_is_harmless(&some, &outcomes(&some, |_, _| Some(Ending::Failed(trouble.clone()))));
    }
}

proptest! {
    #[test]
    fn a_row_for_every_step_that_is_not_in_sync(
        kinds in prop::collection::vec(0..4_usize, 0..12),
    ) {
        let step = |(index, kind): (usize, usize)| match kind {
            0 => NGINX.copy(&format!("t{index}"), "9f1a2b3c4d5e", (1, 1, 0)),
            1 => NGINX.moved(&format!("t{index}"), ("aa", "bb"), (1, 1, 0)),
            2 => NGINX.step(&format!("t{index}"), Reason::SourceMissing(failure(Code::NotFound, "x", "")), ("", "")),
            _ => NGINX.step(&format!("t{index}"), Reason::InSync, ("aa", "aa")),
        };
        let some = plan(kinds.iter().copied().enumerate().map(step).collect());
        let shown = show(&some);
        for (index, kind) in kinds.iter().enumerate() {
            let symbol = ["+", "~", "!", "="][*kind];
            let row = shown.lines().filter(|line| line.starts_with(&format!("  {symbol} t{index} "))).count();
            prop_assert_eq!(row, usize::from(*kind < 3), "{}", shown);
        }
    }
}

#[test]
fn a_result_shows_the_remarks_of_its_plan() {
    let mut some = first_run();
    some.warnings = vec![Warning { place: None, message: "without shard 2/3".into() }];
    let shown = show_result(&some, &outcomes(&some, |_, _| None));
    assert!(shown.contains("\n\nwarning: without shard 2/3\n\nApplied: "), "{shown}");
}
