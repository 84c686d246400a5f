//! Where a request may go, and what may go with it. Pure.
//!
//! Owns the comparison of origins (scheme, host, port) and the rules for every URL that a registry hands out: redirects,
//! token realms, upload locations, links. Refuses downgrades, and addresses inside the network from a registry outside it.

use std::collections::BTreeSet;

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::guard::plain_name;
use super::reach::{Reach, reach};
use super::realm;
use crate::image::{Code, Registry};
use crate::store::Error;

/// The origin of one registry, and the rules that follow from it.
#[derive(Clone, Debug)]
pub(super) struct Boundary {
    base: Url,
    words: Words,
}

/// What the environment says of where registries may lead.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// Who may be shown credentials without encryption.
    pub(super) insecure_hosts: BTreeSet<Registry>,
    /// Token realms that are the registry's, whatever their names.
    pub(super) trusted_realms: BTreeSet<Registry>,
    /// The hosts of proxies. Where they are is not looked at, so no registry leads to them.
    pub(super) proxies: BTreeSet<String>,
}

/// Why a URL is not used. Names origins only: paths and queries may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Breach {
    /// Not a URL, or none that leads anywhere.
    #[error("leads nowhere: not a usable URL")]
    Malformed,
    /// From https to http.
    #[error("leads to {0}, which is not encrypted")]
    Downgrade(String),
    /// To an address that only means something inside this network.
    #[error("leads to {0}, an address inside this network")]
    Inside(String),
    /// To another origin, where none may be.
    #[error("leads to another origin, {0}")]
    Foreign(String),
}

impl Breach {
    /// The failure of `request`, whose `part` (`redirect`, `upload location`, …) it was.
    pub(super) fn error(&self, request: &str, part: &str) -> Error {
        let code = if matches!(self, Self::Malformed) { Code::Redirect } else { Code::Boundary };
        Error::new(code, request, format!("the {part} {self}"))
    }
}

impl Boundary {
    /// The boundary of the registry that answers at `base`, in an environment with these words.
    pub(super) fn new(base: Url, words: Words) -> Self {
        Self { base, words }
    }

    /// The URL of the registry's root.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Whether `url` is at the registry itself.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        same_origin(&self.base, url)
    }

    /// Whether a credential may be sent to `url`: encrypted, on this machine, or where the environment says so.
    pub(super) fn may_carry_credential(&self, url: &Url) -> bool {
        url.scheme() == "https"
            || registry_of(url).is_some_and(|host| host.is_loopback())
            || self.words.insecure_hosts.iter().any(|host| names(host, url))
    }

    /// Whether the token realm `url` is the registry's own: its names say so, or the environment does.
    pub(super) fn may_exchange_credential(&self, url: &Url) -> bool {
        realm::is_its_own(&self.base, url) || self.is_bound(url)
    }

    /// Whether the environment binds the host and port of `url` to the registry.
    pub(super) fn is_bound(&self, url: &Url) -> bool {
        self.words.trusted_realms.iter().any(|host| names(host, url))
    }

    /// The next hop of a redirect from `from`.
    pub(super) fn redirect(&self, from: &Url, location: &HeaderValue) -> Result<Url, Breach> {
        let url = resolve(from, location)?;
        if from.scheme() == "https" && url.scheme() != "https" {
            return Err(Breach::Downgrade(origin(&url)));
        }
        self.refuse_inside(url)
    }

    /// The token realm of a challenge. Another host is usual (`auth.docker.io`); plain http only from a plain registry.
    pub(super) fn realm(&self, realm: &str) -> Result<Url, Breach> {
        let value = HeaderValue::from_str(realm).map_err(|_| Breach::Malformed)?;
        self.redirect(&self.base, &value)
    }

    /// Where an upload goes on. Only at the registry itself: what follows are private bytes and a token. Two habits of
    /// registries behind a proxy are put right, since both lead back home: `http` for `https`, and a port left out.
    pub(super) fn upload(&self, from: &Url, location: &HeaderValue) -> Result<Url, Breach> {
        let mut url = resolve(from, location)?;
        if url.host_str() == self.base.host_str() {
            if url.scheme() == "http" && self.base.scheme() == "https" {
                url.set_scheme("https").map_err(|()| Breach::Malformed)?;
            }
            if url.port().is_none() {
                url.set_port(self.base.port()).map_err(|()| Breach::Malformed)?;
            }
        }
        if self.is_home(&url) { Ok(url) } else { Err(Breach::Foreign(origin(&url))) }
    }

    /// The next page of a list; only at the registry itself.
    pub(super) fn link(&self, from: &Url, target: &str) -> Result<Url, Breach> {
        let value = HeaderValue::from_str(target).map_err(|_| Breach::Malformed)?;
        let url = resolve(from, &value)?;
        if self.is_home(&url) { Ok(url) } else { Err(Breach::Foreign(origin(&url))) }
    }

    /// An address inside the network is followed only from a registry that is at least as near.
    fn refuse_inside(&self, url: Url) -> Result<Url, Breach> {
        let reach = reach(&url);
        let near_enough = reach != Reach::Nowhere && reach <= super::reach::reach(&self.base);
        let by_name = reach == Reach::Public;
        let is_proxy = by_name && url.host_str().is_some_and(|host| self.words.proxies.contains(&plain_name(host)));
        let is_bound = reach != Reach::Nowhere && self.is_bound(&url);
        if url.host_str() == self.base.host_str() || is_bound || (near_enough && !is_proxy) {
            Ok(url)
        } else {
            Err(Breach::Inside(origin(&url)))
        }
    }
}

