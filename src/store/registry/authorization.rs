//! What to show to a registry: which scheme it wants, and which credential is ours.
//!
//! Owns the rules of showing: a credential that is configured is shown wherever a scheme for it is known, by one request
//! first. Refuses to fall back to anonymous where a credential is configured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;
use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::call::Call;
use super::challenge::{Bearer, Challenge};
use super::clients::Clients;
use super::holders::{Holder, Holders};
use super::line::Line;
use super::login::{Logins, Turn};
use super::retry::Fault;
use super::scheme::{Scheme, Schemes};
use super::scope::{Scope, is_opaque};
use super::settings::Network;
use super::token::{Realm, Token, basic, bearer, sensitive};
use super::tokens::{Key, Need, Tokens};
use crate::auth::{Credential, Redactor};
use crate::image::{Code, Repository};
use crate::store::Error;

/// The place of a credential that is shown to the registry itself. No realm has this name: they are URLs.
const REGISTRY: &str = "the registry";

/// Prepares the `Authorization` of the requests to one registry.
pub(super) struct Authorizer {
    clients: Arc<Clients>,
    pub(super) redactor: Arc<Redactor>,
    schemes: Schemes,
    /// For the request that learns what is wanted; whether it was made for a credential.
    first: Line<()>,
    introduced: AtomicBool,
    holders: Holders,
    logins: Arc<Logins>,
    tokens: Tokens,
}

/// What one request shows.
pub(super) struct Grant {
    pub(super) header: Option<HeaderValue>,
    pub(super) holder: Arc<Holder>,
    shown: Shown,
    /// What was known to be wanted when it was made.
    scheme: Scheme,
}

enum Shown {
    Nothing,
    /// The credential itself.
    Credential,
    Token(Key, Token),
}

impl Grant {
    /// The token shown, if it is one.
    pub(super) fn token(&self) -> Option<&Token> {
        match &self.shown {
            Shown::Token(_, token) => Some(token),
            _ => None,
        }
    }

    /// Where the credential comes from, in words; `None` for requests as anybody.
    pub(super) fn source(&self) -> Option<String> {
        Some(self.holder.source.clone()).filter(|_| !self.holder.is_anonymous())
    }

    /// Whether a credential is configured that this request does not show, since nobody has asked for it.
    pub(super) fn withholds(&self) -> bool {
        matches!(self.shown, Shown::Nothing) && !self.holder.is_anonymous()
    }
}

/// What one call has already done about refusals; each is worth one try.
#[derive(Default)]
pub(super) struct Tally {
    learned: bool,
    /// When a token was first refused.
    refused: Option<Instant>,
    widened: bool,
    pub(super) renewed: bool,
}

impl Authorizer {
    /// Knows nothing yet.
    pub(super) fn new(clients: Arc<Clients>, network: &Network) -> Self {
        let (logins, redactor) = (Arc::new(Logins::default()), Arc::new(network.keychain.redactor()));
        let tokens =
            Tokens::new(Arc::clone(&clients), Arc::clone(&logins), Arc::clone(&redactor), network.limits.token);
        Self {
            holders: Holders::new(Arc::clone(&clients), Arc::clone(&redactor), network),
            clients,
            redactor,
            schemes: Schemes::default(),
            first: Line::new(()),
            introduced: AtomicBool::new(false),
            logins,
            tokens,
        }
    }

