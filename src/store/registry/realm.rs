//! Which token realms a credential may be shown to. Pure.
//!
//! Owns the rule: a registry's own host, its siblings under one name, pairs that are known, what the environment binds, and
//! nobody else. A challenge is a registry's word, and a realm gets what registries never see: the long-lived credential.
//! Refuses to judge encryption, and realms that are asked as anybody.

use reqwest::Url;

use super::guard::plain_name;
use super::reach::{Reach, reach};

/// Names under which everybody can have one: no two of them belong together. Those of registries and clouds; of countries'
/// kinds (`co.uk`) see [`is_shared`].
const SHARED: &[&str] = &[
    "aliyuncs.com",
    "amazonaws.com",
    "amazonaws.com.cn",
    "api.aws",
    "appdomain.cloud",
    "azure.com",
    "azure.net",
    "azurecr.cn",
    "azurecr.io",
    "azurecr.us",
    "azurewebsites.net",
    "backblazeb2.com",
    "cloudapp.net",
    "cloudflarestorage.com",
    "cloudfront.net",
    "cloudsmith.io",
    "ddns.net",
    "digitaloceanspaces.com",
    "duckdns.org",
    "dyndns.org",
    "edgecr.io",
    "eu.org",
    "fly.dev",
    "gcr.io",
    "github.io",
    "gitlab.io",
    "googleapis.com",
    "herokuapp.com",
    "hf.space",
    "hopto.org",
    "jfrog.io",
    "linodeusercontent.com",
    "myhuaweicloud.com",
    "netlify.app",
    "ngrok-free.app",
    "ngrok.io",
    "nip.io",
    "no-ip.org",
    "ocir.io",
    "on.aws",
    "onrender.com",
    "oraclecloud.com",
    "ovh.net",
    "pages.dev",
    "pkg.dev",
    "r2.dev",
    "railway.app",
    "run.app",
    "scw.cloud",
    "sslip.io",
    "synology.me",
    "tencentcloudcr.com",
    "tencentyun.com",
    "trafficmanager.net",
    "trycloudflare.com",
    "us.com",
    "vercel.app",
    "vultrcr.com",
    "web.app",
    "windows.net",
    "workers.dev",
    "yandexcloud.net",
];

/// Kinds of names under a country's that are longer than three letters.
const KINDS: &[&str] = &["asso", "conf", "firm", "gouv", "govt", "info", "name", "press", "school", "store"];

/// Whether the credential of the registry at `base` may be shown to `realm`, by their names.
pub(super) fn is_its_own(base: &Url, realm: &Url) -> bool {
    let (Some(registry), Some(host)) = (base.host_str().map(plain_name), realm.host_str().map(plain_name)) else {
        return false;
    };
    if reach(base) == Reach::Loopback && reach(realm) == Reach::Loopback {
        return true;
    }
    // Another port of a host may be another's.
    let port = realm.port_or_known_default();
    if realm.port().is_some() && port != base.port_or_known_default() {
        return false;
    }
    if registry == host {
        return true;
    }
    let are_names = base.domain().is_some() && realm.domain().is_some();
    are_names && (is_sibling(&registry, &host) || is_known_pair(&registry, &host))
}

/// Whether `host` lies under the registry's name, or under that without its first part: `auth.docker.io` for
/// `registry-1.docker.io`, `gitlab.com` for `registry.gitlab.com`.
fn is_sibling(registry: &str, host: &str) -> bool {
    let parent = registry.split_once('.').map(|(_, parent)| parent);
    let roots = [Some(registry), parent].into_iter().flatten();
    roots.filter(|root| root.contains('.') && !is_shared(root)).any(|root| is_under(host, root))
}

