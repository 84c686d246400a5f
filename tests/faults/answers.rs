//! Manifests and refusals in forms that registries, proxies and attackers send.

use bytes::Bytes;

use crate::support::images::media_type::{DOCKER_MANIFEST, OCI_INDEX};
use crate::support::server::{Answer, Fault, Match};
use crate::support::ward::{SPECIES, Species, TAG_PATH, Ward};

fn media_type(value: impl Into<String>) -> Fault {
    Fault::SetHeader("content-type", value.into())
}

#[test]
fn parameters_of_a_media_type_change_nothing() {
    for species in SPECIES {
        let ward = Ward::of(species);
        let own = ward.image.root.media_type.clone();
        ward.source.fault(Match::new("*", TAG_PATH), media_type(format!("{own}; charset=utf-8")));
        ward.source.fault(Match::new("GET", &ward.root_path()), media_type(format!("{own};charset=utf-8")));
        ward.ends_well();
    }
}

#[test]
fn a_manifest_that_calls_itself_something_else_than_its_header_is_refused() {
    let ward = Ward::of(Species::Index);
    ward.source.fault(Match::new("GET", &ward.root_path()), media_type(DOCKER_MANIFEST));
    ward.fails("E_MANIFEST");
    let ward = Ward::of(Species::Single);
    ward.source.fault(Match::new("*", "/v2/faulty/manifests/"), media_type(OCI_INDEX));
    ward.fails("E_MANIFEST");
}

#[test]
fn a_head_that_says_too_little_or_nothing_is_followed_by_a_get() {
    for species in SPECIES {
        let ward = Ward::of(species);
        ward.source.fault(Match::new("HEAD", TAG_PATH), Fault::DropHeader("docker-content-digest"));
        ward.ends_well();
    }
    for status in [405, 501] {
        let ward = Ward::of(Species::Index);
        ward.source.fault(Match::new("HEAD", TAG_PATH), Fault::status(status));
        ward.ends_well();
    }
}

#[test]
fn a_digest_in_a_header_does_not_stand_for_other_bytes() {
    // Only the body's own digest can be looked at here, and the header contradicts it.
    let ward = Ward::of(Species::Index);
    ward.source.fault(Match::new("HEAD", TAG_PATH), Fault::status(405));
    ward.source.fault(Match::new("GET", TAG_PATH), Fault::lying_digest());
    ward.fails("E_DIGEST");
    // What the header names is asked for, and the registry has no such manifest: that much is proven.
    let ward = Ward::of(Species::Index);
    ward.source.fault(Match::new("*", TAG_PATH), Fault::lying_digest());
    let error = ward.fails("E_NOT_FOUND");
    assert!(error["message"].as_str().unwrap().contains("its manifest sha256:0badc0de"), "{error:#}");
}

#[test]
fn a_manifest_is_read_to_its_limit_and_no_further() {
    for announced in [true, false] {
        let ward = Ward::of(Species::Index);
        let child = &ward.image.children[0].digest;
        ward.source.fault(Match::new("GET", child), Fault::ReplaceBody(Bytes::from(vec![b' '; 9 << 20])));
        if !announced {
            ward.source.fault(Match::new("GET", child), Fault::DropHeader("content-length"));
        }
        let error = ward.fails("E_LIMIT");
        assert_eq!(error["side"], "source", "{error:#}");
    }
}

#[test]
fn a_refusal_is_told_in_one_short_line_whatever_its_form() {
    let page = "<!DOCTYPE html><html><body>Log in</body></html>";
    let bodies: [(Bytes, Option<&str>); 8] = [
        (r#"{"errors":[{"code":"DENIED","message":"not today"}]}"#.into(), Some("DENIED: not today")),
        (r#"{"details":"wrong plan"}"#.into(), Some("wrong plan")),
        (page.into(), None),
        (Bytes::new(), None),
        (Bytes::from_static(b"\xff\xfe\x1b[2J\x07 words"), Some("words")),
        (Bytes::from(vec![b'x'; 10_000_000]), Some("xxx")),
        (r#"{"errors":[{"message":"\u202eslaer\u0007\n::error::x"}]}"#.into(), Some("slaer")),
        (Bytes::from("[".repeat(100_000)), Some("[[[")),
    ];
    for (body, words) in bodies {
        let ward = Ward::of(Species::Single);
        ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::Reply(Answer::status(403).body(body.clone())));
        let error = ward.is_refused("E_DENIED");
        let message = error["message"].as_str().unwrap();
        assert!(message.chars().count() < 700, "{} characters", message.chars().count());
        assert!(!message.contains(['\u{1b}', '\u{7}', '\n']) && !message.contains("<html"), "{message:?}");
        assert!(words.is_none_or(|words| message.contains(words)), "{message}");
        ward.source.fault(Match::new("HEAD", TAG_PATH), Fault::Reply(Answer::status(403).body(body)));
        let output = ward.run(["apply", "-v"]);
        let shown = format!("{}{}", output.stdout, output.stderr);
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
        assert!(!shown.lines().any(|line| line.starts_with("::")), "{shown}");
    }
}
