//! The token services that a configuration can lead to, made up: what each answers, and who may be shown what it gave.
//!
//! Owns an opinion of its own on whose hosts are whose: a mistake of the program is none here. Every service gives another
//! canary for every registry, so that one that goes astray says where it is from.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use reqwest::Url;
use serde_json::{Value, json};

use super::{CANARY, ENDPOINT, FOREIGN, ID_TOKEN, RUNNER, provider_of};
use crate::auth::Sent;
use crate::image::Registry;

/// The endpoints of AWS's services, before the region.
const STS: &[&str] = &["sts", "sts-fips"];
const ECR: &[&str] = &["api.ecr", "ecr-fips", "ecr", "api.ecr-public"];
/// What ends the endpoints of AWS, and what the hosts of its registries end in there.
const DOMAINS: &[(&str, &[&str])] = &[
    ("amazonaws.com", &["amazonaws.com"]),
    ("api.aws", &["on.aws"]),
    ("amazonaws.com.cn", &["amazonaws.com.cn"]),
    ("api.amazonwebservices.com.cn", &["on.amazonwebservices.com.cn"]),
    ("amazonaws.eu", &["amazonaws.eu"]),
    ("c2s.ic.gov", &["c2s.ic.gov"]),
    ("sc2s.sgov.gov", &["sc2s.sgov.gov"]),
    ("cloud.adc-e.uk", &["cloud.adc-e.uk"]),
    ("csp.hci.ic.gov", &["csp.hci.ic.gov"]),
];

/// Who looks at a secret, for the sake of a registry.
#[derive(Clone, Copy)]
pub(super) enum Viewer<'a> {
    Registry,
    /// The token service at this host.
    Service(&'a str),
}

/// Whether `registry` is one of the provider's: by its name, or because whoever runs this says so.
pub(super) fn is_of(provider: &str, registry: &Registry) -> bool {
    let host = registry.as_str();
    let below = |domain: &str| host.strip_suffix(domain).is_some_and(|name| name.len() > 1 && name.ends_with('.'));
    let own = match provider {
        "aws" => ["public.ecr.aws", "ecr-public.aws.com"].contains(&host) || region_of(host).is_some(),
        "azure" => below("azurecr.io") || below("azurecr.cn") || below("azurecr.us"),
        "gcp" => {
            let location = host.strip_suffix("-docker.pkg.dev");
            host == "gcr.io" || below("gcr.io") || location.is_some_and(|name| !name.is_empty() && !name.contains('.'))
        }
        "docker-hub" => ["docker.io", "dhi.io"].contains(&host),
        "quay" => host == "quay.io",
        "jfrog" => below("jfrog.io"),
        "chainguard" => host == "cgr.dev" || below("cgr.dev"),
        "cloudsmith" => below("cloudsmith.io"),
        _ => false,
    };
    own || provider_of(host) == Some(provider)
}

/// The region that the host of a private registry of ECR names.
fn region_of(host: &str) -> Option<&str> {
    let (account, rest) = host.split_once(".dkr")?;
    let (region, domain) = rest[1..].trim_start_matches("ecr-fips.").trim_start_matches("ecr.").split_once('.')?;
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let is_domain = DOMAINS.iter().any(|(_, hosts)| hosts.contains(&domain));
    (is_account && is_domain && is_region(region)).then_some(region)
}

/// `eu-west-1` and its like.
fn is_region(text: &str) -> bool {
    let labels: Vec<&str> = text.split('-').collect();
    let is_number = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    let is_word = |label: &&str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase());
    matches!(labels.as_slice(), [words @ .., number] if words.len() > 1 && words.iter().all(is_word) && is_number(number))
}

/// Whether `host` is one of these services of AWS, in the registry's region where its name says one.
fn is_aws(services: &[&str], host: &str, registry: &Registry) -> bool {
    let rest = services.iter().find_map(|name| host.strip_prefix(name)?.strip_prefix('.'));
    let Some((region, domain)) = rest.and_then(|rest| rest.split_once('.')) else { return false };
    let expected = region_of(registry.as_str()).unwrap_or(region);
    region == expected && is_region(region) && DOMAINS.iter().any(|(known, _)| *known == domain)
}

/// Whether a secret may be shown to `viewer`, for the sake of `registry`.
pub(super) fn may_see(canary: &str, viewer: Viewer<'_>, registry: &Registry) -> bool {
    let name = canary.strip_prefix(CANARY).unwrap_or_default();
    let host = registry.as_str();
    let Some((issuer, whose)) = name.split_once("-for-") else {
        return match (name, viewer) {
            ("hub", Viewer::Registry) => host == "docker.io",
            ("org", Viewer::Registry) => host == "registry.example.org",
            ("net", Viewer::Registry) => host == "registry.example.net",
            ("github", Viewer::Registry) => host == "ghcr.io",
            ("gitlab", Viewer::Registry) => host == "registry.gitlab.com",
            ("runner", Viewer::Service(at)) => at == RUNNER,
            ("aws-token", Viewer::Service(at)) => {
                is_of("aws", registry) && (is_aws(STS, at, registry) || is_aws(ECR, at, registry))
            }
            ("entra-secret", Viewer::Service(at)) => is_of("azure", registry) && audience_of_entra(at).is_some(),
            _ => false,
        };
    };
    let right = match (issuer, viewer) {
        ("aws-session", Viewer::Service(at)) => is_of("aws", registry) && is_aws(ECR, at, registry),
        ("google-pool", Viewer::Service(at)) => is_of("gcp", registry) && at == "iamcredentials.googleapis.com",
        ("google-pool" | "google-account", Viewer::Registry) => is_of("gcp", registry),
        ("entra", Viewer::Service(at)) => is_of("azure", registry) && at == registry.host(),
        ("aws-public", Viewer::Registry) => is_of("aws", registry),
        (provider, Viewer::Registry) => is_of(provider, registry),
        _ => false,
    };
    right && whose == word(registry)
}

