//! What must hold of credentials, whatever is in the configuration: who may edit it sends no secret of the environment
//! anywhere, and none that a token service gave. For `crate::fuzzing`.

mod services;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use services::{Viewer, id_token, is_for, may_see, reply};

use super::providers::{Purpose, rules};
use crate::auth::{Claims, Credential, Environment, Error, Keychain, Sent, watch};
use crate::config::{self, Desired, Rules, SourceFile};
use crate::image::{Creation, Location, Registry, Repository, Tag};

/// What all secrets begin with. What follows is whose it is.
const CANARY: &str = "CANARY-";
/// Who is asked for ID tokens.
const RUNNER: &str = "runner.example";
/// The signature of all ID tokens.
const ID_TOKEN: &str = "CANARY-id-token";

/// The environment; each secret is another.
const VARIABLES: &[(&str, &str)] = &[
    ("REGSYNC_AUTH_DOCKER_IO", "user:CANARY-hub"),
    ("REGSYNC_TOKEN_REGISTRY_EXAMPLE_ORG", "CANARY-org"),
    ("DOCKER_AUTH_CONFIG", r#"{"auths":{"registry.example.net":{"username":"user","password":"CANARY-net"}}}"#),
    ("GITHUB_TOKEN", "CANARY-github"),
    ("CI_REGISTRY_PASSWORD", "CANARY-gitlab"),
    ("CI_JOB_TOKEN", "CANARY-job"),
    ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "CANARY-runner"),
    ("AWS_SECRET_ACCESS_KEY", "CANARY-aws-key"),
    ("AWS_SESSION_TOKEN", "CANARY-aws-token"),
    ("AZURE_CLIENT_SECRET", "CANARY-entra-secret"),
    ("DATABASE_PASSWORD", "CANARY-database"),
    ("TOKEN", "CANARY-token"),
    ("GITHUB_ACTIONS", "true"),
    ("GITLAB_CI", "true"),
    ("CI_REGISTRY", "registry.gitlab.com"),
    ("CI_REGISTRY_USER", "gitlab-ci-token"),
    ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://runner.example/idtoken?v=1"),
    ("AWS_ACCESS_KEY_ID", "ASIAENVIRONMENTEXAMPLE"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000002"),
    ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000003"),
    // No file of this machine.
    ("HOME", "/nonexistent"),
    ("XDG_RUNTIME_DIR", "/nonexistent"),
];
/// Whom the token is made for that a job has which cannot ask for others: nobody that is here.
const FOREIGN: &str = "https://vault.example";
/// The providers that whoever runs this has bound to hosts.
const BOUND: &[(&str, &str)] = &[
    ("registry.example.com", "exchange"),
    (ENDPOINT.0, "exchange"),
    ("ecr.example.com", "aws"),
    ("quay.example.com", "quay"),
    ("jfrog.example.com", "jfrog"),
    ("hub.example.com", "docker-hub"),
];
/// A host whose service is elsewhere, and where.
const ENDPOINT: (&str, &str) = ("elsewhere.example.com", "https://tokens.example/sts");

/// No accepted configuration makes a secret leave for anybody but whose it is.
pub(crate) fn credentials(bytes: &[u8]) {
    drop(followed(bytes));
    drop(followed_in(bytes, Job::WithToken));
}

/// What the job has of identities.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    /// A runner that makes ID tokens for whom it is told.
    WithRunner,
    /// One ID token, made for somebody else.
    WithToken,
}

impl Job {
    fn environment(self) -> Environment {
        let is_runners = |name: &str| name.starts_with("ACTIONS_ID_TOKEN_REQUEST_");
        let known = VARIABLES.iter().filter(|(name, _)| self == Self::WithRunner || !is_runners(name));
        let token = (self == Self::WithToken).then(|| ("REGSYNC_ID_TOKEN".to_owned(), id_token(FOREIGN)));
        let known = known.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        known.chain(token).chain(bindings()).collect()
    }
}

/// What came of a configuration.
#[derive(Default)]
struct Followed {
    /// The hosts of the services that were asked.
    hosts: BTreeSet<String>,
    /// Repositories that were made, and those whose tags a cloud has named.
    made: usize,
    read: usize,
    /// What each registry would be shown, or why nothing.
    shown: BTreeMap<String, String>,
}

fn followed(bytes: &[u8]) -> Followed {
    followed_in(bytes, Job::WithRunner)
}

fn followed_in(bytes: &[u8], job: Job) -> Followed {
    let mut followed = Followed::default();
    // A configuration that has such words itself may send them.
    if bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()) {
        return followed;
    }
    let file = SourceFile { path: "regsync.yaml".into(), directory: PathBuf::from("/config"), bytes: bytes.to_vec() };
    let Ok(desired) = config::parse(&[file], &Rules { bindings: bindings(), ..Rules::default() }) else {
        return followed;
    };
    assert!(!format!("{desired:?}").contains(CANARY), "the configuration has read the environment");
    let environment = job.environment();
    for purpose in [Purpose::Plan, Purpose::Apply] {
        let keychain = Keychain::new(environment.clone(), rules(&desired.registries, purpose));
        for repository in repositories(&desired) {
            followed.find(&keychain, &repository);
            followed.read(&keychain, &repository);
            if let Some(creation) = creation(&desired, repository.registry()) {
                followed.create(&keychain, &repository, creation);
            }
        }
    }
    followed
}

