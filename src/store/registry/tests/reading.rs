//! Looking up, reading and listing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::server::{Reply, Seen, Server, reply};
use super::{Fixture, blob, collect, index, start, tag};
use crate::image::{Code, Descriptor, MANIFEST_ACCEPT, MediaType, TagOrDigest};
use crate::store::registry::Settings;
use crate::store::{ImageSource, Progress};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The index under every name, with these headers besides its type.
fn serve_index(headers: &[(&str, &str)]) -> Reply {
    let mut all = vec![("content-type", INDEX)];
    all.extend(headers);
    reply(200, &all, index().bytes().clone())
}

#[tokio::test]
async fn a_look_up_is_one_head() {
    let digest = index().digest().to_string();
    let server = Server::start(move |_| serve_index(&[("docker-content-digest", &digest)]));
    let fixture = Fixture::new(&server, None);
    let found = fixture.repository("team/app").resolve(&tag("1.0")).await.unwrap();
    assert_eq!(found, Some(index().descriptor()));
    let log = server.log();
    assert_eq!(log.len(), 1);
    assert!(log[0].is("HEAD", "/v2/team/app/manifests/1.0"));
    assert_eq!(log[0].header("accept"), Some(MANIFEST_ACCEPT));
    assert_eq!(
        (log[0].header("accept-encoding"), log[0].header("user-agent")),
        (Some("identity"), Some("regsync-test"))
    );
    assert_eq!((log[0].authorization(), log[0].header("referer")), (None, None));
}

#[tokio::test]
async fn absence_is_a_404_and_nothing_else() {
    let server = Server::start(|seen| match seen.target.rsplit('/').next() {
        Some("missing") => reply(404, &[], ""),
        Some("broken") => reply(400, &[], ""),
        _ => reply(403, &[], r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#),
    });
    let repository = Fixture::new(&server, None).repository("a");
    assert_eq!(repository.resolve(&tag("missing")).await.unwrap(), None);
    assert_eq!(repository.resolve(&tag("broken")).await.unwrap_err().code, Code::Refused);
    let denied = repository.resolve(&tag("x")).await.unwrap_err();
    assert_eq!((denied.code, denied.status, denied.attempts), (Code::Denied, Some(403), 1));
    assert!(denied.to_string().contains("DENIED: not yours"), "{denied}");
    assert!(denied.hint.unwrap().contains("regsync auth check"));
}

#[tokio::test]
async fn a_head_that_says_too_little_is_followed_by_a_get() {
    for status in [200, 405, 501] {
        let server = Server::start(move |seen| match seen.method.as_str() {
            "HEAD" => reply(status, &[("docker-content-digest", "junk")], ""),
            _ => serve_index(&[]),
        });
        let found = Fixture::new(&server, None).repository("a").resolve(&tag("1")).await.unwrap();
        assert_eq!(found, Some(index().descriptor()), "{status}");
        assert_eq!((server.count("HEAD", "/"), server.count("GET", "/")), (1, 1));
    }
}

#[tokio::test]
async fn a_digest_is_never_answered_by_another() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "HEAD" => serve_index(&[("docker-content-digest", OTHER)]),
        _ => serve_index(&[]),
    });
    let repository = Fixture::new(&server, None).repository("a");
    let digest = TagOrDigest::Digest(index().digest().clone());
    assert_eq!(repository.resolve(&digest).await.unwrap_err().code, Code::Digest);
    let wanted = Descriptor::new(MediaType::oci_index(), OTHER.parse().unwrap(), 2);
    let wrong = repository.manifest(&wanted.digest, &wanted.media_type).await.unwrap_err();
    assert_eq!((wrong.code, wrong.attempts), (Code::Digest, 2));
}

#[tokio::test]
async fn the_header_of_a_tag_must_fit_its_bytes() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "HEAD" => reply(405, &[], ""),
        _ => serve_index(&[("docker-content-digest", OTHER)]),
    });
    let error = Fixture::new(&server, None).repository("a").resolve(&tag("1")).await.unwrap_err();
    assert_eq!(error.code, Code::Digest);
}

