//! Plans that are too long for a comment, or for any page: what is left of them is whole, and valid Markdown.

use std::time::Duration;

use super::super::tests::{ALPINE, GRAFANA, NGINX, changing, failure, outcomes, place, plan as plan_of, warned};
use super::super::{Applied, Checkout, Setting};
use super::parsed::{Parsed, read};
use super::{Budget, plan, result};
use crate::event::{Ending, Outcome};
use crate::image::{Code, Failure};
use crate::plan::{Plan, Reason, Step, Warning};

/// What GitHub takes: characters of a comment, bytes of a summary.
const LIMITS: [(Budget, usize, usize); 2] =
    [(Budget::COMMENT, 65_536, usize::MAX), (Budget::SUMMARY, usize::MAX, 1 << 20)];

/// Text that is as wide as it can be: four bytes a character, and six for each of the others.
const WIDE: &str = "🚢 的容器镜像 | <b> `x` @org/team #1 — ";

fn setting() -> Setting {
    Setting {
        label: Some(WIDE.repeat(9)),
        commit: Some("3f9c2d1ab0".into()),
        run: Some((WIDE.into(), "https://github.com/acme/mirrors/actions/runs/99".into())),
        checkout: Some(Checkout {
            root: "/checkout".into(),
            directory: "/checkout".into(),
            address: "https://github.com/acme/mirrors/blob/3f9c2d1ab0".into(),
        }),
        objection: Some(WIDE.repeat(30)),
        notice: Some(WIDE.repeat(30)),
    }
}

/// The longest tag there is.
fn long_tag(number: usize) -> String {
    format!("{number}-{}", "x".repeat(127 - number.to_string().len()))
}

/// A text that is wide; the first ones are longer than what is shown of any.
fn wide(number: usize) -> String {
    WIDE.repeat(if number < 100 { 20 } else { 1 })
}

/// What most steps of a kind are made of; the number tells them apart.
type Kind = fn(usize) -> Step;

const COPIES: Kind = |number| NGINX.copy(&long_tag(number), "9f1a2b3c4d5e", (7, 48_100_000, 131_000_000));

const MOVES: Kind = |number| {
    let step = ALPINE.moved(&format!("3.{number}"), ("a1b2c3d4e5f6", "5566778899aa"), (7, 3_600_000, 0));
    // As many as are shown of a run.
    if number < 50 {
        changing(step, &["linux/386", WIDE], ("3.2", WIDE), &format!("+Env: {WIDE}\n").repeat(60))
    } else {
        step
    }
};

const ERRORS: Kind = |number| {
    let failure = failure(Code::NotFound, &format!("{number} {}", wide(number)), &wide(number));
    GRAFANA.step(&long_tag(number), Reason::SourceUnreadable(failure), ("", ""))
};

const REMARKS: Kind = |number| warned(NGINX.step(&format!("k{number}"), Reason::Kept, ("aa", "bb")), &wide(number));

/// Each of a mirror of its own.
const MIRRORS: Kind = |number| {
    let step = NGINX.copy("1", "9f1a2b3c4d5e", (2, 1, 0));
    Step { place: place(u32::try_from(number).expect("a line")), ..step }
};

const MIXED: Kind = |number| [COPIES, MOVES, ERRORS, REMARKS, MIRRORS][number % 5](number);

const KINDS: [(&str, Kind); 7] = [
    ("copies", COPIES),
    ("moves", MOVES),
    ("errors", ERRORS),
    ("remarks", REMARKS),
    ("mirrors", MIRRORS),
    ("mixed", MIXED),
    ("few", MIXED),
];

fn many(kind: Kind, number: usize) -> Plan {
    let mut some = plan_of((0..number).map(kind).collect());
    some.warnings = vec![Warning { place: Some(place(3)), message: WIDE.repeat(40) }; number.min(500)];
    some
}

/// Each step ends another way than its neighbours.
fn ends(some: &Plan) -> Vec<Outcome> {
    let failure = |number| Failure::new(Code::Denied, format!("{number} {}", wide(number)));
    let ending = |number: usize, step: &Step| match number % 4 {
        _ if !step.action().writes() => None,
        0 => None,
        1 => Some(Ending::Failed(failure(number))),
        2 => Some(Ending::Stale(failure(number))),
        _ => Some(Ending::NotRun(failure(number))),
    };
    let mut ends = outcomes(some, ending);
    ends.iter_mut().enumerate().step_by(5).for_each(|(number, end)| end.warnings = vec![wide(number); 4]);
    ends
}