/// Whether `host` is `root`, or lies under it.
fn is_under(host: &str, root: &str) -> bool {
    host.strip_suffix(root).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether names right under this one are different owners'. Where it is not known, short names under a country's are taken
/// for such (`co.uk`, `com.au`): what that costs is a word of the environment.
fn is_shared(name: &str) -> bool {
    if SHARED.iter().any(|shared| is_under(name, shared)) {
        return true;
    }
    let Some((first, last)) = name.split_once('.') else { return true };
    let of_a_country = last.len() == 2 && !last.contains('.');
    of_a_country && (first.len() <= 3 || KINDS.contains(&first))
}

/// Pairs of one owner that have no name in common.
fn is_known_pair(registry: &str, host: &str) -> bool {
    let parts: Vec<&str> = registry.split('.').collect();
    match parts[..] {
        // Scaleway has one service for the registries of all its regions.
        ["rg", _, "scw", "cloud"] => host == "api.scaleway.com",
        ["nvcr", "io"] => host == "authn.nvidia.com",
        // Alibaba Cloud, with and without an instance of one's own.
        [
            "registry" | "registry-vpc" | "registry-intl" | "registry-intl-vpc" | "registry-internal",
            region,
            "aliyuncs",
            "com",
        ]
        | [_, region, "cr" | "personal", .., "aliyuncs", "com"] => is_of_alibaba(region, host),
        _ => false,
    }
}

/// Alibaba Cloud's token services: those of a region, or those of Hangzhou, which serve for others; Zhangjiakou's is called
/// in its own way (<https://help.aliyun.com/zh/ack>, the addresses that clusters need). Buckets have names under
/// `oss-<region>`, which is no region.
fn is_of_alibaba(region: &str, host: &str) -> bool {
    let services = ["dockerauth", "dockerauth-vpc", "dockerauth-ee", "dockerauth-ee-vpc"];
    let is_region = region.split_once('-').is_some_and(|(area, _)| matches!(area.len(), 2 | 3) && area != "oss");
    let mut names = services.iter().flat_map(|service| {
        [region, "cn-hangzhou"].map(|region| [format!("{service}.{region}"), format!("{service}-{region}")])
    });
    is_region && names.any(|names| names.iter().any(|name| *host == format!("{name}.aliyuncs.com")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::registry::origin::{Boundary, Words};

    fn may(registry: &str, realm: &str) -> bool {
        is_its_own(&format!("https://{registry}/").parse().unwrap(), &format!("https://{realm}/token").parse().unwrap())
    }

    #[test]
    fn realms_of_the_registries_in_use() {
        for (registry, realm) in [
            ("registry-1.docker.io", "auth.docker.io"),
            ("ghcr.io", "ghcr.io"),
            ("quay.io", "quay.io"),
            ("dhi.io", "dhi.io"),
            ("registry.gitlab.com", "gitlab.com"),
            ("registry.digitalocean.com", "api.digitalocean.com"),
            ("docker.elastic.co", "docker-auth.elastic.co"),
            ("acme.azurecr.io", "acme.azurecr.io"),
            ("acme.jfrog.io", "acme.jfrog.io"),
            ("europe-docker.pkg.dev", "europe-docker.pkg.dev"),
            ("public.ecr.aws", "public.ecr.aws"),
            ("gitlab.example.com:5050", "gitlab.example.com"),
            ("gitlab.example.com:5050", "gitlab.example.com:5050"),
            ("registry.example.com:5000", "auth.example.com"),
            ("registry.example.com:5000", "auth.example.com:5000"),
            ("registry.example.com", "sso.auth.example.com"),
            ("registry.example.co.uk", "auth.example.co.uk"),
            ("example.com", "auth.example.com"),
            ("registry.example.com.", "AUTH.example.com"),
            ("rg.fr-par.scw.cloud", "api.scaleway.com"),
            ("nvcr.io", "authn.nvidia.com"),
            ("registry.cn-shanghai.aliyuncs.com", "dockerauth.cn-shanghai.aliyuncs.com"),
            ("registry.cn-shanghai.aliyuncs.com", "dockerauth.cn-hangzhou.aliyuncs.com"),
            ("acme-registry.cn-hangzhou.cr.aliyuncs.com", "dockerauth-ee.cn-hangzhou.aliyuncs.com"),
            ("acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com", "dockerauth-ee-vpc.cn-hangzhou.aliyuncs.com"),
            ("acme-registry.cn-zhangjiakou.cr.aliyuncs.com", "dockerauth-cn-zhangjiakou.aliyuncs.com"),
            ("crpi-x.cn-beijing.personal.cr.aliyuncs.com", "dockerauth.cn-hangzhou.aliyuncs.com"),
            ("127.0.0.1:5000", "localhost:5001"),
            ("10.0.0.5:5000", "10.0.0.5:5000"),
            ("[fd00::5]:5000", "[fd00::5]"),
        ] {
            assert!(may(registry, realm), "{registry} {realm}");
        }
    }

    #[test]
    fn realms_of_others() {
        for (registry, realm) in [
            ("registry-1.docker.io", "evil.example"),
            ("registry-1.docker.io", "auth.docker.io.evil.example"),
            ("registry-1.docker.io", "evildocker.io"),
            ("registry-1.docker.io", "auth-docker.io"),
            ("registry-1.docker.io", "auth.docker.io:8443"),
            ("registry-1.docker.io", "docker.com"),
            ("registry-1.docker.io", "io"),
            ("registry-1.docker.io", "203.0.113.7"),
            ("ghcr.io", "evil.io"),
            ("ghcr.io", "ghcr.io:8443"),
            ("ghcr.io", "xghcr.io"),
            ("acme.azurecr.io", "evil.azurecr.io"),
            ("acme.azurecr.io", "azurecr.io"),
            ("acme.westeurope.data.azurecr.io", "evil.westeurope.data.azurecr.io"),
            ("acme.jfrog.io", "evil.jfrog.io"),
            ("europe-docker.pkg.dev", "evil.pkg.dev"),
            ("1.dkr.ecr.eu-west-1.amazonaws.com", "2.dkr.ecr.eu-west-1.amazonaws.com"),
            ("registry.eu.example.com", "auth.example.com"),
            ("example.co.uk", "evil.co.uk"),
            ("example.com.au", "evil.com.au"),
            ("example.com", "evil.com"),
            ("registry.lab", "auth.lab"),
            ("registry", "auth"),
            ("registry.example.com:5000", "auth.example.com:5001"),
            ("registry.example.com:5000", "registry.example.com:5001"),
            ("rg.fr-par.scw.cloud", "s3.fr-par.scw.cloud"),
            ("rg.fr-par.scw.cloud", "api.scaleway.com.evil.example"),
            ("rg.fr-par.scw.cloud.evil.example", "api.scaleway.com"),
            ("registry.cn-shanghai.aliyuncs.com", "dockerauth.oss-cn-shanghai.aliyuncs.com"),
            ("registry.oss-cn-shanghai.aliyuncs.com", "dockerauth.oss-cn-shanghai.aliyuncs.com"),
            ("registry.cn-shanghai.aliyuncs.com", "dockerauth.cn-beijing.aliyuncs.com"),
            ("registry.cn-shanghai.aliyuncs.com", "evil.cn-shanghai.aliyuncs.com"),
            ("10.0.0.5:5000", "10.0.0.6:5000"),
            ("10.0.0.5:5000", "10.0.0.5:5001"),
            ("10.0.0.5", "0.0.5"),
            ("10.0.0.5", "127.0.0.1"),
            ("registry.example.com", "127.0.0.1"),
        ] {
            assert!(!may(registry, realm), "{registry} {realm}");
        }
    }

    #[test]
    fn owners_of_names_below_a_shared_one_are_strangers() {
        for shared in [
            "backblazeb2.com",
            "cloudflarestorage.com",
            "ddns.net",
            "eu.org",
            "hf.space",
            "hopto.org",
            "no-ip.org",
            "railway.app",
            "up.railway.app",
            "synology.me",
            "trycloudflare.com",
            "us.com",
            "web.app",
        ] {
            let own = format!("acme.{shared}");
            assert!(may(&own, &own), "{own}");
            assert!(!may(&own, &format!("evil.{shared}")) && !may(&own, shared), "{own}");
        }
    }

    #[test]
    fn a_realm_that_is_bound_may_be_anywhere_but_nowhere() {
        let trusted_realms =
            ["10.0.0.9:8443", "auth.else.example", "169.254.169.254"].map(|host| host.parse().unwrap());
        let words = Words { trusted_realms: trusted_realms.into(), ..Words::default() };
        let boundary = Boundary::new("https://r.io/".parse().unwrap(), words);
        let may = |realm: &str| boundary.realm(realm).is_ok_and(|realm| boundary.may_exchange_credential(&realm));
        assert!(may("https://10.0.0.9:8443/t") && may("https://auth.else.example/t") && may("/t"));
        for other in ["https://10.0.0.9/t", "https://10.0.0.8:8443/t", "https://169.254.169.254/t"] {
            assert!(boundary.realm(other).is_err(), "{other}");
        }
        assert!(!may("https://auth.else.example:8443/t") && !may("https://x.auth.else.example/t"));
    }
}