#[tokio::test]
async fn a_manifest_is_read_once() {
    let server = Server::start(|_| serve_index(&[]));
    let fixture = Fixture::new(&server, None);
    let index = index();
    for _ in 0..3 {
        let read = fixture.repository("a").manifest(index.digest(), index.media_type()).await.unwrap();
        assert_eq!(read.as_ref(), Some(&index));
    }
    assert_eq!(server.log().len(), 1);
    fixture.repository("b").manifest(index.digest(), index.media_type()).await.unwrap();
    assert_eq!(server.log().len(), 2);
}

#[tokio::test]
async fn an_endless_manifest_is_cut_off() {
    let server = Server::start(|_| reply(200, &[("content-type", INDEX)], vec![b' '; 9 * 1024 * 1024]));
    let index = index();
    let error =
        Fixture::new(&server, None).repository("a").manifest(index.digest(), index.media_type()).await.unwrap_err();
    assert_eq!(error.code, Code::Limit);
}

#[tokio::test]
async fn redirects_lose_the_authorization_and_are_not_authorised_anew() {
    let content = b"layer";
    let cdn = Server::start(|_| reply(200, &[], &b"layer"[..]));
    let guarded = Server::start(|_| reply(401, &[("www-authenticate", "Bearer realm=\"/token\"")], ""));
    let (here, there) = (cdn.host(), guarded.host());
    let server = Server::start(move |seen| match (seen.authorization(), seen.target.as_str()) {
        (None, _) => reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
        (_, "/v2/") => reply(200, &[], "{}"),
        (_, target) if target.starts_with("/v2/a/") => {
            reply(307, &[("location", &format!("http://{here}/data?sig=1"))], "")
        }
        _ => reply(307, &[("location", &format!("http://{there}/data?sig=1"))], ""),
    });
    let fixture = Fixture::new(&server, Some(super::basic()));
    let stream = fixture.repository("a").blob(start(content)).await.unwrap();
    assert_eq!(collect(stream).await.unwrap(), content);
    let log = cdn.log();
    assert_eq!((log.len(), log[0].target.as_str(), log[0].authorization()), (1, "/data?sig=1", None));
    let refused = fixture.repository("b").blob(start(content)).await.err().unwrap();
    assert_eq!(refused.code, Code::Boundary);
    assert!(!refused.to_string().contains("sig"), "{refused}");
    assert_eq!((guarded.log().len(), guarded.log()[0].authorization()), (1, None));
}

#[tokio::test]
async fn a_404_from_another_origin_is_no_absence() {
    let cdn = Server::start(|_| reply(404, &[], ""));
    let there = cdn.host();
    let server = Server::start(move |_| reply(307, &[("location", &format!("http://{there}/gone?sig=1"))], ""));
    let fixture = Fixture::new(&server, None);
    let error = fixture.repository("a").resolve(&tag("1")).await.unwrap_err();
    assert_eq!((error.code, error.attempts), (Code::Unavailable, 1));
    assert!(error.to_string().contains("proves nothing"), "{error}");
    let layer = fixture.repository("a").blob(start(b"x")).await.err().unwrap();
    assert_eq!((layer.code, layer.attempts), (Code::Unavailable, 1));
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|seen| reply(302, &[("location", seen.target.as_str())], ""));
    let error = Fixture::new(&server, None).repository("a").blob(start(b"x")).await.err().unwrap();
    assert_eq!((error.code, server.log().len()), (Code::Redirect, 6));
    let nowhere = Server::start(|_| reply(307, &[], ""));
    let error = Fixture::new(&nowhere, None).repository("a").blob(start(b"x")).await.err().unwrap();
    assert_eq!((error.code, error.attempts), (Code::Redirect, 1));
    let metadata = Server::start(|_| reply(307, &[("location", "http://169.254.169.254/latest")], ""));
    let error = Fixture::new(&metadata, None).repository("a").blob(start(b"x")).await.err().unwrap();
    assert_eq!(error.code, Code::Boundary);
}

