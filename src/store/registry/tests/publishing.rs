//! Tags: moved once it is shown that the registry keeps what it is sent, and never over what somebody else wrote.

use std::sync::atomic::{AtomicUsize, Ordering};

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
