//! That the check follows each chain to its end, and that it can fail.

use std::panic::catch_unwind;

use super::*;
use crate::auth::Secret;

const OWN: &[u8] = include_bytes!("../../../fuzz/seeds/credentials/own-hosts.yaml");
const BOUND_HOSTS: &[u8] = include_bytes!("../../../fuzz/seeds/credentials/bound-hosts.yaml");

fn registry(host: &str) -> Registry {
    host.parse().unwrap()
}

#[test]
fn the_seeds_ask_every_service() {
    let hosts: BTreeSet<String> = [OWN, BOUND_HOSTS].into_iter().flat_map(|seed| followed(seed).hosts).collect();
    for host in [
        "runner.example",
        "sts.eu-west-1.amazonaws.com",
        "api.ecr.eu-west-1.amazonaws.com",
        "api.ecr.us-east-1.amazonaws.com",
        "sts.cn-north-1.amazonaws.com.cn",
        "api.ecr.cn-north-1.amazonaws.com.cn",
        "sts.us-east-1.amazonaws.com",
        "api.ecr-public.us-east-1.amazonaws.com",
        "api.ecr.eu-central-1.amazonaws.com",
        "sts.googleapis.com",
        "iamcredentials.googleapis.com",
        "login.microsoftonline.com",
        "acme.azurecr.io",
        "login.partner.microsoftonline.cn",
        "acme.azurecr.cn",
        "identity.docker.com",
        "issuer.enforce.dev",
        "api.cloudsmith.io",
        "quay.io",
        "acme.jfrog.io",
        "registry.example.com",
        "tokens.example",
        "quay.example.com",
        "jfrog.example.com",
    ] {
        assert!(hosts.contains(host), "{host} is not among {hosts:?}");
    }
}

/// Only clouds that are known by their names, and that look at it themselves, are shown it.
#[test]
fn a_token_for_somebody_else_goes_to_no_service_that_might_use_it() {
    let hosts: BTreeSet<String> =
        [OWN, BOUND_HOSTS].into_iter().flat_map(|seed| followed_in(seed, Job::WithToken).hosts).collect();
    for host in ["sts.eu-west-1.amazonaws.com", "sts.googleapis.com", "login.microsoftonline.com"] {
        assert!(hosts.contains(host), "{host} is not among {hosts:?}");
    }
    for host in [RUNNER, "tokens.example", "registry.example.com", "quay.io", "acme.jfrog.io", "identity.docker.com"] {
        assert!(!hosts.contains(host), "{host} was asked");
    }
}

/// Each chain gives what its last service gave, and no other.
#[test]
fn the_seeds_go_to_the_end_of_every_chain() {
    let [own, bound] = [OWN, BOUND_HOSTS].map(followed);
    let shown: BTreeMap<_, _> = own.shown.into_iter().chain(bound.shown).collect();
    for (host, secret) in [
        ("docker.io", "user:CANARY-hub"),
        ("registry.example.org", "CANARY-org"),
        ("registry.example.net", "user:CANARY-net"),
        ("ghcr.io", "x-access-token:CANARY-github"),
        ("registry.gitlab.com", "gitlab-ci-token:CANARY-gitlab"),
        ("111111111111.dkr.ecr.eu-west-1.amazonaws.com", "AWS:CANARY-aws"),
        ("222222222222.dkr.ecr.us-east-1.amazonaws.com", "AWS:CANARY-aws"),
        ("333333333333.dkr.ecr.cn-north-1.amazonaws.com.cn", "AWS:CANARY-aws"),
        ("public.ecr.aws", "AWS:CANARY-aws-public"),
        ("europe-docker.pkg.dev", "oauth2accesstoken:CANARY-google-pool"),
        ("gcr.io", "oauth2accesstoken:CANARY-google-account"),
        ("acme.azurecr.io", "CANARY-azure"),
        ("acme.azurecr.cn", "CANARY-azure"),
        ("other.azurecr.io", "CANARY-azure"),
        ("dhi.io", "acme:CANARY-docker-hub"),
        ("quay.io", "acme+mirror:CANARY-quay"),
        ("acme.jfrog.io", "user:CANARY-jfrog"),
        ("cgr.dev", "_token:CANARY-chainguard"),
        ("docker.cloudsmith.io", "token:CANARY-cloudsmith"),
        ("ecr.example.com", "AWS:CANARY-aws"),
        ("registry.example.com", "CANARY-exchange"),
        ("elsewhere.example.com", "robot:CANARY-exchange"),
        ("quay.example.com", "acme+mirror:CANARY-quay"),
        ("jfrog.example.com", "user:CANARY-jfrog"),
        ("hub.example.com", "acme:CANARY-docker-hub"),
    ] {
        let of_environment = ["-hub", "-org", "-net", "-github", "-gitlab"].iter().any(|end| secret.ends_with(end))
            && !secret.ends_with("docker-hub");
        let expected = if of_environment { secret.to_owned() } else { format!("{secret}-for-{host}") };
        assert_eq!(shown.get(host), Some(&expected), "{host}");
    }
    assert!(own.made > 0 && bound.made > 0, "repositories are made: {} and {}", own.made, bound.made);
    assert!(own.read > 0, "tags are read where the host names an account");
}

