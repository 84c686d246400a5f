//! Registries that ask to slow down, or are in trouble for a while.

use std::time::{Duration, SystemTime};

use jiff::{Timestamp, ToSpan as _};

use crate::support::server::{Answer, Fault, Match, RecordedRequest, Server};
use crate::support::ward::{SPECIES, Species, TAG_PATH, UPLOADS, Ward};

/// `429` without any wish.
fn slow_down() -> Fault {
    Fault::Reply(Answer::error(429, "TOOMANYREQUESTS", "slow down"))
}

fn from_now(seconds: i64) -> Timestamp {
    // A date in a header has whole seconds.
    Timestamp::from_second((Timestamp::now() + seconds.seconds()).as_second()).unwrap()
}

fn http_date(date: Timestamp) -> String {
    date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The request that was told to come back later, and the same once more.
#[track_caller]
fn told_and_next(server: &Server, method: &str, path: &str) -> (RecordedRequest, RecordedRequest) {
    let requests = server.requests();
    let is_told = |request: &RecordedRequest| {
        request.method == method && request.target().contains(path) && request.status == Some(429)
    };
    let mut rest = requests.into_iter().skip_while(|request| !is_told(request));
    let told = rest.next().unwrap_or_else(|| panic!("{method} {path} was never told to wait"));
    let next = rest.find(|request| request.method == method && request.target() == told.target());
    let next = next.unwrap_or_else(|| panic!("{} was not asked again:\n{}", told.line(), server.request_log(&[])));
    (told, next)
}

/// How long after the answer that told so the next request came.
#[track_caller]
fn waited(server: &Server, method: &str, path: &str) -> Duration {
    let (told, next) = told_and_next(server, method, path);
    next.came_at.duration_since(told.answered_at.unwrap())
}

#[test]
fn a_short_wait_is_kept() {
    for species in SPECIES {
        let ward = Ward::of(species);
        ward.source.fault(Match::new("HEAD", TAG_PATH).first(1), Fault::too_many_requests("1"));
        ward.source.fault(Match::new("GET", &ward.layer_path()).first(1), Fault::too_many_requests("0"));
        ward.target.fault(Match::new("POST", UPLOADS).first(1), Fault::too_many_requests("1"));
        ward.passes();
        for (server, method, path) in [(&ward.source, "HEAD", TAG_PATH), (&ward.target, "POST", UPLOADS)] {
            let waited = waited(server, method, path);
            assert!(waited >= Duration::from_secs(1), "{method} {path} after {waited:?}");
        }
        ward.converges();
    }
}

#[test]
fn a_wait_until_a_date_is_kept_and_a_past_one_is_none() {
    for seconds in [3, 0, -3600] {
        let ward = Ward::apart(Species::Single);
        let named = from_now(seconds);
        let limit = Fault::too_many_requests(&http_date(named));
        ward.source.fault(Match::new("GET", &ward.layer_path()).first(1), limit);
        ward.passes();
        let (_, next) = told_and_next(&ward.source, "GET", &ward.layer_path());
        let came = Timestamp::try_from(SystemTime::now() - next.came_at.elapsed()).unwrap();
        assert!(came >= named, "asked again at {came}, and {named} was named");
    }
}

#[test]
fn a_wish_that_cannot_be_read_is_none() {
    for wish in ["soon", "-1", "1.5", ""] {
        let ward = Ward::apart(Species::Single);
        ward.source.fault(Match::new("HEAD", TAG_PATH).first(1), Fault::too_many_requests(wish));
        ward.passes();
    }
    let ward = Ward::apart(Species::Index);
    ward.source.fault(Match::new("GET", "/manifests/").first(2), slow_down());
    ward.tokens.fault(Match::new("GET", "/token").first(1), slow_down());
    ward.ends_well();
}

#[test]
fn nobody_waits_for_a_day_or_for_ten_years() {
    let ten_years = http_date(from_now(10 * 366 * 24 * 3600));
    for wish in ["86400", "99999999999999999999999", &ten_years] {
        let ward = Ward::apart(Species::Index);
        ward.source.fault(Match::new("*", "/v2/faulty/"), Fault::too_many_requests(wish));
        let error = ward.is_refused("E_RATE_LIMITED");
        assert!(error["hint"].is_string(), "{error:#}");
    }
}

#[test]
fn a_limit_that_stays_is_given_up() {
    let ward = Ward::apart(Species::Single);
    ward.source.fault(Match::new("GET", &ward.layer_path()), slow_down());
    let error = ward.fails_until("E_RATE_LIMITED", |ward| {
        assert!(ward.source.count("GET", &ward.layer_path()) > 1, "given up at once");
    });
    assert!(error["message"].as_str().unwrap().contains("slow down"), "{error:#}");
}

#[test]
fn trouble_that_passes_does_not_show() {
    let ward = Ward::of(Species::Index);
    ward.source.fault(Match::new("HEAD", TAG_PATH).first(1), Fault::status(500));
    ward.source.fault(Match::new("GET", &ward.image.children[0].digest).first(1), Fault::status(502));
    ward.source.fault(Match::new("GET", &ward.layer_path()).first(1), Fault::status(503));
    ward.tokens.fault(Match::new("GET", "/token").first(1), Fault::status(504));
    ward.target.fault(Match::new("HEAD", TAG_PATH).first(1), Fault::status(408));
    ward.ends_well();
}

#[test]
fn trouble_that_stays_is_told_in_the_words_of_the_registry() {
    let ward = Ward::of(Species::Single);
    let trouble = Answer::error(500, "UNKNOWN", "the disk is full").header("Retry-After", "0");
    ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::Reply(trouble));
    let error = ward.fails_until("E_UNAVAILABLE", |ward| {
        assert!(ward.source.count("GET", &ward.layer_path()) > 1, "given up at once");
    });
    assert_eq!((error["status"].as_u64(), error["side"].as_str()), (Some(500), Some("source")), "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("the disk is full"), "{error:#}");
}

#[test]
fn what_is_refused_for_good_is_asked_once() {
    for (status, code) in [(400, "E_REFUSED"), (405, "E_REFUSED"), (415, "E_REFUSED"), (422, "E_REFUSED")] {
        let ward = Ward::of(Species::Single);
        ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::status(status));
        let error = ward.is_refused(code);
        assert_eq!(error["attempts"], 1, "{status}: {error:#}");
    }
}

#[test]
fn a_warning_of_the_registry_is_passed_on_once() {
    let ward = Ward::of(Species::Index);
    ward.source.fault(Match::new("*", "/v2/"), Fault::AddHeader("warning", "299 - \"moving soon\"".into()));
    ward.source.fault(Match::new("*", "/v2/"), Fault::AddHeader("warning", "110 proxy \"stale\"".into()));
    ward.source.fault(Match::new("*", "/v2/"), Fault::AddHeader("warning", "299 - unfinished \"".into()));
    let regsync = ward.regsync();
    let output = regsync.run(["apply"]);
    output.assert_status(0);
    let told: Vec<_> = output.stderr.lines().filter(|line| line.contains("moving")).collect();
    assert_eq!(told.len(), 1, "{}", output.transcript());
    assert!(!output.stderr.contains("stale") && !output.stderr.contains("unfinished"), "{}", output.transcript());
}
