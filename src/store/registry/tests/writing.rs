//! Uploads, mounts and manifests.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};

use super::server::{Reply, Seen, Server, reply};
use super::{Fixture, blob, collect, index, source, start};
use crate::image::{Code, Descriptor, Tag};
use crate::store::{Answer, BlobStream, Error, ImageSource, ImageTarget, Mount, Progress, PushError};

const SESSION: &str = "/v2/a/blobs/uploads/1?_state=x%3D%3D&y=%2f";

/// Takes uploads of any kind.
fn taking(seen: &Seen) -> Reply {
    match seen.method.as_str() {
        "POST" => reply(202, &[("location", SESSION)], ""),
        "PUT" if seen.complete => reply(201, &[], ""),
        _ => reply(404, &[], ""),
    }
}

async fn push(fixture: &Fixture, descriptor: &Descriptor, chunks: &'static [&'static [u8]]) -> Result<(), PushError> {
    let open = |_: Progress| -> Answer<'_, BlobStream> { Box::pin(async { Ok(source(descriptor, chunks)) }) };
    fixture.repository("a").push_blob(descriptor, &open, None).await
}

fn target(outcome: Result<(), PushError>) -> Error {
    match outcome {
        Err(PushError::Target(error)) => error,
        other => panic!("the target should have failed: {other:?}"),
    }
}

#[tokio::test]
async fn an_upload_is_a_post_and_a_put() {
    let server = Server::start(taking);
    let fixture = Fixture::new(&server, None);
    let layer = blob(b"layer");
    push(&fixture, &layer, &[b"la", b"yer"]).await.unwrap();
    let log = server.log();
    assert_eq!(log.len(), 2);
    assert!(log[0].is("POST", "/v2/a/blobs/uploads/") && log[0].header("content-length") == Some("0"));
    let digest = layer.digest.to_string().replace(':', "%3A");
    assert_eq!((log[1].method.as_str(), log[1].target.clone()), ("PUT", format!("{SESSION}&digest={digest}")));
    assert_eq!(log[1].header("content-length"), Some("5"));
    assert_eq!(log[1].header("content-type"), Some("application/octet-stream"));
    assert_eq!((&log[1].body[..], log[1].complete), (&b"layer"[..], true));
    // Who copies counts the bytes; twice would be wrong.
    assert_eq!(fixture.ear.heard("sent"), Vec::<String>::new());
    // What was brought is known to be there.
    assert!(fixture.repository("a").has_blob(&layer).await.unwrap());
    push(&fixture, &layer, &[b"layer"]).await.unwrap();
    assert_eq!(server.log().len(), 2);
}

#[tokio::test]
async fn a_blob_without_bytes_is_a_blob() {
    let server = Server::start(taking);
    push(&Fixture::new(&server, None), &blob(b""), &[]).await.unwrap();
    let put = server.log().pop().unwrap();
    assert_eq!((put.method.as_str(), put.header("content-length")), ("PUT", Some("0")));
    let wrong = push(&Fixture::new(&server, None), &blob(b""), &[b"x"]).await;
    assert!(matches!(wrong, Err(PushError::Source(error)) if error.code == Code::Size));
    assert_eq!(server.count("PUT", "/"), 1);
}

#[tokio::test]
async fn a_wrong_blob_is_never_completed() {
    const WRONG: [(&[&[u8]], Code); 3] =
        [(&[b"la", b"yEr"], Code::Digest), (&[b"la"], Code::Size), (&[b"layer", b"!"], Code::Size)];
    for (chunks, code) in WRONG {
        let server = Server::start(taking);
        let outcome = push(&Fixture::new(&server, None), &blob(b"layer"), chunks).await;
        let Err(PushError::Source(error)) = outcome else { panic!("{outcome:?}") };
        assert_eq!((error.code, error.attempts), (code, 2));
        assert!(server.log().iter().all(|seen| seen.method != "PUT" || !seen.complete), "{:?}", server.log());
    }
}

