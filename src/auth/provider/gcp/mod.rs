//! Google: an access token for Artifact Registry and gcr.io, which take it as the password of one user name.
//!
//! | whose identity | how |
//! |---|---|
//! | the job's, through a workload identity pool | `federation`: ID token → federated token, and with a service account → its token |
//! | the one that a file lets us use | `file`: the key of a service account (`key`), or a pool again (`external`) |
//! | the machine's | `metadata` |
//!
//! Owns the shape of the credential. Where Google's services are is `endpoint`'s to say, what their refusals mean `advice`'s.

mod advice;
mod ambient;
mod endpoint;
mod external;
mod federation;
mod file;
mod key;
mod metadata;

use std::time::Duration;

pub(super) use ambient::ambient;
use federation::Shown;

use super::Issued;
use crate::auth::exchange::{Answer, Exchange};
use crate::auth::identity::{self, Wish};
use crate::auth::{Claims, Credential, ProviderError, Secret};
use crate::image::Registry;

/// Whose identity is used at Google.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Gcp {
    /// The job's own, or that of a service account that it may act as.
    Federated {
        /// The provider in its pool: `projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>`.
        provider: String,
        /// The e-mail address of the service account; where `None`, the job itself has the rights.
        service_account: Option<String>,
    },
    /// What the file that `GOOGLE_APPLICATION_CREDENTIALS` names is for.
    File,
    /// The service account that the machine runs as.
    Machine,
}

/// The user name that goes with access tokens (Artifact Registry, "Set up authentication for Docker").
const USER: &str = "oauth2accesstoken";

/// What Google lets someone act with.
struct AccessToken {
    text: Secret,
    lifetime: Option<Duration>,
}

impl Gcp {
    pub(super) async fn obtain(&self, exchange: &Exchange, registry: &Registry) -> Result<Issued, ProviderError> {
        match self {
            Self::Federated { provider, service_account } => {
                let audience = format!("https://iam.googleapis.com/{provider}");
                let wish = Wish { provider: "gcp", registry, audience: &audience, file_variable: None, exact: false };
                let token = identity::obtain(exchange, &wish).await?;
                let shown = Shown { token: &token, provider, kind: federation::JWT };
                let access = federation::token(exchange, &shown, service_account.as_deref()).await?;
                Ok(access.issued(Some(token.claims)))
            }
            Self::File => {
                let (access, claims) = file::token(exchange).await?;
                Ok(access.issued(claims))
            }
            Self::Machine => Ok(metadata::token(exchange).await?.issued(None)),
        }
    }
}

impl AccessToken {
    /// One that was received: hidden from here on.
    fn received(
        exchange: &Exchange,
        text: Secret,
        lifetime: Option<Duration>,
        from: &Answer,
    ) -> Result<Self, ProviderError> {
        if text.expose().is_empty() || !text.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(from.nonsense("sent something that is no token"));
        }
        exchange.mask(&text);
        Ok(Self { text, lifetime })
    }

    fn issued(self, claims: Option<Claims>) -> Issued {
        let credential = Credential::Basic { username: USER.to_owned(), password: self.text };
        Issued { credential, lifetime: self.lifetime, renewable: true, claims }
    }
}
