//! What Google's refusals mean, and which line to change.
//!
//! The words are those of <https://cloud.google.com/iam/docs/troubleshooting-workload-identity-federation>; a refusal that is
//! not known here is shown as it is.

use super::federation::Shown;
use crate::auth::ProviderError;
use crate::auth::exchange::Answer;
use crate::auth::identity::in_command;

/// The keys of the issuer could not be read by Google: it may be able to, a moment later.
pub(super) fn is_accident(answer: &Answer) -> bool {
    answer.status == 400 && answer.words().contains("Error connecting to the given credential's issuer")
}

/// What the Security Token Service says.
pub(super) fn of_federation(error: ProviderError, answer: &Answer, shown: &Shown<'_>) -> ProviderError {
    if answer.is_success() {
        return error;
    }
    let words = answer.words();
    let says = |part: &str| words.contains(part);
    let provider = shown.provider;
    let is_open = shown.token.claims.caution().is_some();
    let advice = if says("attribute condition") && is_open {
        format!(
            "the attribute condition of {provider} does not hold for this job: let it hold (`gcloud iam \
             workload-identity-pools providers describe` shows it) only where no identity that writes trusts the whole pool or \
             this subject"
        )
    } else if says("attribute condition") {
        format!(
            "change the attribute condition of {provider}: it does not hold for this job; \
             `gcloud iam workload-identity-pools providers describe` shows it"
        )
    } else if says("invalid_target") {
        format!(
            "see that {provider} exists and is enabled, and that `workload-identity-provider` has the number of the \
             project, not its name"
        )
    } else if says("audience") {
        format!(
            "let the provider allow the audience https://iam.googleapis.com/{provider}, or name none there: this one is the default"
        )
    } else if says("issuer") {
        "set `issuer-uri` of the provider to the issuer of the ID token".to_owned()
    } else if says("127 bytes") || says("google.subject") {
        "map `google.subject` to something shorter than 128 bytes in the attribute mapping of the provider".to_owned()
    } else if says("stale") || says("expired") {
        "get the ID token later in the job, or set the clock of this machine".to_owned()
    } else {
        format!("see that {provider} trusts this job")
    };
    error.advise(advice).about(&shown.token.claims)
}

/// What the Service Account Credentials API says.
pub(super) fn of_impersonation(
    error: ProviderError,
    answer: &Answer,
    (account, shown): (&str, &Shown<'_>),
) -> ProviderError {
    let words = answer.words();
    let advice = match answer.status {
        403 if words.contains("has not been used") || words.contains("SERVICE_DISABLED") => {
            "enable the API: `gcloud services enable iamcredentials.googleapis.com` in the project that it names"
                .to_owned()
        }
        403 => {
            // Never the one that is used to write, for a subject that anybody has.
            let (whose, account) = match shown.token.claims.caution() {
                Some(_) => ("service account of `plan-service-account`", "PLAN_SERVICE_ACCOUNT"),
                None => ("service account", in_command(Some(account), "SERVICE_ACCOUNT")),
            };
            format!(
                "let the job act as the {whose}: `gcloud iam service-accounts add-iam-policy-binding {account} \
                 --role=roles/iam.workloadIdentityUser --member=\"{}\"`",
                member(shown)
            )
        }
        404 => format!("see that the service account {account} exists"),
        _ => return error,
    };
    error.advise(advice).about(&shown.token.claims)
}

/// The job, as policies name it: where `google.subject` is mapped to the subject, as is usual.
fn member(shown: &Shown<'_>) -> String {
    let pool = shown.provider.split_once("/providers/").map_or(shown.provider, |(pool, _)| pool);
    // It may be from a file.
    let pool = in_command(Some(pool), "POOL");
    format!("principal://iam.googleapis.com/{pool}/subject/{}", shown.token.claims.subject_in_command())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::identity::IdToken;
    use crate::auth::provider::gcp::federation::JWT;
    use crate::auth::{Claims, Secret};

    #[test]
    fn a_file_writes_no_part_of_a_command() {
        let claims = Claims { subject: Some("repo:a/b:environment:x".to_owned()), ..Claims::default() };
        let token = IdToken { text: Secret::new("t"), claims };
        let pool = "projects/1/locations/global/workloadIdentityPools/ci";
        for (pool, named) in [(pool, pool), ("projects/1\"; id; \"", "POOL"), ("projects/$(id)", "POOL")] {
            let provider = format!("{pool}/providers/p");
            let shown = Shown { token: &token, provider: &provider, kind: JWT };
            let expected = format!("principal://iam.googleapis.com/{named}/subject/repo:a/b:environment:x");
            assert_eq!(member(&shown), expected);
        }
    }
}
