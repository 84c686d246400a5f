//! Whose a registry is, by the name of its host alone. Pure.
//!
//! A provider is accepted under such hosts only; who else may use it is said by the environment. So each pattern here is
//! one that nobody but the provider can give out names under.

use super::ProviderKind;
use crate::image::{EcrHost, Registry};

/// Whether the host of `registry` is one that only `kind` itself can hand out.
pub(super) fn is_own(kind: ProviderKind, registry: &Registry) -> bool {
    let host = registry.as_str();
    match kind {
        ProviderKind::Aws => EcrHost::of(registry).is_some(),
        ProviderKind::Gcp => host == "gcr.io" || below(host, "gcr.io") || is_artifact_registry(host),
        ProviderKind::Azure => ["azurecr.io", "azurecr.cn", "azurecr.us"].iter().any(|d| below(host, d)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::LOOK_ALIKES;

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
            "acme.azurecr.de",
            "x.docker.pkg.dev",
            "a.b-docker.pkg.dev",
            "localhost:5000",
            "127.0.0.1:5000",
        ]
        .into_iter()
        .chain(LOOK_ALIKES)
        {
            assert!(owners(host).is_empty(), "{host}: {:?}", owners(host));
        }
    }
}