#[tokio::test]
async fn a_location_elsewhere_gets_nothing() {
    let other = Server::start(taking);
    let elsewhere = format!("http://{}/upload", other.host());
    let server = Server::start(move |seen| match seen.method.as_str() {
        "POST" => reply(202, &[("location", &elsewhere)], ""),
        _ => reply(404, &[], ""),
    });
    let error = target(push(&Fixture::new(&server, None), &blob(b"layer"), &[b"layer"]).await);
    assert_eq!((error.code, error.attempts), (Code::Boundary, 1));
    assert!(other.log().is_empty() && server.count("PUT", "/") == 0);
    let silent = Server::start(|_| reply(202, &[], ""));
    let error = target(push(&Fixture::new(&silent, None), &blob(b"layer"), &[b"layer"]).await);
    assert_eq!(error.code, Code::Protocol);
}

#[tokio::test]
async fn an_upload_that_broke_begins_again_with_the_same_bytes() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |seen| match seen.method.as_str() {
        "PUT" if count.fetch_add(1, Ordering::Relaxed) == 0 => None,
        _ => taking(seen),
    });
    let fixture = Fixture::new(&server, None);
    push(&fixture, &blob(b"layer"), &[b"la", b"yer"]).await.unwrap();
    let steps: Vec<_> = server.log().iter().map(|seen| seen.method.clone()).collect();
    assert_eq!(steps, ["POST", "PUT", "HEAD", "POST", "PUT"]);
    assert_eq!(server.log()[4].body, server.log()[1].body);
    assert_eq!(fixture.ear.heard("retry").len(), 1);
}

#[tokio::test]
async fn an_upload_that_was_stored_after_all_is_not_repeated() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "PUT" => reply(500, &[], ""),
        "HEAD" => reply(200, &[], ""),
        _ => taking(seen),
    });
    push(&Fixture::new(&server, None), &blob(b"layer"), &[b"layer"]).await.unwrap();
    assert_eq!((server.count("PUT", "/"), server.count("HEAD", "/")), (1, 1));
}

#[tokio::test]
async fn a_target_that_refuses_is_told_from_a_source_that_fails() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "POST" => reply(403, &[], r#"{"errors":[{"code":"DENIED","message":"quota"}]}"#),
        _ => reply(404, &[], ""),
    });
    let error = target(push(&Fixture::new(&server, None), &blob(b"layer"), &[b"layer"]).await);
    assert_eq!((error.code, error.attempts), (Code::Denied, 1));
    let taking = Server::start(taking);
    let layer = blob(b"layer");
    let open =
        |_: Progress| -> Answer<'_, BlobStream> { Box::pin(async { Err(Error::new(Code::NotFound, "read", "gone")) }) };
    let outcome = Fixture::new(&taking, None).repository("a").push_blob(&layer, &open, None).await;
    assert!(matches!(outcome, Err(PushError::Source(error)) if error.code == Code::NotFound));
    assert_eq!(taking.count("PUT", "/"), 0);
}

#[tokio::test]
async fn a_source_that_gave_up_is_not_asked_again() {
    let server = Server::start(taking);
    let (layer, opened) = (blob(b"layer"), AtomicUsize::new(0));
    let open = |from: Progress| -> Answer<'_, BlobStream> {
        opened.fetch_add(1, Ordering::Relaxed);
        let broken = Error { attempts: 5, ..Error::new(Code::Connect, "read the source", "reset") };
        let chunks = vec![Ok("la".into()), Err(broken)];
        Box::pin(async move { Ok(BlobStream::new(from, "read the source", stream::iter(chunks).boxed())) })
    };
    let outcome = Fixture::new(&server, None).repository("a").push_blob(&layer, &open, None).await;
    let Err(PushError::Source(error)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((error.code, opened.load(Ordering::Relaxed)), (Code::Connect, 1));
    assert!(server.log().iter().all(|seen| seen.method != "PUT" || !seen.complete));
}

