//! What is said, and drawn, while it happens.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressDrawTarget, TermLike};
use insta::assert_snapshot;

use super::super::tests::{NGINX, failure, mixed, outcomes, plan, reference};
use super::super::untrusted::tests::{HOSTILE, assert_harmless};
use super::*;
use crate::event::{Ending, Outcome, Silent, StopReason};
use crate::image::{Code, Failure};
use crate::plan::Plan;

/// A writer that hands each write to the test.
struct Wire(Sender<String>);

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).map_err(io::Error::other)?;
        self.0.send(text).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wire() -> (Plain, Receiver<String>) {
    wire_of(false)
}

fn wire_of(verbose: bool) -> (Plain, Receiver<String>) {
    let (send, receive) = channel();
    (Plain::new(Box::new(Wire(send)), verbose), receive)
}

fn said(receive: &Receiver<String>) -> String {
    receive.try_iter().collect()
}

/// A run with all that can happen in it, up to `stop` events of reading and copying.
fn run(reporter: &dyn Reporter, plan: &Plan, ends: &[Outcome]) {
    reporter.event(Event::Observing { total: 2 });
    reporter.event(Event::Observing { total: 250 });
    for _ in 0..250 {
        reporter.event(Event::Observed);
    }
    reporter.event(Event::Applying(plan));
    let slow = failure(Code::RateLimited, "registry.acme.io: answered 429", "");
    let about = reference("docker.io/library/nginx", "1.27.5");
    let other = reference("docker.io/library/redis", "8.2.1");
    for (step, outcome) in plan.steps.iter().zip(ends) {
        reporter.event(Event::Started(step));
        reporter.event(Event::Warned { about: Some(&about), message: "this host goes away in May" });
        reporter.event(Event::Warned { about: Some(&other), message: "this host goes away in May" });
        reporter.event(Event::Sent { bytes: outcome.moved.sent });
        reporter.event(Event::Finished(step, outcome));
    }
    reporter.event(Event::Warned { about: None, message: "this host goes away in May" });
    let (what, wait) = ("PUT registry.acme.io/mirror/redis:8.2.1", Duration::from_secs(2));
    reporter.event(Event::Retrying { what, wait, failure: &slow });
    reporter.event(Event::Stopping(StopReason::Signal));
}

fn troubled() -> (Plan, Vec<Outcome>) {
    let some = mixed();
    let stale = failure(Code::Stale, "registry.acme.io/mirror/alpine:3.20 is not what the plan saw", "");
    let denied = failure(Code::Denied, "registry.acme.io/mirror/redis:8.2.1: answered 403", "");
    let ends = outcomes(&some, |_, step| match (step.place.line, step.action().writes()) {
        (19, true) => Some(Ending::Failed(denied.clone())),
        (27, _) => Some(Ending::Stale(stale.clone())),
        _ => None,
    });
    (some, ends)
}

