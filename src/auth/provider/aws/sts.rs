//! The keys of a role's session, for an ID token or for other keys.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use std::time::Duration;

use reqwest::header::ACCEPT;

use super::keys::Keys;
use super::place::Place;
use super::request::{self, Call, element};
use super::sigv4::Signer;
use super::{Assumed, Principal, refusal};
use crate::auth::exchange::{Answer, Ask, Exchange};
use crate::auth::identity::{self, IdToken, Wish};
use crate::auth::{ProviderError, form};
use crate::image::Registry;

const FORM: &str = "application/x-www-form-urlencoded";
const VERSION: (&str, &str) = ("Version", "2011-06-15");
const WHAT: &str = "a session of the role";
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// Whose ID token is shown.
#[derive(Clone, Copy)]
pub(super) enum Bearer<'a> {
    /// That of the job, made for this registry; without one, that of the file.
    Job(&'a Registry),
    /// That of the environment's own role: of the file, where the variable names one, as in all of AWS's tools.
    Environment(&'a Registry),
}

impl Bearer<'_> {
    async fn token(self, exchange: &Exchange, place: &Place) -> Result<IdToken, ProviderError> {
        let registry = match self {
            Self::Environment(_) if exchange.environment.path(TOKEN_FILE).is_some() => {
                return identity::of_file(exchange, TOKEN_FILE);
            }
            Self::Job(registry) | Self::Environment(registry) => registry,
        };
        let audience = place.audience();
        // The service is AWS's own: there is no harm in an ID token that was made for somebody else.
        let wish = Wish { provider: "aws", registry, audience, file_variable: Some(TOKEN_FILE), exact: false };
        identity::obtain(exchange, &wish).await
    }
}

/// With an ID token. [`ProviderError::Absent`] where there is none.
pub(super) async fn with_id_token(
    exchange: &Exchange,
    bearer: Bearer<'_>,
    assumed: &Assumed<'_>,
) -> Result<Principal, ProviderError> {
    let mut token = bearer.token(exchange, assumed.place).await?;
    let mut answer = exchange.send(ask_with_id_token(exchange, assumed, &token)?).await?;
    // It may have ended on the way: those of GitHub live for minutes.
    if request::code(&answer) == "ExpiredTokenException" {
        token = bearer.token(exchange, assumed.place).await?;
        answer = exchange.send(ask_with_id_token(exchange, assumed, &token)?).await?;
    }
    if !answer.is_success() {
        return Err(refusal::of_id_token(&answer, assumed, &token.claims));
    }
    let (keys, lifetime) = session(exchange, &answer)?;
    Ok(Principal { keys, name: assumed.role.to_owned(), claims: Some(token.claims), lifetime })
}

fn ask_with_id_token(exchange: &Exchange, assumed: &Assumed<'_>, token: &IdToken) -> Result<Ask, ProviderError> {
    let pairs = [
        ("Action", "AssumeRoleWithWebIdentity"),
        VERSION,
        ("RoleArn", assumed.role),
        ("RoleSessionName", assumed.session_name),
        ("WebIdentityToken", token.text.expose()),
    ];
    let ask = Ask::post(WHAT, assumed.place.sts(exchange)?).again(request::is_accident).secret(&token.text);
    // It answers with JSON where that is asked for, and with the XML that is documented otherwise.
    Ok(ask.header(ACCEPT, "*/*").form(&pairs))
}

/// With the keys of somebody who may act as the role.
pub(super) async fn with_keys(
    exchange: &Exchange,
    assumed: &Assumed<'_>,
    base: &Principal,
) -> Result<Principal, ProviderError> {
    let pairs =
        [("Action", "AssumeRole"), VERSION, ("RoleArn", assumed.role), ("RoleSessionName", assumed.session_name)];
    let body = form(&pairs);
    let call = Call {
        what: WHAT,
        endpoint: assumed.place.sts(exchange)?,
        signer: Signer { keys: &base.keys, region: &assumed.place.region, service: "sts" },
        kind: FORM,
        target: None,
        body: body.expose(),
        limit: None,
    };
    let answer = request::send(exchange, &call).await?;
    if !answer.is_success() {
        return Err(refusal::of_keys(exchange, &answer, assumed, base));
    }
    let (keys, lifetime) = session(exchange, &answer)?;
    Ok(Principal { keys, name: assumed.role.to_owned(), claims: None, lifetime })
}

/// The keys in an answer, and how long they live where it says that.
fn session(exchange: &Exchange, answer: &Answer) -> Result<(Keys, Option<Duration>), ProviderError> {
    let nonsense = || answer.nonsense("sent something else than the keys expected");
    let (_, credentials) = answer.text().split_once("<Credentials>").ok_or_else(nonsense)?;
    let (credentials, _) = credentials.split_once("</Credentials>").ok_or_else(nonsense)?;
    let text = |name| element(credentials, name).ok_or_else(nonsense);
    let (id, secret, token) = (text("AccessKeyId")?, text("SecretAccessKey")?, text("SessionToken")?);
    let keys = Keys::new(id.expose(), secret.expose(), Some(token.expose())).ok_or_else(nonsense)?;
    keys.mask(exchange);
    let end = element(credentials, "Expiration");
    Ok((keys, end.and_then(|end| request::lifetime(exchange, answer, end.expose()))))
}
