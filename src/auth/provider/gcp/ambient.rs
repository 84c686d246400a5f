//! What the environment and the machine offer for Google's registries: a file of credentials, or the metadata service.
//!
//! <https://cloud.google.com/docs/authentication/application-default-credentials>; what a person's own login left behind is
//! gcloud's to use, through its credential helper.

use super::Gcp;
use crate::auth::Environment;
use crate::auth::provider::Provider;
use crate::auth::provider::ambient::{Ambient, is_bound, is_made_by};
use crate::image::Registry;

/// The variable that names a file of credentials.
pub(super) const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// The variable that names another metadata service.
pub(super) const METADATA: &str = "GCE_METADATA_HOST";

/// The source for `registry`; `None` where it is none of Google's.
pub(in crate::auth::provider) fn ambient(registry: &Registry, environment: &Environment) -> Option<Ambient> {
    let host = registry.as_str();
    let location = host.strip_suffix("-docker.pkg.dev").filter(|location| !location.is_empty());
    let own = host == "gcr.io" || host.ends_with(".gcr.io") || location.is_some_and(|name| !name.contains('.'));
    if !own && !is_bound(registry, environment, "gcp") {
        return None;
    }
    let is_set = |name: &str| environment.get(name).is_some();
    let (name, gcp) = if environment.path(FILE).is_some() {
        (FILE, Some(Gcp::File))
    } else if is_set(METADATA) || is_set("K_SERVICE") || is_set("CLOUD_RUN_JOB") || is_made_by("product_name", "Google")
    {
        ("the service account of this machine", Some(Gcp::Machine))
    } else {
        (FILE, None)
    };
    Some(Ambient { name, provider: gcp.map(Provider::Gcp) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(host: &str, variables: &[(&str, &str)]) -> Option<&'static str> {
        let ambient = ambient(&host.parse().unwrap(), &variables.iter().copied().collect())?;
        ambient.provider.map(|_| ambient.name)
    }

    #[test]
    fn a_file_comes_before_the_machine() {
        let both = [(METADATA, "metadata:80"), (FILE, "key.json")];
        for host in ["gcr.io", "eu.gcr.io", "europe-docker.pkg.dev"] {
            assert_eq!(offered(host, &both), Some(FILE), "{host}");
            assert_eq!(offered(host, &both[..1]), Some("the service account of this machine"), "{host}");
            assert_eq!(offered(host, &[("CLOUD_RUN_JOB", "x")]), Some("the service account of this machine"), "{host}");
        }
    }

    #[test]
    fn nothing_is_offered_to_others() {
        for host in ["gcr.io:444", "evilgcr.io", "a.b-docker.pkg.dev", "x-docker.pkg.dev.evil.example", "ghcr.io"] {
            assert_eq!(offered(host, &[(FILE, "key.json")]), None, "{host}");
        }
        let bound = [("REGSYNC_PROVIDER_REGISTRY_EXAMPLE_COM", "gcp"), (FILE, "key.json")];
        assert_eq!(offered("registry.example.com", &bound), Some(FILE));
    }
}
