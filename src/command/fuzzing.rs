//! What must hold of credentials, whatever is in the configuration: who may edit it sends no secret of the environment
//! anywhere. For `crate::fuzzing`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::providers::{Purpose, rules};
use crate::auth::{Claims, Credential, Environment, Keychain, Sent, watch};
use crate::config::{self, Desired, Rules, SourceFile};
use crate::image::{Location, Registry, Repository};

/// What all secrets of the environment begin with.
const CANARY: &str = "CANARY-";
/// The token for asking for ID tokens, and who is asked.
const RUNNER: (&str, &str) = ("CANARY-runner", "runner.example");
/// The signature of all ID tokens.
const ID_TOKEN: &str = "CANARY-id-token";

/// A secret and the host that may be shown it, if any.
const SECRETS: &[(&str, &str, Option<&str>)] = &[
    ("REGSYNC_AUTH_DOCKER_IO", "user:CANARY-hub", Some("docker.io")),
    ("REGSYNC_TOKEN_REGISTRY_EXAMPLE_ORG", "CANARY-org", Some("registry.example.org")),
    ("GITHUB_TOKEN", "CANARY-github", Some("ghcr.io")),
    ("CI_REGISTRY_PASSWORD", "CANARY-gitlab", Some("registry.gitlab.com")),
    ("CI_JOB_TOKEN", "CANARY-job", None),
    ("AWS_SECRET_ACCESS_KEY", "CANARY-aws", None),
    ("DATABASE_PASSWORD", "CANARY-database", None),
    ("TOKEN", "CANARY-token", None),
];
const OPEN: &[(&str, &str)] = &[
    ("GITHUB_ACTIONS", "true"),
    ("GITLAB_CI", "true"),
    ("CI_REGISTRY", "registry.gitlab.com"),
    ("CI_REGISTRY_USER", "gitlab-ci-token"),
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://runner.example/idtoken?v=1"),
    // No file of this machine.
    ("HOME", "/nonexistent"),
    ("XDG_RUNTIME_DIR", "/nonexistent"),
    ("DOCKER_AUTH_CONFIG", "{}"),
];
/// What whoever runs this has bound, by hand.
const BINDINGS: &[(&str, &str)] = &[
    ("REGSYNC_PROVIDER_REGISTRY_EXAMPLE_COM", "exchange"),
    ("REGSYNC_PROVIDER_QUAY_EXAMPLE_COM", "quay"),
    ("REGSYNC_PROVIDER_JFROG_EXAMPLE_COM", "jfrog"),
    ("REGSYNC_PROVIDER_HUB_EXAMPLE_COM", "docker-hub"),
];
/// Whose services take ID tokens with which audience: a beginning of the audience, an end of the host.
const SERVICES: &[(&str, &str)] = &[
    ("sts.amazonaws.com", ".amazonaws.com"),
    ("sts.amazonaws.com", ".amazonaws.com.cn"),
    ("sts.amazonaws.com", ".amazonaws.eu"),
    ("sts.amazonaws.com", ".api.aws"),
    ("sts.amazonaws.com", ".ic.gov"),
    ("sts.amazonaws.com", ".sgov.gov"),
    ("sts.amazonaws.com", ".adc-e.uk"),
    ("https://iam.googleapis.com/projects/", "sts.googleapis.com"),
    ("api://AzureADTokenExchange", "login.microsoftonline.com"),
    ("api://AzureADTokenExchange", "login.microsoftonline.us"),
    ("api://AzureADTokenExchange", "login.partner.microsoftonline.cn"),
    ("https://identity.docker.com", "identity.docker.com"),
    ("https://issuer.enforce.dev", "issuer.enforce.dev"),
    ("https://api.cloudsmith.io", "api.cloudsmith.io"),
];

/// No accepted configuration makes a secret of the environment leave for anybody but whose it is.
pub(crate) fn credentials(bytes: &[u8]) {
    drop(asked(bytes));
}

/// The hosts of the services that were asked.
fn asked(bytes: &[u8]) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    let file = SourceFile { path: "regsync.yaml".into(), directory: PathBuf::from("/config"), bytes: bytes.to_vec() };
    let bindings: BTreeMap<_, _> = BINDINGS.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let Ok(desired) = config::parse(&[file], &Rules { bindings, ..Rules::default() }) else { return hosts };
    assert!(!format!("{desired:?}").contains("CANARY-hub"), "the configuration has read the environment");
    for purpose in [Purpose::Plan, Purpose::Apply] {
        let keychain = Keychain::new(environment(), rules(&desired.registries, purpose));
        for repository in repositories(&desired) {
            hosts.extend(check(&keychain, &repository));
        }
    }
    hosts
}