#[test]
fn lines_of_a_run() {
    let (plain, lines) = wire();
    let (some, ends) = troubled();
    run(&plain, &some, &ends);
    assert_snapshot!(said(&lines), @r"
    reading sources and targets
    copying 4 images, 154.8 MB
    warning: docker.io/library/nginx:1.27.5: this host goes away in May
    + registry.acme.io/mirror/nginx:1.27.5  copied  61.4 MB  4.2 s
    + registry.acme.io/mirror/nginx:1.27.5-alpine  copied  48.1 MB  3.3 s
    + registry.acme.io/mirror/redis:8.2.1  FAILED  E_DENIED registry.acme.io/mirror/redis:8.2.1: answered 403
    ~ registry.acme.io/mirror/alpine:3.20  STALE  E_STALE registry.acme.io/mirror/alpine:3.20 is not what the plan saw
    warning: this host goes away in May
    retry in 2.0 s: E_RATE_LIMITED registry.acme.io: answered 429
    stopping: nothing new is begun
    ");
}

#[test]
fn the_heartbeat_says_how_far_things_are() {
    let (plain, lines) = wire();
    plain.tick(Duration::from_secs(1));
    assert_eq!(said(&lines), "");
    plain.event(Event::Observing { total: 250 });
    plain.event(Event::Observed);
    plain.tick(Duration::from_secs(10));
    assert_eq!(said(&lines), "reading sources and targets\nread 1/250 references\n");

    let some = mixed();
    let ends = outcomes(&some, |_, _| None);
    plain.event(Event::Applying(&some));
    plain.event(Event::Finished(&some.steps[0], &ends[0]));
    plain.event(Event::Sent { bytes: 61_400_000 });
    said(&lines);
    plain.tick(Duration::from_secs(20));
    assert_eq!(said(&lines), "1/4 images, 61.4/154.8 MB, 3.1 MB/s\n");
    plain.event(Event::Sent { bytes: 100_000_000 });
    plain.tick(Duration::from_secs(30));
    assert_eq!(said(&lines), "1/4 images, 161.4 MB, 10.0 MB/s\n", "retries can send more than was planned");
    for (step, outcome) in some.steps.iter().zip(&ends).skip(1) {
        plain.event(Event::Finished(step, outcome));
    }
    said(&lines);
    plain.tick(Duration::from_secs(40));
    assert_eq!(said(&lines), "", "all is done");
}

/// 40 tags of one host that is down, each tried again, and one of another.
fn retries(reporter: &dyn Reporter) {
    let failure = |host: &str, number: u32| {
        let cause = format!("cannot connect to {host}: refused");
        let message = format!("could not look up {host}/app:{number}: {cause} ({number} attempts in 0.{number} s)");
        Failure { cause: Some(cause), ..failure(Code::Connect, &message, "") }
    };
    let wait = Duration::from_secs(1);
    for number in 0..40 {
        reporter.event(Event::Retrying { what: "look", wait, failure: &failure("one.test", number) });
    }
    reporter.event(Event::Retrying { what: "look", wait, failure: &failure("two.test", 0) });
}

#[test]
fn retries_for_one_cause_are_told_once_and_counted() {
    let (plain, lines) = wire();
    plain.event(Event::Observing { total: 250 });
    said(&lines);
    retries(&plain);
    let told = said(&lines);
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.starts_with("retry in 1.0 s: E_CONNECT could not look up one.test/app:0"), "{told}");
    assert!(told.contains("two.test"), "{told}");
    plain.tick(Duration::from_secs(10));
    plain.close();
    plain.close();
    let expected = "read 0/250 references, 41 retries\n39 retries more of the same kind; -v tells each\n";
    assert_eq!(said(&lines), expected);
    let (plain, lines) = wire_of(true);
    retries(&plain);
    plain.close();
    assert_eq!(said(&lines).lines().count(), 41);
}

#[test]
fn the_clock_beats_until_it_is_dropped() {
    let (plain, lines) = wire();
    let plain = Arc::new(plain);
    plain.event(Event::Observing { total: 250 });
    let clock = Heartbeat::start(Arc::clone(&plain), Duration::from_millis(1));
    let patience = Duration::from_secs(60);
    for expected in ["reading sources and targets\n", "read 0/250 references\n", "read 0/250 references\n"] {
        assert_eq!(lines.recv_timeout(patience).as_deref(), Ok(expected));
    }
    drop(clock);
    assert_eq!(Arc::strong_count(&plain), 1, "the thread has ended");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let (plain, lines) = wire();
    drop(lines);
    let (some, ends) = troubled();
    run(&plain, &some, &ends);
    plain.tick(Duration::from_secs(10));
}

#[test]
fn remarks_are_limited() {
    let (plain, lines) = wire();
    for number in 0..500 {
        plain.event(Event::Warned { about: None, message: &format!("remark {number}") });
    }
    let said = said(&lines);
    assert_eq!(said.lines().count(), 101);
    assert!(said.ends_with("warning: there are more warnings, which are not shown\n"), "{said}");
}

