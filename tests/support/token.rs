//! A token server: issues bearer tokens per scope, records who asked for what, and judges tokens for a registry.
//!
//! Follows the distribution token specification: GET with Basic, POST with `refresh_token` or `password`. A grant holds
//! what the account may do of what was asked; a subset is no error.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::canary::PREFIX;
use super::server::{Answer, Bound, Call, Handler, Server, decode_pairs};
use super::tripwire;

/// What somebody may do in every repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Nothing,
    Pull,
    PullPush,
}

/// Somebody with a password, and perhaps an identity token.
#[derive(Clone, Debug)]
pub struct Account {
    pub user: String,
    pub password: String,
    pub identity_token: Option<String>,
    pub access: Access,
}

/// Which member of the answer holds the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenField {
    Token,
    AccessToken,
    Both,
    Neither,
}

/// How a token server behaves.
#[derive(Clone, Debug)]
pub struct IssuerOptions {
    pub accounts: Vec<Account>,
    pub anonymous: Access,
    /// What the answer says, in seconds; absent where `None`.
    pub expires_in: Option<i64>,
    /// What the answer says; absent where `None`.
    pub issued_at: Option<String>,
    /// How long tokens really live.
    pub lifetime: Duration,
    pub field: TokenField,
    /// The status for POST where the server does not offer it.
    pub post_refused_with: Option<u16>,
}

impl Default for IssuerOptions {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            anonymous: Access::Nothing,
            expires_in: Some(300),
            issued_at: None,
            lifetime: Duration::from_secs(300),
            field: TokenField::Token,
            post_refused_with: None,
        }
    }
}

/// One request for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    pub method: String,
    pub service: Option<String>,
    /// As sent, in order: one entry per `scope` parameter, or per word of the form's.
    pub scopes: Vec<String>,
    pub account: Option<String>,
    pub client_id: Option<String>,
    pub grant_type: Option<String>,
    /// Who proved to be somebody.
    pub user: Option<String>,
    pub status: u16,
}

/// What a token is worth for one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Unknown,
    Insufficient,
}

struct Grant {
    /// `repository:app:pull`.
    actions: BTreeSet<String>,
    ends: Instant,
}

#[derive(Default)]
struct Issued {
    requests: Vec<TokenRequest>,
    tokens: BTreeMap<String, Grant>,
    /// Those that ended or were revoked included.
    all: Vec<String>,
    /// Who may be shown what is issued here, and what it is issued for.
    hosts: BTreeSet<String>,
}

/// The memory of a token server. Shared between the realm and the registry that trusts it.
pub struct Issuer {
    options: IssuerOptions,
    issued: Mutex<Issued>,
}

impl Account {
    /// Somebody with a password.
    pub fn new(user: &str, password: &str, access: Access) -> Self {
        Self { user: user.to_owned(), password: password.to_owned(), identity_token: None, access }
    }
}