/// Whether an ID token for `audience` may be shown to the service at `host`, for the sake of `registry`.
pub(super) fn is_for(audience: &str, host: &str, registry: &Registry) -> bool {
    let fixed = |provider: &str, service: &str| is_of(provider, registry) && host == service;
    match audience {
        "sts.amazonaws.com" | "sts.amazonaws.com.cn" => is_of("aws", registry) && is_aws(STS, host, registry),
        "https://identity.docker.com" => fixed("docker-hub", "identity.docker.com"),
        "https://issuer.enforce.dev" => fixed("chainguard", "issuer.enforce.dev"),
        "https://api.cloudsmith.io" => fixed("cloudsmith", "api.cloudsmith.io"),
        // The clouds are known by name, and look themselves whom a token is for.
        FOREIGN => {
            let entra = is_of("azure", registry) && audience_of_entra(host).is_some();
            is_of("aws", registry) && is_aws(STS, host, registry) || fixed("gcp", "sts.googleapis.com") || entra
        }
        _ if audience.starts_with("https://iam.googleapis.com/projects/") => fixed("gcp", "sts.googleapis.com"),
        _ if audience.starts_with("api://") => is_of("azure", registry) && audience_of_entra(host) == Some(audience),
        _ if audience == ENDPOINT.1 => registry.as_str() == ENDPOINT.0 && audience.split('/').nth(2) == Some(host),
        _ => {
            let taken = ["quay", "jfrog", "exchange"].iter().any(|provider| is_of(provider, registry));
            taken && host == registry.host() && audience.split('/').nth(2) == Some(registry.as_str())
        }
    }
}

/// What ID tokens for Microsoft Entra are made for; `None` for other hosts.
fn audience_of_entra(host: &str) -> Option<&'static str> {
    match host {
        "login.microsoftonline.com" => Some("api://AzureADTokenExchange"),
        "login.microsoftonline.us" => Some("api://AzureADTokenExchangeUSGov"),
        "login.partner.microsoftonline.cn" => Some("api://AzureADTokenExchangeChina"),
        _ => None,
    }
}

/// What a service answers that is asked for the sake of `registry`: what the next one of the chain takes.
pub(super) fn reply(sent: &Sent, registry: &Registry) -> String {
    let issuer = issuer(&sent.url, registry);
    let given = format!("{CANARY}{issuer}-for-{}", word(registry));
    let password = || BASE64_STANDARD.encode(format!("AWS:{given}"));
    match issuer {
        "runner" => json!({"value": id_token(&audience_in(&sent.url))}),
        "aws-session" => {
            let keys = "<AccessKeyId>ASIAEXAMPLEEXAMPLE</AccessKeyId><SecretAccessKey>CANARY-aws-session-key</SecretAccessKey>";
            return format!("<R><Credentials>{keys}<SessionToken>{given}</SessionToken></Credentials></R>");
        }
        "aws" if sent.text.contains("BatchGetImage") => json!({"images": [], "failures": []}),
        "aws" => json!({"authorizationData": [{"authorizationToken": password(), "expiresAt": 4_102_444_800.5}]}),
        "aws-public" => json!({"authorizationData": {"authorizationToken": password(), "expiresAt": 4_102_444_800.5}}),
        "google-account" => json!({"accessToken": given, "expireTime": "2100-01-01T00:00:00Z"}),
        "azure" => json!({"refresh_token": given}),
        "jfrog" => json!({"access_token": given, "username": "user"}),
        _ => json!({"access_token": given, "token": given, "expires_in": 3600}),
    }
    .to_string()
}

/// Whose service that is.
fn issuer(url: &Url, registry: &Registry) -> &'static str {
    let host = url.host_str().unwrap_or_default();
    match (host, url.path()) {
        (RUNNER, _) => "runner",
        _ if provider_of(registry.as_str()) == Some("exchange") => "exchange",
        ("sts.googleapis.com", _) => "google-pool",
        ("iamcredentials.googleapis.com", _) => "google-account",
        ("identity.docker.com", _) => "docker-hub",
        ("issuer.enforce.dev", _) => "chainguard",
        ("api.cloudsmith.io", _) => "cloudsmith",
        (_, "/oauth2/exchange") => "azure",
        (_, "/oauth2/federation/robot/token") => "quay",
        (_, "/access/api/v1/oidc/token") => "jfrog",
        _ if audience_of_entra(host).is_some() => "entra",
        _ if is_aws(STS, host, registry) => "aws-session",
        _ if host.starts_with("api.ecr-public.") => "aws-public",
        _ if is_aws(ECR, host, registry) => "aws",
        _ => "nobody",
    }
}

/// Whom the runner is asked for a token for.
fn audience_in(url: &Url) -> String {
    url.query_pairs()
        .find(|(name, _)| name == "audience")
        .map(|(_, audience)| audience.into_owned())
        .unwrap_or_default()
}

/// A token for this audience.
pub(super) fn id_token(audience: &str) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{ID_TOKEN}", part(&json!({})), part(&json!({"aud": audience})))
}

/// A registry's name within a canary.
fn word(registry: &Registry) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    registry.as_str().chars().map(|c| if fits(c) { c } else { '_' }).collect()
}
