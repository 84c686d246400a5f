//! One faulty image among five sound ones: the five arrive, the tag of the faulty one is left as it was.

use bytes::Bytes;
use serde_json::Value;

use crate::support::harness::Output;
use crate::support::images::{Content, Image, media_type, zoo};
use crate::support::server::{Answer, Close, Fault, Match};
use crate::support::stage::{Pair, steps};

const SOUND: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Five sound images and a faulty one, each in a repository of its own. The faulty one's tag has an older image at the target.
struct Ward {
    pair: Pair,
    faulty: Image,
}

impl Ward {
    fn new() -> Self {
        let pair = Pair::start();
        for name in SOUND {
            zoo::index(name).push_to(&pair.source, name, "1");
        }
        let faulty = zoo::index("faulty");
        faulty.push_to(&pair.source, "faulty", "1");
        zoo::single("older").push_to(&pair.target, "faulty", "1");
        Self { pair, faulty }
    }

    /// A layer of the faulty image.
    fn layer(&self) -> &Content {
        self.faulty.blobs.iter().find(|blob| blob.media_type == media_type::OCI_LAYER).unwrap()
    }

    /// The faulty image's own place in a URL.
    fn blob(&self) -> String {
        format!("/v2/faulty/blobs/{}", self.layer().digest)
    }

    #[track_caller]
    fn apply(&self) -> (Output, Value) {
        let mut mirrors: Vec<_> = SOUND.iter().map(|name| self.pair.mirror(name, &["1"])).collect();
        mirrors.insert(2, self.pair.mirror("faulty", &["1"]));
        // Sizes would find a part of the faults at plan time; these tests are about apply.
        let regsync = self.pair.regsync(&mirrors);
        let output = regsync.run(["apply", "--sizes", "never", "--format", "json"]);
        let document = output.assert_status(3).json();
        (output, document)
    }

    /// Applies and checks that everything is well but the faulty image; gives back what is said of it.
    #[track_caller]
    fn only_the_faulty_one_fails(&self, code: &str) -> Value {
        let (output, document) = self.apply();
        let sound = |name: &str| format!("{name}:1 copied new");
        let failed = format!("faulty:1 failed tag-moved {code}");
        let expected = [sound("a"), sound("b"), failed, sound("c"), sound("d"), sound("e")];
        assert_eq!(steps(&document), expected, "{}", output.transcript());
        let target = &self.pair.target;
        for name in SOUND {
            assert_eq!(target.tag_digest(name, "1").unwrap(), zoo::index(name).digest(), "{name}");
        }
        assert_eq!(target.tag_digest("faulty", "1").unwrap(), zoo::single("older").digest(), "its tag was touched");
        target.assert_closed();
        assert!(!target.has_blob("faulty", &self.layer().digest), "wrong bytes were committed");
        document["steps"][2]["error"].clone()
    }
}

#[track_caller]
fn assert_says(error: &Value, side: &str, words: &[&str]) {
    assert_eq!(error["side"], side, "{error:#}");
    let message = error["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "the message does not say {word:?}: {message}");
    }
}

#[test]
fn a_blob_that_is_missing_at_the_source() {
    let ward = Ward::new();
    ward.pair.source.store.delete_blob("faulty", &ward.layer().digest);
    let error = ward.only_the_faulty_one_fails("E_NOT_FOUND");
    assert_says(&error, "source", &["/faulty", &ward.layer().digest]);
    assert_eq!(error["status"], 404);
}

#[test]
fn a_blob_with_a_flipped_bit() {
    let ward = Ward::new();
    ward.pair.source.fault(Match::new("GET", &ward.blob()), Fault::FlipBit { at: 40 });
    let error = ward.only_the_faulty_one_fails("E_DIGEST");
    assert_says(&error, "source", &["/faulty", &ward.layer().digest]);
}

#[test]
fn a_blob_of_other_bytes_and_the_right_size() {
    let ward = Ward::new();
    let other = vec![0; ward.layer().bytes.len()];
    ward.pair.source.store.put_blob_as("faulty", &ward.layer().digest, other);
    assert_says(&ward.only_the_faulty_one_fails("E_DIGEST"), "source", &["/faulty"]);
}

#[test]
fn a_blob_that_is_too_short_or_too_long() {
    for fault in [Fault::Truncate { to: 17 }, Fault::Append(Bytes::from_static(b"more"))] {
        let ward = Ward::new();
        ward.pair.source.fault(Match::new("GET", &ward.blob()), fault);
        assert_says(&ward.only_the_faulty_one_fails("E_SIZE"), "source", &["/faulty"]);
    }
}

