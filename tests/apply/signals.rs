//! SIGINT and SIGTERM: nothing new begins, the report is written, the process ends soon.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::harness::{Regsync, Running};
use crate::support::images::zoo;
use crate::support::server::{Counter, Fault, Gate, Match};
use crate::support::stage::{Pair, steps};

const SOON: Duration = Duration::from_secs(6);

fn pair() -> Pair {
    let pair = Pair::start();
    for tag in ["1", "2", "3"] {
        zoo::index(tag).push_to(&pair.source, "app", tag);
    }
    pair
}

/// Signals while the copy of the second of three images is under way and never ends.
#[track_caller]
fn interrupted(signal: &str, status: i32) {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    let stuck = zoo::index("2").blobs[0].digest.clone();
    let gate = Gate::new();
    pair.source.fault(Match::new("GET", &format!("/blobs/{stuck}")), Fault::Hold(gate.clone()));
    let run = regsync.spawn(["apply", "--concurrency", "1", "--report", "json=result.json"]);
    gate.wait_for(1);
    let begin = Instant::now();
    run.signal(signal);
    let output = run.wait();
    output.assert_status(status);
    assert!(begin.elapsed() < SOON, "it took {:?} to end", begin.elapsed());
    let result: Value = serde_json::from_str(&regsync.read("result.json")).unwrap();
    let expected = ["app:1 copied new", "app:2 not-run new E_INTERRUPTED", "app:3 not-run new E_INTERRUPTED"];
    assert_eq!(steps(&result), expected);
    assert_eq!(result["summary"]["not-run"], 2, "{result:#}");
    assert!(output.stdout.contains("NOT RUN"), "{}", output.transcript());
    pair.target.assert_closed();
    assert_eq!(pair.target.store.tags("app"), ["1"]);
    gate.open();
    pair.source.clear_faults();
    regsync.run(["apply"]).assert_status(0);
    pair.target.assert_closed();
}

#[test]
fn sigint_while_applying_ends_with_130_and_a_report() {
    interrupted("INT", 130);
}

#[test]
fn sigterm_while_applying_ends_with_143_and_a_report() {
    interrupted("TERM", 143);
}

#[test]
fn what_is_under_way_may_end_and_nothing_new_begins() {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    let slow = zoo::index("2").blobs[0].digest.clone();
    let gate = Gate::new();
    pair.source.fault(Match::new("GET", &format!("/blobs/{slow}")), Fault::Hold(gate.clone()));
    let run = regsync.spawn(["apply", "--concurrency", "1", "--format", "json"]);
    gate.wait_for(1);
    run.signal("INT");
    // Time for the signal to arrive before the copy goes on.
    thread::sleep(Duration::from_millis(300));
    gate.open();
    let output = run.wait();
    let expected = ["app:1 copied new", "app:2 copied new", "app:3 not-run new E_INTERRUPTED"];
    assert_eq!(steps(&output.assert_status(130).json()), expected);
    pair.target.assert_closed();
}

#[test]
fn a_signal_while_planning_ends_at_once_and_writes_nothing() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let pair = pair();
        let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
        for args in [["plan", "-o", "plan.json"], ["apply", "--report", "json=result.json"]] {
            let gate = Gate::new();
            pair.source.fault(Match::new("HEAD", "/manifests/2"), Fault::Hold(gate.clone()));
            let run = regsync.spawn(args);
            gate.wait_for(1);
            let begin = Instant::now();
            run.signal(signal);
            let output = run.wait();
            assert!(output.assert_status(status).stderr.contains("interrupted before"), "{}", output.transcript());
            assert_eq!(output.stdout, "");
            assert!(begin.elapsed() < SOON, "it took {:?} to end", begin.elapsed());
            for file in ["plan.json", "result.json"] {
                assert!(!regsync.path(file).exists(), "{file}: half an observation is no plan");
            }
            pair.source.clear_faults();
            gate.open();
        }
        pair.assert_read_only();
    }
}

#[test]
fn a_second_signal_does_not_wait() {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    let gate = Gate::new();
    pair.source.fault(Match::new("GET", "/blobs/"), Fault::Hold(gate.clone()));
    let run = regsync.spawn(["apply"]);
    gate.wait_for(1);
    run.signal("INT");
    thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    run.signal("INT");
    let output = run.wait();
    assert!(output.assert_status(130).stderr.contains("interrupted twice"), "{}", output.transcript());
    assert!(begin.elapsed() < Duration::from_secs(2), "it took {:?} to end", begin.elapsed());
    pair.target.assert_closed();
    assert!(pair.target.store.tags("app").is_empty());
    gate.open();
}