#[test]
fn text_from_outside_stays_text() {
    let (plain, lines) = wire_of(true);
    let (bars, screen) = bars();
    let all = Fanout(vec![Arc::new(plain), Arc::new(bars), Arc::new(Silent)]);
    let step = NGINX.copy("1", "9f1a2b3c4d5e", (1, 1, 1));
    for bad in HOSTILE {
        let trouble = failure(Code::Denied, bad, bad);
        let some = plan(vec![step.clone()]);
        let ends = outcomes(&some, |_, _| Some(Ending::Failed(trouble.clone())));
        all.event(Event::Warned { about: None, message: bad });
        all.event(Event::Retrying { what: bad, wait: Duration::ZERO, failure: &trouble });
        all.event(Event::Finished(&step, &ends[0]));
    }
    let said = said(&lines);
    assert!(said.lines().count() >= 3 * HOSTILE.len() - 1, "{said}");
    said.lines().for_each(assert_harmless);
    screen.lines().iter().for_each(|line| assert_harmless(line));
}

/// A terminal as far as bars need one: lines that wrap at its width, and a cursor.
#[derive(Clone, Debug, Default)]
struct Screen(Arc<Mutex<Grid>>);

#[derive(Debug, Default)]
struct Grid {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

const WIDTH: u16 = 120;

impl Screen {
    fn lines(&self) -> Vec<String> {
        let grid = self.0.lock().unwrap();
        grid.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect()
    }

    fn text(&self) -> String {
        self.lines().join("\n").trim_end().to_owned()
    }
}

impl Grid {
    fn put(&mut self, c: char) {
        match c {
            '\n' => (self.row, self.column) = (self.row + 1, 0),
            '\r' => self.column = 0,
            c => {
                if self.column == usize::from(WIDTH) {
                    (self.row, self.column) = (self.row + 1, 0);
                }
                let column = self.column;
                self.line()[column] = c;
                self.column += 1;
            }
        }
    }

    fn line(&mut self) -> &mut Vec<char> {
        let rows = self.lines.len().max(self.row + 1);
        self.lines.resize(rows, vec![' '; usize::from(WIDTH)]);
        &mut self.lines[self.row]
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        WIDTH
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        let mut grid = self.0.lock().unwrap();
        grid.row = grid.row.saturating_sub(n);
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.lock().unwrap().row += n;
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.lock().unwrap().column += n;
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        let mut grid = self.0.lock().unwrap();
        grid.column = grid.column.saturating_sub(n);
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut grid = self.0.lock().unwrap();
        text.chars().for_each(|c| grid.put(c));
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        let mut grid = self.0.lock().unwrap();
        grid.line().fill(' ');
        grid.column = 0;
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn bars() -> (Bars, Screen) {
    let screen = Screen::default();
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    (Bars::new(target, false), screen)
}

#[test]
fn bars_show_what_is_under_way_and_leave_only_trouble_behind() {
    let (bars, screen) = bars();
    bars.event(Event::Observing { total: 250 });
    assert_snapshot!(screen.text(), @"reading [                              ] 0/250 references");
    bars.clear();
    assert_eq!(screen.text(), "");

    let (some, ends) = troubled();
    bars.event(Event::Applying(&some));
    for step in some.steps.iter().filter(|step| step.action().writes()) {
        bars.event(Event::Started(step));
    }
    assert_snapshot!(screen.text(), @r"
    copying [                              ] 0.0/154.8 MB  0 B/s
            0/4 images: nginx:1.27.5, nginx:1.27.5-alpine, redis:8.2.1 and 1 more
    ");
    for (step, outcome) in some.steps.iter().zip(&ends) {
        bars.event(Event::Finished(step, outcome));
    }
    drop(bars);
    assert_snapshot!(screen.text(), @r"
    + registry.acme.io/mirror/redis:8.2.1  FAILED  E_DENIED registry.acme.io/mirror/redis:8.2.1: answered 403
    ~ registry.acme.io/mirror/alpine:3.20  STALE  E_STALE registry.acme.io/mirror/alpine:3.20 is not what the plan saw
    ");
}
