//! Tag lists that lead in circles, elsewhere, or are none: whole or an error, never a part.

use serde_json::Value;

use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::{Pair, steps};

const LIST: &str = "/v2/listed/tags/list";
const SOUND: [&str; 5] = ["a", "b", "c", "x", "y"];

/// Five repositories that are listed soundly, two tags to a page, and one with five tags whose list is at fault.
fn six() -> Pair {
    let pair = Pair::with(Options { page_size: 2, ..Options::default() }, Options::default());
    for name in SOUND {
        for tag in ["1", "2", "3"] {
            zoo::artifact(&format!("{name} {tag}")).push_to(&pair.source, name, tag);
        }
    }
    for tag in ["1", "2", "3", "4", "5"] {
        zoo::artifact(tag).push_to(&pair.source, "listed", tag);
    }
    pair
}

#[track_caller]
fn apply(pair: &Pair, status: i32) -> Value {
    let mut mirrors: Vec<_> = SOUND.iter().map(|name| pair.mirror(name, &["*"])).collect();
    mirrors.insert(2, pair.mirror("listed", &["*"]));
    let regsync = pair.regsync(&mirrors);
    pair.target.clear_log();
    regsync.run(["plan"]).assert_status(i32::from(status != 0));
    pair.target.assert_read_only();
    pair.source.rewind_faults();
    let document = regsync.run(["apply", "--format", "json"]).assert_status(status).json();
    for name in SOUND {
        assert_eq!(pair.target.store.tags(name), ["1", "2", "3"], "{name}");
    }
    pair.target.assert_closed();
    pair.source.assert_read_only();
    document
}

/// The list fails with this code, nothing of it is copied, and once it is sound all of it is.
#[track_caller]
fn is_no_list(pair: &Pair, code: &str) {
    let document = apply(pair, 3);
    let failed = format!("- failed list-failed {code}");
    assert!(steps(&document).contains(&failed), "{failed}: {:#?}", steps(&document));
    assert!(pair.target.store.tags("listed").is_empty(), "a part of a list was taken for all of it");
    pair.source.clear_faults();
    apply(pair, 0);
    assert_eq!(pair.target.store.tags("listed").len(), 5);
}

#[track_caller]
fn is_whole(pair: &Pair, tags: usize) {
    apply(pair, 0);
    assert_eq!(pair.target.store.tags("listed").len(), tags);
}

fn link(to: &str) -> Fault {
    Fault::SetHeader("link", to.to_owned())
}

fn page(body: &str) -> Fault {
    Fault::Reply(Answer::status(200).header("Content-Type", "application/json").body(body.to_owned()))
}

#[test]
fn pages_in_a_circle_are_no_list() {
    for to in [
        "<?n=1000>; rel=next",
        "</v2/listed/tags/list?n=1000>; rel=\"next\"",
        "</v2/listed/tags/list?last=2&n=2>; rel=next",
    ] {
        let pair = six();
        pair.source.fault(Match::new("GET", LIST), link(to));
        is_no_list(&pair, "E_PROTOCOL");
        assert!(pair.source.count("GET", LIST) < 30);
    }
}

#[test]
fn a_page_on_another_host_is_not_asked_for() {
    let thief = FakeRegistry::start();
    for to in [thief.url(), format!("//{}", thief.host()), "http://169.254.169.254".to_owned()] {
        let pair = six();
        pair.source
            .fault(Match::new("GET", LIST).nth(2), link(&format!("<{to}/v2/listed/tags/list?last=4>; rel=next")));
        is_no_list(&pair, "E_BOUNDARY");
    }
    assert!(thief.requests().is_empty(), "{}", thief.request_log(&[]));
}

#[test]
fn a_page_that_fails_fails_the_list() {
    let broken: [(Fault, &str); 6] = [
        (Fault::status(403), "E_DENIED"),
        (Fault::status(404), "E_NOT_FOUND"),
        (Fault::html(), "E_PROTOCOL"),
        (page(r#"{"name":"listed"}"#), "E_PROTOCOL"),
        (page(r#"{"tags":"1"}"#), "E_PROTOCOL"),
        (page(r#"{"tags":["3","4"#), "E_PROTOCOL"),
    ];
    for (fault, code) in broken {
        let pair = six();
        pair.source.fault(Match::new("GET", LIST).nth(2), fault);
        is_no_list(&pair, code);
    }
}

#[test]
fn a_page_of_fifty_mebibytes_is_not_read_to_its_end() {
    let pair = six();
    let long = format!("{{\"tags\":[\"1\"{}]}}", " ".repeat(50 << 20));
    pair.source.fault(Match::new("GET", LIST), page(&long));
    is_no_list(&pair, "E_LIMIT");
}

#[test]
fn links_are_read_however_they_are_written() {
    let pair = six();
    let home = pair.source.url();
    let forms = [
        "<HOME/v2/listed/tags/list?last=2&n=2>; rel=\"next\"",
        "</v2/listed/tags/list?last=2&n=2>; rel=next",
        "<list?last=2&n=2>; rel=\"prefetch next\"",
        "<http://evil.example/>; rel=\"first\", </v2/listed/tags/list?last=2&n=2>; title=\"a, b\"; rel=\"next\"",
    ];
    for form in forms {
        pair.source.fault(Match::new("GET", "/v2/listed/tags/list?n=1000"), link(&form.replace("HOME", &home)));
        is_whole(&pair, 5);
        pair.source.clear_faults();
    }
}

#[test]
fn a_registry_that_refuses_the_size_of_a_page_chooses_its_own() {
    for status in [400, 413] {
        let pair = six();
        pair.source.fault(Match::new("GET", "/v2/listed/tags/list?n=1000"), Fault::status(status));
        is_whole(&pair, 5);
    }
}

#[test]
fn names_that_are_no_tags_are_left_out() {
    let pair = six();
    let names =
        format!(r#"{{"name":"listed","tags":["5",null,"","sha256:{}","-x","a b","4","4","3"]}}"#, "0".repeat(64));
    pair.source.fault(Match::new("GET", LIST), page(&names));
    is_whole(&pair, 3);
}

#[test]
fn a_list_of_nothing_is_empty_and_said_to_be() {
    for body in [r#"{"name":"listed","tags":null}"#, r#"{"name":"listed","tags":[]}"#] {
        let pair = six();
        pair.source.fault(Match::new("GET", LIST), page(body));
        let document = apply(&pair, 3);
        let expected = "- failed nothing-selected E_NOTHING_SELECTED".to_owned();
        assert!(steps(&document).contains(&expected), "{:#?}", steps(&document));
    }
}

#[test]
fn trouble_in_the_middle_of_a_list_does_not_show() {
    let pair = six();
    pair.source.fault(Match::new("GET", LIST).nth(2), Fault::status(502));
    pair.source.fault(Match::new("GET", LIST).nth(4), Fault::Reset);
    is_whole(&pair, 5);
}
