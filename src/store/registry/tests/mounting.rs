//! Mounts, as a way to get a blob and as a question, and the proof that a repository is missing.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Reply, Seen, Server, reply};
use super::{Fixture, blob, index, source, tag};
use crate::image::Descriptor;
use crate::store::{Answer, BlobStream, ImageSource, ImageTarget, Mount, Progress};

const SESSION: &str = "/v2/a/blobs/uploads/1?_state=x%3D%3D&y=%2f";
const NAME_UNKNOWN: &str = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}"#;

/// A registry that answers mounts and HEADs of blobs with these statuses, and takes uploads.
fn registry(mount: u16, head: u16) -> Server {
    Server::start(move |seen| answer(seen, mount, head))
}

fn answer(seen: &Seen, mount: u16, head: u16) -> Reply {
    match seen.method.as_str() {
        "POST" if seen.target.contains("mount=") => reply(mount, &[("location", SESSION)], ""),
        "POST" => reply(202, &[("location", SESSION)], ""),
        "PUT" => reply(201, &[], ""),
        "HEAD" if seen.target.contains("/blobs/") => reply(head, &[], ""),
        _ => reply(404, &[], ""),
    }
}

/// Asks for one blob after another, each to be mounted in `a` from `from`.
async fn mount(fixture: &Fixture, from: &str, blobs: &[&[u8]]) -> Vec<Mount> {
    let (repository, from) = (fixture.repository("a"), fixture.named(from));
    let mut answers = Vec::new();
    for content in blobs {
        answers.push(repository.mount_blob(&blob(content), &from).await.unwrap());
    }
    answers
}

/// The requests, each as its method and what it asks for.
fn asked(server: &Server) -> Vec<String> {
    let kind = |seen: &Seen| match () {
        () if seen.target.contains("mount=") => "mount",
        () if seen.target.contains("/uploads/") => "upload",
        () if seen.target.contains("/blobs/") => "blob",
        () => "tags",
    };
    server.log().iter().map(|seen| format!("{} {}", seen.method, kind(seen))).collect()
}

#[tokio::test]
async fn the_first_mount_is_looked_at_and_the_others_are_believed() {
    let server = registry(201, 200);
    let fixture = Fixture::new(&server, None);
    let answers = mount(&fixture, "b/c", &[b"one", b"two", b"one"]).await;
    assert!(matches!(answers[..], [Mount::Mounted, Mount::Mounted, Mount::Here]), "{answers:?}");
    assert_eq!(asked(&server), ["POST mount", "HEAD blob", "POST mount"]);
    let digest = blob(b"one").digest.to_string().replace(':', "%3A");
    assert_eq!(server.log()[0].target, format!("/v2/a/blobs/uploads/?mount={digest}&from=b%2Fc"));
    assert_eq!(server.log()[0].header("content-length"), Some("0"));
    assert!(fixture.repository("a").has_blob(&blob(b"two")).await.unwrap() && server.log().len() == 3);
}

#[tokio::test]
async fn a_registry_that_only_says_so_is_not_asked_again() {
    let server = registry(201, 404);
    let answers = mount(&Fixture::new(&server, None), "b", &[b"one", b"two"]).await;
    assert!(matches!(answers[..], [Mount::Declined(None), Mount::Declined(None)]), "{answers:?}");
    assert_eq!(asked(&server), ["POST mount", "HEAD blob", "HEAD blob"]);
}

#[tokio::test]
async fn a_declined_mount_is_no_proof_that_the_blob_is_not_there() {
    let server = registry(202, 200);
    let answers = mount(&Fixture::new(&server, None), "b", &[b"one", b"two"]).await;
    assert!(matches!(answers[..], [Mount::Here, Mount::Here]), "{answers:?}");
    assert_eq!(asked(&server), ["POST mount", "HEAD blob", "POST mount", "HEAD blob"]);
    // Its own blobs are not asked for in this way again: it would be of no use.
    let server = registry(202, 200);
    mount(&Fixture::new(&server, None), "a", &[b"one", b"two"]).await;
    assert_eq!(asked(&server), ["GET tags", "POST mount", "HEAD blob", "HEAD blob"]);
}

#[tokio::test]
async fn an_upload_that_a_mount_has_opened_is_used() {
    for from in ["a", "b"] {
        let server = registry(202, 404);
        let (fixture, layer) = (Fixture::new(&server, None), blob(b"layer"));
        let Mount::Declined(session) = mount(&fixture, from, &[b"layer"]).await.remove(0) else { panic!("declined") };
        let open = |_: Progress| -> Answer<'_, BlobStream> { Box::pin(async { Ok(source(&layer, &[b"layer"])) }) };
        fixture.repository("a").push_blob(&layer, &open, session).await.unwrap();
        let last: Vec<_> = asked(&server).into_iter().filter(|request| request != "GET tags").collect();
        assert_eq!(last, ["POST mount", "HEAD blob", "PUT upload"]);
        assert!(server.log().last().unwrap().target.starts_with(SESSION));
    }
}