fn environment() -> Environment {
    let secrets = SECRETS.iter().map(|(name, value, _)| (*name, *value));
    let runner = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", RUNNER.0);
    secrets.chain(OPEN.iter().copied()).chain(BINDINGS.iter().copied()).chain([runner]).collect()
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

fn check(keychain: &Keychain, repository: &Repository) -> Vec<String> {
    let registry = repository.registry();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (found, sent) = watch(reply, || runtime.block_on(keychain.find(repository)));
    for sent in &sent {
        assert_rightful(sent, registry);
    }
    match found {
        Ok(found) => assert_own(&found.credential, registry),
        Err(error) => {
            let said = format!("{error} {error:?} {:?}", error.hint());
            assert!(!said.contains(CANARY), "{registry}: {said}");
        }
    }
    sent.iter().filter_map(|sent| sent.url.host_str()).map(str::to_owned).collect()
}

/// What is found for a registry is that registry's, or made of nothing of ours.
fn assert_own(credential: &Credential, registry: &Registry) {
    let secret = match credential {
        Credential::Anonymous => return,
        Credential::Basic { username, password } => format!("{username}:{}", password.expose()),
        Credential::Identity(token) | Credential::Bearer(token) => token.expose().to_owned(),
    };
    for (name, value, owner) in SECRETS {
        let value = value.strip_prefix("user:").unwrap_or(value);
        assert!(!secret.contains(value) || *owner == Some(registry.as_str()), "{registry} would be shown {name}");
    }
    assert!(!secret.contains(RUNNER.0) && !secret.contains(ID_TOKEN), "{registry} would be shown an identity");
}

/// What a token service is sent holds an ID token made for it, and nothing else of ours.
fn assert_rightful(sent: &Sent, registry: &Registry) {
    let host = sent.url.host_str().unwrap_or_default();
    let whole = format!("{} {}", sent.url, sent.text);
    if host == RUNNER.1 {
        assert!(!whole.replace(RUNNER.0, "").contains(CANARY), "the runner is sent {whole}");
        return;
    }
    assert!(!whole.replace(ID_TOKEN, "").contains(CANARY), "{host} is sent {whole}");
    assert!(!sent.url.as_str().contains(ID_TOKEN), "an ID token in a URL: {}", sent.url);
    for token in whole.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))) {
        if token.ends_with(ID_TOKEN) {
            let claims = Claims::of(token).expect("an ID token as it was made");
            let audience = claims.audience.first().map(String::as_str).unwrap_or_default();
            assert!(is_for(audience, host, registry), "{host} is sent an ID token for {audience}, for {registry}");
        }
    }
}

fn is_for(audience: &str, host: &str, registry: &Registry) -> bool {
    let fixed = |(known, end): &(&str, &str)| audience.starts_with(known) && host.ends_with(end);
    let of_registry =
        host == registry.host() && audience.split('/').nth(2).is_some_and(|named| named == registry.as_str());
    SERVICES.iter().any(fixed) || of_registry
}

fn reply(sent: &Sent) -> String {
    let audience = sent.url.query_pairs().find(|(name, _)| name == "audience");
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let token = |audience: &str| format!("{}.{}.{ID_TOKEN}", part(&json!({})), part(&json!({"aud": audience})));
    match audience {
        Some((_, audience)) if sent.url.host_str() == Some(RUNNER.1) => json!({"value": token(&audience)}),
        // What the next service of each provider takes.
        _ => json!({
            "token": "given", "access_token": "given", "accessToken": "given", "refresh_token": "given",
            "username": "user", "expires_in": 3600, "expireTime": "2100-01-01T00:00:00Z",
        }),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &[u8] = include_bytes!("../../fuzz/seeds/credentials/own-hosts.yaml");
    const BOUND: &[u8] = include_bytes!("../../fuzz/seeds/credentials/bound-hosts.yaml");

    #[test]
    fn the_seeds_ask_every_service() {
        let hosts: BTreeSet<String> = asked(OWN).into_iter().chain(asked(BOUND)).collect();
        for host in [
            "runner.example",
            "identity.docker.com",
            "issuer.enforce.dev",
            "api.cloudsmith.io",
            "quay.io",
            "acme.jfrog.io",
            "sts.googleapis.com",
            "iamcredentials.googleapis.com",
            "login.microsoftonline.com",
            "acme.azurecr.io",
            "registry.example.com",
            "quay.example.com",
            "jfrog.example.com",
        ] {
            assert!(hosts.contains(host), "{host} is not among {hosts:?}");
        }
    }

    #[test]
    fn an_id_token_is_for_one_service() {
        let quay: Registry = "quay.io".parse().unwrap();
        assert!(is_for("https://quay.io", "quay.io", &quay));
        assert!(!is_for("https://quay.io", "evil.example", &quay) && !is_for("sts.amazonaws.com", "quay.io", &quay));
        assert!(!is_for("https://identity.docker.com", "identity.docker.com.evil.example", &quay));
        let hub: Registry = "docker.io".parse().unwrap();
        let credential = Credential::Bearer(crate::auth::Secret::new("CANARY-github"));
        assert!(std::panic::catch_unwind(|| assert_own(&credential, &hub)).is_err());
        let sent = Sent { url: "https://evil.example/?a=CANARY-token".parse().unwrap(), text: String::new() };
        assert!(std::panic::catch_unwind(|| assert_rightful(&sent, &hub)).is_err());
    }
}
