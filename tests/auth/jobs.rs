//! GitHub and GitLab: what the CI system hands to a job.

use crate::support::canary::canary;
use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::{Auth, FakeRegistry, Options};

fn registry(user: &str, password: &str) -> FakeRegistry {
    FakeRegistry::with(Options { auth: Auth::basic(user, password), ..Options::default() })
}

fn mirror(source: &FakeRegistry, target: &FakeRegistry, auth: &str) -> Regsync {
    zoo::index("seed").push_to(source, "app", "1");
    let (source, host) = (source.reference("app"), target.host());
    let auth = if auth.is_empty() { String::new() } else { format!("registries:\n  {host}: {{ auth: {auth} }}\n") };
    Regsync::new()
        .config(&format!("version: 1\n{auth}mirrors:\n  - {{ source: \"{source}:1\", target: {host}/app }}\n"))
}

#[test]
fn the_token_of_a_job_of_github() {
    let token = canary("github-token");
    let (source, target) = (FakeRegistry::start(), registry("x-access-token", &token));
    let regsync = mirror(&source, &target, "{ github: {} }").provider(&target, "github");
    let absent = regsync.run(["plan"]);
    absent.assert_status(1);
    let said = format!("{}{}", absent.stdout, absent.stderr);
    assert!(said.contains("`GITHUB_TOKEN` is not set"), "{said}");
    let regsync = regsync.env("GITHUB_TOKEN", &token).marked(&[&target]);
    let planned = regsync.run(["plan"]);
    planned.assert_status(0).assert_masked_first();
    assert!(planned.logged > 20, "every log there is was searched: {}", planned.logged);
    regsync.run(["apply"]).assert_status(0);
    assert!(target.tag_digest("app", "1").is_some());
}

#[test]
fn a_job_of_gitlab_needs_no_configuration_for_its_own_registry() {
    let password = canary("gitlab-job");
    let (source, target) = (FakeRegistry::start(), registry("gitlab-ci-token", &password));
    let job = |regsync: Regsync| {
        let regsync = regsync.env("GITLAB_CI", "true").env("CI_REGISTRY", &target.host());
        regsync.env("CI_REGISTRY_USER", "gitlab-ci-token").env("CI_REGISTRY_PASSWORD", &password)
    };
    job(mirror(&source, &target, "")).run(["apply"]).assert_status(0);
    // The other registry of the mirror was shown nothing.
    source.assert_no_authorization();
    let check = job(mirror(&source, &target, "")).run(["auth", "check", &target.host()]);
    check.assert_status(0);
    assert!(check.stdout.contains("CI_REGISTRY_PASSWORD of the job"), "{}", check.stdout);
}

/// With the provider a job that lacks them is told so, and nobody is asked anonymously.
#[test]
fn the_user_of_a_job_of_gitlab() {
    let password = canary("gitlab-job");
    let (source, target) = (FakeRegistry::start(), registry("gitlab-ci-token", &password));
    let regsync = mirror(&source, &target, "{ gitlab: {} }").provider(&target, "gitlab");
    for regsync in [regsync.run(["plan"]), regsync.run(["auth", "check", &target.host()])] {
        regsync.assert_status(1);
        let said = format!("{}{}", regsync.stdout, regsync.stderr);
        assert!(said.contains("`CI_REGISTRY_USER` and `CI_REGISTRY_PASSWORD` are not set"), "{said}");
    }
    assert_eq!(target.count("*", "/v2/app"), 0);
    let regsync = regsync.env("CI_REGISTRY_USER", "gitlab-ci-token").env("CI_REGISTRY_PASSWORD", &password);
    regsync.run(["plan"]).assert_status(0);
    regsync.run(["apply"]).assert_status(0);
    assert!(target.tag_digest("app", "1").is_some());
    source.assert_no_authorization();
}

#[test]
fn a_provider_is_not_accepted_under_anothers_name() {
    let (source, target) = (FakeRegistry::start(), FakeRegistry::start());
    for provider in ["{ github: {} }", "{ gitlab: {} }"] {
        let refused = mirror(&source, &target, provider).env("GITHUB_TOKEN", &canary("github-token")).run(["plan"]);
        refused.assert_status(65);
        assert!(
            refused.stderr.contains("E_CFG_PROVIDER") && refused.stderr.contains("REGSYNC_PROVIDER_"),
            "{refused:?}"
        );
    }
    assert_eq!(target.requests().len() + source.requests().len(), 0);
}
