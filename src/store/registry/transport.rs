//! The way of every request to one registry: its turn, its authorisation, its redirects.
//!
//! Owns the permits and the pace of the host. Refuses to know what is asked for, and to try anything again: see `repeat`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, Response, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::answer::{Advice, Answer};
use super::authorization::{Authorizer, Grant};
use super::budget::Budgets;
use super::call::Call;
use super::challenge;
use super::clients::Clients;
use super::error::{disconnected, timed_out};
use super::origin::{origin, same_origin, sanitized};
use super::outage::Outage;
use super::pace::Pace;
use super::permits::{Permit, Permits, Work};
use super::quota::{Asked, Meter, Pull};
use super::retry::Fault;
use super::scope::Scope;
use super::settings::{Limits, Network, Settings};
use super::warning;
use super::width::Width;
use crate::event::{Event, Reporter};
use crate::image::{Code, Registry};
use crate::store::Error;
use crate::store::limits::{MANIFEST_LARGE, MANIFESTS_LARGE_AT_ONCE, REDIRECTS, WARNINGS};
use crate::store::mutex::lock;

/// Where a registry says what it wants to see, whoever asks (distribution-spec, "Determining Support").
pub(super) const ENTRY: &str = "/v2/";

/// The headers of an answer, and where it came from in the end.
pub(super) struct Reply {
    pub(super) response: Response,
    url: Url,
}

/// Everything between a question and its answer.
pub(super) struct Transport {
    pub(super) registry: Registry,
    pub(super) clients: Arc<Clients>,
    pub(super) authorizer: Authorizer,
    pub(super) limits: Limits,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) permits: Arc<Permits>,
    /// For large manifests, and such of unknown size, while they are read into memory.
    bodies: Arc<Semaphore>,
    pub(super) pace: Pace,
    pub(super) outage: Outage,
    pub(super) budgets: Budgets,
    pub(super) meter: Arc<Meter>,
    warned: Mutex<BTreeSet<String>>,
}

impl Transport {
    /// The transport of one registry.
    pub(super) fn new(registry: Registry, clients: Clients, settings: &Settings, network: &Network) -> Self {
        let clients = Arc::new(clients);
        Self {
            registry,
            authorizer: Authorizer::new(Arc::clone(&clients), network),
            clients,
            limits: network.limits,
            reporter: Arc::clone(&network.reporter),
            permits: Permits::new(Width::new(settings.concurrency)),
            bodies: Arc::new(Semaphore::new(MANIFESTS_LARGE_AT_ONCE)),
            pace: Pace::new(settings.requests_per_second),
            outage: Outage::default(),
            meter: Meter::new(settings.keep_pulls),
            budgets: Budgets::new(Arc::clone(&network.budget)),
            warned: Mutex::default(),
        }
    }

