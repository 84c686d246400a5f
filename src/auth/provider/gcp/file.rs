//! The file that `GOOGLE_APPLICATION_CREDENTIALS` names: the key of a service account, or what other tools wrote for a pool.
//!
//! Owns the check that what it names is Google's: others may have written it, and what it holds is sent there. Files of other
//! kinds (a person's login, programs to run) are refused.

use serde::Deserialize;

use super::ambient::FILE;
use super::{AccessToken, external, key};
use crate::auth::exchange::Exchange;
use crate::auth::{Claims, ProviderError, Secret, identity};

/// Such files stay far below this many bytes.
const LONGEST: u64 = 64 * 1024;
/// Where all services are that this version knows.
const UNIVERSE: &str = "googleapis.com";

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    universe_domain: Option<String>,
}

/// What the file lets us act with, and the claims of the ID token where one was shown.
pub(super) async fn token(exchange: &Exchange) -> Result<(AccessToken, Option<Claims>), ProviderError> {
    let path = exchange.environment.path(FILE).ok_or_else(|| unfit("is not named"))?;
    let text = identity::read(&path, LONGEST).map_err(|kind| ProviderError::File { name: FILE.into(), kind })?;
    let head: Head = parse(&text)?;
    if head.universe_domain.as_deref().is_some_and(|universe| universe != UNIVERSE) {
        return Err(unfit("is for another universe than googleapis.com"));
    }
    match head.kind.as_str() {
        "service_account" => Ok((key::token(exchange, &parse(&text)?).await?, None)),
        "external_account" => {
            external::token(exchange, parse(&text)?).await.map(|(token, claims)| (token, Some(claims)))
        }
        _ => Err(ProviderError::Unfit {
            name: FILE.into(),
            problem: "is neither a `service_account` nor an `external_account`".to_owned(),
            hint: Some(
                "for a person's login, use gcloud's credential helper: `gcloud auth configure-docker`".to_owned(),
            ),
        }),
    }
}

fn parse<'t, T: Deserialize<'t>>(text: &'t Secret) -> Result<T, ProviderError> {
    // The parser's own words may quote the file.
    serde_json::from_str(text.expose()).map_err(|_| unfit("is not one of Google's, or lacks something"))
}

/// What is wrong with the file.
pub(super) fn unfit(problem: &str) -> ProviderError {
    ProviderError::Unfit { name: FILE.into(), problem: problem.to_owned(), hint: None }
}