/// How many tags make a plan that is longer than any pipe holds.
const MANY: usize = 800;

/// A run that has begun to print the plan of many tags, and waits for its reader.
fn waiting_for_its_reader<const N: usize>(pair: &Pair, args: [&str; N]) -> (Regsync, Running) {
    for n in 0..MANY {
        zoo::single("many").push_to(&pair.source, "app", &format!("{n:0>120}"));
    }
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    let mut run = regsync.spawn_unread(args);
    run.await_print();
    (regsync, run)
}

#[track_caller]
fn wait_for_file(regsync: &Regsync, name: &str) {
    let begin = Instant::now();
    while !regsync.path(name).exists() {
        assert!(begin.elapsed() < SOON * 5, "there is no {name}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_while_the_plan_is_read_stops_before_the_first_write() {
    for (second, status) in [(None, 130), (Some("TERM"), 130)] {
        let pair = Pair::start();
        let (regsync, mut run) = waiting_for_its_reader(&pair, ["apply", "--report", "json=result.json"]);
        run.signal("INT");
        // It is there while the reader still takes its time.
        wait_for_file(&regsync, "result.json");
        match second {
            Some(signal) => run.signal(signal),
            None => run.read_on(),
        }
        let output = run.wait();
        output.assert_status(status);
        assert!(second.is_some() || output.stdout.len() > 1 << 17, "{} bytes fit into a pipe", output.stdout.len());
        let result: Value = serde_json::from_str(&regsync.read("result.json")).unwrap();
        assert_eq!(result["summary"]["not-run"], MANY);
        pair.assert_read_only();
    }
}

#[test]
fn a_signal_while_a_plan_is_read_ends_it() {
    let pair = Pair::start();
    let (regsync, run) = waiting_for_its_reader(&pair, ["plan", "-o", "plan.json"]);
    run.signal("TERM");
    let output = run.wait();
    output.assert_status(143);
    assert!(regsync.path("plan.json").exists());
}

/// Signals while the request `n` of a run, counted over both sides, and all after it get no answer.
#[track_caller]
fn cut_off_at(n: usize, (signal, status): (&str, i32)) {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    let (gate, counter) = (Gate::new(), Counter::default());
    for side in [&pair.source, &pair.target] {
        side.fault(Match::any().counted_by(&counter).from(n), Fault::Hold(gate.clone()));
    }
    let run = regsync.spawn(["apply", "--concurrency", "2", "--report", "json=result.json"]);
    gate.wait_for(1);
    let begin = Instant::now();
    run.signal(signal);
    let output = run.wait();
    output.assert_status(status);
    // The limit is five seconds; the rest is for machines that are busy.
    assert!(begin.elapsed() < SOON + SOON, "cut off at {n}: it took {:?} to end", begin.elapsed());
    pair.source.assert_read_only();
    pair.target.assert_closed();
    if regsync.path("result.json").exists() {
        let result: Value = serde_json::from_str(&regsync.read("result.json")).unwrap();
        let ended = steps(&result);
        let known = |step: &String| {
            [" copied new", " not-run new E_INTERRUPTED", " failed new E_INTERRUPTED"]
                .iter()
                .any(|end| step.ends_with(end))
        };
        assert!(ended.len() == 3 && ended.iter().all(known), "cut off at {n}: {ended:?}");
        assert_eq!(
            result["summary"]["not-run"].as_u64(),
            Some(ended.iter().filter(|step| step.contains("not-run")).count() as u64)
        );
        for step in ended.iter().filter(|step| step.contains("copied")) {
            let tag = step[4..5].to_owned();
            assert_eq!(pair.target.tag_digest("app", &tag).unwrap(), zoo::index(&tag).digest(), "cut off at {n}");
        }
    } else {
        assert!(output.stderr.contains("interrupted before"), "{}", output.transcript());
        pair.target.assert_read_only();
    }
    pair.source.clear_faults();
    pair.target.clear_faults();
    gate.open();
    regsync.run(["apply"]).assert_status(0);
    pair.target.assert_closed();
}

#[test]
fn a_signal_ends_a_run_wherever_the_registries_fall_silent() {
    // A plan of three images is seven requests, a copy some sixty.
    let mut random = fastrand::Rng::with_seed(7);
    let boundaries: Vec<_> = (0..6).map(|part| 2 + part * 12 + random.usize(0..12)).collect();
    thread::scope(|scope| {
        for signal in [("INT", 130), ("TERM", 143)] {
            for n in &boundaries {
                scope.spawn(move || cut_off_at(*n, signal));
            }
        }
    });
}