    /// The URL of `path` at the registry. Names, tags and digests need no escaping by their grammar.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.clients.boundary.base().clone();
        url.set_path(path);
        url
    }

    /// A permit to upload a blob of `size` bytes, to be held by its caller.
    pub(super) async fn upload_permit(&self, request: &str, size: u64) -> Result<Permit, Error> {
        self.permits.acquire(Work::Upload, size, request).await
    }

    /// A permit to read a document of this length, where it is large or may be.
    pub(super) async fn body_permit(
        &self,
        request: &str,
        length: Option<u64>,
    ) -> Result<Option<OwnedSemaphorePermit>, Error> {
        if length.is_some_and(|length| length <= MANIFEST_LARGE) {
            return Ok(None);
        }
        let permit = Arc::clone(&self.bodies).acquire_owned().await;
        permit.map(Some).map_err(|_| Error::new(Code::Internal, request, "the permits for large manifests are closed"))
    }

    /// One request, authorised, its redirects followed. The answer may have any status but 401, and 404 only where that
    /// proves something.
    pub(super) async fn exchange(&self, mut call: Call<'_>) -> Result<Answer, Fault> {
        loop {
            self.introduce(call.request, &call.scope).await?;
            // Before the permit: who waits for a token keeps nobody from what needs none.
            let grant = self.authorizer.grant(call.request, &call.scope, call.holds_permit).await?;
            // As well: it may wait for pulls that need permits.
            let pull = self.pull(&call, grant.holder.number).await?;
            let permits = Some(&self.permits).filter(|_| !call.holds_permit);
            let permit = match permits {
                Some(permits) => Some(permits.acquire(Work::Request, call.blob_size, call.request).await?),
                None => None,
            };
            let Some(turn) = self.authorizer.turn(&call, &grant).await? else { continue };
            let pull = pull.map(Pull::sent);
            let (holder, for_manifest) = (grant.holder.number, call.for_manifest);
            let asked = Asked { holder, for_manifest, sent: Instant::now() };
            let outcome = self.follow(&mut call, grant.header.clone()).await;
            let reply = outcome.inspect_err(|fault| turn.failed(fault))?;
            let status = reply.response.status().as_u16();
            self.note(asked, &reply, pull);
            if self.clients.boundary.is_home(&reply.url) && self.has_lapsed(&mut call, &grant, status).await? {
                if call.body.is_spent() {
                    return Err(Fault::once(self.unauthorized(&mut call, &grant, reply).await));
                }
                continue;
            }
            if status != 401 {
                self.authorizer.answered(&turn, status);
                self.proves(&call, &grant, &reply)?;
                return Ok(Answer { permit, ..self.answer(&call, grant.source(), reply) });
            }
            if !self.clients.boundary.is_home(&reply.url) {
                let place = origin(&reply.url);
                let message = format!("a redirect led to {place}, which asks for a credential; none is sent there");
                return Err(Error::new(Code::Boundary, call.request, message).into());
            }
            let challenges = challenge::parse(reply.response.headers().get_all(WWW_AUTHENTICATE));
            if !self.authorizer.challenged(&mut call, &grant, &challenges).await? {
                // Only where nobody's rights are asked about does a refusal speak of the credential itself.
                let is_proof = call.url.path() == ENTRY;
                let error = self.unauthorized(&mut call, &grant, reply).await;
                if is_proof {
                    turn.refused(&error);
                }
                return Err(Fault::last(error));
            }
            if call.body.is_spent() {
                // The stream is gone; the whole upload begins again, with a new token.
                return Err(Fault::once(self.unauthorized(&mut call, &grant, reply).await));
            }
        }
    }

    /// Sends a request whose answer nobody waits for: not for long, once, and with no more rights than are at hand.
    pub(super) async fn courtesy(&self, mut call: Call<'_>) {
        let asking = async {
            let grant = self.authorizer.grant(call.request, &call.scope, false).await?;
            self.follow(&mut call, grant.header.clone()).await
        };
        let _ = tokio::time::timeout(self.limits.refusal, asking).await;
    }

    /// What other places than the registry say of quotas is not about it.
    fn note(&self, asked: Asked, reply: &Reply, pull: Option<Pull>) {
        if self.clients.boundary.is_home(&reply.url) {
            self.note_quota(asked, (reply.response.status().as_u16(), reply.response.headers()), pull);
        }
    }

    /// Learns what the registry wants, where a credential waits to be shown: with `GET /v2/` (distribution-spec, "Determining
    /// Support"), once. A password is then shown there first, where it is about nobody's rights: that it was taken there
    /// tells a refused repository from a refused password.
    async fn introduce(&self, request: &str, scope: &Scope) -> Result<(), Fault> {
        let Some(turn) = self.authorizer.introduction(request, scope).await? else { return Ok(()) };
        self.ask_for_challenge(request, scope).await.inspect_err(|fault| turn.failed(fault))?;
        if self.authorizer.scheme(&scope.repository) == Some("Basic") {
            // A refusal is remembered and met by whoever comes next; what else goes wrong here says nothing about them.
            let mut call = Call::new(request, Method::GET, self.url(ENTRY), scope.clone());
            // Without a permit: whoever has one may be waiting for this to end.
            call.holds_permit = true;
            let _ = Box::pin(self.exchange(call)).await;
        }
        Ok(())
    }

    async fn ask_for_challenge(&self, request: &str, scope: &Scope) -> Result<(), Fault> {
        let mut call = Call::new(request, Method::GET, self.url(ENTRY), scope.clone());
        let reply = self.follow(&mut call, None).await?;
        let status = reply.response.status().as_u16();
        // A proxy's 407 is no word of the registry's.
        if status >= 500 || matches!(status, 407 | 429) {
            return Err(self.answer(&call, None, reply).refusal().await);
        }
        let asks = status == 401 && self.clients.boundary.is_home(&reply.url);
        let challenges = reply.response.headers().get_all(WWW_AUTHENTICATE);
        let challenges = if asks { challenge::parse(challenges) } else { Vec::new() };
        self.authorizer.introduce(request, scope, &challenges).await
    }

    /// A 404 counts as absence. So it must come from the registry itself, and not from one that was never shown who asks.
    fn proves(&self, call: &Call<'_>, grant: &Grant, reply: &Reply) -> Result<(), Fault> {
        if reply.response.status() != 404 {
            return Ok(());
        }
        if !self.clients.boundary.is_home(&reply.url) {
            let message = format!("a redirect led to {}, which answered 404: that proves nothing", origin(&reply.url));
            return Err(Fault::last(Error::new(Code::Unavailable, call.request, message)));
        }
        if grant.withholds() {
            let source = &grant.holder.source;
            let message = format!(
                "{} answered 404 without asking for the identity token from {source}: that proves nothing",
                self.registry
            );
            return Err(Error::new(Code::Auth, call.request, message).into());
        }
        Ok(())
    }

    fn answer(&self, call: &Call<'_>, source: Option<String>, reply: Reply) -> Answer {
        if self.clients.boundary.is_home(&reply.url) {
            self.pass_on_warnings(&reply.response);
        }
        Answer {
            who: self.who(&reply.url),
            advice: Advice { repository: call.scope.repository.clone(), access: call.scope.access, source },
            request: call.request.to_owned(),
            limits: self.limits,
            redactor: Arc::clone(&self.authorizer.redactor),
            response: reply.response,
            url: reply.url,
            permit: None,
        }
    }

    /// The registry by its name, any other place by its origin.
    fn who(&self, url: &Url) -> String {
        if self.clients.boundary.is_home(url) { self.registry.to_string() } else { origin(url) }
    }

    /// The same where nobody answers, with the name that was connected to: Docker Hub has another one than its own.
    pub(super) fn place(&self, url: &Url) -> String {
        let who = self.who(url);
        match url.host_str() {
            Some(host) if self.clients.boundary.is_home(url) && self.registry.host() != host => {
                format!("{who} ({host})")
            }
            _ => who,
        }
    }

    async fn unauthorized(&self, call: &mut Call<'_>, grant: &Grant, mut reply: Reply) -> Error {
        // A HEAD has no words. They are asked for with the same token; a password is not shown once more for them.
        if call.method == Method::HEAD && grant.token().is_some() {
            call.method = Method::GET;
            match self.follow(call, grant.header.clone()).await {
                Ok(telling) if telling.response.status() == 401 => reply = telling,
                _ => {}
            }
        }
        let mut error = self.answer(call, grant.source(), reply).refusal().await.error;
        if grant.token().is_some() {
            let scopes = call.scope.texts().join(" ");
            error.message = format!("{}, although a token for {scopes} was shown", error.message);
            // The credential itself was good: its realm took it.
            error.code = Code::Denied;
        }
        if grant.holder.is_anonymous() {
            error.code = Code::NoCredentials;
        }
        error
    }

    /// Sends a request, and follows where it is sent. What was shown at one origin is not shown at the next.
    pub(super) async fn follow(&self, call: &mut Call<'_>, mut shown: Option<HeaderValue>) -> Result<Reply, Fault> {
        let mut url = call.url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send(call, &url, shown.clone()).await?;
            let status = response.status().as_u16();
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return Ok(Reply { response, url });
            }
            let Some(location) = response.headers().get(LOCATION) else {
                let message = format!("{} redirects ({status}) without saying where to", self.who(&url));
                return Err(Error::new(Code::Redirect, call.request, message).into());
            };
            let next = self.clients.boundary.redirect(&url, location);
            let next = next.map_err(|breach| breach.error(call.request, "redirect"))?;
            let stays = same_origin(&next, &url);
            if call.writes() && !(stays && matches!(status, 307 | 308) && !call.body.is_spent()) {
                let code = if stays { Code::Redirect } else { Code::Boundary };
                let message =
                    format!("{} redirects what is to be written ({status}) to {}", self.who(&url), origin(&next));
                return Err(Error::new(code, call.request, message).into());
            }
            if !stays {
                shown = None;
            }
            url = next;
        }
        let message = format!("more than {REDIRECTS} redirects");
        Err(Error::new(Code::Redirect, call.request, message).into())
    }

    /// One request and the headers of its answer.
    async fn send(
        &self,
        call: &mut Call<'_>,
        url: &Url,
        authorization: Option<HeaderValue>,
    ) -> Result<Response, Fault> {
        if self.clients.boundary.is_home(url) {
            self.turn(call.request).await?;
        }
        if call.is_too_late() {
            let message = "its turn came so late that what it relies on may have changed";
            return Err(Fault::last(Error::new(Code::Stale, call.request, message)));
        }
        let mut request = reqwest::Request::new(call.method.clone(), url.clone());
        request.headers_mut().clone_from(&call.headers);
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        *request.body_mut() = call.body.take();
        let started = Instant::now();
        let sent = self.clients.of(url)?.execute(request);
        let outcome = tokio::select! {
            outcome = sent => outcome.map_err(|error| disconnected(call.request, &self.place(url), error)),
            limit = call.patience.end(self.limits.headers) => Err(timed_out(call.request, &self.place(url), limit)),
        };
        let milliseconds = started.elapsed().as_millis();
        let status = outcome.as_ref().map_or(0, |response| response.status().as_u16());
        let shown = || self.authorizer.redactor.sweep(&sanitized(url));
        tracing::debug!(method = %call.method, url = shown(), status, milliseconds, "request");
        if outcome.as_ref().is_err_and(|error| error.shortage) {
            self.slow_down(started);
        }
        if outcome.is_ok() && self.clients.boundary.is_home(url) {
            self.outage.answered(status);
            match status {
                429 | 503 => self.slow_down(started),
                status if status < 500 => self.permits.answered(started),
                _ => {}
            }
        }
        Ok(outcome?)
    }

    fn pass_on_warnings(&self, response: &Response) {
        for text in warning::texts(response.headers(), &self.authorizer.redactor) {
            let is_new = {
                let mut warned = lock(&self.warned);
                warned.len() < WARNINGS && warned.insert(text.clone())
            };
            if is_new {
                let message = format!("{} says: {text}", self.registry);
                self.reporter.event(Event::Warned { about: None, message: &message });
            }
        }
    }
}