#[tokio::test]
async fn wrong_blobs_fail_before_they_are_whole() {
    let server =
        Server::start(|seen| reply(200, &[], if seen.target.starts_with("/v2/a/") { "laYer" } else { "long layer" }));
    let fixture = Fixture::new(&server, None);
    let stream = fixture.repository("a").blob(start(b"layer")).await.unwrap();
    assert_eq!(collect(stream).await.unwrap_err().code, Code::Digest);
    let longer = fixture.repository("b").blob(start(b"layer")).await.err().unwrap();
    assert_eq!((longer.code, longer.attempts), (Code::Size, 2));
}

#[tokio::test]
async fn broken_connections_and_outages_are_tried_again() {
    let count = AtomicUsize::new(0);
    let digest = index().digest().to_string();
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => None,
        1 => reply(502, &[("retry-after", "0")], ""),
        _ => serve_index(&[("docker-content-digest", &digest)]),
    });
    let fixture = Fixture::new(&server, None);
    assert!(fixture.repository("a").resolve(&tag("1")).await.unwrap().is_some());
    let retries = fixture.ear.heard("retry");
    assert_eq!(retries.len(), 2, "{retries:?}");
    assert!(retries[0].ends_with("E_CONNECT") && retries[1].ends_with("E_UNAVAILABLE"), "{retries:?}");
}

#[tokio::test]
async fn an_outage_that_stays_is_told_with_its_words() {
    let server = Server::start(|_| reply(500, &[("retry-after", "0")], "<html>oops</html>"));
    let error = Fixture::new(&server, None).repository("a").blob(start(b"x")).await.err().unwrap();
    assert_eq!((error.code, error.attempts, server.log().len()), (Code::Unavailable, 5, 5));
    assert!(error.to_string().contains("5 attempts"), "{error}");
}

#[tokio::test]
async fn a_limit_pauses_the_whole_host() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |seen| match count.fetch_add(1, Ordering::Relaxed) {
        0 => reply(429, &[("retry-after", "1")], ""),
        _ if seen.target.contains("/later/") => reply(404, &[], ""),
        _ => reply(404, &[], ""),
    });
    let fixture = Fixture::new(&server, None);
    let (first, later) = (fixture.repository("first"), fixture.repository("later"));
    let started = Instant::now();
    let (version, other) = (tag("1"), tag("2"));
    let wait_then_ask = async {
        while fixture.ear.heard("retry").is_empty() {
            tokio::task::yield_now().await;
        }
        later.resolve(&other).await.map(|found| (found, started.elapsed()))
    };
    let (one, two) = tokio::join!(first.resolve(&version), wait_then_ask);
    assert_eq!(one.unwrap(), None);
    assert!(two.unwrap().1 >= Duration::from_secs(1));
    assert_eq!(server.log().len(), 3);
    let endless = Server::start(|_| reply(429, &[("retry-after", "9999")], ""));
    let error = Fixture::new(&endless, None).repository("a").resolve(&tag("1")).await.unwrap_err();
    assert_eq!((error.code, endless.log().len()), (Code::RateLimited, 1));
}