/// Scheme, host and port are the same.
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// The origin in words: scheme, host and port, nothing that could be a secret.
pub(super) fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// A URL that may be logged: no user name, no password, no query values.
pub(super) fn sanitized(url: &Url) -> String {
    let mut text = format!("{}{}", origin(url), url.path());
    for (index, (name, _)) in url.query_pairs().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(&name);
        text.push_str("=…");
    }
    text
}

/// `location` as seen from `from`; only http and https, without user name and password: the client would send them.
fn resolve(from: &Url, location: &HeaderValue) -> Result<Url, Breach> {
    let text = String::from_utf8_lossy(location.as_bytes());
    let text = text.trim();
    if text.is_empty() {
        return Err(Breach::Malformed);
    }
    let mut url = from.join(text).map_err(|_| Breach::Malformed)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Breach::Malformed);
    }
    url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| Breach::Malformed)?;
    url.set_fragment(None);
    Ok(url)
}

/// Whether `host` is where `url` leads: a port that is left out is the scheme's usual one, on either side.
fn names(host: &Registry, url: &Url) -> bool {
    let port = host.as_str()[host.host().len()..].strip_prefix(':').map(str::parse::<u16>);
    let usual = if url.scheme() == "https" { 443 } else { 80 };
    url.host_str() == Some(host.host())
        && url.port_or_known_default() == Some(port.and_then(Result::ok).unwrap_or(usual))
}

