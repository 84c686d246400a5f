//! Whose a registry is, by the name of its host alone. Pure.
//!
//! A provider is accepted under such hosts only; who else may use it is said by the environment. So each pattern here is
//! one that nobody but the provider can give out names under.

use super::ProviderKind;
use crate::image::Registry;

/// Whether the host of `registry` is one that only `kind` itself can hand out.
pub(super) fn is_own(kind: ProviderKind, registry: &Registry) -> bool {
    let host = registry.as_str();
    match kind {
        ProviderKind::Aws => matches!(host, "public.ecr.aws" | "ecr-public.aws.com") || is_ecr(host),
        ProviderKind::Gcp => host == "gcr.io" || below(host, "gcr.io") || is_artifact_registry(host),
        ProviderKind::Azure => ["azurecr.io", "azurecr.cn", "azurecr.us", "azurecr.de"].iter().any(|d| below(host, d)),
        ProviderKind::Github => host == "ghcr.io",
        ProviderKind::Gitlab => host == "registry.gitlab.com",
        ProviderKind::DockerHub => matches!(host, "docker.io" | "dhi.io"),
        ProviderKind::Quay => host == "quay.io",
        ProviderKind::Jfrog => below(host, "jfrog.io"),
        ProviderKind::Chainguard => host == "cgr.dev" || below(host, "cgr.dev"),
        ProviderKind::Cloudsmith => below(host, "cloudsmith.io"),
        ProviderKind::Exchange => false,
    }
}

/// One label or more before `.domain`. A host with a port ends in that, and is nobody's.
fn below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')).is_some_and(|rest| !rest.is_empty())
}

/// `<location>-docker.pkg.dev`.
fn is_artifact_registry(host: &str) -> bool {
    host.strip_suffix("-docker.pkg.dev").is_some_and(|location| !location.is_empty() && !location.contains('.'))
}

/// `<account>.dkr.ecr[-fips].<region>.<suffix>`, and the dual-stack form `<account>.dkr-ecr.<region>.on.aws`
/// (amazon-ecr-credential-helper, `registry.go`).
fn is_ecr(host: &str) -> bool {
    const SUFFIXES: [&str; 9] = [
        "amazonaws.com",
        "amazonaws.com.cn",
        "amazonaws.eu",
        "on.aws",
        "on.amazonwebservices.com.cn",
        "sc2s.sgov.gov",
        "c2s.ic.gov",
        "cloud.adc-e.uk",
        "csp.hci.ic.gov",
    ];
    let Some((account, rest)) = host.split_once('.') else { return false };
    let service = ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."];
    let Some(place) = service.iter().find_map(|service| rest.strip_prefix(service)) else { return false };
    let Some((region, suffix)) = place.split_once('.') else { return false };
    let is_region = !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) && is_region && SUFFIXES.contains(&suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(host: &str) -> Vec<&'static str> {
        let registry: Registry = host.parse().unwrap();
        ProviderKind::ALL.iter().filter(|kind| kind.is_at(&registry)).map(|kind| kind.name()).collect()
    }

    #[test]
    fn a_host_has_the_owner_that_its_name_says() {
        let cases = [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "aws"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "aws"),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "aws"),
            ("123456789012.dkr-ecr.us-east-1.on.aws", "aws"),
            ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "aws"),
            ("public.ecr.aws", "aws"),
            ("europe-docker.pkg.dev", "gcp"),
            ("eu.gcr.io", "gcp"),
            ("acme.azurecr.io", "azure"),
            ("ghcr.io", "github"),
            ("registry.gitlab.com", "gitlab"),
            ("index.docker.io", "docker-hub"),
            ("quay.io", "quay"),
            ("acme.jfrog.io", "jfrog"),
            ("cgr.dev", "chainguard"),
            ("docker.cloudsmith.io", "cloudsmith"),
        ];
        for (host, owner) in cases {
            assert_eq!(owners(host), [owner], "{host}");
        }
    }

    #[test]
    fn a_name_that_only_looks_like_it_is_nobodys() {
        for host in [
            "ghcr.io.evil.example",
            "evil-ghcr.io",
            "ghcr.io:444",
            "quay.io:8443",
            "azurecr.io",
            "evilazurecr.io",
            "acme.azurecr.io.evil.example",
            "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.evil.example.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.eu-west-1.evil.com",
            "x.docker.pkg.dev",
            "a.b-docker.pkg.dev",
            "localhost:5000",
            "127.0.0.1:5000",
        ] {
            assert!(owners(host).is_empty(), "{host}: {:?}", owners(host));
        }
    }
}
