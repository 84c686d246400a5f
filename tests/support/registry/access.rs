//! Who may do what: open, Basic, or Bearer with a token server.

use std::sync::Arc;

use crate::support::azure::Acr;
use crate::support::identity::Desk;
use crate::support::server::{Answer, Call};
use crate::support::token::{Issuer, TokenServer, Verdict, basic_pair};
use crate::support::tripwire;

/// How a registry asks who is there.
#[derive(Clone)]
pub enum Auth {
    Open,
    Basic {
        user: String,
        password: String,
    },
    /// Tokens of this issuer; `realm` is the registry's own `/token` where `None`.
    Bearer {
        issuer: Arc<Issuer>,
        realm: Option<String>,
    },
    /// Tokens of the registry itself, for what Microsoft Entra gave.
    Azure(Arc<Acr>),
    /// What this desk has issued, while it lives: passwords as Basic, tokens as Bearer.
    Issued(Arc<Desk>),
}

impl Auth {
    /// One user with one password.
    pub fn basic(user: &str, password: &str) -> Self {
        Self::Basic { user: user.to_owned(), password: password.to_owned() }
    }

    /// Tokens from `/token` of the registry's own origin.
    pub fn bearer(issuer: &Arc<Issuer>) -> Self {
        Self::Bearer { issuer: Arc::clone(issuer), realm: None }
    }

    /// Tokens from another origin.
    pub fn bearer_at(server: &TokenServer) -> Self {
        Self::Bearer { issuer: Arc::clone(server.issuer()), realm: Some(server.realm()) }
    }
}

/// Lets requests in, or says what is missing.
pub(super) struct Gatekeeper {
    auth: Auth,
    own_realm: String,
}

/// The `service` of all challenges.
const SERVICE: &str = "registry.test";

impl Gatekeeper {
    pub(super) fn new(auth: Auth, url: &str) -> Self {
        let host = url.split_once("://").map_or(url, |(_, host)| host);
        match &auth {
            Auth::Open => {}
            Auth::Basic { password, .. } => tripwire::belongs(password, host),
            Auth::Bearer { issuer, .. } => issuer.serves(host),
            Auth::Azure(acr) => acr.serves(host),
            Auth::Issued(desk) => desk.serves(host),
        }
        let path = if matches!(auth, Auth::Azure(_)) { "/oauth2/token" } else { "/token" };
        Self { auth, own_realm: format!("{url}{path}") }
    }

    /// Answers requests to the token server on this origin, if there is one.
    pub(super) fn token_endpoint(&self, call: &Call) -> Option<Answer> {
        match &self.auth {
            Auth::Bearer { issuer, realm: None } if call.path == "/token" => Some(issuer.answer(call)),
            Auth::Issued(desk) => desk.ask_service(call),
            Auth::Azure(acr) => acr.answer(call),
            _ => None,
        }
    }

    /// `Err` is the refusal.
    pub(super) fn admit(&self, call: &Call, repository: Option<&str>) -> Result<(), Answer> {
        let authorization = call.header("authorization");
        match &self.auth {
            Auth::Open => Ok(()),
            Auth::Basic { user, password } => {
                let given = authorization.and_then(basic_pair);
                let known = given.is_some_and(|(u, p)| u == *user && p == *password);
                if known { Ok(()) } else { Err(unauthorized("Basic realm=\"registry\"".to_owned())) }
            }
            Auth::Issued(desk) => {
                let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
                let given = token.map(|token| (String::new(), token.to_owned()));
                match given.or_else(|| authorization.and_then(basic_pair)) {
                    Some(given) => desk.admit(&given),
                    None => Err(unauthorized(desk.challenge())),
                }
            }
            Auth::Bearer { .. } | Auth::Azure(_) => {
                let (issuer, realm) = match &self.auth {
                    Auth::Bearer { issuer, realm: Some(realm) } => (issuer, realm),
                    Auth::Bearer { issuer, realm: None } => (issuer, &self.own_realm),
                    Auth::Azure(acr) => (acr.issuer(), &self.own_realm),
                    _ => unreachable!(),
                };
                let needs = match repository {
                    Some(repository) => Need::of(call, repository),
                    None if call.path == super::catalog::PATH => Need::catalog(),
                    None => Need::default(),
                };
                let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
                needs.check(issuer, token).map_err(|error| unauthorized(needs.challenge(realm, error)))
            }
        }
    }
}

/// The actions a request needs, and the scopes its challenge asks for.
#[derive(Default)]
struct Need {
    actions: Vec<String>,
    scopes: Vec<String>,
}

impl Need {
    fn catalog() -> Self {
        let scope = vec!["registry:catalog:*".to_owned()];
        Self { actions: scope.clone(), scopes: scope }
    }

    fn of(call: &Call, repository: &str) -> Self {
        let (action, asked) = match call.method.as_str() {
            "GET" | "HEAD" if !call.path.contains("/blobs/uploads/") => ("pull", "pull"),
            "DELETE" => ("delete", "delete"),
            _ => ("push", "pull,push"),
        };
        let mut need = Self {
            actions: vec![format!("repository:{repository}:{action}")],
            scopes: vec![format!("repository:{repository}:{asked}")],
        };
        if let (Some(from), Some(_)) = (call.parameter("from"), call.parameter("mount")) {
            need.actions.push(format!("repository:{from}:pull"));
            need.scopes.push(format!("repository:{from}:pull"));
        }
        need
    }

    /// `Err` is the `error` of the challenge, empty where no token was sent.
    fn check(&self, issuer: &Issuer, token: Option<&str>) -> Result<(), &'static str> {
        let token = token.ok_or("")?;
        let no_action = [String::new()];
        let actions = if self.actions.is_empty() { &no_action[..] } else { &self.actions };
        for action in actions {
            match issuer.judge(token, action) {
                Verdict::Allowed => {}
                Verdict::Unknown => return Err("invalid_token"),
                Verdict::Insufficient => return Err("insufficient_scope"),
            }
        }
        Ok(())
    }

    fn challenge(&self, realm: &str, error: &str) -> String {
        let mut parameters = vec![format!("Bearer realm=\"{realm}\""), format!("service=\"{SERVICE}\"")];
        if !self.scopes.is_empty() {
            parameters.push(format!("scope=\"{}\"", self.scopes.join(" ")));
        }
        if !error.is_empty() {
            parameters.push(format!("error=\"{error}\""));
        }
        parameters.join(",")
    }
}

fn unauthorized(challenge: String) -> Answer {
    Answer::error(401, "UNAUTHORIZED", "authentication required").header("WWW-Authenticate", challenge)
}
