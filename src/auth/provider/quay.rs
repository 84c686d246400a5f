//! Quay: a robot account whose federation trusts the CI system.
//!
//! Quay compares issuer and subject, and the audience where the federation names one (quay,
//! `util/security/federated_robot_auth.py`). The ID token is made for the registry itself and serves nowhere else.

use serde::Deserialize;

use super::{Issued, service};
use crate::auth::exchange::{Answer, Ask, Endpoint, Exchange};
use crate::auth::identity::{self, Wish};
use crate::auth::{ProviderError, Secret};
use crate::image::Registry;

/// A robot account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quay {
    /// `organisation+name`.
    pub robot: String,
}

/// <https://docs.redhat.com/en/documentation/red_hat_quay/3/html/red_hat_quay_api_reference/auth_federated_robot_token>
const PATH: &str = "/oauth2/federation/robot/token";

#[derive(Deserialize)]
struct Wire {
    token: Option<Secret>,
}

impl Quay {
    pub(super) async fn obtain(&self, exchange: &Exchange, registry: &Registry) -> Result<Issued, ProviderError> {
        let endpoint = service::endpoint(exchange, registry, || Endpoint::at(registry, ""))?.below(PATH);
        let audience = format!("https://{}", endpoint.authority());
        let wish = Wish { provider: "quay", registry, audience: &audience, file_variable: None, exact: true };
        let token = identity::obtain(exchange, &wish).await?;
        let answer = exchange.send(Ask::get("the robot's token", endpoint).basic(&self.robot, &token.text)).await?;
        let wire: Wire = answer.json().map_err(|error| self.advise(&answer, error).about(&token.claims))?;
        let password = wire.token.ok_or_else(|| answer.nonsense("sent no `token`"))?;
        let lifetime = service::lifetime(exchange, password.expose());
        service::issued(&answer, (&self.robot, password.expose()), lifetime, token.claims)
    }

    fn advise(&self, answer: &Answer, error: ProviderError) -> ProviderError {
        match answer.status {
            400..=403 => error.advise(format!(
                "see that the robot `{}` exists, and that its federation (\"Set robot federation\") lists this issuer \
                 and subject",
                self.robot
            )),
            404 | 405 => error.advise("robot accounts have federations since Quay 3.13; see that the host is a Quay"),
            _ => error,
        }
    }
}
