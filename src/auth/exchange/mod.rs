//! How providers talk to the services that give tokens.
//!
//! Owns what holds for each of these requests: where a secret may go (`endpoint`), how long is waited, what is tried again,
//! how much is read, and that nothing sent is ever repeated in a message. Refuses to follow redirects: what is sent is a
//! credential.
//!
//! | answer | tried again |
//! |---|---|
//! | no connection, no answer in time, 500, 502, 503, 504 | twice, after 0.25 s and 1 s, each with some chance added |
//! | 429 | the same, after its `Retry-After` where that is at most 30 s |
//! | one that the provider calls an accident ([`Ask::again`]) | the same |
//! | anything else | never |
//!
//! A metadata service is asked once: where there is none, each attempt would cost its whole limit of time.

mod answer;
mod ask;
mod endpoint;
#[cfg(any(test, fuzzing))]
pub(crate) mod witness;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(super) use answer::Answer;
pub(super) use ask::Ask;
pub use ask::form;
pub(super) use endpoint::Endpoint;
pub use endpoint::Way;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue};
use tokio::time::Instant;

use super::{Environment, ProviderError, Redactor, Secret};

/// For one request and its whole answer.
const LIMIT: Duration = Duration::from_secs(30);
/// The same at a metadata service: it is next door, or not there.
const METADATA_LIMIT: Duration = Duration::from_secs(1);
const BACKOFF: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Documents with tokens stay far below this many bytes.
const BODY_BYTES: usize = 256 * 1024;

/// What the process gives to those who get credentials: its environment, and ways to act.
#[derive(Clone)]
pub struct Surroundings {
    /// The environment, as it was when the program started.
    pub environment: Environment,
    /// Makes the HTTP client for each way. It follows no redirect, tries nothing again, and sends no `Referer`.
    pub connect: Connect,
    /// Hears of each secret before it is used, so that the CI system can hide it.
    pub mask: Mask,
    /// What time it is.
    pub clock: fn() -> jiff::Timestamp,
}

/// Makes HTTP clients; the error says in words why not.
pub type Connect = Arc<dyn Fn(Way) -> Result<reqwest::Client, String> + Send + Sync>;
/// Takes a secret that must not be shown from now on.
pub type Mask = Arc<dyn Fn(&str) + Send + Sync>;

/// An environment alone: no service can be asked.
impl From<Environment> for Surroundings {
    fn from(environment: Environment) -> Self {
        Self {
            environment,
            connect: Arc::new(|_| Err("there is no network".to_owned())),
            mask: Arc::new(|_| ()),
            clock: || jiff::Timestamp::UNIX_EPOCH,
        }
    }
}

/// The client of all providers.
pub(super) struct Exchange {
    pub(super) environment: Arc<Environment>,
    surroundings: Surroundings,
    clients: [OnceLock<Result<reqwest::Client, String>>; 3],
}

impl Exchange {
    pub(super) fn new(surroundings: Surroundings) -> Self {
        let environment = Arc::new(surroundings.environment.clone());
        Self { environment, surroundings, clients: Default::default() }
    }

    /// The time, for signatures and for what says when it ends.
    pub(super) fn now(&self) -> jiff::Timestamp {
        (self.surroundings.clock)()
    }

    /// Has the CI system hide a secret that is received, or used without being sent. What is sent ([`Ask::secret`]) is
    /// hidden here, and what a provider returns by whoever shows it to a registry ([`Redactor::credential`]).
    pub(super) fn mask(&self, secret: &Secret) {
        (self.surroundings.mask)(secret.expose());
    }

    /// A list of secrets, each hidden from the CI system's log when it is put there.
    pub(super) fn redactor(&self) -> Redactor {
        Redactor::telling(Arc::clone(&self.surroundings.mask))
    }

    /// Asks, again where that may help, and gives the answer with whatever status.
    pub(super) async fn send(&self, ask: Ask) -> Result<Answer, ProviderError> {
        ask.secrets().for_each(|secret| self.mask(secret));
        let tries = if ask.endpoint.way == Way::Metadata { 0 } else { BACKOFF.len() };
        for (wait, more) in BACKOFF.iter().zip((1..=tries).rev()) {
            let outcome = self.once(&ask).await;
            let wait = match &outcome {
                Err(ProviderError::Unreachable { .. }) => *wait,
                Ok(answer) if ask.is_accident(answer) => answer.retry_after().unwrap_or(*wait),
                _ => return outcome,
            };
            if wait > LONGEST_WAIT {
                return outcome;
            }
            tracing::debug!(what = ask.what, more, "token service asked again");
            tokio::time::sleep(wait + wait.mul_f64(fastrand::f64() / 4.0)).await;
        }
        self.once(&ask).await
    }

    async fn once(&self, ask: &Ask) -> Result<Answer, ProviderError> {
        #[cfg(any(test, fuzzing))]
        if let Some(answer) = witness::answer(ask) {
            return Ok(answer);
        }
        let limit = if ask.endpoint.way == Way::Metadata { METADATA_LIMIT } else { LIMIT };
        let started = Instant::now();
        let unreachable = |problem: String| ProviderError::Unreachable {
            who: ask.endpoint.who(),
            what: ask.what,
            problem: ask.redactor().sweep(&problem),
        };
        let client = self.client(ask.endpoint.way).map_err(|problem| unreachable(problem.clone()))?;
        let mut request = ask.request(client);
        request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let outcome = tokio::time::timeout(limit, answer::receive(request, ask)).await;
        let answer = match outcome {
            Ok(answer) => answer.map_err(|error| unreachable(in_words(&error)))?,
            Err(_) => return Err(unreachable(format!("no answer within {} s", limit.as_secs()))),
        };
        let milliseconds = started.elapsed().as_millis();
        tracing::debug!(
            at = ask.endpoint.who(),
            what = ask.what,
            status = answer.status,
            milliseconds,
            "token service"
        );
        Ok(answer)
    }

    fn client(&self, way: Way) -> Result<&reqwest::Client, &String> {
        self.clients[way as usize].get_or_init(|| (self.surroundings.connect)(way)).as_ref()
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

/// What went wrong underneath: the outer messages only say that something did, and where.
fn in_words(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if error.is_timeout() { "no connection in time".to_owned() } else { innermost.to_string() }
}
