//! Tokens: asking a realm for one, and how long it serves.
//!
//! Owns the two forms of the request (distribution's `token` and `oauth2` specifications) and the reading of the answer.
//! Refuses to ask as anybody when there is a credential, to show it to a realm that is not the registry's, and to follow a
//! realm to another origin.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use tokio::time::Instant;

use super::clients::Clients;
use super::error::{Said, disconnected, refused, timed_out};
use super::origin::{Boundary, origin, same_origin, sanitized};
use super::retry::Fault;
use crate::auth::{Credential, Redactor, Secret, Wiped, basic_pair, form};
use crate::image::Code;
use crate::store::Error;
use crate::store::limits::{REALM_REDIRECTS, TOKEN_BYTES};

/// How we call ourselves at token realms.
const CLIENT_ID: &str = "regsync";
/// What a token without `expires_in` lives, and the least that any lives (distribution's token specification).
const LEAST_LIFETIME: Duration = Duration::from_secs(60);
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Where tokens are to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Realm {
    pub(super) url: Url,
    pub(super) service: Option<String>,
}

/// An access token.
#[derive(Clone)]
pub(super) struct Token {
    /// The `Authorization` that shows it; marked as sensitive.
    pub(super) header: HeaderValue,
    /// What was received, for those who look into it.
    pub(super) text: Secret,
    received: Instant,
    lifetime: Duration,
}

impl Token {
    /// Whether it serves for a request now; one that begins a `long` transfer needs half of its life before it.
    pub(super) fn serves(&self, long: bool) -> bool {
        let reserve = Duration::from_secs(10).max(self.lifetime / if long { 2 } else { 10 });
        self.received.elapsed() + reserve < self.lifetime
    }

    /// Whether it was received before then.
    pub(super) fn is_older_than(&self, then: Instant) -> bool {
        self.received < then
    }
}

/// A wish for a token.
pub(super) struct Wish<'a> {
    /// What it is for, in words.
    pub(super) request: &'a str,
    pub(super) realm: &'a Realm,
    /// In this order: some realms read the first scope only.
    pub(super) scopes: &'a [String],
    pub(super) credential: &'a Credential,
    /// Where the credential comes from, in words.
    pub(super) source: &'a str,
    /// For what the realm says.
    pub(super) redactor: &'a Redactor,
}

/// Asks for a token. Nothing of it is tried again here: that is for the one loop that does it for everything.
pub(super) async fn ask(clients: &Clients, wish: &Wish<'_>, limit: Duration) -> Result<Token, Fault> {
    if !matches!(wish.credential, Credential::Anonymous) {
        refuse_stranger(&clients.boundary, wish)?;
    }
    let who = format!("the token realm {}", origin(&wish.realm.url));
    match tokio::time::timeout(limit, exchange(clients, wish, &who)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(timed_out(wish.request, &who, limit).into()),
    }
}

/// A credential is shown to nobody else's realm, and to none in the clear.
fn refuse_stranger(boundary: &Boundary, wish: &Wish<'_>) -> Result<(), Error> {
    let (realm, registry) = (origin(&wish.realm.url), origin(boundary.base()));
    if !boundary.may_carry_credential(&wish.realm.url) {
        let message = format!("the token realm {realm} is not encrypted; no credential was sent there");
        return Err(Error::new(Code::Boundary, wish.request, message));
    }
    if boundary.may_exchange_credential(&wish.realm.url) {
        return Ok(());
    }
    let message =
        format!("the token realm {realm} is not known to be that of {registry}; no credential was sent there");
    let host = |origin: &str| origin.split_once("://").map_or_else(String::new, |(_, host)| host.to_owned());
    let word = format!("REGSYNC_TRUSTED_REALMS={}={}", host(&registry), host(&realm));
    let hint = format!("if that is where its tokens come from, say so in the environment: {word}");
    Err(Error::new(Code::Boundary, wish.request, message).hint(hint))
}

async fn exchange(clients: &Clients, wish: &Wish<'_>, who: &str) -> Result<Token, Fault> {
    let mut url = wish.realm.url.clone();
    for _ in 0..=REALM_REDIRECTS {
        let started = Instant::now();
        let sent = request(clients.of(&url)?, wish, &url).send().await;
        let response = sent.map_err(|error| disconnected(wish.request, who, error))?;
        let (status, milliseconds) = (response.status().as_u16(), started.elapsed().as_millis());
        tracing::debug!(url = wish.redactor.sweep(&sanitized(&url)), status, milliseconds, "token");
        let Some(location) =
            response.headers().get(reqwest::header::LOCATION).filter(|_| response.status().is_redirection())
        else {
            return read(wish, who, response).await;
        };
        let next = clients.boundary.redirect(&url, location);
        let next = next.map_err(|breach| breach.error(wish.request, "redirect of the token realm"))?;
        if !same_origin(&next, &url) {
            let message = format!("{who} redirects to {}; nothing was sent there", origin(&next));
            return Err(Error::new(Code::Boundary, wish.request, message).into());
        }
        url = next;
    }
    Err(Error::new(Code::Redirect, wish.request, format!("{who} redirects in circles")).into())
}

