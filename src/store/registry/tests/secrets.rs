//! Servers that repeat what they were shown.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::Fixture;
use super::server::{Reply, Seen, Server, reply};
use crate::auth::{Credential, Secret};
use crate::store::ImageSource;

const PASSWORD: &str = "p4ss/w0rd+very&secret";
const TOKEN: &str = "tok3n.that-is-secret";

/// Everything that `seen` shows, as it is, decoded, and escaped.
fn echo(seen: &Seen) -> String {
    let shown = seen.authorization().unwrap_or_default();
    let decoded = shown.strip_prefix("Basic ").map(|text| BASE64_STANDARD.decode(text).unwrap()).unwrap_or_default();
    let decoded = String::from_utf8(decoded).unwrap();
    let escaped = PASSWORD.replace('/', "%2F").replace('+', "%2B").replace('&', "%26");
    let encoded = BASE64_STANDARD.encode(PASSWORD);
    let value = shown.rsplit(' ').next().unwrap();
    format!("you sent <{shown}> <{value}> <{decoded}> <{escaped}> <{encoded}> <{TOKEN}> to us")
}

fn refusing(seen: &Seen, status: u16) -> Reply {
    let words = echo(seen);
    let warning = format!("299 - \"{words}\"");
    let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"{words}"}}]}}"#);
    reply(status, &[("warning", &warning), ("www-authenticate", "Basic")], body)
}

fn assert_clean(what: &str, text: &str) {
    let pair = BASE64_STANDARD.encode(format!("robot:{PASSWORD}"));
    let escaped = "p4ss%2Fw0rd%2Bvery%26secret";
    for secret in [PASSWORD, TOKEN, &pair, &BASE64_STANDARD.encode(PASSWORD), escaped] {
        assert!(!text.contains(secret), "{what} holds {secret}: {text}");
    }
}

fn robot() -> Credential {
    Credential::Basic { username: "robot".into(), password: Secret::new(PASSWORD) }
}

#[tokio::test]
async fn a_registry_that_repeats_a_password_is_not_repeated() {
    for status in [400, 401, 403, 500] {
        let server = Server::start(move |seen| match seen.authorization() {
            None => reply(401, &[("www-authenticate", "Basic")], ""),
            Some(_) => refusing(seen, status),
        });
        let fixture = Fixture::new(&server, Some(robot()));
        let error = fixture.repository("a").blob(super::start(b"x")).await.err().unwrap();
        assert_eq!(error.status, Some(status));
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("you sent <Basic *** <***"), "the words are there: {shown}");
        // The fixture has one credential: the other secrets of the echo would be another client's.
        assert_clean("the error", &shown.replace(TOKEN, ""));
        let warnings = fixture.ear.heard("warning").join("\n");
        assert!(warnings.contains("you sent <Basic ***"), "{warnings}");
        assert_clean("a warning", &warnings.replace(TOKEN, ""));
    }
}

#[tokio::test]
async fn a_registry_or_realm_that_repeats_a_token_is_not_repeated() {
    for realm_fails in [false, true] {
        let server = Server::start(move |seen| match (seen.target.as_str(), seen.authorization()) {
            (target, _) if target.starts_with("/token") && realm_fails => refusing(seen, 403),
            (target, _) if target.starts_with("/token") => reply(200, &[], format!(r#"{{"token":"{TOKEN}"}}"#)),
            (_, None) => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
            _ => refusing(seen, 403),
        });
        let fixture = Fixture::new(&server, Some(robot()));
        let error = fixture.repository("a").tags().await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("you sent <B") && shown.contains("***"), "the words are there: {shown}");
        let shown = if realm_fails { shown.replace(TOKEN, "") } else { shown };
        assert_clean("the error", &shown);
        assert_clean("a warning", &fixture.ear.heard("warning").join("\n"));
    }
}

#[tokio::test]
async fn a_secret_in_an_address_is_not_repeated() {
    let server = Server::start(|seen| match (seen.target.as_str(), seen.authorization()) {
        (target, _) if target.starts_with("/token") => reply(200, &[], format!(r#"{{"token":"{TOKEN}"}}"#)),
        (_, None) => reply(401, &[("www-authenticate", r#"Bearer realm="/token""#)], ""),
        _ => reply(200, &[("link", &format!("<https://{TOKEN}/>; rel=next"))], r#"{"tags":[]}"#),
    });
    let error = Fixture::new(&server, None).repository("a").tags().await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("another origin, https://***"), "{shown}");
    assert_clean("the error", &shown);
}
