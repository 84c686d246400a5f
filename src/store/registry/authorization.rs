//! What to show to a registry: which scheme it wants, which credential is ours, and the tokens we hold.
//!
//! Owns the memory of one registry's challenge, so that only its first request goes out unprepared, and the cache of
//! tokens with one request in flight for each. Refuses to fall back to anonymous where a credential is configured.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard, OnceCell};
use tokio::time::Instant;

use super::call::Call;
use super::challenge::{Bearer, Challenge};
use super::clients::Clients;
use super::retry::{Again, Fault};
use super::scope::{Access, Scope, is_opaque};
use super::settings::Network;
use super::token::{self, Realm, Token, Wish, basic, sensitive};
use crate::auth::{Credential, Keychain};
use crate::event::{Event, Reporter};
use crate::image::{Code, Registry, Repository};
use crate::store::Error;

/// How long a refused credential is not shown again: parallel requests would all repeat the refusal.
const REFUSAL_MEMORY: Duration = Duration::from_secs(30);

/// Prepares the `Authorization` of the requests to one registry.
pub(super) struct Authorizer {
    clients: Arc<Clients>,
    keychain: Arc<Keychain>,
    reporter: Arc<dyn Reporter>,
    token_limit: Duration,
    scheme: Mutex<Scheme>,
    first: AsyncMutex<()>,
    holders: Mutex<HashMap<Repository, Arc<OnceCell<Arc<Holder>>>>>,
    credentials: Mutex<Vec<Credential>>,
    withheld: AtomicBool,
    tokens: Mutex<HashMap<Key, Slot>>,
}

/// What the registry is known to want.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scheme {
    Unknown,
    Nothing,
    Basic,
    Bearer { realm: Realm, opaque: Option<String> },
}

/// A credential as it is used here.
pub(super) struct Holder {
    pub(super) credential: Credential,
    /// Where it comes from, in words.
    pub(super) source: String,
    /// Which of the credentials in use it is: tokens of one must never serve another.
    number: usize,
}

impl Holder {
    /// Whether requests go out as anybody's.
    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self.credential, Credential::Anonymous)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    credential: usize,
    realm: String,
    service: Option<String>,
    scopes: Vec<String>,
}

type Slot = Arc<AsyncMutex<Held>>;

enum Held {
    Nothing,
    Token(Token),
    Refused(Error, Instant),
}

/// A need for a token.
struct Need<'a> {
    request: &'a str,
    scope: &'a Scope,
    holder: &'a Holder,
    long: bool,
}

/// What one request shows.
pub(super) struct Grant {
    pub(super) header: Option<HeaderValue>,
    pub(super) holder: Arc<Holder>,
    shown: Shown,
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
}

/// What one call has already done about refusals; each is worth one try.
#[derive(Default)]
pub(super) struct Tally {
    learned: bool,
    refreshed: bool,
    widened: bool,
}

impl Authorizer {
    /// Knows nothing yet.
    pub(super) fn new(clients: Arc<Clients>, network: &Network) -> Self {
        Self {
            clients,
            keychain: Arc::clone(&network.keychain),
            reporter: Arc::clone(&network.reporter),
            token_limit: network.limits.token,
            scheme: Mutex::new(Scheme::Unknown),
            first: AsyncMutex::new(()),
            holders: Mutex::default(),
            credentials: Mutex::default(),
            withheld: AtomicBool::new(false),
            tokens: Mutex::default(),
        }
    }