#[test]
fn a_blob_whose_connection_always_breaks() {
    let ward = Ward::new();
    ward.pair.source.fault(Match::new("GET", &ward.blob()), Fault::CutBody { after: 10, close: Close::Fin });
    assert_says(&ward.only_the_faulty_one_fails("E_CONNECT"), "source", &["/faulty"]);
}

#[test]
fn a_source_repository_that_refuses_its_blobs() {
    let ward = Ward::new();
    let denied = Answer::error(403, "DENIED", "your plan does not include downloads");
    ward.pair.source.fault(Match::new("GET", "/v2/faulty/blobs/"), Fault::Reply(denied));
    let error = ward.only_the_faulty_one_fails("E_DENIED");
    assert_says(&error, "source", &["/faulty", "your plan does not include downloads"]);
    assert!(error["hint"].is_string(), "{error:#}");
}

#[test]
fn a_target_that_refuses_the_uploads() {
    let ward = Ward::new();
    let denied = Answer::error(403, "DENIED", "no push for you");
    ward.pair.target.fault(Match::new("POST", "/v2/faulty/"), Fault::Reply(denied));
    let error = ward.only_the_faulty_one_fails("E_DENIED");
    assert_says(&error, "target", &["/faulty", "no push for you"]);
    assert!(error["hint"].is_string(), "{error:#}");
}

#[test]
fn a_target_that_refuses_the_manifest() {
    let ward = Ward::new();
    let invalid = Answer::error(400, "MANIFEST_INVALID", "this registry knows better");
    ward.pair.target.fault(Match::new("PUT", "/v2/faulty/manifests/1"), Fault::Reply(invalid));
    let (_, document) = ward.apply();
    let error = &document["steps"][2]["error"];
    assert_eq!(error["code"], "E_REFUSED", "{error:#}");
    assert_says(error, "target", &["/faulty:1", "this registry knows better"]);
    assert_eq!(document["summary"]["copied"], 5);
    ward.pair.target.assert_closed();
}

#[test]
fn a_target_that_stays_in_trouble() {
    let ward = Ward::new();
    let down = Answer::error(500, "UNKNOWN", "disk full").header("Retry-After", "0");
    ward.pair.target.fault(Match::new("POST", "/v2/faulty/"), Fault::Reply(down));
    let error = ward.only_the_faulty_one_fails("E_UNAVAILABLE");
    assert_says(&error, "target", &["/faulty", "disk full"]);
    assert_eq!(error["status"], 500);
    assert!(ward.pair.target.count("POST", "/v2/faulty/") > 1, "a 500 is tried again");
}

#[test]
fn a_manifest_with_other_bytes_than_its_digest() {
    let ward = Ward::new();
    let child = &ward.faulty.children[0];
    ward.pair.source.fault(Match::new("GET", &child.digest), Fault::FlipBit { at: 30 });
    assert_says(&ward.only_the_faulty_one_fails("E_DIGEST"), "source", &["/faulty"]);
}

#[test]
fn a_child_that_is_missing_at_the_source() {
    let ward = Ward::new();
    ward.pair.source.store.delete_manifest("faulty", &ward.faulty.children[1].digest);
    let error = ward.only_the_faulty_one_fails("E_NOT_FOUND");
    assert_says(&error, "source", &["/faulty", &ward.faulty.children[1].digest]);
}

#[test]
fn a_target_that_lies_about_what_it_stored() {
    let ward = Ward::new();
    ward.pair.target.fault(Match::new("PUT", "/v2/faulty/manifests/1"), Fault::lying_digest());
    let (_, document) = ward.apply();
    assert_eq!(document["steps"][2]["error"]["code"], "E_DIGEST", "{document:#}");
    assert_eq!(document["summary"]["copied"], 5);
}

#[test]
fn a_slow_target_does_not_hold_up_the_others() {
    let pair = Pair::start();
    zoo::index("shared read").push_to(&pair.source, "app", "1");
    let gate = crate::support::server::Gate::new();
    pair.target.fault(Match::new("POST", "/v2/slow/"), Fault::Hold(gate.clone()));
    let (slow, quick) = (pair.target.reference("slow"), pair.target.reference("quick"));
    let mirror = crate::support::stage::Mirror::new(&pair.source.reference("app"), &[&slow], &["1"]);
    let other = crate::support::stage::Mirror::new(&pair.source.reference("app"), &["oci:quick"], &["1"]);
    let regsync = pair.regsync(&[mirror, other]);
    let mut run = regsync.spawn(["apply"]);
    gate.wait_for(1);
    let ends = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !regsync.path("quick/index.json").exists() {
        assert!(std::time::Instant::now() < ends && !run.has_ended(), "{quick} waits for {slow}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    gate.open();
    run.wait().assert_status(0);
    pair.target.assert_closed();
}
