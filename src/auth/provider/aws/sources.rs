//! The keys that the environment or the machine has, in the order that AWS's own tools look for them.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
//!
//! | source | |
//! |---|---|
//! | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | as they are |
//! | `AWS_ROLE_ARN` | with an ID token: that of `AWS_WEB_IDENTITY_TOKEN_FILE`, or of the job |
//! | `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, `…_FULL_URI` | the agent of ECS, or EKS Pod Identity |
//! | instance metadata, version 2 | the role of the machine |
//!
//! Refuses profiles and what they can run: whoever has one can export its keys. Refuses to act as the machine where the
//! environment names somebody else.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderName};
use serde::Deserialize;

use super::keys::Keys;
use super::place::Place;
use super::sts::Bearer;
use super::{Assumed, Principal, check_partition, request, sts};
use crate::auth::exchange::{Answer, Ask, Endpoint, Exchange};
use crate::auth::{ProviderError, Secret, identity};
use crate::image::Registry;

/// The agent of ECS, and that of EKS Pod Identity.
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];
const METADATA: [&str; 2] = ["169.254.169.254", "[fd00:ec2::254]"];
const METADATA_PATH: &str = "/latest/meta-data/iam/security-credentials/";
const WHAT: &str = "keys";
/// Authorization tokens stay far below this many bytes.
const LONGEST: u64 = 64 * 1024;

/// Who this environment is; `None` where it is nobody.
pub(super) async fn find(
    exchange: &Exchange,
    registry: &Registry,
    place: &Place,
) -> Result<Option<Principal>, ProviderError> {
    if let Some(principal) = variables(exchange)? {
        return Ok(Some(principal));
    }
    if let Some(principal) = role(exchange, registry, place).await? {
        return Ok(Some(principal));
    }
    profile(exchange)?;
    if let Some(principal) = container(exchange).await? {
        return Ok(Some(principal));
    }
    instance(exchange).await
}

/// That there is nobody.
pub(super) fn absent() -> ProviderError {
    ProviderError::Absent {
        missing: "there are no keys of AWS in the environment, and the machine has no role".to_owned(),
        hint: "write `auth: { aws: { role: … } }` for the registry, or set `AWS_ROLE_ARN`, or the keys themselves"
            .to_owned(),
    }
}

fn variables(exchange: &Exchange) -> Result<Option<Principal>, ProviderError> {
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    let flawed = |name: &str, problem| ProviderError::Variable { name: name.into(), problem };
    let text = |name: &str| exchange.environment.text(name).map_err(|_| flawed(name, "is not valid UTF-8"));
    let keys = match (text(id)?, text(secret)?) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(flawed(id, "is set, and `AWS_SECRET_ACCESS_KEY` is not")),
        (None, Some(_)) => return Err(flawed(secret, "is set, and `AWS_ACCESS_KEY_ID` is not")),
        (Some(id), Some(secret)) => (id.trim(), secret.trim()),
    };
    let token = text("AWS_SESSION_TOKEN")?.map(str::trim);
    let keys = Keys::new(keys.0, keys.1, token).ok_or_else(|| flawed(id, "and its like do not hold keys of AWS"))?;
    keys.mask(exchange);
    // When a session of a variable ends is not asked: there is no other to be had.
    Ok(Some(Principal { keys, name: format!("`{id}`"), claims: None, lifetime: None }))
}

/// The role that the environment names. Without an ID token for it nobody is taken in its place: the machine is somebody else.
async fn role(exchange: &Exchange, registry: &Registry, place: &Place) -> Result<Option<Principal>, ProviderError> {
    let Some(role) = exchange.environment.get("AWS_ROLE_ARN") else { return Ok(None) };
    check_partition("AWS_ROLE_ARN", role, place)?;
    let session_name = exchange.environment.get("AWS_ROLE_SESSION_NAME").unwrap_or("regsync");
    match sts::with_id_token(exchange, Bearer::Environment(registry), &Assumed { role, session_name, place }).await {
        Err(absent @ ProviderError::Absent { .. }) => Err(absent.or_else("unset `AWS_ROLE_ARN` to act as the machine")),
        outcome => outcome.map(Some),
    }
}

/// A profile that the environment names is not read, and is not passed over either.
fn profile(exchange: &Exchange) -> Result<(), ProviderError> {
    if exchange.environment.get("AWS_PROFILE").is_none() {
        return Ok(());
    }
    Err(ProviderError::Absent {
        missing: "`AWS_PROFILE` names a profile, and profiles are not read".to_owned(),
        hint: "make variables of it with `aws configure export-credentials --format env`; or unset it to act as the machine"
            .to_owned(),
    })
}