    /// Whether the registry must be asked what it wants before `scope` can be: a credential waits to be shown, and a
    /// registry that hides what it has from others (404) would never ask for it. The turn is for the one who asks.
    pub(super) async fn introduction(&self, request: &str, scope: &Scope) -> Result<Option<Turn<'_>>, Fault> {
        let holder = self.holders.of(request, &scope.repository).await?;
        if !matches!(holder.credential, Credential::Basic { .. } | Credential::Identity(_)) || self.is_introduced() {
            return Ok(None);
        }
        let guard = self.first.enter(request).await?;
        let turn = Turn { first: Some(&self.first), login: None, guards: [Some(guard), None] };
        Ok((!self.is_introduced()).then_some(turn))
    }

    fn is_introduced(&self) -> bool {
        let unknown = matches!(self.schemes.usual(), Scheme::Unknown | Scheme::Nothing);
        !unknown || self.introduced.load(Ordering::Relaxed)
    }

    /// Notes what the registry said when it was asked for nothing in particular.
    pub(super) async fn introduce(&self, request: &str, scope: &Scope, challenges: &[Challenge]) -> Result<(), Fault> {
        let holder = self.holders.of(request, &scope.repository).await?;
        let fits = |challenge: &&Challenge| can_meet(&holder.credential, challenge);
        if let Some(challenge) = challenges.iter().find(fits).or(challenges.first()) {
            let scheme = self.understand(request, challenge, None)?;
            self.schemes.learn(&scope.repository, scheme);
        }
        self.schemes.unchallenged();
        self.introduced.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Waits while another request is the first one, without knowledge of the scheme or with a credential that was never
    /// taken: else every request of the first moment would be refused and repeated. `None` where more is known by now than
    /// when `grant` was made.
    pub(super) async fn turn(&self, call: &Call<'_>, grant: &Grant) -> Result<Option<Turn<'_>>, Fault> {
        let mut turn = Turn { first: None, login: None, guards: [None, None] };
        if grant.scheme == Scheme::Unknown {
            turn.guards[0] = Some(self.first.enter(call.request).await?);
            turn.first = Some(&self.first);
        }
        if matches!(grant.shown, Shown::Credential) {
            let login = self.logins.of(grant.holder.number, REGISTRY);
            turn.guards[1] = login.enter(call.request).await?;
            turn.login = Some(login);
        }
        Ok((self.schemes.of(&call.scope.repository) == grant.scheme).then_some(turn))
    }

    /// Notes an answer that was no challenge. What is in trouble or asks to slow down may not have looked at us yet, and a
    /// proxy's 407 is no word of the registry's.
    pub(super) fn answered(&self, turn: &Turn<'_>, status: u16) {
        if status >= 500 || matches!(status, 407 | 429) {
            return;
        }
        self.schemes.unchallenged();
        if let Some(login) = &turn.login {
            login.taken();
        }
    }

    /// The scheme that the registry asks for, in words; `None` while it has asked for none.
    pub(super) fn scheme(&self, repository: &Repository) -> Option<&'static str> {
        match self.schemes.of(repository) {
            Scheme::Unknown | Scheme::Nothing => None,
            Scheme::Basic => Some("Basic"),
            Scheme::Bearer { .. } => Some("Bearer"),
        }
    }

    /// What to show for a request that needs `scope`; `long` where a transfer follows.
    pub(super) async fn grant(&self, request: &str, scope: &Scope, long: bool) -> Result<Grant, Fault> {
        let mut holder = self.holders.of(request, &scope.repository).await?;
        let scheme = self.schemes.of(&scope.repository);
        let (header, shown) = match (&holder.credential.clone(), &scheme) {
            (Credential::Bearer(token), _) => {
                let header = sensitive(bearer(token));
                let header = header.ok_or_else(|| unusable(request, &holder, "is no token that a header can hold"))?;
                (Some(header), Shown::Credential)
            }
            // Also where nobody asks for it: some registries hide what they have from others without a challenge.
            (Credential::Basic { username, password }, Scheme::Basic | Scheme::Nothing) => {
                (Some(basic(username, password)), Shown::Credential)
            }
            (_, Scheme::Bearer { realm, opaque }) => {
                let need = |holder| Need { request, scope, holder, long };
                let mut asked = self.tokens.get(&need(&holder), realm, opaque.as_deref()).await;
                if let Err(fault) = &asked
                    && has_ended(&fault.error)
                    && let Some(fresh) = self.renew(request, scope, &holder).await?
                {
                    asked = self.tokens.get(&need(&fresh), realm, opaque.as_deref()).await;
                    holder = fresh;
                }
                let (key, token) = asked?;
                (Some(token.header.clone()), Shown::Token(key, token))
            }
            (Credential::Identity(_), Scheme::Basic) => {
                let what = "is an identity token, but the registry takes user names only";
                return Err(unusable(request, &holder, what).into());
            }
            _ => (None, Shown::Nothing),
        };
        Ok(Grant { header, holder, shown, scheme })
    }

    /// Takes note of a 401 and its challenges. `true` when the call is worth repeating with a new [`Grant`].
    pub(super) async fn challenged(
        &self,
        call: &mut Call<'_>,
        grant: &Grant,
        challenges: &[Challenge],
    ) -> Result<bool, Fault> {
        match &grant.shown {
            Shown::Token(key, token) => {
                if self.has_another_realm(call, grant, challenges)? {
                    return Ok(true);
                }
                Ok(self.token_refused((key, token), call, challenges).await)
            }
            Shown::Nothing | Shown::Credential => self.learn_from(call, grant, challenges),
        }
    }

    /// The registry has said what it wants to see.
    fn learn_from(&self, call: &mut Call<'_>, grant: &Grant, challenges: &[Challenge]) -> Result<bool, Fault> {
        let credential = &grant.holder.credential;
        let fits = |challenge: &&Challenge| match grant.shown {
            Shown::Credential => {
                matches!((challenge, credential), (Challenge::Bearer(_), Credential::Basic { .. }))
            }
            _ => can_meet(credential, challenge),
        };
        let Some(challenge) = challenges.iter().find(fits) else { return Ok(false) };
        if std::mem::replace(&mut call.tally.learned, true) {
            return Ok(false);
        }
        let scheme = self.understand(call.request, challenge, None)?;
        self.schemes.learn(&call.scope.repository, scheme);
        let has_answer = matches!(challenge, Challenge::Bearer(_)) || !grant.holder.is_anonymous();
        Ok(has_answer && !matches!(credential, Credential::Bearer(_)))
    }

    /// Whether a token was refused for being another realm's: then that realm is learnt, once in a call.
    fn has_another_realm(&self, call: &mut Call<'_>, grant: &Grant, challenges: &[Challenge]) -> Result<bool, Fault> {
        let names_realm =
            |challenge: &&Challenge| matches!(challenge, Challenge::Bearer(asked) if asked.realm.is_some());
        let Some(asked) = challenges.iter().find(names_realm) else { return Ok(false) };
        let wanted = self.understand(call.request, asked, Some(&grant.scheme))?;
        if wanted == grant.scheme || std::mem::replace(&mut call.tally.learned, true) {
            return Ok(false);
        }
        self.schemes.learn(&call.scope.repository, wanted);
        Ok(true)
    }

    /// A token was not enough: it may have ended, or the registry wants one for another scope. Each is tried once.
    async fn token_refused(&self, (key, token): (&Key, &Token), call: &mut Call<'_>, challenges: &[Challenge]) -> bool {
        let asked = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer(bearer) => Some(bearer),
            Challenge::Basic => None,
        });
        // A registry that took tokens and now asks for a password is saying no in its own way (Harbor).
        let Some(asked) = asked else { return false };
        self.tokens.discard(call.request, key, token).await;
        let wanted = asked.scope.as_deref().unwrap_or_default();
        let more = if is_opaque(wanted) { Vec::new() } else { call.scope.uncovered(wanted) };
        if !more.is_empty() && !std::mem::replace(&mut call.tally.widened, true) {
            call.scope.extra = more;
            return true;
        }
        // One that was held already at the first refusal has ended for the same reason, and says nothing of a fresh one.
        let first = call.tally.refused;
        call.tally.refused = first.or_else(|| Some(Instant::now()));
        first.is_none_or(|first| token.is_older_than(first))
    }

    /// Another credential than the one that `holder` has, which was refused; `None` where there is none.
    pub(super) async fn renew(
        &self,
        request: &str,
        scope: &Scope,
        holder: &Arc<Holder>,
    ) -> Result<Option<Arc<Holder>>, Error> {
        let was_taken = self.logins.was_taken(holder.number);
        self.holders.replace(request, &scope.repository, (holder, was_taken)).await
    }

    /// A challenge as a scheme; what it leaves out is as it was in the scheme `before`.
    fn understand(&self, request: &str, challenge: &Challenge, before: Option<&Scheme>) -> Result<Scheme, Fault> {
        let Challenge::Bearer(bearer) = challenge else { return Ok(Scheme::Basic) };
        let mut realm = self.realm(request, bearer)?;
        let mut opaque = bearer.scope.clone().filter(|scope| is_opaque(scope));
        if let Some(Scheme::Bearer { realm: known, opaque: scopes }) = before {
            realm.service = realm.service.or_else(|| known.service.clone());
            if bearer.scope.is_none() {
                opaque.clone_from(scopes);
            }
        }
        Ok(Scheme::Bearer { realm, opaque })
    }

    fn realm(&self, request: &str, bearer: &Bearer) -> Result<Realm, Fault> {
        let Some(realm) = &bearer.realm else {
            let message = "the registry asks for a token but does not say where to get one";
            return Err(Error::new(Code::Protocol, request, message).into());
        };
        let checked = self.clients.boundary.realm(realm);
        let url: Url = checked.map_err(|breach| breach.error(request, "token realm"))?;
        Ok(Realm { url: without_scopes(url), service: bearer.service.clone() })
    }
}

/// A realm without the scopes in its query: those to ask for are ours to say. Names of the registry's own making may stay.
fn without_scopes(mut url: Url) -> Url {
    let is_scope = |name: &str, value: &str| name.eq_ignore_ascii_case("scope") && !is_opaque(value);
    if url.query_pairs().any(|(name, value)| is_scope(&name, &value)) {
        let pairs = url.query_pairs().filter(|(name, value)| !is_scope(name, value));
        let kept: Vec<(String, String)> = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
    }
    url
}

/// Whether a realm's refusal may mean that the credential has ended. Some say it with another status than 401.
fn has_ended(error: &Error) -> bool {
    match error.status {
        Some(400 | 401) => true,
        Some(403) => error.message.to_ascii_lowercase().contains("expired"),
        _ => false,
    }
}

/// The first challenge that can be met counts: an identity token is no password.
fn can_meet(credential: &Credential, challenge: &Challenge) -> bool {
    !matches!((challenge, credential), (Challenge::Basic, Credential::Identity(_)))
}

fn unusable(request: &str, holder: &Holder, what: &str) -> Error {
    Error::new(Code::Auth, request, format!("the credential from {} {what}", holder.source))
}
