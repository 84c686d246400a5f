//! Amazon ECR and ECR Public: keys of AWS in, a password for the registry out.
//!
//! | | |
//! |---|---|
//! | `place` | region, partition and endpoints, from the registry's host |
//! | `sources` | keys that the machine or the environment has |
//! | `sts` | an ID token, or keys, for the keys of a role's session |
//! | `ecr` | keys for a password |
//! | `create` | keys for a repository |
//! | `read` | keys for what tags name |
//! | `api` | whose keys these are, for a while |
//! | `request`, `sigv4` | signed requests |
//! | `refusal` | what AWS says no with, and the line to change |

mod api;
mod create;
mod ecr;
mod keys;
mod place;
mod read;
mod refusal;
mod request;
mod sigv4;
mod sources;
mod sts;

pub(in crate::auth) use api::Api;
use keys::Keys;
use place::Place;
pub use read::Reading;
use sts::Bearer;

use std::time::Duration;

use super::Issued;
use super::ambient::is_bound;
use crate::auth::exchange::Exchange;
use crate::auth::{Claims, Environment, ProviderError};
use crate::image::Registry;

/// Who we are at AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Aws {
    /// The ARN of the role to act as; whoever the environment is, where `None`.
    pub role: Option<String>,
    /// How the session is called in AWS's logs.
    pub session_name: Option<String>,
    /// The region, for hosts that name none.
    pub region: Option<String>,
}

/// Keys, and whose they are.
struct Principal {
    keys: Keys,
    /// In words, for messages: a role, or where the keys are from.
    name: String,
    /// What the ID token that they were got with says of itself.
    claims: Option<Claims>,
    /// How long they live from the time that they were got, where that is said.
    lifetime: Option<Duration>,
}

/// A role to act as.
struct Assumed<'a> {
    role: &'a str,
    session_name: &'a str,
    place: &'a Place,
}

impl Aws {
    /// What the environment is, at hosts that are AWS's by their name or by a binding of the environment. `None` elsewhere.
    /// ECR Public is asked as nobody unless it is bound: most images there are public, and most roles may not log in.
    pub(super) fn ambient(registry: &Registry, environment: &Environment) -> Option<Self> {
        let is_private = Place::of(registry).is_some_and(|place| !place.is_public);
        (is_private || is_bound(registry, environment, "aws")).then(Self::default)
    }

    /// With keys that are new: those that `api` has may be what the registry refuses.
    pub(super) async fn obtain(
        &self,
        (exchange, api): (&Exchange, &Api),
        registry: &Registry,
    ) -> Result<Issued, ProviderError> {
        let place = self.place(exchange, registry)?;
        let principal = self.principal(exchange, registry, &place).await?;
        let (credential, lifetime) = ecr::log_in(exchange, &place, &principal).await?;
        let claims = principal.claims.clone();
        api.keep((self.clone(), registry.clone()), principal).await;
        Ok(Issued { credential, lifetime, renewable: true, claims })
    }

    fn place(&self, exchange: &Exchange, registry: &Registry) -> Result<Place, ProviderError> {
        Place::at(registry, self.region.as_deref(), &exchange.environment)
    }

    async fn principal(
        &self,
        exchange: &Exchange,
        registry: &Registry,
        place: &Place,
    ) -> Result<Principal, ProviderError> {
        let Some(role) = &self.role else {
            return sources::find(exchange, registry, place).await?.ok_or_else(sources::absent);
        };
        check_partition("role", role, place)?;
        let named = self.session_name.as_deref().or_else(|| exchange.environment.get("AWS_ROLE_SESSION_NAME"));
        let assumed = Assumed { role, session_name: named.unwrap_or("regsync"), place };
        match sts::with_id_token(exchange, Bearer::Job(registry), &assumed).await {
            // Without an identity of the job, that of the machine may be allowed to act as the role.
            Err(absent @ ProviderError::Absent { .. }) => match sources::find(exchange, registry, place).await {
                Ok(Some(base)) => sts::with_keys(exchange, &assumed, &base).await,
                Ok(None) | Err(ProviderError::Absent { .. }) => Err(absent),
                Err(error) => Err(error),
            },
            outcome => outcome,
        }
    }
}

/// A role of another partition is unknown there, and what AWS says of it does not help. `name` is where it is written.
fn check_partition(name: &str, role: &str, place: &Place) -> Result<(), ProviderError> {
    let same = role.split(':').nth(1) == Some(place.partition.name);
    let problem = "is a role of another partition of AWS than the registry's";
    if same { Ok(()) } else { Err(ProviderError::Variable { name: name.into(), problem }) }
}
