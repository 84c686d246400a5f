//! A token service of any make: an ID token in, a credential out, as the configuration describes it.
//!
//! Owns that the ID token is made for the service's own URL, so that whoever writes the configuration gets none that serves
//! elsewhere. Where the service is was checked with the configuration: at the registry itself, or where the environment says.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Issued;
use crate::auth::exchange::{Answer, Ask, Endpoint, Exchange};
use crate::auth::identity::{self, IdToken, Wish};
use crate::auth::{Credential, ProviderError, Secret};
use crate::image::Registry;

/// A token service, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Generic {
    /// Where it is.
    pub url: String,
    /// How the fields are sent.
    pub send: Send,
    /// The field for the ID token; `Authorization: Bearer` where `None`.
    pub id_token_field: Option<String>,
    /// Further fields.
    pub fields: BTreeMap<String, String>,
    /// The field of the answer that holds the secret.
    pub response_field: String,
    /// The user name at the registry; the secret is a bearer token where `None`.
    pub username: Option<String>,
}

/// How fields are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Send {
    /// POST, as a form.
    Form,
    /// POST, as a JSON object.
    Json,
    /// GET, in the query.
    Query,
}

const WHAT: &str = "a credential";

impl Generic {
    pub(super) async fn obtain(&self, exchange: &Exchange, registry: &Registry) -> Result<Issued, ProviderError> {
        let endpoint = Endpoint::configured(&self.url, registry)?;
        let audience = endpoint.audience();
        let wish = Wish { provider: "exchange", registry, audience: &audience, file_variable: None, exact: true };
        let token = identity::obtain(exchange, &wish).await?;
        let answer = exchange.send(self.ask(endpoint, &token)).await?;
        let issued = self.read(&answer).map_err(|error| {
            let error = error.about(&token.claims);
            if answer.status == 404 { error.advise("see that `url` is the service's own") } else { error }
        })?;
        Ok(Issued { claims: Some(token.claims), ..issued })
    }

    fn ask(&self, endpoint: Endpoint, token: &IdToken) -> Ask {
        let own = self.id_token_field.as_deref().map(|name| (name, token.text.expose()));
        let fields: Vec<(&str, &str)> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(own).collect();
        let ask = match self.send {
            Send::Form => Ask::post(WHAT, endpoint).form(&fields),
            Send::Json => Ask::post(WHAT, endpoint).json(&fields.iter().copied().collect::<BTreeMap<_, _>>()),
            Send::Query => {
                Ask::get(WHAT, fields.iter().fold(endpoint, |url, (name, value)| url.with_pair(name, value)))
            }
        };
        if own.is_some() { ask.secret(&token.text) } else { ask.bearer(&token.text) }
    }

    fn read(&self, answer: &Answer) -> Result<Issued, ProviderError> {
        let document: BTreeMap<String, Field> = answer.json()?;
        let Some(Field::Text(secret)) = document.get(&self.response_field) else {
            return Err(answer.nonsense("sent an answer without the `response-field`"));
        };
        let credential = match &self.username {
            Some(username) => Credential::basic(username, secret.expose()),
            None => Credential::bearer(secret.expose()),
        };
        let credential = credential.map_err(|_| answer.nonsense("sent something that is no credential"))?;
        let lifetime = document.get("expires_in").and_then(Field::seconds);
        Ok(Issued { credential, lifetime, renewable: true, claims: None })
    }
}

/// A field of an answer, of which any may be the secret.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Field {
    /// A text.
    Text(Secret),
    /// A number.
    Number(f64),
    /// What has no use here.
    Other(IgnoredAny),
}

impl Field {
    fn seconds(&self) -> Option<Duration> {
        match self {
            Self::Text(text) => duration(text.expose().trim().parse().ok()?),
            Self::Number(number) => duration(*number),
            Self::Other(_) => None,
        }
    }
}

/// Seconds as a number, or as a text.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(number) => duration(number.as_f64()?),
        Value::String(text) => duration(text.trim().parse().ok()?),
        _ => None,
    }
}

fn duration(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}
