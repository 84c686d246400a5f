//! A password for the registries of ECR, or for ECR Public, for the keys of AWS.
//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html>,
//! <https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/API_GetAuthorizationToken.html>
//!
//! Both give the base64 form of `AWS:password`. ECR takes it as it is; ECR Public's token service takes it for a token.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::place::Place;
use super::request::{self, Call};
use super::sigv4::Signer;
use super::{Principal, refusal};
use crate::auth::exchange::{Answer, Exchange};
use crate::auth::{Credential, ProviderError, Secret};

pub(super) const KIND: &str = "application/x-amz-json-1.1";

/// With or without padding: both have been seen.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "authorizationData")]
    data: Authorization,
}

/// ECR gives a list of one, ECR Public the one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Authorization {
    Many(Vec<One>),
    One(One),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    authorization_token: Secret,
    /// In seconds since 1970.
    expires_at: Option<f64>,
}

/// What is said to the registry, and how long it lives from now on.
pub(super) async fn log_in(
    exchange: &Exchange,
    place: &Place,
    principal: &Principal,
) -> Result<(Credential, Option<Duration>), ProviderError> {
    let (service, target) = if place.is_public {
        ("ecr-public", "SpencerFrontendService.GetAuthorizationToken")
    } else {
        ("ecr", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
    };
    let call = Call {
        what: "a password for the registry",
        endpoint: place.ecr(exchange)?,
        signer: Signer { keys: &principal.keys, region: &place.region, service },
        kind: KIND,
        target: Some(target),
        body: "{}",
        limit: None,
    };
    let answer = request::send(exchange, &call).await?;
    if !answer.is_success() {
        return Err(refusal::of_login(exchange, &answer, place, principal));
    }
    let one = match answer.json::<Wire>()?.data {
        Authorization::One(one) => Some(one),
        Authorization::Many(many) => many.into_iter().next(),
    };
    let one = one.ok_or_else(|| answer.nonsense("sent none"))?;
    let credential = credential(&one).ok_or_else(|| answer.nonsense("sent something that is no password"))?;
    Ok((credential, lifetime(exchange, &answer, &one)))
}

fn credential(one: &One) -> Option<Credential> {
    let bytes = Zeroizing::new(BASE64.decode(one.authorization_token.expose()).ok()?);
    Credential::pair(str::from_utf8(&bytes).ok()?).ok()
}

/// By the clock of the one who says when it ends, where he tells the time too.
fn lifetime(exchange: &Exchange, answer: &Answer, one: &One) -> Option<Duration> {
    let now = request::date_of(answer).unwrap_or_else(|| exchange.now());
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 stay far below what a double holds")]
    let seconds = one.expires_at? - now.as_second() as f64;
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}
