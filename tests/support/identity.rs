//! Who a job is, and who believes it: a CI system that signs ID tokens, services that exchange them, a registry that takes
//! nothing but what they gave.
//!
//! A test of a provider reads like this:
//!
//! ```ignore
//! let (ci, desk) = (Actions::start(), Desk::new());
//! let service = Service::start({
//!     let (ci, desk) = (ci.judge(), Arc::clone(&desk));
//!     move |call| { ci.expect(bearer(call), "the audience"); Answer::status(200).json(&json!({"token": desk.issue("robot")})) }
//! });
//! let host = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
//! let regsync = ci.job(Regsync::new().config(&yaml)).provider(&host, "quay").env("REGSYNC_ENDPOINT_…", &service.url());
//! ```
//!
//! Every secret is a canary: ID tokens by their signature, issued passwords by their beginning.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_rustls::rustls::ServerConfig;

use super::canary::{PREFIX, canary};
use super::harness::Regsync;
use super::registry::{Auth, FakeRegistry};
use super::server::{Answer, Bound, Call, Handler, Server};
use super::tripwire::{self, ID_TOKEN};

/// The subject of all ID tokens.
pub const SUBJECT: &str = "repo:acme/mirror:ref:refs/heads/main";
/// Who signs them.
pub const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// `127_0_0_1___5000`: a host in the name of a variable.
pub fn in_variable(host: &str) -> String {
    host.replace('-', "__").replace('.', "_").replace(':', "___").to_ascii_uppercase()
}

/// A JWT for `audience` whose signature is a canary; not one that anybody could check.
pub fn id_token(audience: &str, number: usize) -> String {
    id_token_with(&json!({"iss": ISSUER, "sub": SUBJECT, "aud": audience, "exp": 4_102_444_800_u64}), number)
}

/// The same with these claims.
pub fn id_token_with(claims: &Value, number: usize) -> String {
    jwt(claims, &canary(&format!("{ID_TOKEN}{number}")))
}

/// The subjects that any pull request has: GitHub's form of old, and the one with ids that stay.
pub const OF_PULL_REQUESTS: [&str; 2] = ["repo:acme/mirror:pull_request", "repo:acme@1234/mirror@5678:pull_request"];
/// What is said of them.
pub const CAUTION: &str = "each pull request has this subject: let nothing trust it but an identity that can only read";

/// An ID token of a job of a pull request.
pub fn of_pull_request(subject: &str, audience: &str) -> String {
    id_token_with(&json!({"iss": ISSUER, "sub": subject, "aud": audience, "exp": 4_102_444_800_u64}), 1)
}

/// A JWT with these claims, and this in the place of its signature.
pub fn jwt(claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "test"});
    format!("{}.{}.{signature}", part(&header), part(claims))
}

/// Which ID tokens were issued, and to whom each may be shown.
#[derive(Default)]
pub struct Judge {
    issued: Mutex<Vec<(String, String)>>,
    host: OnceLock<String>,
}

impl Judge {
    /// Panics unless this is a token that was issued for `audience`; each may be shown once.
    #[track_caller]
    pub fn expect(&self, token: &str, audience: &str) {
        let mut issued = self.issued.lock().unwrap();
        let known = issued.iter().position(|(known, _)| known == token);
        let known = known.unwrap_or_else(|| panic!("not an ID token of this job, or shown before: {token}"));
        assert_eq!(issued.remove(known).1, audience, "an ID token for another audience");
    }

    /// All tokens from now on are for this host alone: whoever else is sent one fails its test.
    pub fn only_for(&self, host: &str) {
        self.host.set(host.to_owned()).expect("they are another host's already");
    }

    /// Takes a token that came another way for one of this job.
    pub fn trust(&self, token: &str, audience: &str) {
        self.issued.lock().unwrap().push((token.to_owned(), audience.to_owned()));
    }

    fn issue(&self, audience: &str) -> String {
        let mut issued = self.issued.lock().unwrap();
        let token = id_token(audience, fastrand::usize(..));
        self.host.get().into_iter().for_each(|host| tripwire::belongs(&token, host));
        issued.push((token.clone(), audience.to_owned()));
        token
    }
}

/// GitHub Actions: the service that gives a job its ID tokens. Checks every byte that it is sent.
pub struct Actions {
    server: Server,
    judge: Arc<Judge>,
}

struct Runner(Arc<Judge>);