#[tokio::test]
async fn copies_within_one_registry_do_not_wait_for_each_other() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => reply(200, &[], &b"layer"[..]),
        _ => taking(seen),
    });
    let one = std::num::NonZeroUsize::MIN;
    let settings = crate::store::registry::Settings { concurrency: Some(one), ..Default::default() };
    let fixture = Fixture::of(&server.host(), None, &settings);
    let (from, to, layer) = (fixture.repository("b"), fixture.repository("a"), blob(b"layer"));
    let open = |progress| from.blob(progress);
    let copies = (0..4).map(|_| to.push_blob(&layer, &open, None));
    for copied in futures_util::future::join_all(copies).await {
        copied.unwrap();
    }
    assert!(server.count("PUT", "/") >= 1);
    assert_eq!(collect(from.blob(start(b"layer")).await.unwrap()).await.unwrap(), b"layer");
}

#[tokio::test]
async fn a_mount_asks_for_both_scopes_and_does_without() {
    let server = Server::start(|seen| match (seen.target.starts_with("/token"), seen.authorization()) {
        (true, _) if seen.target.matches("scope=").count() > 1 => reply(403, &[], ""),
        (true, _) => reply(200, &[], r#"{"token":"t"}"#),
        (_, None) => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
        _ => taking(seen),
    });
    let fixture = Fixture::new(&server, None);
    let mount = fixture.repository("a").mount_blob(&blob(b"layer"), &fixture.named("b")).await.unwrap();
    assert!(matches!(mount, Mount::Declined(None)));
    let token = server.log().into_iter().find(|seen| seen.is("GET", "/token")).unwrap();
    let scopes = "scope=repository%3Aa%3Apull%2Cpush&scope=repository%3Ab%3Apull";
    assert!(token.target.contains(scopes), "{}", token.target);
    push(&fixture, &blob(b"layer"), &[b"layer"]).await.unwrap();
}

/// An image that is one blob, twice.
fn image_of(blob: &Descriptor) -> crate::image::Manifest {
    let descriptor = format!(r#"{{"mediaType":"x/y","digest":"{}","size":{}}}"#, blob.digest, blob.size);
    let text = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{descriptor}]}}"#);
    let media_type = crate::image::MediaType::new("application/vnd.oci.image.manifest.v1+json");
    crate::image::Manifest::identify(text.into(), &media_type).unwrap()
}

pub(super) async fn put_manifest(server: &Server) -> Result<(), Error> {
    let tag: Tag = "1.0".parse().unwrap();
    Fixture::new(server, None).repository("a").push_tag(&index(), &tag, None).await
}

#[tokio::test]
async fn a_manifest_is_put_as_it_is() {
    let digest = index().digest().to_string();
    let server = Server::start(move |_| reply(201, &[("docker-content-digest", &digest)], ""));
    let by_digest = format!("/v2/a/manifests/{}", index().digest());
    put_manifest(&server).await.unwrap();
    let log = server.log();
    // Whether it is stored as it is, is seen before the tag is moved.
    assert!(log.len() == 2 && log[0].is("PUT", &by_digest) && log[1].is("PUT", "/v2/a/manifests/1.0"), "{log:?}");
    assert_eq!(log[0].header("content-type"), Some("application/vnd.oci.image.index.v1+json"));
    assert!(log.iter().all(|put| put.body == index().bytes()));
    let zeros = format!("sha256:{}", "0".repeat(64));
    let rewriting = Server::start(move |_| reply(201, &[("docker-content-digest", &zeros)], ""));
    assert_eq!(put_manifest(&rewriting).await.unwrap_err().code, Code::Digest);
    assert_eq!(rewriting.count("PUT", "/v2/a/manifests/1.0"), 0, "the tag was moved");
}

#[tokio::test]
async fn a_page_that_says_200_does_not_say_that_a_manifest_is_stored() {
    let page = |seen: &Seen| match seen.method.as_str() {
        "PUT" => reply(200, &[("content-type", "text/html")], "<html>Sign in</html>"),
        _ => None,
    };
    let portal = Server::start(move |seen| page(seen).or_else(|| reply(404, &[], "")));
    assert_eq!(put_manifest(&portal).await.unwrap_err().code, Code::Protocol);
    let digest = index().digest().to_string();
    let stored = move || reply(200, &[("docker-content-digest", &digest)], index().bytes().clone());
    let odd = Server::start(move |seen| page(seen).or_else(&stored));
    put_manifest(&odd).await.unwrap();
    // One write by digest, one by tag.
    assert_eq!((odd.count("PUT", "/"), odd.count("HEAD", "/")), (2, 2));
}

