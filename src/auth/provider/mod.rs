//! Who gives credentials without a stored secret, one file for each.
//!
//! A provider is asked for a credential for one registry, with what the configuration says of it. What it returns is held
//! and renewed by `renewals`. To add one: a variant here with what it needs, a file with its exchange, a row in the table of
//! the configuration, and a line in `command::providers`.

mod ambient;
mod aws;
mod azure;
mod chainguard;
mod cloudsmith;
mod docker_hub;
mod error;
mod gcp;
mod generic;
mod jfrog;
mod jobs;
mod quay;
mod service;

use std::time::Duration;

pub(super) use ambient::Ambient;
pub(super) use aws::Api;
pub use aws::{Aws, Reading};
pub use azure::Azure;
pub use chainguard::Chainguard;
pub use cloudsmith::Cloudsmith;
pub use docker_hub::DockerHub;
pub use error::ProviderError;
pub use gcp::Gcp;
pub use generic::{Generic, Send};
pub use jfrog::Jfrog;
pub use quay::Quay;

use super::exchange::Exchange;
use super::{Claims, Credential};
use crate::image::Registry;

/// A provider, with the one identity that this run has there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Amazon ECR and ECR Public.
    Aws(Aws),
    /// Azure's registries.
    Azure(Azure),
    /// Google's registries.
    Gcp(Gcp),
    /// GitHub's registry, with the token of the job.
    Github,
    /// GitLab's registry, with the token of the job.
    Gitlab,
    /// Chainguard, as an assumable identity.
    Chainguard(Chainguard),
    /// Cloudsmith, as a service account.
    Cloudsmith(Cloudsmith),
    /// Docker Hub, through an OIDC connection.
    DockerHub(DockerHub),
    /// Artifactory, through an OIDC integration.
    Jfrog(Jfrog),
    /// Quay, as a robot account.
    Quay(Quay),
    /// A token service that the configuration describes, and the environment permits.
    Exchange(Generic),
}

/// A credential that was just obtained.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) credential: Credential,
    /// How long it lives from now on, where that is known.
    pub(super) lifetime: Option<Duration>,
    /// Whether a new one can be had: not of what is given to the job once.
    pub(super) renewable: bool,
    /// What the ID token that it was got with says of itself.
    pub(super) claims: Option<Claims>,
}

impl Provider {
    /// Its name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Azure(_) => "azure",
            Self::Gcp(_) => "gcp",
            Self::Aws(_) => "aws",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Chainguard(_) => "chainguard",
            Self::Cloudsmith(_) => "cloudsmith",
            Self::DockerHub(_) => "docker-hub",
            Self::Jfrog(_) => "jfrog",
            Self::Quay(_) => "quay",
            Self::Exchange(_) => "exchange",
        }
    }

    /// A credential for `registry`, new each time.
    pub(super) async fn obtain(
        &self,
        (exchange, api): (&Exchange, &Api),
        registry: &Registry,
    ) -> Result<Issued, ProviderError> {
        match self {
            Self::Azure(azure) => azure.obtain(exchange, registry).await,
            Self::Gcp(gcp) => gcp.obtain(exchange, registry).await,
            Self::Aws(aws) => aws.obtain((exchange, api), registry).await,
            Self::Github => jobs::github(exchange),
            Self::Gitlab => jobs::gitlab(exchange),
            Self::Chainguard(chainguard) => chainguard.obtain(exchange, registry).await,
            Self::Cloudsmith(cloudsmith) => cloudsmith.obtain(exchange, registry).await,
            Self::DockerHub(hub) => hub.obtain(exchange, registry).await,
            Self::Jfrog(jfrog) => jfrog.obtain(exchange, registry).await,
            Self::Quay(quay) => quay.obtain(exchange, registry).await,
            Self::Exchange(generic) => generic.obtain(exchange, registry).await,
        }
    }
}