impl Handler for Runner {
    fn answer(&self, call: &Call) -> Answer {
        assert_eq!((call.method.as_str(), call.path.as_str()), ("GET", "/idtoken"), "the URL that the runner names");
        assert_eq!(call.header("authorization"), Some(format!("Bearer {}", canary("actions-request")).as_str()));
        assert_eq!(call.header("accept"), Some("application/json"));
        assert!(call.body.is_empty(), "a GET has no body");
        let names: Vec<&str> = call.query.split('&').filter_map(|pair| pair.split('=').next()).collect();
        assert_eq!(names, ["api-version", "audience"], "the query of the runner, and one audience: {}", call.query);
        assert!(!call.query.contains("://"), "an audience is encoded: {}", call.query);
        let token = self.0.issue(&call.parameter("audience").unwrap());
        Answer::status(200).json(&json!({"count": 1, "value": token}))
    }
}

impl Actions {
    /// Starts it.
    pub fn start() -> Self {
        let judge = Arc::new(Judge::default());
        let server = Bound::new(None).serve(Runner(Arc::clone(&judge)));
        tripwire::belongs(&canary("actions-request"), &server.host());
        Self { server, judge }
    }

    /// Who knows the tokens.
    pub fn judge(&self) -> Arc<Judge> {
        Arc::clone(&self.judge)
    }

    /// The URL that the runner names.
    pub fn url(&self) -> String {
        format!("{}/idtoken?api-version=2.0", self.server.url())
    }

    /// Runs in a job with `permissions: id-token: write`.
    pub fn job(&self, regsync: Regsync) -> Regsync {
        let regsync = regsync.env("GITHUB_ACTIONS", "true").env("ACTIONS_ID_TOKEN_REQUEST_URL", &self.url());
        regsync.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &canary("actions-request"))
    }

    /// The audiences that tokens were asked for, in order.
    pub fn audiences(&self) -> Vec<String> {
        let requests = self.server.requests();
        let pairs = requests.iter().map(|request| super::server::decode_pairs(&request.query));
        pairs
            .filter_map(|pairs| pairs.into_iter().find(|(name, _)| name == "audience"))
            .map(|(_, value)| value)
            .collect()
    }
}

/// For log and faults.
impl Deref for Actions {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// A service of a provider: what it answers is the test's to say, and to check.
pub struct Service(Server);

struct Answers<F>(F);

impl<F: Fn(&Call) -> Answer + Send + Sync + 'static> Handler for Answers<F> {
    fn answer(&self, call: &Call) -> Answer {
        (self.0)(call)
    }
}

impl Service {
    /// Starts one on a port of its own.
    pub fn start(answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_over(None, answer)
    }

    /// The same over TLS, where some is given.
    pub fn start_over(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::known(Bound::new(tls).serve(Answers(answer)))
    }

    /// The same, where the answer depends on the service's own URL.
    pub fn start_knowing(answer: impl Fn(&str, &Call) -> Answer + Send + Sync + 'static) -> Self {
        let bound = Bound::new(None);
        let url = bound.url();
        Self::known(bound.serve(Answers(move |call: &Call| answer(&url, call))))
    }

    fn known(server: Server) -> Self {
        tripwire::exchanges(&server.host());
        Self(server)
    }
}

/// For log and faults.
impl Deref for Service {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

/// The token of an `Authorization: Bearer`. Panics where there is none.
#[track_caller]
pub fn bearer(call: &Call) -> &str {
    call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).expect("a bearer token")
}

/// A form's pairs, in order.
pub fn form(call: &Call) -> Vec<(String, String)> {
    assert_eq!(call.header("content-type"), Some("application/x-www-form-urlencoded"));
    super::server::decode_pairs(str::from_utf8(&call.body).unwrap())
}

/// Issues passwords that end, and knows which are alive. Shared between the services and the registry.
pub struct Desk {
    alive: Mutex<BTreeMap<(String, String), Instant>>,
    all: Mutex<Vec<String>>,
    hosts: Mutex<Vec<String>>,
    lifetime: Mutex<Duration>,
    /// What the registry answers to one that has ended.
    refusal: Mutex<Answer>,
    /// What it says to whom has shown nothing.
    challenge: Mutex<String>,
    /// The service where it is at the registry itself.
    service: OnceLock<OwnService>,
}

/// `None` for what is not the service's.
type OwnService = Box<dyn Fn(&Call) -> Option<Answer> + Send + Sync>;