fn bindings() -> BTreeMap<String, String> {
    let named = |what: &str, host: &str| format!("REGSYNC_{what}_{}", host.replace('.', "_").to_ascii_uppercase());
    let bound = BOUND.iter().map(|(host, provider)| (named("PROVIDER", host), (*provider).to_owned()));
    bound.chain([(named("ENDPOINT", ENDPOINT.0), ENDPOINT.1.to_owned())]).collect()
}

/// The provider that is bound to a host.
fn provider_of(host: &str) -> Option<&'static str> {
    BOUND.iter().find(|(known, _)| *known == host).map(|(_, provider)| *provider)
}

/// All that the configuration names.
fn repositories(desired: &Desired) -> BTreeSet<Repository> {
    let mirrors = desired.entries().flat_map(|mirror| mirror.targets.iter().chain([&mirror.source]));
    let named = mirrors.filter_map(|location| match location {
        Location::Repository(repository) => Some(repository.clone()),
        Location::Layout(_) => None,
    });
    let keys = desired.registries.keys().filter_map(|key| {
        let name = key.namespace.as_deref().map_or_else(|| "app".to_owned(), |namespace| format!("{namespace}/app"));
        Repository::new(key.registry.clone(), &name).ok()
    });
    named.chain(keys).collect()
}

fn creation<'d>(desired: &'d Desired, registry: &Registry) -> Option<&'d Creation> {
    let mut rules = desired.registries.iter().filter(|(key, _)| key.registry == *registry);
    rules.find_map(|(_, rules)| rules.creation.as_ref())
}

impl Followed {
    fn find(&mut self, keychain: &Keychain, repository: &Repository) {
        let registry = repository.registry();
        let found = self.watched(registry, keychain.find(repository));
        let shown = match found {
            Ok(found) => secret_of(&found.credential),
            Err(error) => said(&error),
        };
        assert_rightful(&shown, Viewer::Registry, registry);
        self.shown.insert(registry.to_string(), shown);
    }

    fn read(&mut self, keychain: &Keychain, repository: &Repository) {
        let tags: Vec<Tag> = ["1".parse().expect("a tag")].into();
        let reading = self.watched(repository.registry(), keychain.read(repository, &tags));
        self.read += usize::from(reading.is_some());
    }

    fn create(&mut self, keychain: &Keychain, repository: &Repository, creation: &Creation) {
        match self.watched(repository.registry(), keychain.create(repository, creation)) {
            Ok(()) => self.made += 1,
            Err(error) => drop(said(&error)),
        }
    }

    /// What comes of `work` for the sake of `registry`; each request on the way is looked at.
    fn watched<T>(&mut self, registry: &Registry, work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let asked = registry.clone();
        let (done, sent) = watch(move |sent| reply(sent, &asked), || runtime.block_on(work));
        for Sent { url, text } in sent {
            let host = url.host_str().unwrap_or_default();
            assert!(!url.as_str().contains(CANARY), "a secret in a URL: {url}");
            assert_rightful(&text, Viewer::Service(host), registry);
            self.hosts.insert(host.to_owned());
        }
        done
    }
}

fn secret_of(credential: &Credential) -> String {
    match credential {
        Credential::Anonymous => String::new(),
        Credential::Basic { username, password } => format!("{username}:{}", password.expose()),
        Credential::Identity(token) | Credential::Bearer(token) => token.expose().to_owned(),
    }
}

/// What an error says; none tells a secret.
fn said(error: &Error) -> String {
    let said = format!("{error} {error:?} {:?}", error.hint());
    assert!(!said.contains(CANARY), "{said}");
    said
}

/// All secrets in `text`, which is sent for the sake of `registry`, are for who sees them.
fn assert_rightful(text: &str, viewer: Viewer<'_>, registry: &Registry) {
    let who = match viewer {
        Viewer::Registry => registry.as_str(),
        Viewer::Service(host) => host,
    };
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))) {
        let Some(start) = word.find(CANARY) else { continue };
        if word[start..] != *ID_TOKEN {
            assert!(may_see(&word[start..], viewer, registry), "{who} is shown {word}, for {registry}");
            continue;
        }
        let claims = Claims::of(word).expect("an ID token as it was made");
        let audience = claims.audience.first().map(String::as_str).unwrap_or_default();
        let right = matches!(viewer, Viewer::Service(host) if is_for(audience, host, registry));
        assert!(right, "{who} is shown an ID token for {audience}, for {registry}");
    }
}
