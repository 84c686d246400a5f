//! `external_account` files, as `google-github-actions/auth` and gcloud write them: an ID token from elsewhere, for a pool.
//!
//! <https://google.aip.dev/auth/4117>. What the file names is taken where it is Google's own and fixed; the token is had from
//! another file or a URL. A program to run, and what AWS signs, is refused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reqwest::header::HeaderName;
use serde::Deserialize;

use super::ambient::FILE;
use super::federation::{self, Shown};
use super::{AccessToken, endpoint, file};
use crate::auth::exchange::{Ask, Endpoint, Exchange};
use crate::auth::identity::{self, IdToken};
use crate::auth::provider::generic::Field;
use crate::auth::{Claims, ProviderError, Secret};

/// The token types that an ID token has.
const KINDS: [&str; 2] = ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];
/// ID tokens stay far below this many bytes.
const LONGEST: u64 = 64 * 1024;
/// The least length of a header that is a secret.
const SECRET: usize = 16;

#[derive(Deserialize)]
pub(super) struct Account {
    audience: String,
    subject_token_type: String,
    token_url: String,
    service_account_impersonation_url: Option<String>,
    credential_source: Source,
}

#[derive(Deserialize)]
struct Source {
    file: Option<PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: Option<String>,
    subject_token_field_name: Option<String>,
}

pub(super) async fn token(exchange: &Exchange, account: Account) -> Result<(AccessToken, Claims), ProviderError> {
    let provider = account.provider()?;
    let email = account.service_account()?;
    let token = account.credential_source.token(exchange).await?;
    let shown = Shown { token: &token, provider, kind: &account.subject_token_type };
    let access = federation::token(exchange, &shown, email).await?;
    Ok((access, token.claims))
}

impl Account {
    /// The provider in its pool, where all else that the file names is Google's.
    fn provider(&self) -> Result<&str, ProviderError> {
        if self.token_url != endpoint::STS_URL {
            return Err(file::unfit("names another `token_url` than Google's"));
        }
        if !KINDS.contains(&self.subject_token_type.as_str()) {
            return Err(file::unfit("is not for ID tokens: its `subject_token_type` is another"));
        }
        let provider = self.audience.strip_prefix("//iam.googleapis.com/");
        provider.ok_or_else(|| file::unfit("has an `audience` that is no provider of Google's"))
    }

    /// The service account to act as.
    fn service_account(&self) -> Result<Option<&str>, ProviderError> {
        let Some(url) = &self.service_account_impersonation_url else { return Ok(None) };
        let path = url.strip_prefix(endpoint::IMPERSONATION).and_then(|rest| rest.strip_suffix(":generateAccessToken"));
        let is_email = |text: &&str| {
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._@".contains(c));
            plain && text.split('@').count() == 2
        };
        let email = path.filter(is_email);
        email.map(Some).ok_or_else(|| file::unfit("names another `service_account_impersonation_url` than Google's"))
    }
}

impl Source {
    async fn token(&self, exchange: &Exchange) -> Result<IdToken, ProviderError> {
        let text = match (&self.file, &self.url) {
            (Some(path), None) => identity::read(path, LONGEST)
                .map_err(|kind| file::unfit(&format!("names a token file that cannot be read: {kind}")))?,
            (None, Some(url)) => self.fetched(exchange, url).await?,
            _ => return Err(file::unfit("has a `credential_source` that is neither a `file` nor a `url`")),
        };
        let text = self.format.read(&text)?;
        // What is no ID token may be any file of this machine: it is not sent anywhere.
        let is_id_token = Claims::of(text.expose().trim()).is_some();
        let token = if is_id_token { identity::given(exchange, &format!("`{FILE}`"), text.expose())? } else { None };
        token.ok_or_else(|| file::unfit("leads to something that is no ID token"))
    }

    async fn fetched(&self, exchange: &Exchange, url: &str) -> Result<Secret, ProviderError> {
        let endpoint = Endpoint::given(FILE, url).map_err(|_| file::unfit("names a `url` that is not https"))?;
        let mut ask = Ask::get("the ID token", endpoint);
        for (name, value) in &self.headers {
            let name = name.parse::<HeaderName>().map_err(|_| file::unfit("names a header that is none"))?;
            // Without its scheme. A short word is a marker that everybody knows, as that of metadata services.
            let secret = value.expose().split(' ').next_back().filter(|word| word.len() >= SECRET);
            ask = secret
                .into_iter()
                .fold(ask, |ask, secret| ask.secret(&Secret::new(secret)))
                .header(name, value.expose());
        }
        let answer = exchange.send(ask).await?;
        if answer.is_success() { Ok(Secret::new(answer.text())) } else { Err(answer.refused()) }
    }
}

impl Format {
    fn read(&self, text: &Secret) -> Result<Secret, ProviderError> {
        if self.kind.as_deref() != Some("json") {
            return Ok(Secret::new(text.expose()));
        }
        let field = self.subject_token_field_name.as_deref().unwrap_or_default();
        let document: BTreeMap<String, Field> = serde_json::from_str(text.expose()).unwrap_or_default();
        match document.get(field) {
            Some(Field::Text(token)) => Ok(token.clone()),
            _ => Err(file::unfit("leads to a document without the `subject_token_field_name` that it says")),
        }
    }
}
