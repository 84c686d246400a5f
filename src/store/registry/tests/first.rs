//! What is learnt by the first requests, and what is done for all who wait for them.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::server::{Reply, Seen, Server, reply};
use super::{Fixture, basic, tag};
use crate::auth::{Credential, Environment, Keychain, Secret};
use crate::event::Silent;
use crate::image::{Code, Repository};
use crate::store::ImageSource;
use crate::store::registry::{Network, RegistryClient, Settings};

const ROBOT: &str = "Basic cm9ib3Q6aHVudGVyMg==";

/// Serves everything to `robot`, and to others nothing but 404: private repositories do not exist for them.
fn hiding(seen: &Seen, challenge: Option<&str>) -> Reply {
    match (seen.authorization(), challenge) {
        (Some(ROBOT), _) => reply(200, &[("docker-content-digest", &super::index().digest().to_string())], "{}"),
        (Some(_), _) => reply(401, &[], ""),
        (None, Some(challenge)) if seen.target == "/v2/" => reply(401, &[("www-authenticate", challenge)], ""),
        (None, None) if seen.target == "/v2/" => reply(200, &[], "{}"),
        _ => reply(404, &[], ""),
    }
}

#[tokio::test]
async fn a_registry_that_hides_what_is_private_sees_the_credential() {
    for challenge in [Some("Basic realm=\"x\""), None] {
        let server = Server::start(move |seen| hiding(seen, challenge));
        let fixture = Fixture::new(&server, Some(basic()));
        for name in ["a", "b"] {
            assert!(fixture.repository(name).resolve(&tag("1")).await.unwrap().is_some(), "{challenge:?}");
        }
        let asked: Vec<_> = server.log().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
        // Once without the password, for the challenge, and where there is one, once with it.
        let pings = if challenge.is_some() { 2 } else { 1 };
        assert!(asked[..pings].iter().all(|request| request == "GET /v2/"), "{asked:?}");
        assert_eq!(asked[pings..], ["HEAD /v2/a/manifests/1", "HEAD /v2/b/manifests/1"]);
        // Without a credential nobody is asked for one.
        assert_eq!(Fixture::new(&server, None).repository("a").resolve(&tag("1")).await.unwrap(), None);
        assert_eq!(server.log().len(), pings + 3);
    }
}

#[tokio::test]
async fn a_404_to_a_request_that_kept_its_credential_proves_nothing() {
    let server = Server::start(|seen| hiding(seen, None));
    let identity = Some(Credential::Identity(Secret::new("identity")));
    let error = Fixture::new(&server, identity).repository("a").resolve(&tag("1")).await.unwrap_err();
    assert_eq!((error.code, error.attempts), (Code::Auth, 1));
    assert!(error.to_string().contains("proves nothing"), "{error}");
}

#[tokio::test]
async fn a_registry_in_trouble_has_not_told_what_it_wants() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |seen| match (count.fetch_add(1, Ordering::Relaxed), seen.authorization()) {
        (0, _) => reply(503, &[("retry-after", "0")], ""),
        (_, Some("Bearer t")) => reply(404, &[], ""),
        _ if seen.target.starts_with("/token") => reply(200, &[], r#"{"token":"t"}"#),
        _ => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
    });
    let fixture = Fixture::new(&server, None);
    let repository = fixture.repository("a");
    let tags: Vec<_> = (0..8).map(|number| tag(&number.to_string())).collect();
    for found in join_all(tags.iter().map(|tag| repository.resolve(tag))).await {
        assert_eq!(found.unwrap(), None);
    }
    // The outage, one challenge, the answers.
    assert_eq!((server.count("HEAD", "/v2/"), server.count("GET", "/token")), (10, 1));
}

