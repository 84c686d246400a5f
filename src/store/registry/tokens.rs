//! The tokens we hold, with one request under way for each.
//!
//! Owns what they may serve for. Refuses to show a refused credential to its realm a second time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::clients::Clients;
use super::holders::Holder;
use super::line::Line;
use super::login::Logins;
use super::retry::{Again, Fault, Whose};
use super::scope::{Access, Scope};
use super::token::{self, Realm, Token, Wish};
use crate::auth::{Credential, Redactor};
use crate::store::Error;
use crate::store::mutex::lock;

/// How long what a realm has refused is not asked for again: parallel requests would all repeat the refusal.
const REFUSAL_MEMORY: Duration = Duration::from_secs(30);

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    credential: usize,
    realm: String,
    service: Option<String>,
    scopes: Vec<String>,
}

enum Held {
    Nothing,
    Token(Token),
    Refused(Error, Instant),
}

/// A need for a token.
pub(super) struct Need<'a> {
    pub(super) request: &'a str,
    pub(super) scope: &'a Scope,
    pub(super) holder: &'a Holder,
    pub(super) long: bool,
}

/// All tokens for one registry.
pub(super) struct Tokens {
    clients: Arc<Clients>,
    logins: Arc<Logins>,
    redactor: Arc<Redactor>,
    limit: Duration,
    slots: Mutex<HashMap<Key, Arc<Line<Held>>>>,
}

impl Tokens {
    /// Holds none yet; `limit` is how long one may take.
    pub(super) fn new(clients: Arc<Clients>, logins: Arc<Logins>, redactor: Arc<Redactor>, limit: Duration) -> Self {
        Self { clients, logins, redactor, limit, slots: Mutex::default() }
    }

    /// A token, held or asked for.
    pub(super) async fn get(
        &self,
        need: &Need<'_>,
        realm: &Realm,
        opaque: Option<&str>,
    ) -> Result<(Key, Token), Fault> {
        let key = |scope: &Scope| Key {
            credential: need.holder.number,
            realm: realm.url.to_string(),
            service: realm.service.clone(),
            scopes: match opaque {
                Some(opaque) => opaque.split_whitespace().map(str::to_owned).collect(),
                None => scope.texts(),
            },
        };
        if need.scope.access == Access::Pull && need.scope.extra.is_empty() {
            let wider = key(&Scope { access: Access::Push, ..need.scope.clone() });
            if let Some(token) = self.ready(&wider) {
                return Ok((wider, token));
            }
        }
        let key = key(need.scope);
        let slot = self.slot(&key);
        // Held while asking: everybody else who needs this token waits for it, and shares what became of it.
        let mut held = slot.enter(need.request).await?;
        match &*held {
            Held::Token(token) if token.serves(need.long) => return Ok((key, token.clone())),
            Held::Refused(error, at) if at.elapsed() < REFUSAL_MEMORY => {
                return Err(Fault::last(Error { request: need.request.to_owned(), ..error.clone() }));
            }
            _ => {}
        }
        let asked = self.ask(need, realm, &key).await;
        if let Ok(token) = &asked {
            self.redactor.token(&token.text, &need.holder.credential);
        }
        *held = match &asked {
            Ok(token) => Held::Token(token.clone()),
            Err(fault) if fault.again == Again::Never => Held::Refused(fault.error.clone(), Instant::now()),
            Err(fault) => {
                slot.fail(fault);
                Held::Nothing
            }
        };
        drop(held);
        asked.map(|token| (key, token))
    }

    async fn ask(&self, need: &Need<'_>, realm: &Realm, key: &Key) -> Result<Token, Fault> {
        let credential = &need.holder.credential;
        let wish = Wish {
            request: need.request,
            realm,
            scopes: &key.scopes,
            credential,
            source: &need.holder.source,
            redactor: &self.redactor,
        };
        if need.holder.is_anonymous() {
            return token::ask(&self.clients, &wish, self.limit).await.map_err(of_realm);
        }
        let login = self.logins.of(need.holder.number, realm.url.as_str());
        let turn = login.enter(need.request).await?;
        let asked = token::ask(&self.clients, &wish, self.limit).await.map_err(of_realm);
        match &asked {
            Ok(_) => login.taken(),
            Err(fault) if is_refusal(credential, &fault.error) => login.refused(&fault.error),
            Err(fault) => login.failed(fault),
        }
        drop(turn);
        asked
    }

    fn slot(&self, key: &Key) -> Arc<Line<Held>> {
        let mut slots = lock(&self.slots);
        Arc::clone(slots.entry(key.clone()).or_insert_with(|| Arc::new(Line::new(Held::Nothing))))
    }

    /// A token that is there and not being replaced.
    fn ready(&self, key: &Key) -> Option<Token> {
        let slot = Arc::clone(lock(&self.slots).get(key)?);
        match &*slot.peek()? {
            Held::Token(token) if token.serves(false) => Some(token.clone()),
            _ => None,
        }
    }

    /// Drops a token that was refused, unless another request has replaced it meanwhile.
    pub(super) async fn discard(&self, request: &str, key: &Key, refused: &Token) {
        let slot = lock(&self.slots).get(key).map(Arc::clone);
        if let Some(slot) = slot
            && let Ok(mut held) = slot.enter(request).await
            && matches!(&*held, Held::Token(token) if token.text == refused.text)
        {
            *held = Held::Nothing;
        }
    }
}

fn of_realm(fault: Fault) -> Fault {
    Fault { whose: Whose::Realm, ..fault }
}

/// Whether a realm has refused the credential itself and not a scope: 401, and for identity tokens `invalid_grant`
/// (RFC 6749 §5.2), which comes with a 400.
fn is_refusal(credential: &Credential, error: &Error) -> bool {
    let invalid_grant = || error.message.to_ascii_lowercase().contains("invalid_grant");
    match error.status {
        Some(401) => true,
        Some(400) => matches!(credential, Credential::Identity(_)) && invalid_grant(),
        _ => false,
    }
}
