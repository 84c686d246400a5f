//! The key of a service account: it signs who it is, and Google gives a token for that.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests>. The key never leaves.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::federation::SCOPE;
use super::{AccessToken, endpoint, file};
use crate::auth::exchange::{Ask, Exchange};
use crate::auth::provider::generic::seconds;
use crate::auth::{ProviderError, Secret};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest that Google takes, in seconds.
const LIFETIME: i64 = 3600;

#[derive(Deserialize)]
pub(super) struct Signer {
    client_email: String,
    private_key: Secret,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Wire {
    access_token: Secret,
    expires_in: Option<Value>,
}

pub(super) async fn token(exchange: &Exchange, key: &Signer) -> Result<AccessToken, ProviderError> {
    if key.token_uri.as_deref().is_some_and(|uri| !endpoint::TOKEN_URIS.contains(&uri)) {
        return Err(file::unfit("names another `token_uri` than Google's"));
    }
    let assertion = sign(exchange, key)?;
    let form = [("grant_type", GRANT), ("assertion", assertion.expose())];
    let ask = Ask::post("a token of the service account", endpoint::oauth(exchange)?).form(&form).secret(&assertion);
    let answer = exchange.send(ask).await?;
    let wire: Wire = answer.json().map_err(|error| advise(error, &answer.words(), key))?;
    AccessToken::received(exchange, wire.access_token, wire.expires_in.as_ref().and_then(seconds), &answer)
}

fn sign(exchange: &Exchange, key: &Signer) -> Result<Secret, ProviderError> {
    let unreadable = |_| file::unfit("holds a `private_key` that cannot be read");
    // It is not sent, but it is there to be read.
    exchange.mask(&key.private_key);
    let secret = EncodingKey::from_rsa_pem(key.private_key.expose().as_bytes()).map_err(unreadable)?;
    let header = Header { kid: key.private_key_id.clone(), ..Header::new(Algorithm::RS256) };
    let iat = exchange.now().as_second();
    let claims =
        Assertion { iss: &key.client_email, scope: SCOPE, aud: endpoint::TOKEN_URIS[0], iat, exp: iat + LIFETIME };
    let assertion = jsonwebtoken::encode(&header, &claims, &secret).map(Secret::new).map_err(unreadable)?;
    exchange.mask(&assertion);
    Ok(assertion)
}

/// What the refusal means (<https://cloud.google.com/iam/docs/troubleshoot-service-account-keys>).
fn advise(error: ProviderError, words: &str, key: &Signer) -> ProviderError {
    let says = |part: &str| words.contains(part);
    let advice = if says("Invalid JWT Signature") {
        format!(
            "the key was deleted, has expired or is disabled: make a new one for {}, or use `auth: gcp`",
            key.client_email
        )
    } else if says("account not found") {
        format!("see that the service account {} exists and is enabled", key.client_email)
    } else if says("reasonable timeframe") {
        "set the clock of this machine".to_owned()
    } else {
        return error;
    };
    error.advise(advice)
}
