//! Whether a registry lets us in, and what its realm grants: and whether it lets us read. Refuses to write anything, an
//! upload that is never completed included.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;

use super::RegistryClient;
use super::call::Call;
use super::retry::Fault;
use super::scope::{Access, Scope};
use crate::auth::Secret;
use crate::image::{Code, MANIFEST_ACCEPT, Repository};
use crate::store::Error;

/// What a registry said to a credential. It has not been refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The scheme that the registry asks for (`Basic`, `Bearer`); `None` where it asks for none.
    pub scheme: Option<&'static str>,
    /// Where the credential comes from, in words.
    pub source: String,
    /// Whether it went without one.
    pub anonymous: bool,
    /// Whether the token allows what was asked for; `None` where that cannot be seen before it is tried.
    pub granted: Option<bool>,
    /// `Some(true)` where the repository was really read; `None` where none was named. A refusal is an error, not `false`:
    /// it comes with the registry's words.
    pub read: Option<bool>,
    /// What was noticed besides, in words without secrets: the repository does not exist (yet), or its tags cannot be listed.
    pub remark: Option<String>,
}

impl RegistryClient {
    /// Asks for `GET /v2/` with the credential of `repository`, or of the host: with a token to pull from it, or to pull and
    /// `push`, where the registry has a realm. Then reads from `repository`: its tags, or where those are refused the tag
    /// `latest`. Nothing is written, so whether a push is allowed is known only where the token tells. Fails where the
    /// registry or the realm refuses.
    pub async fn check(&self, repository: Option<&Repository>, push: bool) -> Result<Checked, Error> {
        let registry = &self.transport.registry;
        let request = match repository {
            Some(repository) => format!("check the access to {repository}"),
            None => format!("check the access to {registry}"),
        };
        let scope = match repository {
            Some(repository) => Scope::new(repository, if push { Access::Push } else { Access::Pull }),
            None => Scope::new(&self.any_repository(&request)?, Access::Entry),
        };
        let (request, scope) = (request.as_str(), &scope);
        let checked = self.transport.retrying(request, |_| Box::pin(self.enter(request, scope))).await?;
        if repository.is_none() {
            return Ok(checked);
        }
        let remark = self.transport.retrying(request, |_| Box::pin(self.read_something(request, scope))).await?;
        Ok(Checked { read: Some(true), remark, ..checked })
    }

    /// One real read; what is to be remarked on it.
    async fn read_something(&self, request: &str, scope: &Scope) -> Result<Option<String>, Fault> {
        let name = scope.repository.name();
        let mut list = self.transport.url(&format!("/v2/{name}/tags/list"));
        list.set_query(Some("n=1"));
        let refused = match self.read_at(request, scope, (Method::GET, list)).await {
            Ok(true) => return Ok(None),
            Ok(false) => return Ok(Some("the repository does not exist, or holds nothing".to_owned())),
            Err(fault) if matches!(fault.error.status, Some(401 | 403 | 405)) => fault,
            Err(fault) => return Err(fault),
        };
        // Listing is a right of its own at some registries (ECR): then images that are named can still be read.
        let latest = self.transport.url(&format!("/v2/{name}/manifests/latest"));
        match self.read_at(request, scope, (Method::HEAD, latest)).await {
            Ok(_) => Ok(Some("its tags cannot be listed, images of known tags can be read".to_owned())),
            Err(_) => Err(refused),
        }
    }

    /// Whether there is something at `url`; an error where it is refused.
    async fn read_at(&self, request: &str, scope: &Scope, (method, url): (Method, Url)) -> Result<bool, Fault> {
        let call =
            Call::new(request, method, url, scope.clone()).header(ACCEPT, HeaderValue::from_static(MANIFEST_ACCEPT));
        let answer = self.transport.exchange(call).await?;
        match answer.status() {
            200..=299 => Ok(true),
            404 => Ok(false),
            _ => Err(answer.refusal().await),
        }
    }

    async fn enter(&self, request: &str, scope: &Scope) -> Result<Checked, Fault> {
        let transport = &self.transport;
        let call = Call::new(request, Method::GET, transport.url("/v2/"), scope.clone());
        let answer = transport.exchange(call).await?;
        if !(200..300).contains(&answer.status()) {
            let fault = answer.refusal().await;
            let hint = "does this host answer the distribution API?";
            return Err(if fault.error.status == Some(404) { Fault::last(fault.error.hint(hint)) } else { fault });
        }
        drop(answer);
        let grant = transport.authorizer.grant(request, scope, false).await?;
        let wanted = scope.texts();
        Ok(Checked {
            scheme: transport.authorizer.scheme(&scope.repository),
            source: grant.holder.source.clone(),
            anonymous: grant.holder.is_anonymous(),
            read: None,
            remark: None,
            granted: grant.token().filter(|_| !wanted.is_empty()).and_then(|token| granted(&token.text, scope)),
        })
    }

    /// A name under which the keychain finds what belongs to the host as a whole.
    pub(super) fn any_repository(&self, request: &str) -> Result<Repository, Error> {
        let name = Repository::new(self.transport.registry.clone(), "regsync");
        name.map_err(|error| Error::new(Code::Internal, request, error.to_string()))
    }
}

/// What a token of distribution's own form (a JWT with `access`) allows. Only read, never trusted: it was made for the
/// registry, which checks it; here it is told to a person.
fn granted(token: &Secret, scope: &Scope) -> Option<bool> {
    #[derive(Deserialize)]
    struct Claims {
        access: Option<Vec<Entry>>,
    }
    #[derive(Deserialize)]
    struct Entry {
        name: String,
        actions: Option<Vec<String>>,
    }
    let payload = token.expose().split('.').nth(1)?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    let wanted: &[&str] = if scope.access == Access::Push { &["pull", "push"] } else { &["pull"] };
    let entries = claims.access?;
    let allows = |action: &&str| {
        let here = entries.iter().filter(|entry| entry.name == scope.repository.name());
        here.flat_map(|entry| entry.actions.iter().flatten()).any(|allowed| allowed == action || allowed == "*")
    };
    Some(wanted.iter().all(allows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_what_it_allows() {
        let repository = Repository::new("r.io".parse().unwrap(), "a/b").unwrap();
        let (pull, push) = (Scope::new(&repository, Access::Pull), Scope::new(&repository, Access::Push));
        let token = |claims: &str| Secret::new(format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(claims)));
        let reader = token(r#"{"access":[{"type":"repository","name":"a/b","actions":["pull"]}]}"#);
        assert_eq!((granted(&reader, &pull), granted(&reader, &push)), (Some(true), Some(false)));
        let all = token(r#"{"access":[{"name":"a/b","actions":["*"]}]}"#);
        assert_eq!(granted(&all, &push), Some(true));
        let other = token(r#"{"access":[{"name":"c","actions":["pull","push"]},{"name":"a/b","actions":null}]}"#);
        assert_eq!(granted(&other, &pull), Some(false));
        for opaque in ["", "opaque", "a.b.c", "e30.e30.x"] {
            assert_eq!(granted(&Secret::new(opaque), &pull), None, "{opaque}");
        }
    }
}