/// GET with Basic for user names and for anybody, POST for identity tokens: the forms that realms take everywhere.
fn request(client: &reqwest::Client, wish: &Wish<'_>, url: &Url) -> RequestBuilder {
    let service = wish.realm.service.as_deref();
    if let Credential::Identity(token) = wish.credential {
        let scope = wish.scopes.join(" ");
        let mut pairs =
            vec![("grant_type", "refresh_token"), ("refresh_token", token.expose()), ("client_id", CLIENT_ID)];
        pairs.extend(service.map(|service| ("service", service)));
        pairs.extend(Some(("scope", scope.as_str())).filter(|_| !scope.is_empty()));
        let post = client.post(url.clone()).header(ACCEPT_ENCODING, "identity");
        let post = post.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        return post.body(form(&pairs).into_bytes());
    }
    let mut url = url.clone();
    {
        let present: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let mut query = url.query_pairs_mut();
        if let Some(service) = service {
            query.append_pair("service", service);
        }
        for scope in wish.scopes {
            query.append_pair("scope", scope);
        }
        if !present.iter().any(|name| name == "client_id") {
            query.append_pair("client_id", CLIENT_ID);
        }
    }
    let get = client.get(url).header(ACCEPT_ENCODING, "identity");
    match wish.credential {
        Credential::Basic { username, password } => {
            get.header(reqwest::header::AUTHORIZATION, basic(username, password))
        }
        _ => get,
    }
}

/// A user name and password as `Authorization`. Base64 is always a valid header value.
pub(super) fn basic(username: &str, password: &Secret) -> HeaderValue {
    let shown = Secret::new(["Basic ", basic_pair(username, password).expose()].concat());
    sensitive(shown).unwrap_or_else(|| HeaderValue::from_static("Basic"))
}

/// A token as `Authorization`.
pub(super) fn bearer(token: &Secret) -> Secret {
    Secret::new(["Bearer ", token.expose()].concat())
}

/// A header value that is wiped from memory, not shown by `Debug` and not remembered by HTTP/2's compression.
pub(super) fn sensitive(text: Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(text.into_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

async fn read(wish: &Wish<'_>, who: &str, mut response: reqwest::Response) -> Result<Token, Fault> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Wiped::default();
    while let Some(chunk) = response.chunk().await.map_err(|error| disconnected(wish.request, who, error))? {
        body.append(&chunk);
        if body.len() > TOKEN_BYTES {
            let message = format!("{who} sent more than {TOKEN_BYTES} bytes");
            return Err(Error::new(Code::Limit, wish.request, message).into());
        }
    }
    if status.is_success() {
        return parse(&body).map_err(|problem| Error::new(Code::Auth, wish.request, format!("{who} {problem}")).into());
    }
    let said = Said::read(&body, wish.redactor);
    let mut error = refused(wish.request, who, status.as_u16(), &said);
    if status == StatusCode::NOT_FOUND {
        // It proves nothing about what the token was for.
        error.code = Code::Protocol;
    }
    if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        if let Credential::Anonymous = wish.credential {
            error.code = Code::NoCredentials;
            error = error.hint("no credential is configured for this registry, and it serves nobody without one");
        } else {
            error.code = if status == StatusCode::FORBIDDEN { Code::Denied } else { Code::Auth };
            error = error.hint(format!("the credential from {} was not accepted", wish.source));
        }
    }
    Err(Fault::answered(error, &headers, &said))
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    access_token: Option<Secret>,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

fn parse(body: &[u8]) -> Result<Token, &'static str> {
    let wire: Wire = serde_json::from_slice(body).map_err(|_| "sent something else than a token")?;
    let found = [wire.token, wire.access_token].into_iter().flatten().find(|token| !token.expose().is_empty());
    let text = found.ok_or("sent no token")?;
    let header = sensitive(bearer(&text)).ok_or("sent a token that no header can hold")?;
    Ok(Token { header, text, received: Instant::now(), lifetime: lifetime(wire.expires_in.as_ref()) })
}

/// Seconds as a number, or as a text (Azure); counted from the receipt, so that no clock matters.
fn lifetime(expires_in: Option<&serde_json::Value>) -> Duration {
    let seconds = match expires_in {
        Some(serde_json::Value::Number(number)) => number.as_f64(),
        Some(serde_json::Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0).unwrap_or_default();
    Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFETIME).clamp(LEAST_LIFETIME, LONGEST_LIFETIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(body: &str) -> u64 {
        parse(body.as_bytes()).ok().unwrap().lifetime.as_secs()
    }

    #[test]
    fn a_token_under_either_name() {
        for body in [
            r#"{"token":"t"}"#,
            r#"{"access_token":"t"}"#,
            r#"{"token":"t","access_token":"t"}"#,
            r#"{"token":"","access_token":"t"}"#,
        ] {
            let token = parse(body.as_bytes()).ok().unwrap();
            assert_eq!((token.text.expose(), token.header.to_str().unwrap()), ("t", "Bearer t"));
            assert!(!format!("{:?}", token.header).contains("Bearer"));
        }
    }

    #[test]
    fn no_token_is_an_error() {
        for body in ["", "{}", r#"{"token":""}"#, "<html>", "[]", r#"{"token":"a\nb"}"#, r#"{"token":7}"#] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn lifetimes_are_held_within_reason() {
        assert_eq!(seconds(r#"{"token":"t"}"#), 60);
        for (value, expected) in [
            ("300", 300),
            ("\"3599\"", 3599),
            ("0", 60),
            ("-5", 60),
            ("30", 60),
            ("1e12", 86400),
            ("1e300", 86400),
            ("null", 60),
            ("\"soon\"", 60),
            ("[]", 60),
            ("299.9", 299),
        ] {
            assert_eq!(seconds(&format!(r#"{{"token":"t","expires_in":{value}}}"#)), expected, "{value}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_before_it_ends() {
        let token = parse(br#"{"token":"t","expires_in":300}"#).ok().unwrap();
        assert!(token.serves(false) && token.serves(true));
        tokio::time::advance(Duration::from_secs(160)).await;
        assert!(token.serves(false) && !token.serves(true));
        tokio::time::advance(Duration::from_secs(115)).await;
        assert!(!token.serves(false));
    }
}
