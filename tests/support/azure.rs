//! What a registry of Azure does beside being one: it takes Entra tokens for refresh tokens, and those for its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::canary::PREFIX;
use super::identity::form;
use super::registry::Auth;
use super::server::{Answer, Call};
use super::token::{Access, Issuer, IssuerOptions};
use super::tripwire;

/// The token services of one registry. Checks every byte that they are sent.
pub struct Acr {
    issuer: Arc<Issuer>,
    /// How long a refresh token lives, and whether it says so.
    life: (Duration, bool),
    /// Entra tokens, with the tenant that is to be named with each.
    entra: Mutex<Vec<(String, Option<String>)>>,
    refresh: Mutex<BTreeMap<String, Instant>>,
    hosts: Mutex<Vec<String>>,
}

impl Acr {
    /// Refresh tokens live this long, and say so in `exp` where `says`; access tokens live for `access`.
    pub fn new(life: Duration, says: bool, access: Duration) -> Arc<Self> {
        let options = IssuerOptions { expires_in: None, lifetime: access, ..IssuerOptions::default() };
        Arc::new(Self {
            issuer: Issuer::new(options),
            life: (life, says),
            entra: Mutex::default(),
            refresh: Mutex::default(),
            hosts: Mutex::default(),
        })
    }

    /// A registry that takes what is given here and nothing else.
    pub fn auth(self: &Arc<Self>) -> Auth {
        Auth::Azure(Arc::clone(self))
    }

    /// Who judges access tokens.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// What is given here may be shown to `host`.
    pub fn serves(&self, host: &str) {
        self.hosts.lock().unwrap().push(host.to_owned());
        self.issuer.serves(host);
    }

    /// A new token of Microsoft Entra, which the registry takes once, with this tenant named.
    pub fn entra_token(&self, tenant: Option<&str>) -> String {
        let token = self.secret("entra");
        self.entra.lock().unwrap().push((token.clone(), tenant.map(str::to_owned)));
        token
    }

    /// How many refresh tokens were given.
    pub fn given(&self) -> usize {
        self.refresh.lock().unwrap().len()
    }

    /// All refresh tokens end now.
    pub fn revoke_all(&self) {
        self.refresh.lock().unwrap().values_mut().for_each(|end| *end = Instant::now());
    }

    fn secret(&self, what: &str) -> String {
        let secret = format!("{PREFIX}{what}-{:016x}", fastrand::u64(..));
        self.hosts.lock().unwrap().iter().for_each(|host| tripwire::belongs(&secret, host));
        secret
    }

    /// Answers what is for these services.
    pub fn answer(&self, call: &Call) -> Option<Answer> {
        match call.path.as_str() {
            "/oauth2/exchange" => Some(self.exchange(call)),
            "/oauth2/token" => Some(self.token(call)),
            _ => None,
        }
    }

    fn exchange(&self, call: &Call) -> Answer {
        assert_eq!((call.method.as_str(), call.query.as_str()), ("POST", ""));
        assert_eq!(call.header("authorization"), None);
        let pairs = form(call);
        let (token, rest) = pairs.split_last().unwrap();
        assert_eq!(token.0, "access_token");
        let mut entra = self.entra.lock().unwrap();
        let Some(known) = entra.iter().position(|(known, _)| *known == token.1) else { return refused() };
        let (_, tenant) = entra.remove(known);
        let host = call.header("host").unwrap();
        let mut expected = vec![("grant_type", "access_token"), ("service", host)];
        expected.extend(tenant.as_deref().map(|tenant| ("tenant", tenant)));
        let rest: Vec<_> = rest.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(rest, expected);
        Answer::status(200).json(&json!({"refresh_token": self.refresh_token()}))
    }

    fn refresh_token(&self) -> String {
        let (life, says) = self.life;
        let end = jiff::Timestamp::now().as_second() + i64::try_from(life.as_secs()).unwrap();
        let claims = if says { json!({"exp": end}) } else { json!({}) };
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!("{}.{}.{}", part(&json!({"alg": "RS256"})), part(&claims), self.secret("refresh"));
        self.refresh.lock().unwrap().insert(token.clone(), Instant::now() + life);
        token
    }

    fn token(&self, call: &Call) -> Answer {
        assert_eq!((call.method.as_str(), call.header("authorization")), ("POST", None));
        let pairs: BTreeMap<String, String> = form(call).into_iter().collect();
        assert_eq!(pairs["grant_type"], "refresh_token");
        let alive = self.refresh.lock().unwrap().get(&pairs["refresh_token"]).is_some_and(|end| Instant::now() < *end);
        if !alive {
            return refused();
        }
        let scopes = pairs.get("scope").map(String::as_str).unwrap_or_default().split(' ').map(str::to_owned);
        self.issuer.grant(&scopes.collect::<Vec<_>>(), Access::PullPush)
    }
}

fn refused() -> Answer {
    Answer::error(401, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization")
}