    /// Waits while another request is the first one; the first itself gets a guard to hold until it is answered.
    /// Without this, every request of the first moment would be refused and repeated.
    pub(super) async fn first(&self) -> Option<AsyncMutexGuard<'_, ()>> {
        if *lock(&self.scheme) != Scheme::Unknown {
            return None;
        }
        let guard = self.first.lock().await;
        (*lock(&self.scheme) == Scheme::Unknown).then_some(guard)
    }

    /// Notes that a request was answered without being challenged.
    pub(super) fn unchallenged(&self) {
        let mut scheme = lock(&self.scheme);
        if *scheme == Scheme::Unknown {
            *scheme = Scheme::Nothing;
        }
    }

    /// The scheme that the registry asks for, in words; `None` while it has asked for none.
    pub(super) fn scheme(&self) -> Option<&'static str> {
        match &*lock(&self.scheme) {
            Scheme::Unknown | Scheme::Nothing => None,
            Scheme::Basic => Some("Basic"),
            Scheme::Bearer { .. } => Some("Bearer"),
        }
    }

    /// What to show for a request that needs `scope`; `long` where a transfer follows.
    pub(super) async fn grant(&self, request: &str, scope: &Scope, long: bool) -> Result<Grant, Fault> {
        let holder = self.holder(request, &scope.repository).await?;
        let scheme = lock(&self.scheme).clone();
        let (header, shown) = match (&holder.credential, scheme) {
            (Credential::Bearer(token), _) => {
                let header = sensitive(&format!("Bearer {}", token.expose()));
                let header = header.ok_or_else(|| unusable(request, &holder, "is no token that a header can hold"))?;
                (Some(header), Shown::Credential)
            }
            (Credential::Basic { username, password }, Scheme::Basic) => {
                (Some(basic(username, password)), Shown::Credential)
            }
            (_, Scheme::Bearer { realm, opaque }) => {
                let need = Need { request, scope, holder: &holder, long };
                let (key, token) = self.token(&need, &realm, opaque.as_deref()).await?;
                (Some(token.header.clone()), Shown::Token(key, token))
            }
            (Credential::Identity(_), Scheme::Basic) => {
                let what = "is an identity token, but the registry takes user names only";
                return Err(unusable(request, &holder, what).into());
            }
            _ => (None, Shown::Nothing),
        };
        Ok(Grant { header, holder, shown })
    }

    /// Takes note of a 401 and its challenges. `true` when the call is worth repeating with a new [`Grant`].
    pub(super) async fn challenged(
        &self,
        call: &mut Call<'_>,
        grant: &Grant,
        challenges: &[Challenge],
    ) -> Result<bool, Fault> {
        match &grant.shown {
            Shown::Token(key, token) => Ok(self.token_refused((key, token), call, challenges).await),
            Shown::Nothing | Shown::Credential => self.learn_from(call, grant, challenges),
        }
    }

    /// The registry has said what it wants to see.
    fn learn_from(&self, call: &mut Call<'_>, grant: &Grant, challenges: &[Challenge]) -> Result<bool, Fault> {
        let fits = |challenge: &&Challenge| match grant.shown {
            Shown::Credential => matches!(challenge, Challenge::Bearer(_)) && self.scheme() == Some("Basic"),
            // The first that can be met: an identity token is no password.
            _ => !matches!((challenge, &grant.holder.credential), (Challenge::Basic, Credential::Identity(_))),
        };
        let Some(challenge) = challenges.iter().find(fits) else { return Ok(false) };
        if std::mem::replace(&mut call.tally.learned, true) {
            return Ok(false);
        }
        self.learn(call.request, challenge)?;
        let has_answer = matches!(challenge, Challenge::Bearer(_)) || !grant.holder.is_anonymous();
        Ok(has_answer && !matches!(grant.holder.credential, Credential::Bearer(_)))
    }

    /// A token was not enough: it may have ended, or the registry wants one for another scope. Each is tried once.
    async fn token_refused(&self, (key, token): (&Key, &Token), call: &mut Call<'_>, challenges: &[Challenge]) -> bool {
        let asked = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer(bearer) => Some(bearer),
            Challenge::Basic => None,
        });
        // A registry that took tokens and now asks for a password is saying no in its own way (Harbor).
        let Some(asked) = asked else { return false };
        self.discard(key, token).await;
        let wanted = asked.scope.as_deref().unwrap_or_default();
        let more = if is_opaque(wanted) { Vec::new() } else { call.scope.uncovered(wanted) };
        if !more.is_empty() && !std::mem::replace(&mut call.tally.widened, true) {
            call.scope.extra = more;
            return true;
        }
        !std::mem::replace(&mut call.tally.refreshed, true)
    }

    fn learn(&self, request: &str, challenge: &Challenge) -> Result<(), Fault> {
        let learned = match challenge {
            Challenge::Basic => Scheme::Basic,
            Challenge::Bearer(bearer) => {
                let opaque = bearer.scope.clone().filter(|scope| is_opaque(scope));
                Scheme::Bearer { realm: self.realm(request, bearer)?, opaque }
            }
        };
        *lock(&self.scheme) = learned;
        Ok(())
    }

    fn realm(&self, request: &str, bearer: &Bearer) -> Result<Realm, Fault> {
        let Some(realm) = &bearer.realm else {
            let message = "the registry asks for a token but does not say where to get one";
            return Err(Error::new(Code::Protocol, request, message).into());
        };
        let checked = self.clients.boundary.realm(realm);
        let url: Url = checked.map_err(|breach| breach.error(request, "token realm"))?;
        Ok(Realm { url, service: bearer.service.clone() })
    }

    async fn token(&self, need: &Need<'_>, realm: &Realm, opaque: Option<&str>) -> Result<(Key, Token), Fault> {
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
        // Held while asking: everybody else who needs this token waits for it.
        let mut held = slot.lock().await;
        match &*held {
            Held::Token(token) if token.serves(need.long) => return Ok((key, token.clone())),
            Held::Refused(error, at) if at.elapsed() < REFUSAL_MEMORY => {
                return Err(Fault::last(Error { request: need.request.to_owned(), ..error.clone() }));
            }
            _ => {}
        }
        let wish = Wish {
            request: need.request,
            realm,
            scopes: &key.scopes,
            credential: &need.holder.credential,
            source: &need.holder.source,
        };
        let asked = token::ask(&self.clients, &wish, self.token_limit).await;
        *held = match &asked {
            Ok(token) => Held::Token(token.clone()),
            Err(fault) if fault.again == Again::Never => Held::Refused(fault.error.clone(), Instant::now()),
            Err(_) => Held::Nothing,
        };
        drop(held);
        asked.map(|token| (key, token))
    }

    fn slot(&self, key: &Key) -> Slot {
        let mut tokens = lock(&self.tokens);
        Arc::clone(tokens.entry(key.clone()).or_insert_with(|| Arc::new(AsyncMutex::new(Held::Nothing))))
    }

    /// A token that is there and not being replaced.
    fn ready(&self, key: &Key) -> Option<Token> {
        let slot = Arc::clone(lock(&self.tokens).get(key)?);
        let held = slot.try_lock().ok()?;
        match &*held {
            Held::Token(token) if token.serves(false) => Some(token.clone()),
            _ => None,
        }
    }

    /// Drops a token that was refused, unless another request has replaced it meanwhile.
    async fn discard(&self, key: &Key, refused: &Token) {
        let slot = lock(&self.tokens).get(key).map(Arc::clone);
        if let Some(slot) = slot {
            let mut held = slot.lock().await;
            if matches!(&*held, Held::Token(token) if token.text == refused.text) {
                *held = Held::Nothing;
            }
        }
    }

    /// The credential for a repository, looked up once.
    pub(super) async fn holder(&self, request: &str, repository: &Repository) -> Result<Arc<Holder>, Error> {
        let cell = Arc::clone(lock(&self.holders).entry(repository.clone()).or_default());
        cell.get_or_try_init(|| self.find(request, repository)).await.map(Arc::clone)
    }

    async fn find(&self, request: &str, repository: &Repository) -> Result<Arc<Holder>, Error> {
        let found = self.keychain.find(repository).await.map_err(|error| {
            let failed = Error::new(Code::Auth, request, error.to_string());
            Error { hint: error.hint(), ..failed }
        })?;
        let mut credential = found.credential;
        let anonymous = matches!(credential, Credential::Anonymous);
        if !anonymous && !self.clients.boundary.may_carry_credential(self.clients.boundary.base()) {
            credential = Credential::Anonymous;
            self.warn_withheld(repository.registry());
        }
        let number = self.number(&credential);
        Ok(Arc::new(Holder { credential, source: found.origin.to_string(), number }))
    }

    /// Says once that a credential is not sent.
    fn warn_withheld(&self, registry: &Registry) {
        if !self.withheld.swap(true, Ordering::Relaxed) {
            let message = format!(
                "{registry} is reached without encryption: its credential stays here, requests go out as anybody's; \
                 REGSYNC_INSECURE_HOSTS={registry} would send it"
            );
            self.reporter.event(Event::Warned { about: None, message: &message });
        }
    }

    fn number(&self, credential: &Credential) -> usize {
        let mut credentials = lock(&self.credentials);
        credentials.iter().position(|known| known == credential).unwrap_or_else(|| {
            credentials.push(credential.clone());
            credentials.len() - 1
        })
    }
}

fn unusable(request: &str, holder: &Holder, what: &str) -> Error {
    Error::new(Code::Auth, request, format!("the credential from {} {what}", holder.source))
}

/// The content of a mutex. A panic elsewhere leaves these maps whole, so that a poisoned one is still good.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