fn applied(some: &Plan, ends: &[Outcome], budget: Budget) -> String {
    result(&Applied { plan: some, outcomes: ends, elapsed: Duration::from_millis(6_200) }, &setting(), budget)
}

/// Panics unless `page` keeps within the budget and within what GitHub takes, and is what it looks like.
#[track_caller]
fn assert_sound(page: &str, (budget, characters, bytes): (Budget, usize, usize)) -> Parsed {
    assert!(page.len() <= budget.bytes(), "{} > {budget:?}", page.len());
    assert!(page.chars().count() <= characters && page.len() <= bytes, "{}", page.len());
    let parsed = read(page);
    for link in &parsed.links {
        assert!(link.starts_with("https://github.com/acme/mirrors/"), "{link}");
    }
    parsed
}

#[test]
fn plans_of_ten_thousand_steps_stay_within_every_limit() {
    for (name, kind) in KINDS {
        let some = many(kind, if name == "few" { 1_000 } else { 10_000 });
        for limit in LIMITS {
            assert_cut(&plan(&some, &setting(), limit.0), name, limit);
        }
    }
}

#[test]
fn results_of_ten_thousand_steps_stay_within_every_limit() {
    let some = many(MIXED, 10_000);
    let ends = ends(&some);
    for limit in LIMITS {
        assert_cut(&applied(&some, &ends, limit.0), "mixed", limit);
    }
}

/// Panics unless `page` is sound, and uses the room that it has.
#[track_caller]
fn assert_cut(page: &str, name: &str, limit: (Budget, usize, usize)) {
    let parsed = assert_sound(page, limit);
    let rows: usize = parsed.tables.iter().sum();
    assert!(rows > 10, "{name}: {rows} rows");
    assert_eq!(parsed.details > 0, page.contains("<details>"), "{name}");
    let is_cut = page.contains("; the saved plan and the JSON have");
    assert!(!is_cut || page.len() > limit.0.bytes() * 8 / 10, "{name}: {} bytes", page.len());
}

/// The numbers of steps, one apart, between which `is_whole` ends to hold.
fn edge((mut whole, mut cut): (usize, usize), is_whole: impl Fn(usize) -> bool) -> (usize, usize) {
    assert!(is_whole(whole) && !is_whole(cut));
    while cut - whole > 1 {
        let middle = usize::midpoint(whole, cut);
        *(if is_whole(middle) { &mut whole } else { &mut cut }) = middle;
    }
    (whole, cut)
}

/// Rows that are left out are counted to the last one: first those of what is folded, then those of the table.
#[test]
fn one_step_more_than_there_is_room_for_is_one_that_is_counted() {
    for (limit, between) in LIMITS.into_iter().zip([(50, 300), (1_500, 3_000)]) {
        let page = |number: usize| plan(&plan_of((0..number).map(COPIES).collect()), &Setting::default(), limit.0);
        let rows = |page: &str| assert_sound(page, limit).tables;
        let (whole, cut) = edge(between, |number| !page(number).contains("…and "));
        assert_eq!(rows(&page(whole)), [whole + 1, whole], "a heading, and a row for each; the digests of each");
        let page = page(cut);
        assert_eq!(rows(&page)[0], cut + 1);
        assert_counted(&page, cut - rows(&page)[1]);
    }
    let page = |number: usize| plan(&plan_of((0..number).map(COPIES).collect()), &Setting::default(), Budget::COMMENT);
    let (_, cut) = edge((100, 400), |number| page(number).matches("| ➕ copy |").count() == number);
    assert_counted(&page(cut), cut + 1 - assert_sound(&page(cut), LIMITS[0]).tables[0]);
}

/// The sentence itself takes room: where one row has none, a few have none.
#[track_caller]
fn assert_counted(page: &str, left: usize) {
    let words = if left == 1 { "1 more row;".to_owned() } else { format!("{left} more rows;") };
    assert!((1..=3).contains(&left) && page.contains(&format!("…and {words}")), "{left} are left out");
}