async fn container(exchange: &Exchange) -> Result<Option<Principal>, ProviderError> {
    let (relative, full) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let (name, endpoint) = match (exchange.environment.get(relative), exchange.environment.get(full)) {
        (Some(path), _) if path.starts_with('/') => {
            (relative, Endpoint::neighbour(relative, &format!("http://{}{path}", AGENTS[0]))?)
        }
        (Some(_), _) => {
            return Err(ProviderError::Variable { name: relative.into(), problem: "does not begin with a slash" });
        }
        (None, Some(url)) => (full, agent(full, url)?),
        (None, None) => return Ok(None),
    };
    let mut ask = Ask::get(WHAT, endpoint);
    if let Some(token) = agent_token(exchange)? {
        ask = ask.secret(&token).header(AUTHORIZATION, token.expose());
    }
    let answer = exchange.send(ask).await?;
    let (keys, lifetime) = answer.json::<Wire>()?.keys(exchange, &answer)?;
    Ok(Some(Principal { keys, name: format!("`{name}`"), claims: None, lifetime }))
}

/// An agent's URL: https, this machine, or one of the addresses that are agents'. Names are not trusted in the clear.
fn agent(name: &'static str, url: &str) -> Result<Endpoint, ProviderError> {
    let endpoint = Endpoint::neighbour(name, url)?;
    if AGENTS.contains(&endpoint.host()) { Ok(endpoint) } else { Endpoint::given(name, url) }
}

/// What the agent wants to see. The file is read each time: it is replaced while we run.
fn agent_token(exchange: &Exchange) -> Result<Option<Secret>, ProviderError> {
    let (file, variable) = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    let (name, text) = match (exchange.environment.path(file), exchange.environment.get(variable)) {
        (Some(path), _) => {
            let text = identity::read(&path, LONGEST);
            (file, text.map_err(|kind| ProviderError::File { name: file.into(), kind })?)
        }
        (None, Some(text)) => (variable, Secret::new(text)),
        (None, None) => return Ok(None),
    };
    let text = text.expose().trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err(ProviderError::Variable { name: name.into(), problem: "does not hold a token" });
    }
    Ok(Some(Secret::new(text)))
}

/// The role of the machine. Where nobody answers, or somebody else's metadata service does, there is none.
async fn instance(exchange: &Exchange) -> Result<Option<Principal>, ProviderError> {
    let Some(service) = metadata_service(exchange)? else { return Ok(None) };
    let (ttl, token) = (
        HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds"),
        HeaderName::from_static("x-aws-ec2-metadata-token"),
    );
    let ask = Ask::new("a metadata token", service.clone().with_path("/latest/api/token"), Method::PUT);
    let session = match exchange.send(ask.header(ttl, "300")).await {
        Ok(answer) if answer.is_success() => Secret::new(answer.text().trim()),
        Ok(_) | Err(ProviderError::Unreachable { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let get = |path: &str| {
        let ask = Ask::get(WHAT, service.clone().with_path(path)).secret(&session);
        exchange.send(ask.header(token.clone(), session.expose()))
    };
    let roles = get(METADATA_PATH).await?;
    let name = roles.text().lines().next().unwrap_or_default().trim().to_owned();
    if roles.status == 404 || (roles.is_success() && name.is_empty()) {
        return Ok(None);
    }
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
    if !roles.is_success() {
        return Err(roles.refused());
    }
    if !is_name {
        return Err(roles.nonsense("sent something else than the name of a role"));
    }
    let answer = get(&format!("{METADATA_PATH}{name}")).await?;
    let (keys, lifetime) = answer.json::<Wire>()?.keys(exchange, &answer)?;
    Ok(Some(Principal { keys, name: format!("the role {name} of this machine"), claims: None, lifetime }))
}

fn metadata_service(exchange: &Exchange) -> Result<Option<Endpoint>, ProviderError> {
    let name = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
    let is = |name: &str, value: &str| exchange.environment.get(name).is_some_and(|v| v.eq_ignore_ascii_case(value));
    if is("AWS_EC2_METADATA_DISABLED", "true") {
        return Ok(None);
    }
    if let Some(url) = exchange.environment.get(name) {
        let endpoint = Endpoint::metadata(name, url)?;
        let known = METADATA.contains(&endpoint.host());
        return if known { Ok(Some(endpoint)) } else { Endpoint::given(name, url).map(Some) };
    }
    let host = METADATA[usize::from(is("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6"))];
    Endpoint::metadata(name, &format!("http://{host}/")).map(Some)
}

/// Keys as agents and metadata services send them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    access_key_id: Secret,
    secret_access_key: Secret,
    token: Option<Secret>,
    /// When they end: they are a session's that was begun before we asked.
    expiration: Option<String>,
}

impl Wire {
    /// The keys, and how long they live where that is said.
    fn keys(&self, exchange: &Exchange, answer: &Answer) -> Result<(Keys, Option<Duration>), ProviderError> {
        let token = self.token.as_ref().map(Secret::expose);
        let keys = Keys::new(self.access_key_id.expose(), self.secret_access_key.expose(), token);
        let keys = keys.ok_or_else(|| answer.nonsense("sent something else than keys"))?;
        keys.mask(exchange);
        let end = self.expiration.as_deref();
        Ok((keys, end.and_then(|end| request::lifetime(exchange, answer, end))))
    }
}