#[tokio::test]
async fn a_dead_realm_is_waited_for_once_by_all() {
    // Takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let realm = format!(r#"Bearer realm="http://{}/token""#, silent.local_addr().unwrap());
    let server = Server::start(move |_| reply(401, &[("www-authenticate", &realm)], ""));
    let fixture = Fixture::with_limits(&server.host(), None, |limits| limits.token = Duration::from_millis(300));
    let started = Instant::now();
    let repository = fixture.repository("a");
    let tags: Vec<_> = (0..24).map(|number| tag(&number.to_string())).collect();
    for found in join_all(tags.iter().map(|tag| repository.resolve(tag))).await {
        assert_eq!(found.unwrap_err().code, Code::Timeout);
    }
    // Five attempts and the waits between them; in series it would be 24 times as long.
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test]
async fn waiting_for_a_token_holds_no_permit() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let realm = format!(r#"Bearer realm="http://{}/token""#, silent.local_addr().unwrap());
    let server = Server::start(move |seen| match seen.target.as_str() {
        target if target.starts_with("/v2/slow/") => reply(401, &[("www-authenticate", &realm)], ""),
        target if target.starts_with("/token") => reply(200, &[], r#"{"token":"t"}"#),
        _ if seen.authorization().is_some() => reply(404, &[], ""),
        _ => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
    });
    let one = Settings { concurrency: Some(NonZeroUsize::MIN), ..Default::default() };
    let fixture = Fixture::of(&server.host(), None, &one);
    assert_eq!(fixture.repository("quick").resolve(&tag("1")).await.unwrap(), None);
    let (slow, quick, version) = (fixture.repository("slow"), fixture.repository("quick"), tag("1"));
    let ahead = async {
        while server.count("HEAD", "/v2/slow/") < 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let started = Instant::now();
        quick.resolve(&version).await.unwrap();
        started.elapsed()
    };
    tokio::select! {
        _ = slow.resolve(&version) => panic!("its realm says nothing for 5 s"),
        elapsed = ahead => assert!(elapsed < Duration::from_secs(2), "{elapsed:?}"),
    }
}

#[tokio::test]
async fn each_repository_may_have_a_realm_of_its_own() {
    let server = Server::start(|seen| {
        let name = if seen.target.contains("/b/") || seen.target.contains("realm-b") { "b" } else { "a" };
        if seen.target.starts_with("/realm-") {
            return reply(200, &[], format!(r#"{{"token":"for-{name}"}}"#));
        }
        let challenge = match name {
            "b" => r#"Bearer realm="/realm-b",service="b",scope="opaque""#,
            _ => r#"Bearer realm="/realm-a",service="a""#,
        };
        match seen.authorization() {
            Some(token) if token == format!("Bearer for-{name}") => reply(404, &[], ""),
            _ => reply(401, &[("www-authenticate", challenge)], ""),
        }
    });
    let fixture = Fixture::new(&server, None);
    for name in ["a", "b", "a", "b"] {
        assert_eq!(fixture.repository(name).resolve(&tag("1")).await.unwrap(), None, "{name}");
    }
    assert_eq!((server.count("HEAD", "/v2/a/"), server.count("HEAD", "/v2/b/")), (3, 3));
    assert_eq!(server.count("GET", "/realm-b?service=b&scope=opaque"), 1);
    // From `a` with the token of `a`; the realm of `b` is learnt for `b` alone.
    assert_eq!(server.count("GET", "/realm-a"), 2);
}

#[tokio::test]
async fn a_refused_password_is_shown_once_to_a_registry() {
    let server = Server::start(|_| reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""));
    let fixture = Fixture::new(&server, Some(basic()));
    let (a, b) = (fixture.repository("a"), fixture.repository("b"));
    let tags: Vec<_> = (0..20).map(|number| tag(&number.to_string())).collect();
    let all = tags.iter().flat_map(|tag| [a.resolve(tag), b.resolve(tag)]);
    for found in join_all(all).await {
        let error = found.unwrap_err();
        assert_eq!((error.code, error.status), (Code::Auth, Some(401)));
        assert!(error.hint.unwrap().contains("the credential from given was refused: expired or mistyped"));
    }
    assert_eq!(server.log().iter().filter(|seen| seen.authorization().is_some()).count(), 1);
}

#[tokio::test]
async fn a_refused_password_is_shown_once_to_a_realm() {
    for status in [400, 401] {
        let server = Server::start(move |seen| match seen.target.as_str() {
            target if target.starts_with("/token") => reply(status, &[], r#"{"error":"invalid_grant"}"#),
            _ => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
        });
        let credential = if status == 401 { basic() } else { Credential::Identity(Secret::new("identity")) };
        let fixture = Fixture::new(&server, Some(credential));
        let repositories: Vec<_> = (0..12).map(|number| fixture.repository(&format!("r{number}"))).collect();
        let version = tag("1");
        for found in join_all(repositories.iter().map(|repository| repository.resolve(&version))).await {
            assert_eq!(found.unwrap_err().code, Code::Auth);
        }
        assert_eq!(server.count("GET", "/token") + server.count("POST", "/token"), 1);
    }
}

#[tokio::test]
async fn a_credential_that_was_taken_is_not_doubted_for_one_repository() {
    let server = Server::start(|seen| match (seen.authorization(), seen.target.starts_with("/v2/closed/")) {
        (Some(ROBOT), false) => reply(404, &[], ""),
        _ => reply(401, &[("www-authenticate", "Basic")], ""),
    });
    let fixture = Fixture::new(&server, Some(basic()));
    let look = async |name: &str| fixture.repository(name).resolve(&tag("1")).await;
    assert_eq!(look("closed").await.unwrap_err().code, Code::Auth);
    assert_eq!(look("open").await.unwrap(), None);
    assert_eq!(look("closed").await.unwrap_err().code, Code::Auth);
}

#[tokio::test]
async fn a_host_that_is_down_is_not_asked_for_each_tag() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let fixture = Fixture::of(&address, None, &Settings::default());
    let repository = fixture.repository("a");
    let tags: Vec<_> = (0..500).map(|number| tag(&number.to_string())).collect();
    let started = Instant::now();
    for some in tags.chunks(8) {
        for found in join_all(some.iter().map(|tag| repository.resolve(tag))).await {
            assert_eq!(found.unwrap_err().code, Code::Connect);
        }
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(fixture.ear.heard("retry").len() <= 32);
    let error = repository.resolve(&tag("more")).await.unwrap_err();
    assert!(error.to_string().contains("not asked: the host does not answer"), "{error}");
}

/// Whoever asks what the registry wants must not wait for a permit that is held by somebody who waits for the answer.
#[tokio::test]
async fn mixed_credentials_and_one_permit_do_not_wait_for_each_other() {
    for _ in 0..10 {
        let server = Server::start(|seen| {
            std::thread::sleep(Duration::from_millis(20));
            match (seen.authorization(), seen.target.starts_with("/v2/public/")) {
                (Some(ROBOT), _) | (None, true) => reply(404, &[], ""),
                _ => reply(401, &[("www-authenticate", "Basic")], ""),
            }
        });
        let registry: crate::image::Registry = server.host().parse().unwrap();
        // One namespace of the host has a credential, all else there has none.
        let list = format!("[{{registry: \"{registry}/closed\", username: robot, password: hunter2}}]");
        let environment: Environment = [("REGSYNC_AUTH", list)].into_iter().collect();
        let keychain = Keychain::new(environment, Vec::new());
        let network = Network::new("regsync-test", Arc::new(keychain), Arc::new(Silent));
        let settings = Settings { concurrency: Some(NonZeroUsize::MIN), ..Settings::default() };
        let client = RegistryClient::new(registry.clone(), &settings, &network).unwrap();
        let look = async |name: &str| {
            let repository = client.repository(Repository::new(registry.clone(), name).unwrap());
            repository.resolve(&tag("1")).await.map_err(|error| error.code)
        };
        let all = async { tokio::join!(look("closed/a"), look("public/b"), look("public/c"), look("closed/d")) };
        let found = tokio::time::timeout(Duration::from_secs(20), all).await.expect("nobody waits for ever");
        assert_eq!(found, (Ok(None), Ok(None), Ok(None), Ok(None)));
    }
}

#[tokio::test]
async fn a_realm_that_denies_one_repository_denies_no_other() {
    let server = Server::start(|seen| {
        if seen.target.starts_with("/token") {
            std::thread::sleep(Duration::from_millis(20));
            let denied = seen.target.contains("r0%3A");
            return if denied { reply(403, &[], "not yours") } else { reply(200, &[], r#"{"token":"t"}"#) };
        }
        match seen.authorization() {
            Some("Bearer t") => reply(404, &[], ""),
            _ => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
        }
    });
    let fixture = Fixture::new(&server, Some(basic()));
    let repositories: Vec<_> = (0..12).map(|number| fixture.repository(&format!("r{number}"))).collect();
    let version = tag("1");
    let found = join_all(repositories.iter().map(|repository| repository.resolve(&version))).await;
    assert_eq!(found[0].as_ref().map_err(|error| error.code), Err(Code::Denied));
    for (number, found) in found.iter().enumerate().skip(1) {
        assert_eq!(found, &Ok(None), "r{number}");
    }
}