#[tokio::test]
async fn an_immutable_tag_is_fine_where_it_already_fits() {
    let said = r#"{"errors":[{"code":"TAG_INVALID","message":"cannot be overwritten because the tag is immutable"}]}"#;
    let immutable = move |there: bool| {
        let digest = index().digest().to_string();
        Server::start(move |seen| match seen.method.as_str() {
            "HEAD" if there => reply(200, &[("docker-content-digest", &digest)], index().bytes().clone()),
            "HEAD" => reply(404, &[], ""),
            _ => reply(400, &[], said),
        })
    };
    put_manifest(&immutable(true)).await.unwrap();
    let error = put_manifest(&immutable(false)).await.unwrap_err();
    assert_eq!((error.code, error.attempts), (Code::Immutable, 1));
}

#[tokio::test]
async fn a_missing_blob_is_doubted_until_it_is_sent() {
    let manifest = image_of(&blob(b"layer"));
    let server = Server::start(|seen| match seen.method.as_str() {
        "HEAD" => reply(200, &[], ""),
        "PUT" if seen.target.contains("/manifests/") => {
            reply(400, &[], r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#)
        }
        _ => taking(seen),
    });
    let fixture = Fixture::new(&server, None);
    let (layer, other, repository) = (blob(b"layer"), blob(b"other"), fixture.repository("a"));
    assert!(repository.has_blob(&layer).await.unwrap() && repository.has_blob(&other).await.unwrap());
    let error = repository.push_manifest(&manifest).await.unwrap_err();
    assert_eq!((error.code, error.missing_blobs), (Code::Refused, true));
    // The registry's word counts no more, for the blobs of this manifest.
    assert!(!repository.has_blob(&layer).await.unwrap() && repository.has_blob(&other).await.unwrap());
    assert!(matches!(repository.mount_blob(&layer, &fixture.named("b")).await.unwrap(), Mount::Declined(None)));
    push(&fixture, &layer, &[b"layer"]).await.unwrap();
    assert!(repository.has_blob(&layer).await.unwrap());
    assert_eq!((server.count("HEAD", "/"), server.count("POST", "/")), (2, 1));
}

#[tokio::test]
async fn a_registry_that_refuses_size_or_method_is_quoted() {
    for status in [405, 413, 501] {
        let server = Server::start(move |_| reply(status, &[], "quota exceeded"));
        let error = put_manifest(&server).await.unwrap_err();
        assert_eq!((error.code, error.status), (Code::Refused, Some(status)));
        assert!(error.to_string().contains("quota exceeded") && error.hint.is_none(), "{error:?}");
    }
}

#[tokio::test]
async fn waiting_for_its_turn_is_no_stall_of_an_upload() {
    let server = Server::start(taking);
    let one_a_second = Some(std::num::NonZeroU32::MIN);
    let settings = crate::store::registry::Settings { requests_per_second: one_a_second, ..Default::default() };
    let fixture = Fixture::of(&server.host(), None, &settings);
    // The turn comes after a second, and half a second without bytes is a stall here.
    push(&fixture, &blob(b"layer"), &[b"layer"]).await.unwrap();
    assert_eq!(server.log().len(), 2);
}

#[tokio::test]
async fn warnings_are_passed_on_once() {
    let server = Server::start(|_| reply(201, &[("warning", r#"299 - "this registry moves""#)], ""));
    let fixture = Fixture::new(&server, None);
    for _ in 0..3 {
        fixture.repository("a").push_manifest(&index()).await.unwrap();
    }
    let warnings = fixture.ear.heard("warning");
    assert!(warnings.len() == 1 && warnings[0].ends_with("this registry moves"), "{warnings:?}");
}