fn registry_of(url: &Url) -> Option<Registry> {
    let host = url.host_str()?;
    match url.port() {
        Some(port) => format!("{host}:{port}").parse().ok(),
        None => host.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url() -> impl Strategy<Value = Url> {
        let scheme = prop::sample::select(vec!["http", "https", "HTTPS"]);
        let login = prop::sample::select(vec!["", "", "user@", "user:pw@"]);
        let host =
            prop::sample::select(vec!["r.io", "R.IO", "r.io.", "127.0.0.1", "2130706433", "[::1]", "b\u{fc}cher.io"]);
        let port = prop::sample::select(vec!["", ":80", ":443", ":5000"]);
        (scheme, login, host, port, "(/[a-z]{0,3}){0,2}(\\?[a-z=]{0,4})?").prop_map(
            |(scheme, login, host, port, rest)| format!("{scheme}://{login}{host}{port}{rest}").parse().unwrap(),
        )
    }

    proptest! {
        #[test]
        fn origins_are_those_of_the_url_standard(one in url(), other in url()) {
            prop_assert_eq!(same_origin(&one, &other), one.origin() == other.origin(), "{} and {}", one, other);
            prop_assert_eq!(same_origin(&one, &other), origin(&one) == origin(&other), "{} and {}", one, other);
            let again: Url = origin(&one).parse().unwrap();
            prop_assert_eq!(origin(&again), origin(&one));
            prop_assert!(!origin(&one).contains('@') && !sanitized(&one).contains('@'));
        }
    }

    fn boundary(base: &str) -> Boundary {
        Boundary::new(base.parse().unwrap(), Words::default())
    }

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_bytes(text.as_bytes()).unwrap()
    }

    fn upload(base: &str, location: &str) -> Result<String, Breach> {
        let boundary = boundary(base);
        let from = boundary.base().join("/v2/a/blobs/uploads/").unwrap();
        boundary.upload(&from, &value(location)).map(String::from)
    }

    #[test]
    fn redirects_never_lose_encryption() {
        let https = boundary("https://r.io/");
        let from = https.base().clone();
        assert_eq!(https.redirect(&from, &value("https://cdn.io/x?sig=1")).unwrap().as_str(), "https://cdn.io/x?sig=1");
        assert_eq!(https.redirect(&from, &value("http://cdn.io/x")), Err(Breach::Downgrade("http://cdn.io".into())));
        assert_eq!(https.redirect(&from, &value("http://r.io/x")), Err(Breach::Downgrade("http://r.io".into())));
        let plain = boundary("http://127.0.0.1:5000/");
        assert!(plain.redirect(plain.base(), &value("http://127.0.0.1:5001/x")).is_ok());
        for nonsense in ["", "  ", "ftp://x/y", "file:///etc/passwd", "data:,x", "https://", "http://[::1/"] {
            assert_eq!(https.redirect(&from, &value(nonsense)), Err(Breach::Malformed), "{nonsense}");
        }
    }

    #[test]
    fn a_registry_outside_does_not_lead_inside() {
        let outside = boundary("https://r.io/");
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "localhost",
            "a.localhost",
            "localhost.",
            "[::1]",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "0",
            "[::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[fc00::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "168.63.129.16",
            "100.100.100.200",
            "metadata.google.internal",
            "255.255.255.255",
            "224.0.0.1",
        ] {
            let breach = outside.redirect(outside.base(), &value(&format!("https://{host}/x")));
            assert!(matches!(breach, Err(Breach::Inside(_))), "{host}: {breach:?}");
            assert!(matches!(outside.realm(&format!("https://{host}/token")), Err(Breach::Inside(_))), "{host}");
        }
        for host in ["cdn.io", "8.8.8.8", "[2606:4700::1]", "172.32.0.1", "localhost.evil.io"] {
            assert!(outside.redirect(outside.base(), &value(&format!("https://{host}/x"))).is_ok(), "{host}");
        }
    }

    #[test]
    fn a_registry_inside_leads_only_as_near_as_it_is_itself() {
        let private = boundary("https://10.0.0.5/");
        assert!(private.realm("https://10.0.0.6/token").is_ok());
        assert!(private.realm("https://127.0.0.1/token").is_err());
        assert!(private.realm("https://169.254.169.254/token").is_err());
        let local = boundary("http://localhost:5000/");
        assert!(local.realm("http://127.0.0.1:5001/token").is_ok());
        assert!(local.realm("https://10.0.0.6/token").is_ok());
        assert!(local.realm("http://169.254.169.254/").is_err());
    }

    #[test]
    fn realms_are_relative_or_encrypted() {
        let https = boundary("https://r.io/");
        assert_eq!(https.realm("/token").unwrap().as_str(), "https://r.io/token");
        assert_eq!(https.realm("https://u:p@auth.io/t?a=b#f").unwrap().as_str(), "https://auth.io/t?a=b");
        assert!(matches!(https.realm("http://auth.io/t"), Err(Breach::Downgrade(_))));
        assert_eq!(https.realm("\n"), Err(Breach::Malformed));
    }

    #[test]
    fn credentials_need_encryption_this_machine_or_a_word_from_the_environment() {
        let insecure = BTreeSet::from(["lab.internal:5000".parse().unwrap()]);
        let words = Words { insecure_hosts: insecure, ..Words::default() };
        let boundary = Boundary::new("http://lab.internal:5000/".parse().unwrap(), words);
        let may = |text: &str| boundary.may_carry_credential(&text.parse().unwrap());
        assert!(may("https://anywhere.io/") && may("http://localhost:1/") && may("http://lab.internal:5000/token"));
        assert!(!may("http://lab.internal/token") && !may("http://anywhere.io/"));
        // A port that is written and is the usual one is the same port.
        for (host, url, is_it) in [
            ("lab.internal:80", "http://lab.internal/", true),
            ("lab.internal", "http://lab.internal:80/", true),
            ("lab.internal:8080", "http://lab.internal:8080/", true),
            ("lab.internal", "http://lab.internal:8080/", false),
            ("lab.internal:8080", "http://lab.internal/", false),
            ("internal", "http://lab.internal/", false),
        ] {
            let words = Words { insecure_hosts: [host.parse().unwrap()].into(), ..Words::default() };
            let url: Url = url.parse().unwrap();
            assert_eq!(Boundary::new(url.clone(), words).may_carry_credential(&url), is_it, "{host} {url}");
        }
    }

    #[test]
    fn upload_locations_stay_at_home_and_keep_their_query() {
        let kept = upload("https://r.io/", "/v2/a/blobs/uploads/1?_state=a%3D%3D&x=%2f");
        assert_eq!(kept.unwrap(), "https://r.io/v2/a/blobs/uploads/1?_state=a%3D%3D&x=%2f");
        assert_eq!(upload("https://r.io/", "1?x").unwrap(), "https://r.io/v2/a/blobs/uploads/1?x");
        assert_eq!(upload("https://r.io/", "http://r.io/u").unwrap(), "https://r.io/u");
        assert_eq!(upload("https://r.io:5000/", "http://r.io/u").unwrap(), "https://r.io:5000/u");
        assert_eq!(upload("https://r.io:5000/", "https://r.io/u").unwrap(), "https://r.io:5000/u");
        assert_eq!(upload("https://r.io/", "https://r.io:443/u").unwrap(), "https://r.io/u");
        for foreign in [
            "https://evil.io/u",
            "https://r.io:444/u",
            "//evil.io/u",
            "https://r.io.evil.io/u",
            "https://r.io@evil.io/",
        ] {
            assert!(matches!(upload("https://r.io/", foreign), Err(Breach::Foreign(_))), "{foreign}");
        }
        assert!(matches!(upload("http://localhost:5000/", "https://localhost:5000/u"), Err(Breach::Foreign(_))));
    }

    #[test]
    fn links_stay_at_home() {
        let home = boundary("https://r.io/");
        let from = home.base().join("/v2/a/tags/list?n=1000").unwrap();
        assert_eq!(
            home.link(&from, "/v2/a/tags/list?n=1&last=x y").unwrap().as_str(),
            "https://r.io/v2/a/tags/list?n=1&last=x%20y"
        );
        assert_eq!(home.link(&from, "?last=b").unwrap().as_str(), "https://r.io/v2/a/tags/list?last=b");
        assert!(home.link(&from, "https://evil.io/v2/").is_err() && home.link(&from, "http://r.io/v2/").is_err());
    }

    #[test]
    fn what_is_logged_holds_no_secret() {
        let url = "https://user:secret@r.io:5000/v2/x?digest=secret&sig=secret#secret".parse().unwrap();
        assert_eq!(sanitized(&url), "https://r.io:5000/v2/x?digest=…&sig=…");
        assert_eq!(origin(&url), "https://r.io:5000");
    }
}