fn first(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

impl TokenRequest {
    fn read(method: &str, pairs: &[(String, String)]) -> Self {
        let value = |name: &str| first(pairs, name);
        let scopes = pairs.iter().filter(|(key, _)| key == "scope").flat_map(|(_, value)| {
            // Only the form joins scopes with spaces.
            let separator = if method == "POST" { " " } else { "\n" };
            value.split(separator).map(str::to_owned)
        });
        Self {
            method: method.to_owned(),
            service: value("service"),
            scopes: scopes.filter(|scope| !scope.is_empty()).collect(),
            account: value("account"),
            client_id: value("client_id"),
            grant_type: value("grant_type"),
            user: None,
            status: 0,
        }
    }
}

impl Issuer {
    /// A token server's memory, empty.
    pub fn new(options: IssuerOptions) -> Arc<Self> {
        Arc::new(Self { options, issued: Mutex::default() })
    }

    /// Its accounts and tokens may be shown to `host`: the realm, or a registry that trusts it.
    pub fn serves(&self, host: &str) {
        let mut issued = self.issued.lock().unwrap();
        issued.hosts.insert(host.to_owned());
        let accounts = self.options.accounts.iter();
        let own = accounts.flat_map(|account| account.identity_token.iter().chain([&account.password]));
        own.chain(&issued.all).for_each(|secret| tripwire::belongs(secret, host));
    }

    /// All requests for tokens so far.
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        self.issued.lock().unwrap().requests.clone()
    }

    /// Every token that was ever issued.
    pub fn all_tokens(&self) -> Vec<String> {
        self.issued.lock().unwrap().all.clone()
    }

    /// All tokens end now.
    pub fn revoke_all(&self) {
        self.issued.lock().unwrap().tokens.clear();
    }

    /// Whether the token covers the action, as `repository:app:pull`; any living token covers an empty one.
    pub fn judge(&self, token: &str, action: &str) -> Verdict {
        let issued = self.issued.lock().unwrap();
        match issued.tokens.get(token) {
            Some(grant) if grant.ends <= Instant::now() => Verdict::Unknown,
            None => Verdict::Unknown,
            Some(grant) if action.is_empty() || grant.actions.contains(action) => Verdict::Allowed,
            Some(_) => Verdict::Insufficient,
        }
    }

    /// Answers a request for a token.
    pub fn answer(&self, call: &Call) -> Answer {
        let is_form = call.method == "POST";
        let form = str::from_utf8(&call.body).unwrap_or_default();
        let pairs = decode_pairs(if is_form { form } else { &call.query });
        let mut request = TokenRequest::read(&call.method, &pairs);
        let answer = match (is_form, self.options.post_refused_with) {
            (true, Some(status)) => Answer::error(status, "UNSUPPORTED", "no such grant"),
            (true, None) => self.post(&mut request, &pairs),
            (false, _) => self.get(&mut request, call.header("authorization")),
        };
        request.status = answer.status;
        self.issued.lock().unwrap().requests.push(request);
        answer
    }

    fn get(&self, request: &mut TokenRequest, authorization: Option<&str>) -> Answer {
        let Some(authorization) = authorization else {
            return self.grant(&request.scopes, self.options.anonymous);
        };
        let given = basic_pair(authorization);
        let known = |account: &&Account| given == Some((account.user.clone(), account.password.clone()));
        self.grant_to(request, self.options.accounts.iter().find(known))
    }

    fn post(&self, request: &mut TokenRequest, pairs: &[(String, String)]) -> Answer {
        let value = |name: &str| first(pairs, name);
        let known = |account: &&Account| match request.grant_type.as_deref() {
            Some("refresh_token") => {
                account.identity_token.is_some() && account.identity_token == value("refresh_token")
            }
            Some("password") => {
                value("username").as_ref() == Some(&account.user)
                    && value("password").as_ref() == Some(&account.password)
            }
            _ => false,
        };
        let account = self.options.accounts.iter().find(known);
        self.grant_to(request, account)
    }

    fn grant_to(&self, request: &mut TokenRequest, account: Option<&Account>) -> Answer {
        let Some(account) = account else {
            return Answer::error(401, "UNAUTHORIZED", "incorrect username or password");
        };
        request.user = Some(account.user.clone());
        self.grant(&request.scopes, account.access)
    }

    /// A new token for what of these scopes the access allows.
    pub fn grant(&self, scopes: &[String], access: Access) -> Answer {
        let may = |resource: &str, action: &str| match access {
            Access::Nothing => false,
            _ if resource == "registry:catalog" => action == "*",
            Access::Pull => action == "pull",
            Access::PullPush => matches!(action, "pull" | "push"),
        };
        let mut actions = BTreeSet::new();
        for scope in scopes {
            let Some((resource, wanted)) = scope.rsplit_once(':') else {
                continue;
            };
            actions.extend(
                wanted.split(',').filter(|action| may(resource, action)).map(|action| format!("{resource}:{action}")),
            );
        }
        let token = format!("{PREFIX}token-{:016x}", fastrand::u64(..));
        let grant = Grant { actions, ends: Instant::now() + self.options.lifetime };
        let mut issued = self.issued.lock().unwrap();
        issued.all.push(token.clone());
        issued.hosts.iter().for_each(|host| tripwire::belongs(&token, host));
        issued.tokens.insert(token.clone(), grant);
        drop(issued);
        Answer::status(200).json(&Value::Object(self.token_body(&token)))
    }

    fn token_body(&self, token: &str) -> Map<String, Value> {
        let mut body = Map::new();
        if matches!(self.options.field, TokenField::Token | TokenField::Both) {
            body.insert("token".to_owned(), json!(token));
        }
        if matches!(self.options.field, TokenField::AccessToken | TokenField::Both) {
            body.insert("access_token".to_owned(), json!(token));
        }
        if let Some(seconds) = self.options.expires_in {
            body.insert("expires_in".to_owned(), json!(seconds));
        }
        if let Some(date) = &self.options.issued_at {
            body.insert("issued_at".to_owned(), json!(date));
        }
        body
    }
}

/// User and password of a Basic `Authorization` header.
pub fn basic_pair(authorization: &str) -> Option<(String, String)> {
    let encoded = authorization.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// A token server on an origin of its own, at `/token`.
pub struct TokenServer {
    server: Server,
    issuer: Arc<Issuer>,
}

struct Realm(Arc<Issuer>);

impl Handler for Realm {
    fn answer(&self, call: &Call) -> Answer {
        if call.path == "/token" { self.0.answer(call) } else { Answer::status(404) }
    }
}

impl TokenServer {
    /// Starts one in the clear.
    pub fn start(options: IssuerOptions) -> Self {
        let issuer = Issuer::new(options);
        let server = Bound::new(None).serve(Realm(Arc::clone(&issuer)));
        issuer.serves(&server.host());
        Self { server, issuer }
    }

    /// The URL that a challenge names.
    pub fn realm(&self) -> String {
        format!("{}/token", self.server.url())
    }

    /// The memory shared with the registry.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }
}

/// For log and faults.
impl Deref for TokenServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}