impl Desk {
    /// Passwords that live for an hour; one that has ended is answered with 401.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            alive: Mutex::default(),
            all: Mutex::default(),
            hosts: Mutex::default(),
            lifetime: Mutex::new(Duration::from_secs(3600)),
            refusal: Mutex::new(Answer::error(401, "UNAUTHORIZED", "expired").header("WWW-Authenticate", "Basic")),
            challenge: Mutex::new("Basic realm=\"registry\"".to_owned()),
            service: OnceLock::new(),
        })
    }

    /// How long those issued from now on live.
    pub fn lifetime(&self, lifetime: Duration) {
        *self.lifetime.lock().unwrap() = lifetime;
    }

    /// The same in seconds, as services say it.
    pub fn seconds(&self) -> u64 {
        self.lifetime.lock().unwrap().as_secs()
    }

    /// What one that has ended is answered with.
    pub fn refuse_with(&self, answer: Answer) {
        *self.refusal.lock().unwrap() = answer;
    }

    /// What the registry asks for; that of Basic otherwise.
    pub fn challenge_with(&self, challenge: &str) {
        challenge.clone_into(&mut self.challenge.lock().unwrap());
    }

    /// What it asks for.
    pub fn challenge(&self) -> String {
        self.challenge.lock().unwrap().clone()
    }

    /// Lets `user` in by a password that somebody else made; nobody by name, where it is a token.
    pub fn accept(&self, user: &str, password: &str) {
        let ends = Instant::now() + *self.lifetime.lock().unwrap();
        self.alive.lock().unwrap().insert((user.to_owned(), password.to_owned()), ends);
        self.all.lock().unwrap().push(password.to_owned());
        self.hosts.lock().unwrap().iter().for_each(|host| tripwire::belongs(password, host));
    }

    /// A new password for `user`.
    pub fn issue(&self, user: &str) -> String {
        self.issue_as(user, |_, secret| secret)
    }

    /// The same in another form, made of how long it lives and a secret that it must hold.
    pub fn issue_as(&self, user: &str, form: impl FnOnce(Duration, String) -> String) -> String {
        let secret = format!("{PREFIX}issued-{:016x}", fastrand::u64(..));
        let password = form(*self.lifetime.lock().unwrap(), secret);
        self.accept(user, &password);
        password
    }

    /// The same as a JWT of a service, that says when it ends.
    pub fn issue_jwt(&self, user: &str, subject: &str) -> String {
        self.issue_as(user, |lifetime, secret| {
            let ends = (Timestamp::now() + lifetime).as_second();
            jwt(&json!({"iss": "https://service.test", "sub": subject, "exp": ends}), &secret)
        })
    }

    /// What is issued here may be shown to `host`.
    pub fn serves(&self, host: &str) {
        self.hosts.lock().unwrap().push(host.to_owned());
        if self.service.get().is_some() {
            tripwire::exchanges(host);
        }
        self.all.lock().unwrap().iter().for_each(|password| tripwire::belongs(password, host));
    }

    /// The registry itself answers what the service would, where `answer` does.
    pub fn service_at_registry(&self, answer: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static) {
        assert!(self.service.set(Box::new(answer)).is_ok(), "a service is there already");
        self.hosts.lock().unwrap().iter().for_each(|host| tripwire::exchanges(host));
    }

    /// What the service at the registry says.
    pub fn ask_service(&self, call: &Call) -> Option<Answer> {
        self.service.get()?(call)
    }

    /// All passwords so far, those that ended included.
    pub fn issued(&self) -> Vec<String> {
        self.all.lock().unwrap().clone()
    }

    /// All passwords end now.
    pub fn revoke_all(&self) {
        self.alive.lock().unwrap().clear();
    }

    /// A registry that takes these passwords and nothing else.
    pub fn auth(self: &Arc<Self>) -> Auth {
        Auth::Issued(Arc::clone(self))
    }

    /// `Err` is the refusal.
    pub fn admit(&self, given: &(String, String)) -> Result<(), Answer> {
        let alive = self.alive.lock().unwrap();
        let alive = alive.get(given).is_some_and(|ends| Instant::now() < *ends);
        if alive { Ok(()) } else { Err(self.refusal.lock().unwrap().clone()) }
    }
}

impl Regsync {
    /// Binds a provider to a registry, as whoever runs regsync does.
    pub fn provider(self, registry: &FakeRegistry, name: &str) -> Self {
        self.env(&format!("REGSYNC_PROVIDER_{}", in_variable(&registry.host())), name)
    }
}