/// <https://github.com/dependabot/cli/issues/380>
#[tokio::test]
async fn ghcr_says_in_its_words_when_to_come_back() {
    let limited = |wait: &str| {
        let body =
            format!(r#"{{"errors":[{{"code":"TOOMANYREQUESTS","message":"retry-after: {wait}, allowed: 5/m"}}]}}"#);
        let count = AtomicUsize::new(0);
        Server::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
            0 => reply(429, &[], ""),
            1 => reply(429, &[], body.clone()),
            _ => reply(404, &[], ""),
        })
    };
    // A HEAD has no words, so this reads.
    let soon = limited("1.2s");
    let fixture = Fixture::new(&soon, None);
    let read = fixture.repository("a").manifest(index().digest(), index().media_type()).await;
    assert!(read.unwrap().is_none());
    let retries = fixture.ear.heard("retry");
    assert!(retries.len() == 2 && retries[1].contains("after 1 s: E_RATE_LIMITED"), "{retries:?}");
    let late = limited("3h0m0s");
    let error = Fixture::new(&late, None).repository("a").manifest(index().digest(), index().media_type()).await;
    let error = error.unwrap_err();
    assert_eq!((error.code, error.attempts, late.log().len()), (Code::RateLimited, 2, 2));
    assert!(error.hint.unwrap().contains("10800 s"));
}

/// Pages of two, linked as registries do it.
fn pages(seen: &Seen) -> Reply {
    let next = r#"</v2/a/tags/list?last=b&n=2>; rel="next""#;
    match seen.target.as_str() {
        "/v2/a/tags/list?n=1000" => reply(200, &[("link", next)], r#"{"tags":["b","a"]}"#),
        "/v2/a/tags/list?last=b&n=2" => reply(200, &[], r#"{"tags":["c","",null,"sha256:1"]}"#),
        "/v2/loop/tags/list?n=1000" => reply(200, &[("link", "<?n=1000>; rel=next")], r#"{"tags":["a"]}"#),
        "/v2/abroad/tags/list?n=1000" => reply(200, &[("link", "<http://evil.io/>; rel=next")], r#"{"tags":["a"]}"#),
        "/v2/empty/tags/list?n=1000" => reply(200, &[], r#"{"tags":null}"#),
        "/v2/small/tags/list?n=1000" => reply(413, &[], ""),
        "/v2/small/tags/list" => reply(200, &[], r#"{"tags":["z"]}"#),
        "/v2/page/tags/list?n=1000" => reply(200, &[], "<html>"),
        _ => reply(404, &[], r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#),
    }
}

#[tokio::test]
async fn a_list_is_whole_or_an_error() {
    let server = Server::start(pages);
    let fixture = Fixture::new(&server, None);
    let list = async |name: &str| {
        let tags = fixture.repository(name).tags().await;
        tags.map(|tags| tags.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(list("a").await.unwrap(), ["a", "b", "c"]);
    assert_eq!(list("empty").await.unwrap(), Vec::<String>::new());
    assert_eq!(list("small").await.unwrap(), ["z"]);
    for (name, code) in
        [("loop", Code::Protocol), ("abroad", Code::Boundary), ("page", Code::Protocol), ("missing", Code::NotFound)]
    {
        assert_eq!(list(name).await.unwrap_err().code, code, "{name}");
    }
}

#[tokio::test]
async fn nothing_is_waited_for_for_ever() {
    // Headers that promise more than ever comes.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stalling = async {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nla").await.unwrap();
            open.push(stream);
        }
    };
    let fixture = Fixture::of(&address.to_string(), None, &Settings::default());
    let repository = fixture.repository("a");
    let layer = blob(b"layer");
    let reading = async { collect(repository.blob(Progress::start(&layer)).await.unwrap()).await };
    let error = tokio::select! {
        read = reading => read.unwrap_err(),
        () = stalling => unreachable!("the server goes on"),
    };
    assert_eq!(error.code, Code::Timeout);
}

#[tokio::test]
async fn an_unreachable_host_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = Fixture::of(&address, None, &Settings::default()).repository("a").resolve(&tag("1")).await.unwrap_err();
    assert_eq!((error.code, error.attempts), (Code::Connect, 5));
    assert!(error.to_string().contains(&format!("cannot connect to {address}")), "{error}");
    assert!(error.hint.unwrap().contains("firewall"));
    let hub = Fixture::of("docker.io", None, &Settings::default()).client;
    assert_eq!(hub.transport.place(&hub.transport.url("/v2/")), "docker.io (registry-1.docker.io)");
}
