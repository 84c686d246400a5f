//! Tags: moved once it is shown that the registry keeps what it is sent, and never over what somebody else wrote.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::server::{Server, reply};
use super::writing::put_manifest;
use super::{Fixture, index};
use crate::image::{Code, Digest, Tag};
use crate::store::ImageTarget;

#[tokio::test]
async fn a_registry_shows_once_in_a_run_that_it_stores_what_it_is_sent() {
    let digest = index().digest().to_string();
    let server = Server::start(move |_| reply(201, &[("docker-content-digest", &digest)], ""));
    let (fixture, tag): (_, Tag) = (Fixture::new(&server, None), "1.0".parse().unwrap());
    for repository in ["a", "b"] {
        fixture.repository(repository).push_tag(&index(), &tag, None).await.unwrap();
    }
    assert_eq!(server.log().len(), 3);
    // The child of an index shows it as well.
    let fixture = Fixture::new(&server, None);
    fixture.repository("a").push_manifest(&index()).await.unwrap();
    fixture.repository("a").push_tag(&index(), &tag, None).await.unwrap();
    assert_eq!(server.log().len(), 5);
}

#[tokio::test]
async fn a_registry_that_does_not_name_what_it_stored_is_read_once() {
    let storing = |body: &'static str, late: usize| {
        let count = AtomicUsize::new(0);
        Server::start(move |seen| match seen.method.as_str() {
            "PUT" => reply(201, &[], ""),
            _ if count.fetch_add(1, Ordering::Relaxed) < late => reply(404, &[], ""),
            _ => reply(200, &[("content-type", "application/vnd.oci.image.index.v1+json")], body),
        })
    };
    let whole = std::str::from_utf8(index().bytes()).unwrap().to_owned().leak();
    for late in [0, 2] {
        let sound = storing(whole, late);
        put_manifest(&sound).await.unwrap();
        assert_eq!((sound.count("PUT", "/"), sound.count("GET", "/")), (2, late + 1));
    }
    let rewriting = storing(r#"{"schemaVersion": 2, "manifests": []}"#, 0);
    assert_eq!(put_manifest(&rewriting).await.unwrap_err().code, Code::Digest);
    let forgetting = storing(whole, usize::MAX);
    assert_eq!(put_manifest(&forgetting).await.unwrap_err().code, Code::NotFound);
    for server in [rewriting, forgetting] {
        assert_eq!(server.count("PUT", "/v2/a/manifests/1.0"), 0, "the tag was moved");
    }
}

/// Takes manifests by digest, and fails the first `failures` of those by tag; the tag then names what `named` says.
fn failing(failures: usize, named: Option<Digest>) -> Server {
    let count = AtomicUsize::new(0);
    let digest = index().digest().to_string();
    Server::start(move |seen| match (seen.method.as_str(), &named) {
        ("PUT", _) if seen.target.contains("sha256:") => reply(201, &[("docker-content-digest", &digest)], ""),
        ("PUT", _) if count.fetch_add(1, Ordering::Relaxed) < failures => reply(503, &[("retry-after", "0")], ""),
        ("PUT", _) => reply(201, &[], ""),
        (_, Some(named)) => reply(200, &[("docker-content-digest", &named.to_string())], index().bytes().clone()),
        (_, None) => reply(404, &[], ""),
    })
}

#[tokio::test]
async fn a_manifest_stored_in_spite_of_an_error_is_not_put_again() {
    let server = failing(usize::MAX, Some(index().digest().clone()));
    put_manifest(&server).await.unwrap();
    assert_eq!((server.count("PUT", "/v2/a/manifests/1.0"), server.count("HEAD", "/")), (1, 1));
    let server = failing(1, None);
    put_manifest(&server).await.unwrap();
    assert_eq!(server.count("PUT", "/v2/a/manifests/1.0"), 2);
}

#[tokio::test]
async fn a_tag_is_not_written_again_over_what_somebody_else_wrote() {
    let (tag, theirs, older): (Tag, _, _) =
        ("1.0".parse().unwrap(), Digest::sha256(b"theirs"), Digest::sha256(b"older"));
    for (named, before, written) in
        [(&theirs, None, false), (&theirs, Some(&older), false), (&older, Some(&older), true)]
    {
        let server = failing(1, Some(named.clone()));
        let done = Fixture::new(&server, None).repository("a").push_tag(&index(), &tag, before).await;
        assert_eq!(done.map_err(|error| error.code), if written { Ok(()) } else { Err(Code::Stale) });
        assert_eq!(server.count("PUT", "/v2/a/manifests/1.0"), if written { 2 } else { 1 });
    }
}

/// A registry whose tags name what `named` says. The first manifest that is written by its digest has to wait.
fn busy(named: Option<Digest>) -> Server {
    let count = AtomicUsize::new(0);
    let digest = index().digest().to_string();
    Server::start(move |seen| match (seen.method.as_str(), &named) {
        ("PUT", _) if seen.target.contains("sha256:") && count.fetch_add(1, Ordering::Relaxed) == 0 => {
            reply(503, &[("retry-after", "3")], "")
        }
        ("PUT", _) => reply(201, &[("docker-content-digest", &digest)], ""),
        (_, Some(named)) => reply(200, &[("docker-content-digest", &named.to_string())], index().bytes().clone()),
        (_, None) => reply(404, &[], ""),
    })
}

#[tokio::test]
async fn a_tag_that_had_to_wait_for_its_turn_is_looked_at_again() {
    let (tag, theirs): (Tag, _) = ("1.0".parse().unwrap(), Digest::sha256(b"theirs"));
    for (named, outcome) in [(Some(theirs), Err(Code::Stale)), (None, Ok(()))] {
        let server = busy(named);
        let fixture = Fixture::new(&server, None);
        let (first, second) = (fixture.repository("a"), fixture.repository("b"));
        let manifest = index();
        // One proves that the registry stores what it is sent, and the other one waits for that.
        let (first, second) =
            tokio::join!(first.push_tag(&manifest, &tag, None), second.push_tag(&manifest, &tag, None));
        assert_eq!([first, second].map(|done| done.map_err(|error| error.code)), [outcome; 2]);
        let log = server.log();
        let of_tags = |method| log.iter().filter(|seen| seen.is(method, "/") && seen.target.ends_with("1.0")).count();
        assert_eq!((of_tags("HEAD"), of_tags("PUT")), (2, if outcome.is_ok() { 2 } else { 0 }));
    }
}

#[tokio::test]
async fn a_tag_that_comes_upon_a_pause_is_looked_at_again() {
    let tag: Tag = "1.0".parse().unwrap();
    for (named, outcome) in [(Some(Digest::sha256(b"theirs")), Err(Code::Stale)), (None, Ok(()))] {
        let digest = index().digest().to_string();
        let server = Server::start(move |seen| match (seen.method.as_str(), &named) {
            ("PUT", _) => reply(201, &[("docker-content-digest", &digest)], ""),
            (_, Some(named)) => reply(200, &[("docker-content-digest", &named.to_string())], index().bytes().clone()),
            (_, None) => reply(404, &[], ""),
        });
        let fixture = Fixture::new(&server, None);
        let repository = fixture.repository("a");
        repository.push_manifest(&index()).await.unwrap();
        fixture.client.transport.pace.pause(Duration::from_secs(3));
        let done = repository.push_tag(&index(), &tag, None).await;
        assert_eq!(done.map_err(|error| error.code), outcome);
        let written = usize::from(outcome.is_ok());
        assert_eq!((server.count("HEAD", "/"), server.count("PUT", "/v2/a/manifests/1.0")), (1, written));
    }
}
