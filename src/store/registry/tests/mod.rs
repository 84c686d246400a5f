//! The registry client against servers on this machine.

mod authorizing;
mod bounds;
mod dripping;
mod encrypted;
mod first;
mod giving_up;
mod guarded;
mod mounting;
mod publishing;
mod pulls;
mod reading;
mod refusing_early;
mod secrets;
mod server;
mod stalling;
mod writing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;

use self::server::Server;
use super::{Budget, Limits, Network, RegistryClient, RegistryRepository, Settings};
use crate::auth::{Credential, Keychain, Secret};
use crate::event::{Event, Reporter};
use crate::image::{Descriptor, Digest, Manifest, MediaType, Repository, TagOrDigest};
use crate::store::{BlobStream, Error, Progress};

/// Remembers what was announced.
#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Reporter for Ear {
    fn event(&self, event: Event<'_>) {
        let text = match event {
            Event::Retrying { what, wait, failure } => {
                format!("retry {what} after {} s: {}", wait.as_secs(), failure.code)
            }
            Event::Warned { message, .. } => format!("warning {message}"),
            Event::Sent { bytes } => format!("sent {bytes}"),
            _ => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

impl Ear {
    fn heard(&self, start: &str) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|text| text.starts_with(start)).cloned().collect()
    }
}

/// A client of one server, and what it announced.
struct Fixture {
    client: Arc<RegistryClient>,
    registry: crate::image::Registry,
    ear: Arc<Ear>,
}

impl Fixture {
    fn new(server: &Server, credential: Option<Credential>) -> Self {
        Self::of(&server.host(), credential, &Settings::default())
    }

    fn of(host: &str, credential: Option<Credential>, settings: &Settings) -> Self {
        Self::make(host, credential, settings, |_| {})
    }

    fn with_limits(host: &str, credential: Option<Credential>, change: impl FnOnce(&mut Limits)) -> Self {
        Self::make(host, credential, &Settings::default(), change)
    }

    /// One that shares the budget of a run.
    fn sharing(host: &str, run: Arc<Budget>) -> Self {
        let registry: crate::image::Registry = host.parse().unwrap();
        let ear = Arc::new(Ear::default());
        let network = Network::new("regsync-test", Arc::new(Keychain::fixed([].into())), ear.clone());
        let network = Network { budget: run, ..network };
        let client = RegistryClient::new(registry.clone(), &Settings::default(), &network).unwrap();
        Self { client, registry, ear }
    }

    fn make(host: &str, credential: Option<Credential>, settings: &Settings, change: impl FnOnce(&mut Limits)) -> Self {
        let registry: crate::image::Registry = host.parse().unwrap();
        let ear = Arc::new(Ear::default());
        let fixed = credential.map(|credential| (registry.clone(), credential));
        let keychain = Arc::new(Keychain::fixed(BTreeMap::from_iter(fixed)));
        let mut limits = Limits {
            connect: Duration::from_secs(5),
            headers: Duration::from_secs(5),
            idle: Duration::from_millis(500),
            document: Duration::from_secs(2),
            refusal: Duration::from_secs(1),
            commit: Duration::from_secs(5),
            token: Duration::from_secs(5),
        };
        change(&mut limits);
        let network = Network { limits, ..Network::new("regsync-test", keychain, ear.clone()) };
        let client = RegistryClient::new(registry.clone(), settings, &network).unwrap();
        Self { client, registry, ear }
    }

    fn repository(&self, name: &str) -> Arc<RegistryRepository> {
        self.client.repository(self.named(name))
    }

    fn named(&self, name: &str) -> Repository {
        Repository::new(self.registry.clone(), name).unwrap()
    }
}

fn basic() -> Credential {
    Credential::Basic { username: "robot".into(), password: Secret::new("hunter2") }
}

fn tag(text: &str) -> TagOrDigest {
    TagOrDigest::Tag(text.parse().unwrap())
}

fn index() -> Manifest {
    Manifest::identify(Bytes::from_static(br#"{"schemaVersion":2,"manifests":[]}"#), &MediaType::oci_index()).unwrap()
}

fn blob(content: &[u8]) -> Descriptor {
    Descriptor::new(MediaType::new("application/octet-stream"), Digest::sha256(content), content.len() as u64)
}

/// A blob with this content, to be read from its first byte on.
fn start(content: &[u8]) -> Progress {
    Progress::start(&blob(content))
}

/// A source that gives `chunks`, whatever `descriptor` says.
fn source(descriptor: &Descriptor, chunks: &[&'static [u8]]) -> BlobStream {
    let chunks: Vec<Result<Bytes, Error>> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
    BlobStream::new(Progress::start(descriptor), "read the source", futures_util::stream::iter(chunks).boxed())
}

async fn collect(mut stream: BlobStream) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    while let Some(chunk) = stream.next().await {
        content.extend_from_slice(&chunk?);
    }
    Ok(content)
}
