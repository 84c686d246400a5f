//! Challenges, tokens and credentials.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::server::{Reply, Seen, Server, reply};
use super::{Fixture, basic, index, tag};
use crate::auth::{Credential, Secret};
use crate::image::{Code, Descriptor};
use crate::store::{Error, ImageSource, ImageTarget};

/// A registry that wants a token from its own `/token`, as anybody or as `robot`.
fn guarded(seen: &Seen) -> Reply {
    let digest = index().digest().to_string();
    if seen.target.starts_with("/token") {
        return match seen.authorization() {
            None | Some("Basic cm9ib3Q6aHVudGVyMg==") => {
                reply(200, &[], r#"{"token":"secret-token","expires_in":300}"#)
            }
            _ => reply(401, &[], r#"{"details":"incorrect username or password hunter3"}"#),
        };
    }
    match seen.authorization() {
        Some("Bearer secret-token") => reply(200, &[("docker-content-digest", &digest)], index().bytes().clone()),
        _ => reply(401, &[("www-authenticate", r#"Bearer realm="/token",service="the registry""#)], ""),
    }
}

async fn look_up(fixture: &Fixture, name: &str) -> Result<Option<Descriptor>, Error> {
    fixture.repository(name).resolve(&tag("1")).await
}

#[tokio::test]
async fn twenty_at_once_cost_one_refusal_and_one_token() {
    let server = Server::start(guarded);
    let fixture = Fixture::new(&server, None);
    let repository = fixture.repository("team/app");
    let tags: Vec<_> = (0..20).map(|number| tag(&format!("{number}"))).collect();
    for found in join_all(tags.iter().map(|tag| repository.resolve(tag))).await {
        assert!(found.unwrap().is_some());
    }
    assert_eq!((server.count("HEAD", "/v2/"), server.count("GET", "/token")), (21, 1));
    // Another repository is known to need a token of its own.
    look_up(&fixture, "other").await.unwrap();
    assert_eq!((server.count("HEAD", "/v2/"), server.count("GET", "/token")), (22, 2));
    let tokens: Vec<_> = server.log().into_iter().filter(|seen| seen.is("GET", "/token")).collect();
    let query = "/token?service=the+registry&scope=repository%3Ateam%2Fapp%3Apull&client_id=regsync";
    assert_eq!((tokens[0].target.as_str(), tokens[0].authorization()), (query, None));
    assert!(tokens[1].target.contains("repository%3Aother%3Apull"));
}

/// A token that reads and one that writes have ended together: neither is shown in the place of the other.
#[tokio::test]
async fn a_token_that_ended_is_not_replaced_by_one_as_old() {
    let (generation, issued) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (current, count) = (Arc::clone(&generation), Arc::clone(&issued));
    let server = Server::start(move |seen| {
        let now = current.load(Ordering::Relaxed);
        if seen.target.starts_with("/token") {
            let number = count.fetch_add(1, Ordering::Relaxed);
            return reply(200, &[], format!(r#"{{"token":"generation-{now}-{number}","expires_in":300}}"#));
        }
        let living = format!("Bearer generation-{now}-");
        match seen.authorization() {
            Some(shown) if shown.starts_with(&living) => reply(404, &[], ""),
            _ => reply(401, &[("www-authenticate", r#"Bearer realm="/token",error="invalid_token""#)], ""),
        }
    });
    let fixture = Fixture::new(&server, Some(basic()));
    look_up(&fixture, "a").await.unwrap();
    let _ = fixture.repository("a").push_manifest(&index()).await;
    generation.fetch_add(1, Ordering::Relaxed);
    assert_eq!(look_up(&fixture, "a").await, Ok(None));
    assert_eq!(issued.load(Ordering::Relaxed), 3, "one to read, one to write, and one more");
}

#[tokio::test]
async fn a_password_goes_to_the_realm_only() {
    let server = Server::start(guarded);
    let fixture = Fixture::new(&server, Some(basic()));
    look_up(&fixture, "a").await.unwrap();
    for seen in server.log() {
        let is_basic = seen.authorization().is_some_and(|shown| shown.starts_with("Basic"));
        assert_eq!(is_basic, seen.target.starts_with("/token"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_refused_password_is_an_error_not_an_anonymous_retry() {
    let server = Server::start(guarded);
    let wrong = Credential::Basic { username: "robot".into(), password: Secret::new("hunter3") };
    let fixture = Fixture::new(&server, Some(wrong));
    let results = join_all((0..5).map(|_| look_up(&fixture, "a"))).await;
    for result in results {
        let error = result.unwrap_err();
        assert_eq!((error.code, error.attempts), (Code::Auth, 1));
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("incorrect username") && !shown.contains("hunter3"), "{shown}");
        assert!(error.hint.unwrap().contains("the credential from given"));
    }
    assert_eq!(server.count("GET", "/token"), 1);
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "POST" => reply(200, &[], r#"{"access_token":"secret-token"}"#),
        _ => guarded(seen),
    });
    let fixture = Fixture::new(&server, Some(Credential::Identity(Secret::new("identity"))));
    look_up(&fixture, "a").await.unwrap();
    let posted = server.log().into_iter().find(|seen| seen.method == "POST").unwrap();
    let form = "grant_type=refresh_token&refresh_token=identity&client_id=regsync&service=the+registry&scope=repository%3Aa%3Apull";
    assert_eq!((posted.target.as_str(), &posted.body[..]), ("/token", form.as_bytes()));
}

#[tokio::test]
async fn a_realm_that_takes_no_identity_token_is_an_error_and_nothing_else_is_tried() {
    for (status, code) in [(400, Code::Auth), (401, Code::Auth), (404, Code::Protocol), (405, Code::Refused)] {
        let server = Server::start(move |seen| match seen.target.as_str() {
            target if target.starts_with("/token") => reply(status, &[], "no such grant"),
            _ => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
        });
        let identity = Credential::Identity(Secret::new("identity-token"));
        let error = look_up(&Fixture::new(&server, Some(identity)), "a").await.unwrap_err();
        assert_eq!((error.code, error.attempts), (code, 1), "{status}: {error}");
        assert!(error.to_string().contains("no such grant"), "{error}");
        assert_eq!((server.count("POST", "/token"), server.count("GET", "/token")), (1, 0), "{status}");
    }
}

#[tokio::test]
async fn an_identity_token_is_no_password() {
    let server = Server::start(|seen| match seen.target.as_str() {
        target if target.starts_with("/token") => reply(200, &[], r#"{"token":"t"}"#),
        _ if seen.authorization() == Some("Bearer t") => reply(404, &[], ""),
        _ => reply(401, &[("www-authenticate", r#"Basic realm="x", Bearer realm="/token""#)], ""),
    });
    let identity = || Some(Credential::Identity(Secret::new("identity")));
    assert_eq!(look_up(&Fixture::new(&server, identity()), "a").await.unwrap(), None);
    let basic = Server::start(|_| reply(401, &[("www-authenticate", "Basic")], ""));
    let only_basic = look_up(&Fixture::new(&basic, identity()), "only").await.unwrap_err();
    assert_eq!((only_basic.code, only_basic.attempts), (Code::Auth, 1));
    assert!(
        server
            .log()
            .iter()
            .chain(&basic.log())
            .all(|seen| !seen.authorization().is_some_and(|shown| shown.starts_with("Basic")))
    );
}

#[tokio::test]
async fn a_registry_token_is_shown_as_it_is() {
    let server = Server::start(guarded);
    let fixture = Fixture::new(&server, Some(Credential::Bearer(Secret::new("secret-token"))));
    look_up(&fixture, "a").await.unwrap();
    assert_eq!(server.log().len(), 1);
    let refused = Fixture::new(&server, Some(Credential::Bearer(Secret::new("old"))));
    assert_eq!(look_up(&refused, "a").await.unwrap_err().code, Code::Auth);
    assert_eq!(server.log().len(), 2);
}

#[tokio::test]
async fn a_basic_challenge_is_learnt() {
    let server = Server::start(|seen| match seen.authorization() {
        Some("Basic cm9ib3Q6aHVudGVyMg==") => reply(404, &[], ""),
        _ => reply(
            401,
            &[("www-authenticate", "Negotiate, Basic realm=\"x\"")],
            r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#,
        ),
    });
    let fixture = Fixture::new(&server, Some(basic()));
    for _ in 0..3 {
        assert_eq!(look_up(&fixture, "a").await.unwrap(), None);
    }
    assert_eq!((server.count("GET", "/v2/"), server.count("HEAD", "/v2/a/")), (2, 3));
    let nobody = Fixture::new(&server, None);
    let error = look_up(&nobody, "a").await.unwrap_err();
    assert_eq!((error.code, error.status, error.attempts), (Code::NoCredentials, Some(401), 1));
    assert!(error.hint.unwrap().contains("no credential was sent"));
}

#[tokio::test]
async fn a_token_that_is_never_enough_ends_in_a_denial_that_names_the_scope() {
    let server = Server::start(|seen| match seen.target.as_str() {
        target if target.starts_with("/token") => reply(200, &[], r#"{"token":"t"}"#),
        _ => reply(401, &[("www-authenticate", r#"Bearer realm="/token",error="invalid_token""#)], "see you"),
    });
    let error = look_up(&Fixture::new(&server, Some(basic())), "a").await.unwrap_err();
    assert_eq!((error.code, error.attempts), (Code::Denied, 1));
    // Asked for with a GET: a HEAD has no words.
    assert!(error.to_string().contains("\"see you\""), "{error}");
    assert!(error.to_string().contains("repository:a:pull"), "{error}");
    assert_eq!((server.count("HEAD", "/v2/"), server.count("GET", "/token")), (2, 2));
}

#[tokio::test]
async fn another_scope_is_asked_for_once() {
    let server = Server::start(|seen| match (seen.target.starts_with("/token"), seen.authorization()) {
        (true, _) if seen.target.contains("scope=more") => reply(200, &[], r#"{"token":"enough"}"#),
        (true, _) => reply(200, &[], r#"{"token":"t"}"#),
        (false, Some("Bearer enough")) => reply(404, &[], ""),
        (false, None) => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
        (false, _) => {
            let challenge = r#"Bearer realm="/token",error="insufficient_scope",scope="repository:a:pull more""#;
            reply(401, &[("www-authenticate", challenge)], "")
        }
    });
    assert_eq!(look_up(&Fixture::new(&server, None), "a").await.unwrap(), None);
    let tokens: Vec<_> = server.log().into_iter().filter(|seen| seen.is("GET", "/token")).collect();
    assert_eq!(tokens.len(), 2);
    assert!(tokens[1].target.contains("scope=repository%3Aa%3Apull&scope=more"), "{}", tokens[1].target);
}

/// The scopes of all requests for tokens.
fn scopes(server: &Server) -> Vec<String> {
    let log = server.log().into_iter().filter(|seen| seen.target.starts_with("/token"));
    let urls = log.map(|seen| format!("http://r.io{}", seen.target).parse::<reqwest::Url>().unwrap());
    let pairs = urls.flat_map(|url| url.query_pairs().into_owned().collect::<Vec<_>>());
    pairs.filter(|(name, _)| name.eq_ignore_ascii_case("scope")).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn reading_asks_for_no_more_than_reading_whatever_is_challenged() {
    for wanted in [
        r#"scope="repository:a:pull,push""#,
        r#"scope="repository:a:pull,push repository:victim:pull,push registry:catalog:*",error="insufficient_scope""#,
        r#"scope="repository:victim:pull""#,
        r#"scope="repository:a:* repository:a:push repository:a:delete""#,
        r#"scope="push""#,
        r#"scope="victim:push repository:victim""#,
        r#"realm="/token?scope=repository:victim:pull,push&Scope=repository:a:push""#,
    ] {
        let realm = if wanted.contains("realm") { "" } else { r#"realm="/token","# };
        let challenge = format!("Bearer {realm}{wanted}");
        let server = Server::start(move |seen| match seen.target.as_str() {
            target if target.starts_with("/token") => reply(200, &[], r#"{"token":"t"}"#),
            _ => reply(401, &[("www-authenticate", &challenge)], ""),
        });
        let error = look_up(&Fixture::new(&server, Some(basic())), "a").await.unwrap_err();
        assert_eq!(error.code, Code::Denied, "{wanted}");
        let asked = scopes(&server);
        assert!(!asked.is_empty() && asked.iter().all(|scope| scope == "repository:a:pull"), "{wanted}: {asked:?}");
    }
}

#[tokio::test]
async fn a_registry_may_spell_its_repository_with_its_host() {
    let server = Server::start(|seen| match (seen.target.starts_with("/token"), seen.authorization()) {
        (true, _) if seen.target.contains("%2Fa%3Apull&") => reply(200, &[], r#"{"token":"enough"}"#),
        (true, _) => reply(200, &[], r#"{"token":"t"}"#),
        (false, Some("Bearer enough")) => reply(404, &[], ""),
        (false, _) => {
            let scope = format!("repository:{}/a:pull,push", seen.headers["host"].to_str().unwrap());
            reply(401, &[("www-authenticate", &format!(r#"Bearer realm="/token",scope="{scope}""#))], "")
        }
    });
    assert_eq!(look_up(&Fixture::new(&server, None), "a").await.unwrap(), None);
    let own = format!("repository:{}/a:pull", server.host());
    assert_eq!(scopes(&server), ["repository:a:pull", "repository:a:pull", own.as_str()]);
}

#[tokio::test]
async fn opaque_scopes_are_echoed() {
    let server = Server::start(|seen| match (seen.target.starts_with("/token"), seen.authorization()) {
        (true, _) => reply(200, &[], r#"{"token":"t"}"#),
        (_, Some(_)) => reply(404, &[], ""),
        _ => reply(401, &[("www-authenticate", r#"Bearer realm="/token?keep=1",service=public,scope="aws s2""#)], ""),
    });
    look_up(&Fixture::new(&server, None), "a").await.unwrap();
    let token = server.log().into_iter().find(|seen| seen.is("GET", "/token")).unwrap();
    assert_eq!(token.target, "/token?keep=1&service=public&scope=aws&scope=s2&client_id=regsync");
}

#[tokio::test]
async fn harbors_way_of_saying_no() {
    let server = Server::start(|seen| match (seen.target.starts_with("/token"), seen.authorization()) {
        (true, _) => reply(200, &[], r#"{"token":"t"}"#),
        (_, None) => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
        _ => reply(401, &[("www-authenticate", r#"Basic realm="harbor""#)], ""),
    });
    let error = look_up(&Fixture::new(&server, Some(basic())), "a").await.unwrap_err();
    assert_eq!((error.code, server.count("HEAD", "/v2/")), (Code::Denied, 1));
}

#[tokio::test]
async fn realms_that_are_none_get_nothing() {
    let other = Server::start(|_| reply(200, &[], r#"{"token":"t"}"#));
    let moved = format!("http://{}/token", other.host());
    for (challenge, code) in [
        ("Bearer service=x".to_owned(), Code::Protocol),
        (r#"Bearer realm="http://169.254.169.254/""#.to_owned(), Code::Boundary),
        (r#"Bearer realm="http://plain.example.com/token""#.to_owned(), Code::Boundary),
        (r#"Bearer realm="/moved""#.to_owned(), Code::Boundary),
    ] {
        let moved = moved.clone();
        let server = Server::start(move |seen| match seen.target.as_str() {
            target if target.starts_with("/moved") => reply(307, &[("location", &moved)], ""),
            _ => reply(401, &[("www-authenticate", &challenge)], ""),
        });
        let error = look_up(&Fixture::new(&server, Some(basic())), "a").await.unwrap_err();
        assert_eq!((error.code, error.attempts), (code, 1), "{error}");
    }
    assert!(other.log().is_empty());
}

#[tokio::test]
async fn access_can_be_checked() {
    let server = Server::start(guarded);
    let fixture = Fixture::new(&server, Some(basic()));
    let checked = fixture.client.check(Some(&fixture.named("a")), true).await.unwrap();
    assert_eq!((checked.scheme, checked.granted, checked.anonymous), (Some("Bearer"), None, false));
    assert_eq!((checked.read, checked.remark, server.count("GET", "/v2/a/tags/list?n=1")), (Some(true), None, 1));
    let token = server.log().into_iter().find(|seen| seen.is("GET", "/token")).unwrap();
    assert!(token.target.contains("scope=repository%3Aa%3Apull%2Cpush"), "{}", token.target);
    assert!(fixture.client.check(None, false).await.is_ok());
    let open = Server::start(|_| reply(200, &[], "{}"));
    let checked = Fixture::new(&open, None).client.check(None, false).await.unwrap();
    assert_eq!((checked.scheme, checked.anonymous), (None, true));
    let none = Server::start(|_| reply(404, &[], ""));
    let error = Fixture::new(&none, None).client.check(None, false).await.unwrap_err();
    assert!(error.hint.unwrap().contains("distribution API"));
}

#[tokio::test]
async fn access_is_checked_by_a_real_read() {
    // Everybody is let in at the door, and some repositories are closed, or cannot be listed.
    let server = Server::start(|seen| match (seen.target.as_str(), seen.method.as_str()) {
        ("/v2/", _) => reply(200, &[], "{}"),
        (target, _) if target.starts_with("/v2/absent/") => reply(404, &[], ""),
        (target, "HEAD") if target.starts_with("/v2/unlisted/") => reply(404, &[], ""),
        (target, _) if target.starts_with("/v2/closed/") => reply(401, &[("www-authenticate", "Basic")], "no"),
        _ => reply(403, &[], "not yours"),
    });
    let check = async |name: &str| {
        let fixture = Fixture::new(&server, Some(basic()));
        fixture.client.check(Some(&fixture.named(name)), true).await
    };
    let remark = |checked: crate::store::registry::Checked| (checked.read, checked.remark.unwrap());
    let absent = remark(check("absent").await.unwrap());
    assert!(absent.0 == Some(true) && absent.1.contains("does not exist"), "{absent:?}");
    let unlisted = remark(check("unlisted").await.unwrap());
    assert!(unlisted.0 == Some(true) && unlisted.1.contains("cannot be listed"), "{unlisted:?}");
    assert_eq!(check("closed").await.unwrap_err().code, Code::Auth);
    let denied = check("denied").await.unwrap_err();
    assert!(denied.code == Code::Denied && denied.to_string().contains("not yours"), "{denied}");
    assert!(server.log().iter().all(|seen| matches!(seen.method.as_str(), "GET" | "HEAD")));
}