/// No host is a provider's that is not, whatever it looks like: nobody is asked for its sake.
#[test]
fn nothing_is_asked_for_foreign_hosts() {
    let settings = [
        "aws: { role: \"arn:aws:iam::123456789012:role/mirror\" }",
        "aws: { role: \"arn:aws:iam::123456789012:role/mirror\", region: eu-west-1 }",
        "gcp: { workload-identity-provider: projects/1/locations/global/workloadIdentityPools/pool/providers/github }",
        "azure: { tenant-id: 00000000-0000-0000-0000-000000000000, client-id: 00000000-0000-0000-0000-000000000001 }",
        "docker-hub: { organization: acme, connection-id: 11111111-2222-3333-4444-555555555555 }",
        "quay: { robot: acme+mirror }",
        "jfrog: { provider-name: github }",
        "chainguard: { identity: 7209/0e2f }",
        "cloudsmith: { organization: acme, service: mirror }",
        "exchange: { url: \"https://evil.example/token\" }",
        "github: {}",
        "gitlab: {}",
    ];
    let hosts = ["evil.example", "quay.io.evil.example", "111111111111.dkr.ecr.eu-west-1.evil.example", "quay.io:444"];
    for host in hosts {
        for setting in settings {
            let document = format!(
                "version: 1\nregistries:\n  \"{host}\": {{ auth: {{ {setting} }} }}\nmirrors:\n  - {{ source: alpine, \
                 target: \"{host}/app\", tags: [\"1\"] }}\n"
            );
            assert_eq!(followed(document.as_bytes()).hosts, BTreeSet::new(), "{document}");
        }
    }
}

#[test]
fn a_secret_is_for_few() {
    let (quay, evil) = (registry("quay.io"), registry("evil.example"));
    let ecr = registry("111111111111.dkr.ecr.eu-west-1.amazonaws.com");
    let right = [
        ("CANARY-quay-for-quay.io", Viewer::Registry, &quay),
        ("CANARY-runner", Viewer::Service(RUNNER), &evil),
        ("CANARY-aws-token", Viewer::Service("sts.eu-west-1.amazonaws.com"), &ecr),
        (&format!("CANARY-aws-session-for-{ecr}"), Viewer::Service("api.ecr.eu-west-1.amazonaws.com"), &ecr),
    ];
    for (canary, viewer, registry) in right {
        assert!(may_see(canary, viewer, registry), "{canary}");
    }
    let wrong = [
        ("CANARY-quay-for-quay.io", Viewer::Registry, &evil),
        ("CANARY-quay-for-evil.example", Viewer::Registry, &quay),
        ("CANARY-quay-for-evil.example", Viewer::Registry, &evil),
        ("CANARY-runner", Viewer::Registry, &quay),
        ("CANARY-aws-token", Viewer::Service("sts.eu-central-1.amazonaws.com"), &ecr),
        ("CANARY-aws-token", Viewer::Service("sts.eu-west-1.s3.amazonaws.com"), &ecr),
        ("CANARY-aws-token", Viewer::Service("sts.eu-west-1.amazonaws.com"), &evil),
        ("CANARY-aws-key", Viewer::Service("sts.eu-west-1.amazonaws.com"), &ecr),
        ("CANARY-aws-session-key", Viewer::Service("api.ecr.eu-west-1.amazonaws.com"), &ecr),
        (&format!("CANARY-aws-session-for-{ecr}"), Viewer::Registry, &ecr),
        ("CANARY-github", Viewer::Registry, &quay),
        ("CANARY-job", Viewer::Registry, &registry("registry.gitlab.com")),
        ("CANARY-unknown", Viewer::Registry, &quay),
    ];
    for (canary, viewer, registry) in wrong {
        assert!(!may_see(canary, viewer, registry), "{canary} for {registry}");
    }
}

#[test]
fn an_id_token_is_for_one_service() {
    let (quay, hub) = (registry("quay.io"), registry("docker.io"));
    assert!(is_for("https://quay.io", "quay.io", &quay));
    assert!(!is_for("https://quay.io", "evil.example", &quay) && !is_for("sts.amazonaws.com", "quay.io", &quay));
    assert!(is_for("https://identity.docker.com", "identity.docker.com", &hub));
    assert!(!is_for("https://identity.docker.com", "identity.docker.com.evil.example", &hub));
    assert!(!is_for("https://identity.docker.com", "identity.docker.com", &quay), "for a registry of somebody else");
    let evil = registry("evil.example");
    assert!(!is_for("https://evil.example", "evil.example", &evil));
}

#[test]
fn what_goes_astray_is_found() {
    let hub = registry("docker.io");
    let credential = Credential::Bearer(Secret::new("CANARY-github"));
    let at_registry = || assert_rightful(&secret_of(&credential), Viewer::Registry, &hub);
    assert!(catch_unwind(at_registry).is_err());
    let at_service = || assert_rightful("{\"a\":\"CANARY-token\"}", Viewer::Service("identity.docker.com"), &hub);
    assert!(catch_unwind(at_service).is_err());
    let odd = || assert_rightful("x.y.CANARY-id-token", Viewer::Registry, &hub);
    assert!(catch_unwind(odd).is_err());
}