#[tokio::test]
async fn in_a_repository_that_was_missing_nothing_is_looked_for() {
    for from in ["a", "b"] {
        let server = Server::start(|seen| match seen.method.as_str() {
            "GET" => reply(404, &[], NAME_UNKNOWN),
            _ => answer(seen, 202, 500),
        });
        let fixture = Fixture::new(&server, None);
        if from == "b" {
            assert!(fixture.repository("a").is_missing().await);
        }
        let answers = mount(&fixture, from, &[b"one", b"two"]).await;
        assert!(answers.iter().all(|answer| matches!(answer, Mount::Declined(Some(_)))), "{answers:?}");
        assert_eq!(asked(&server), ["GET tags", "POST mount", "POST mount"]);
        assert_eq!(server.log()[0].target, "/v2/a/tags/list?n=1");
    }
}

#[tokio::test]
async fn who_has_told_of_a_blob_that_is_there_is_believed_of_those_that_are_not() {
    let there = blob(b"there").digest.to_string().replace(':', "%3A");
    let server = Server::start(move |seen| answer(seen, if seen.target.contains(&there) { 201 } else { 202 }, 200));
    let answers = mount(&Fixture::new(&server, None), "a", &[b"there", b"new", b"newer"]).await;
    assert!(matches!(answers[..], [Mount::Here, Mount::Declined(Some(_)), Mount::Declined(Some(_))]), "{answers:?}");
    assert_eq!(asked(&server), ["GET tags", "POST mount", "HEAD blob", "POST mount", "POST mount"]);
}

#[tokio::test]
async fn a_refused_mount_leads_to_the_question_and_the_upload() {
    for (status, again) in [(400, false), (401, true), (403, true), (404, true), (405, false), (500, false)] {
        for from in ["a", "b"] {
            let server = registry(status, 404);
            let answers = mount(&Fixture::new(&server, None), from, &[b"one", b"two"]).await;
            assert!(answers.iter().all(|answer| matches!(answer, Mount::Declined(None))), "{status}: {answers:?}");
            // One that is refused for another repository may be granted for a third.
            let mounts = if again || from == "b" { 2 } else { 1 };
            assert_eq!(server.count("POST", "/"), mounts, "{status} from {from}");
            assert_eq!(server.count("HEAD", "/"), 2, "{status} from {from}");
        }
    }
}

#[tokio::test]
async fn a_busy_registry_is_sent_nothing_before_the_wait_that_it_asks_for() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |seen| match count.fetch_add(1, Ordering::Relaxed) {
        0 => reply(503, &[("retry-after", "1")], ""),
        _ => answer(seen, 201, 200),
    });
    let fixture = Fixture::new(&server, None);
    let (repository, from) = (fixture.repository("a"), fixture.named("b"));
    let (first, second) = (blob(b"one"), blob(b"two"));
    let next = async {
        // Once the answer has come, the whole host is left alone: this waits behind the other.
        while fixture.ear.heard("retry").is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.log().len(), 1);
        let found = repository.has_blob(&second).await;
        assert!(fixture.client.transport.pace.is_open(), "it did not wait");
        found
    };
    let both = async { tokio::join!(repository.mount_blob(&first, &from), next) };
    let patience = std::time::Duration::from_secs(60);
    let (mounted, found) = tokio::time::timeout(patience, both).await.expect("it was not tried again");
    assert!(matches!(mounted.unwrap(), Mount::Mounted) && found.unwrap());
    let retries = fixture.ear.heard("retry");
    assert_eq!(retries.len(), 1, "{retries:?}");
    assert!(retries[0].contains("mount") && retries[0].contains("after 1 s: E_UNAVAILABLE"), "{retries:?}");
}

#[tokio::test]
async fn a_registry_that_is_too_busy_to_mount_gets_an_upload() {
    for from in ["a", "b"] {
        let server = Server::start(|seen| {
            let busy = seen.target.contains("mount=");
            if busy { reply(503, &[("retry-after", "0")], "") } else { answer(seen, 202, 404) }
        });
        let answers = mount(&Fixture::new(&server, None), from, &[b"one", b"two"]).await;
        assert!(answers.iter().all(|answer| matches!(answer, Mount::Declined(None))), "{answers:?}");
        let asked: Vec<_> = asked(&server).into_iter().filter(|request| request != "GET tags").collect();
        assert_eq!(asked, [&["POST mount"; 5][..], &["HEAD blob"; 2]].concat(), "{from}");
    }
}

