//! What the cloud or CI system around us offers for a registry, without being asked for in the configuration.
//!
//! Owns which host that is decided by. Refuses to offer anything to a host that is not its own.

use super::{Aws, Provider, azure, gcp};
use crate::auth::Environment;
use crate::image::Registry;

/// One source that is around.
pub(in crate::auth) struct Ambient {
    /// Its name, in words.
    pub(in crate::auth) name: &'static str,
    /// The provider to ask; `None` where it has nothing to work with.
    pub(in crate::auth) provider: Option<Provider>,
}

impl Ambient {
    /// The one source that belongs to `registry`; `None` for hosts that nobody around us knows.
    pub(in crate::auth) fn of(registry: &Registry, environment: &Environment) -> Option<Self> {
        let is_set = |name: &str| environment.get(name).is_some();
        if registry.as_str() == "ghcr.io" {
            let there = environment.get("GITHUB_ACTIONS") == Some("true") && is_set("GITHUB_TOKEN");
            return Some(Self { name: "GITHUB_TOKEN of the job", provider: there.then_some(Provider::Github) });
        }
        if is_registry_of_gitlab(registry, environment) {
            let there = is_set("CI_REGISTRY_USER") && is_set("CI_REGISTRY_PASSWORD");
            return Some(Self { name: "CI_REGISTRY_PASSWORD of the job", provider: there.then_some(Provider::Gitlab) });
        }
        if let Some(aws) = Aws::ambient(registry, environment) {
            return Some(Self { name: "AWS, as the environment says", provider: Some(Provider::Aws(aws)) });
        }
        azure::ambient(registry, environment).or_else(|| gcp::ambient(registry, environment))
    }
}

/// Whether the environment says that `provider` serves `registry`, whatever its name.
pub(super) fn is_bound(registry: &Registry, environment: &Environment, provider: &str) -> bool {
    let name = registry.in_variable().map(|host| format!("REGSYNC_PROVIDER_{host}"));
    name.is_some_and(|name| environment.get(&name) == Some(provider))
}

/// Whether the firmware of this machine says that it is one of this cloud's: `file` of `/sys/class/dmi/id` begins so.
pub(super) fn is_made_by(file: &str, beginning: &str) -> bool {
    let text = std::fs::read_to_string(std::path::Path::new("/sys/class/dmi/id").join(file));
    text.is_ok_and(|text| text.trim().starts_with(beginning))
}

/// Whether this is a job of GitLab CI, and `registry` that of its instance.
fn is_registry_of_gitlab(registry: &Registry, environment: &Environment) -> bool {
    let named = environment.get("CI_REGISTRY").and_then(|host| host.parse::<Registry>().ok());
    environment.get("GITLAB_CI") == Some("true") && named.is_some_and(|named| named == *registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Option<&str> = Some("nothing to work with");

    fn offered(host: &str, variables: &[(&str, &str)]) -> Option<&'static str> {
        let environment: Environment = variables.iter().copied().collect();
        let ambient = Ambient::of(&host.parse().unwrap(), &environment)?;
        Some(ambient.provider.map_or("nothing to work with", |provider| provider.name()))
    }

    #[test]
    fn a_job_of_github_has_a_token_for_ghcr_alone() {
        let job = [("GITHUB_ACTIONS", "true"), ("GITHUB_TOKEN", "t")];
        assert_eq!(offered("ghcr.io", &job), Some("github"));
        assert_eq!(offered("ghcr.io", &job[1..]), NOTHING, "somebody's machine, somebody's token");
        assert_eq!(offered("ghcr.io", &job[..1]), NOTHING);
        for other in ["ghcr.io:444", "ghcr.io.evil.example", "docker.io"] {
            assert_eq!(offered(other, &job), None, "{other}");
        }
    }

    #[test]
    fn a_job_of_gitlab_has_a_password_for_its_own_registry() {
        let job = [
            ("GITLAB_CI", "true"),
            ("CI_REGISTRY", "registry.example.com:5050"),
            ("CI_REGISTRY_USER", "gitlab-ci-token"),
            ("CI_REGISTRY_PASSWORD", "p"),
        ];
        assert_eq!(offered("registry.example.com:5050", &job), Some("gitlab"));
        assert_eq!(offered("registry.example.com", &job), None);
        assert_eq!(offered("registry.gitlab.com", &job), None);
        assert_eq!(offered("registry.example.com:5050", &job[1..]), None);
        assert_eq!(offered("registry.example.com:5050", &job[..3]), NOTHING);
    }
}
