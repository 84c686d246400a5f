//! The registries of GitHub and GitLab: what the CI system gives to each job serves there as it is.

use super::Issued;
use crate::auth::exchange::Exchange;
use crate::auth::{Credential, Flaw, ProviderError};

/// Any user name serves with a job's token at ghcr.io; this one says what it is.
const GITHUB_USER: &str = "x-access-token";

/// `GITHUB_TOKEN`: workflows must hand it over, the runner does not.
pub(super) fn github(exchange: &Exchange) -> Result<Issued, ProviderError> {
    let missing = || ProviderError::Absent {
        missing: "`GITHUB_TOKEN` is not set".to_owned(),
        hint: "give the step `env: GITHUB_TOKEN: ${{ github.token }}`, and the job `permissions: packages: write` \
               (`read` for plan)"
            .to_owned(),
    };
    let token = text(exchange, "GITHUB_TOKEN")?.ok_or_else(missing)?;
    issued("GITHUB_TOKEN", Credential::basic(GITHUB_USER, token))
}

/// `CI_REGISTRY_USER` and `CI_REGISTRY_PASSWORD`: set where the project has its registry switched on.
pub(super) fn gitlab(exchange: &Exchange) -> Result<Issued, ProviderError> {
    let missing = || ProviderError::Absent {
        missing: "`CI_REGISTRY_USER` and `CI_REGISTRY_PASSWORD` are not set".to_owned(),
        hint: "GitLab sets them in each job of a project whose container registry is switched on".to_owned(),
    };
    let user = text(exchange, "CI_REGISTRY_USER")?.ok_or_else(missing)?;
    let password = text(exchange, "CI_REGISTRY_PASSWORD")?.ok_or_else(missing)?;
    issued("CI_REGISTRY_PASSWORD", Credential::basic(user, password))
}

fn text<'e>(exchange: &'e Exchange, name: &str) -> Result<Option<&'e str>, ProviderError> {
    let problem = "is not valid UTF-8";
    exchange.environment.text(name).map_err(|_| ProviderError::Variable { name: name.into(), problem })
}

fn issued(name: &str, credential: Result<Credential, Flaw>) -> Result<Issued, ProviderError> {
    let problem = "does not hold a token or password";
    let credential = credential.map_err(|_| ProviderError::Variable { name: name.into(), problem })?;
    Ok(Issued { credential, lifetime: None, renewable: false, claims: None })
}