#[tokio::test]
async fn a_blob_that_is_known_not_to_be_there_is_not_asked_for_again() {
    let server = registry(202, 404);
    let fixture = Fixture::new(&server, None);
    assert!(!fixture.repository("a").has_blob(&blob(b"one")).await.unwrap());
    assert!(matches!(mount(&fixture, "a", &[b"one"]).await[..], [Mount::Declined(None)]));
    assert_eq!(asked(&server), ["HEAD blob"]);
    // Another repository may still have it.
    assert!(matches!(mount(&fixture, "b", &[b"one"]).await[..], [Mount::Declined(Some(_))]));
    assert_eq!(asked(&server), ["HEAD blob", "POST mount"]);
}

#[tokio::test]
async fn asking_a_repository_for_its_own_needs_no_second_scope() {
    let server = Server::start(|seen| match (seen.target.starts_with("/token"), seen.authorization()) {
        (true, _) => reply(200, &[], r#"{"token":"t"}"#),
        (_, None) => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
        _ => answer(seen, 201, 200),
    });
    assert!(matches!(mount(&Fixture::new(&server, None), "a", &[b"one"]).await[..], [Mount::Here]));
    let tokens: Vec<_> = server.log().into_iter().filter(|seen| seen.is("GET", "/token")).collect();
    assert!(tokens.iter().all(|token| token.target.matches("scope=").count() == 1), "{tokens:?}");
    assert!(tokens.last().unwrap().target.contains("scope=repository%3Aa%3Apull%2Cpush"), "{tokens:?}");
}

/// What is made of this answer to a question for the tags.
async fn is_missing(answer: (u16, &'static str)) -> bool {
    let server = Server::start(move |_| reply(answer.0, &[], answer.1));
    let repository = Fixture::new(&server, None).repository("a");
    let missing = repository.is_missing().await;
    assert_eq!(repository.is_missing().await, missing);
    assert_eq!(server.log().len(), 1, "it is asked for once");
    missing
}

#[tokio::test]
async fn only_a_name_that_is_unknown_is_a_proof() {
    assert!(is_missing((404, NAME_UNKNOWN)).await);
    assert!(is_missing((404, r#"{"errors":[{"code":"NOT_FOUND","message":"repository a not found"}]}"#)).await);
    for answer in [
        (200, r#"{"name":"a","tags":[]}"#),
        (200, r#"{"name":"a","tags":null}"#),
        (404, ""),
        (404, "<html>404 page not found</html>"),
        (404, r#"{"errors":[{"code":"UNSUPPORTED","message":"no such endpoint"}]}"#),
        (403, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#),
        (500, ""),
    ] {
        assert!(!is_missing(answer).await, "{answer:?}");
    }
}

#[tokio::test]
async fn a_name_that_was_found_to_have_a_tag_is_not_asked_for() {
    let digest = index().digest().to_string();
    let server = Server::start(move |seen| match seen.method.as_str() {
        "HEAD" if seen.target.ends_with("/there") => {
            reply(200, &[("docker-content-digest", &digest)], index().bytes().clone())
        }
        _ => reply(404, &[], NAME_UNKNOWN),
    });
    let fixture = Fixture::new(&server, None);
    assert!(fixture.repository("a").resolve(&tag("gone")).await.unwrap().is_none());
    assert!(fixture.repository("a").resolve(&tag("there")).await.unwrap().is_some());
    assert!(!fixture.repository("a").is_missing().await);
    assert_eq!(server.count("GET", "/"), 0);
    // Each repository has an answer of its own.
    assert!(fixture.repository("b").is_missing().await);
}

#[tokio::test]
async fn first_mounts_at_once_are_looked_at_once() {
    let server = registry(201, 200);
    let fixture = Fixture::new(&server, None);
    let (repository, from) = (fixture.repository("a"), fixture.named("b"));
    let blobs: Vec<Descriptor> = (0..8_u8).map(|n| blob(&[n])).collect();
    let answers = blobs.iter().map(|blob| repository.mount_blob(blob, &from));
    for answer in futures_util::future::join_all(answers).await {
        assert!(matches!(answer.unwrap(), Mount::Mounted));
    }
    assert_eq!((server.count("POST", "/"), server.count("HEAD", "/")), (8, 1));
}

#[tokio::test]
async fn an_upload_that_has_waited_too_long_is_opened_again() {
    let server = registry(202, 404);
    let (fixture, layer) = (Fixture::new(&server, None), blob(b"layer"));
    let Mount::Declined(session) = mount(&fixture, "b", &[b"layer"]).await.remove(0) else { panic!("declined") };
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(301)).await;
    tokio::time::resume();
    let open = |_: Progress| -> Answer<'_, BlobStream> { Box::pin(async { Ok(source(&layer, &[b"layer"])) }) };
    fixture.repository("a").push_blob(&layer, &open, session).await.unwrap();
    assert_eq!(asked(&server), ["POST mount", "HEAD blob", "POST upload", "PUT upload"]);
}
