//! What the refusals of Microsoft Entra and of registries mean, and which line to change.
//!
//! The codes are those of <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>; a refusal that is not
//! known here is shown as it is.

use super::entra::Application;
use crate::auth::exchange::Answer;
use crate::auth::identity::in_command;
use crate::auth::{Claims, ProviderError};
use crate::image::Registry;

/// What Entra says; `claims` are those of the ID token where it was shown one.
pub(super) fn of_entra(
    error: ProviderError,
    answer: &Answer,
    (application, claims): (&Application<'_>, Option<&Claims>),
) -> ProviderError {
    let words = answer.words();
    let advice = code(&words).and_then(|code| advice(code, application, claims));
    let error = match advice {
        Some(advice) => error.advise(advice),
        None => error,
    };
    match claims {
        Some(claims) => error.about(claims),
        None => error,
    }
}

/// The number after `AADSTS`.
fn code(words: &str) -> Option<u32> {
    let (_, rest) = words.split_once("AADSTS")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

fn advice(code: u32, application: &Application<'_>, claims: Option<&Claims>) -> Option<String> {
    let Application { tenant, client, .. } = application;
    Some(match code {
        // No federated credential fits: as a whole, by its issuer, its audience, its subject.
        70_021 | 700_211..=700_213 => federated_credential(application, claims),
        700_016 => format!(
            "see that `client-id` is the application (client) id of an application in the directory {tenant}, not its \
             object id"
        ),
        90_002 | 900_023 => {
            format!(
                "see that `tenant-id` is the directory of the application, and in the cloud of the registry: {tenant}"
            )
        }
        700_024 => "get the ID token later in the job, or set the clock of this machine".to_owned(),
        500_011 => "register `Microsoft.ContainerRegistry` in a subscription of the directory: \
                    `az provider register --namespace Microsoft.ContainerRegistry`"
            .to_owned(),
        7_000_215 | 7_000_222 => format!(
            "set `AZURE_CLIENT_SECRET` to the value (not the id) of a client secret of {client} that has not expired"
        ),
        53_003 => format!("let a conditional access policy for workload identities allow {client} from here"),
        _ => return None,
    })
}

/// The credential that is missing, as it is to be made.
fn federated_credential(application: &Application<'_>, claims: Option<&Claims>) -> String {
    let unknown = Claims::default();
    let claims = claims.unwrap_or(&unknown);
    // Never for the one that is used to write, where anybody has the subject.
    let (application_name, id) = match claims.caution() {
        Some(_) => ("application of `plan-client-id`", "PLAN_CLIENT_ID"),
        None => ("application", in_command(Some(application.client), "CLIENT_ID")),
    };
    format!(
        "give the {application_name} a federated credential for this job (a new one is known after some minutes): \
         `az ad app federated-credential create --id {id} --parameters '{{\"name\": \"regsync\", \"issuer\": \"{}\", \
         \"subject\": \"{}\", \"audiences\": [\"{}\"]}}'`",
        claims.issuer_in_command(),
        claims.subject_in_command(),
        application.cloud.audience()
    )
}

/// What a registry says to an Entra token.
pub(super) fn of_registry(
    error: ProviderError,
    answer: &Answer,
    (registry, client): (&Registry, Option<&str>),
    claims: Option<&Claims>,
) -> ProviderError {
    let name = registry.as_str().split('.').next().unwrap_or_default();
    let who = in_command(client, "ID");
    // An identity that trusts what anybody has gets no right to write.
    let (role, beside) = match claims.and_then(Claims::caution) {
        Some(_) => ("AcrPull", ", to read and no more"),
        None => ("AcrPush", " (AcrPull to plan)"),
    };
    match answer.status {
        401 => error.advise(format!(
            "give the identity a role at the registry{beside}: `az role assignment create --assignee {who} \
             --role {role} --scope \"$(az acr show --name {name} --query id --output tsv)\"`; its directory must be that of \
             the registry"
        )),
        403 => error.advise(format!(
            "let the registry's firewall allow this machine: `az acr network-rule add --name {name} --ip-address IP`; or \
             give the identity a role there"
        )),
        404 => error.advise(format!("see that {registry} is a registry of Azure")),
        _ => error,
    }
}
