//! What AWS says no with, and the line to change.

use super::place::Place;
use super::request::{clock_error, code, message};
use super::{Assumed, Principal};
use crate::auth::exchange::{Answer, Exchange};
use crate::auth::{Claims, ProviderError};
use crate::image::{Creation, Repository};

/// An ID token that gets no session.
pub(super) fn of_id_token(answer: &Answer, assumed: &Assumed<'_>, claims: &Claims) -> ProviderError {
    let (code, words, role) = (code(answer), message(answer), assumed.role);
    let account = role.split(':').nth(4).unwrap_or_default();
    let audience = assumed.place.audience();
    let issuer = claims.issuer_in_command();
    let provider = issuer.strip_prefix("https://").unwrap_or(issuer);
    let advice = match code.as_str() {
        "AccessDenied" => {
            let subject = claims.subject_in_command();
            // Never the one that is used to write, for a subject that anybody has.
            let role = if claims.caution().is_some() { "role of `plan-role`" } else { "role" };
            Some(format!(
                "the {role} must exist, and its trust policy must allow `sts:AssumeRoleWithWebIdentity` to the OIDC provider \
                 `{provider}` with `\"{provider}:sub\": \"{subject}\"` and `\"{provider}:aud\": \"{audience}\"`"
            ))
        }
        "InvalidIdentityToken" if words.contains("No OpenIDConnect provider") => Some(format!(
            "add the OIDC provider `{issuer}` with the audience `{audience}` to IAM in the account {account}"
        )),
        "InvalidIdentityToken" if words.contains("audience") => Some(format!(
            "make the ID token for `{audience}`, or add its audience to the OIDC provider `{provider}` in IAM of the \
             account {account}"
        )),
        "ExpiredTokenException" => Some(
            "a new ID token is made for each try where the CI system can; else get it later in the job, or let it live \
             longer"
                .to_owned(),
        ),
        "IDPRejectedClaim" => Some("the issuer no longer stands by the ID token; get a new one".to_owned()),
        "RegionDisabledException" => Some(disabled(account, assumed.place)),
        _ => None,
    };
    refused(answer, advice).about(claims)
}

/// Keys that get no session of another role.
pub(super) fn of_keys(exchange: &Exchange, answer: &Answer, assumed: &Assumed<'_>, base: &Principal) -> ProviderError {
    let advice = match code(answer).as_str() {
        "AccessDenied" => Some(format!(
            "the trust policy of {} must allow `sts:AssumeRole` to whom the keys of {} belong, and their own policy must \
             allow it too",
            assumed.role, base.name
        )),
        "RegionDisabledException" => Some(disabled(assumed.role.split(':').nth(4).unwrap_or_default(), assumed.place)),
        _ => of_signature(exchange, answer, base),
    };
    refused(answer, advice)
}

/// Keys that get no password for the registry.
pub(super) fn of_login(exchange: &Exchange, answer: &Answer, place: &Place, principal: &Principal) -> ProviderError {
    let advice = match code(answer).as_str() {
        "AccessDeniedException" if place.is_public => Some(format!(
            "allow {} `ecr-public:GetAuthorizationToken` and `sts:GetServiceBearerToken` on `\"Resource\": \"*\"`; or set \
             `auth: anonymous`, which is enough to pull",
            principal.name
        )),
        "AccessDeniedException" => {
            Some(format!("allow {} `ecr:GetAuthorizationToken` on `\"Resource\": \"*\"`", principal.name))
        }
        _ => of_signature(exchange, answer, principal),
    };
    // Without the claims of an ID token: it has served, and what is missing is a right of the role.
    refused(answer, advice)
}

/// Keys that may not make a repository.
pub(super) fn of_creation(
    exchange: &Exchange,
    answer: &Answer,
    (repository, creation): (&Repository, &Creation),
    principal: &Principal,
) -> ProviderError {
    let advice = match code(answer).as_str() {
        "AccessDeniedException" => {
            let tags = if creation.tags.is_empty() { "" } else { " and `ecr:TagResource`" };
            let name = repository.name();
            Some(format!(
                "allow {} `ecr:CreateRepository`{tags} on `repository/{name}`, or make the repository yourself",
                principal.name
            ))
        }
        "LimitExceededException" => Some("ask AWS for a higher quota of repositories".to_owned()),
        _ => of_signature(exchange, answer, principal),
    };
    refused(answer, advice)
}

/// Keys that may not read what tags name.
pub(super) fn of_reading(exchange: &Exchange, answer: &Answer, principal: &Principal) -> ProviderError {
    refused(answer, of_signature(exchange, answer, principal))
}

/// What is wrong with keys as such.
fn of_signature(exchange: &Exchange, answer: &Answer, principal: &Principal) -> Option<String> {
    let clock = clock_error(exchange, answer);
    match (code(answer).as_str(), clock) {
        (
            "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestExpired" | "RequestTimeTooSkewed",
            Some(off),
        ) => {
            let way = if off > 0 { "behind" } else { "ahead" };
            Some(format!("the clock of this machine is {} s {way}; set it", off.abs()))
        }
        ("InvalidSignatureException" | "SignatureDoesNotMatch", None) => {
            Some(format!("the secret key of {} does not belong to its access key", principal.name))
        }
        ("ExpiredTokenException" | "ExpiredToken", _) => Some(format!("the session of {} has ended", principal.name)),
        ("UnrecognizedClientException" | "InvalidClientTokenId", _) => Some(format!(
            "AWS does not know the keys of {}: they have ended, were deleted, or lack their session token",
            principal.name
        )),
        _ => None,
    }
}

fn disabled(account: &str, place: &Place) -> String {
    format!("activate AWS STS in {} for the account {account} (IAM, account settings)", place.region)
}

fn refused(answer: &Answer, advice: Option<String>) -> ProviderError {
    let (code, words) = (code(answer), message(answer));
    let said = [code, words].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let error = if said.is_empty() { answer.refused() } else { answer.refused_saying(&said) };
    match advice {
        Some(advice) => error.advise(advice),
        None => error,
    }
}
