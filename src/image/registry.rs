//! Registry hosts, in one canonical spelling.
//!
//! Owns the only comparison of hosts in the program: two spellings of one registry are equal here or nowhere.
//! Refuses credentials, schemes, paths and look-alike hosts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use super::ReferenceError;

/// A registry's host and optional port, canonical: lower case, no trailing dot, and `docker.io` for each of
/// Docker Hub's names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registry(Arc<str>);

const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_API: &str = "registry-1.docker.io";
/// RFC 1035 §2.3.4.
const HOST_LIMIT: usize = 253;

impl Registry {
    /// Docker Hub.
    pub fn docker_hub() -> Self {
        Self(DOCKER_HUB.into())
    }

    /// The canonical text: `host` or `host:port`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is Docker Hub.
    pub fn is_docker_hub(&self) -> bool {
        &*self.0 == DOCKER_HUB
    }

    /// The `host[:port]` that answers the distribution API: another name than its own at Docker Hub.
    pub fn api_host(&self) -> &str {
        if self.is_docker_hub() { DOCKER_HUB_API } else { &self.0 }
    }

    /// The host without its port; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        split_port(&self.0).0
    }

    /// Whether the host is this machine by its very spelling: `localhost`, `*.localhost`, 127.0.0.0/8, `[::1]`.
    /// Only these speak plain HTTP without being told to.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        };
        address.map_or_else(|| host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
    }

    /// The host as a part of the name of an environment variable: upper case, `.` → `_`, `-` → `__`, `:` → `___`.
    ///
    /// No two hosts share one: between letters and digits a host has one dot (one underscore), hyphens (an even number of
    /// underscores) or the one colon of the port (three). `None` for IPv6 addresses, which have none.
    pub fn in_variable(&self) -> Option<String> {
        if self.0.contains('[') {
            return None;
        }
        Some(self.0.replace('-', "__").replace('.', "_").replace(':', "___").to_ascii_uppercase())
    }

    /// Whether the first component of a short name (`alpine`, `team/app`, `ghcr.io/x`) can only be a host: it has a
    /// dot or a port, or is `localhost`. The rule of the reference grammar that every client shares.
    pub(super) fn looks_like_host(component: &str) -> bool {
        component.contains(['.', ':']) || component == "localhost"
    }
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    let after_address = match text.rfind(']') {
        Some(end) => end + 1,
        None if text.starts_with('[') => return (text, None),
        None => 0,
    };
    match text[after_address..].find(':') {
        Some(colon) => (&text[..after_address + colon], Some(&text[after_address + colon + 1..])),
        None => (text, None),
    }
}

impl FromStr for Registry {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (host, port) = split_port(text);
        if let Some(port) = port {
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
            if !digits || port.parse::<u16>().is_err() {
                return Err(ReferenceError::Port(text.to_owned()));
            }
        }
        let lower = host.to_ascii_lowercase();
        let host = canonical_host(&lower).ok_or_else(|| ReferenceError::Host(text.to_owned()))?;
        if host.len() > HOST_LIMIT {
            return Err(ReferenceError::Length { what: "host", limit: HOST_LIMIT });
        }
        let known = match (host.as_str(), port) {
            ("docker.io" | "index.docker.io" | "registry-1.docker.io", None | Some("443")) => DOCKER_HUB.to_owned(),
            // A bare name needs its port to be told from the first part of a path: `aa/app` is Docker Hub's.
            (host, None | Some("443")) if !Self::looks_like_host(host) => format!("{host}:443"),
            (host, None | Some("443")) => host.to_owned(),
            (host, Some(port)) => format!("{host}:{port}"),
        };
        Ok(Self(known.into()))
    }
}

/// A DNS name or an address in its usual form. Numbers that only look like a name (`2130706433`, `0x7f.1`) are
/// refused: resolvers read them as addresses. So are punycode names, which people cannot tell apart.
fn canonical_host(lower: &str) -> Option<String> {
    if let Some(inner) = lower.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let host = lower.strip_suffix('.').unwrap_or(lower);
    let labels: Vec<&str> = host.split('.').collect();
    let well_formed = labels.iter().all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && !label.starts_with("xn--")
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    // WHATWG URL §3.5, "ends in a number": such a host is an IPv4 address in some spelling.
    let last = labels.last()?;
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let plain_address = host.parse::<Ipv4Addr>().is_ok();
    (well_formed && (!numeric || plain_address)).then(|| host.to_owned())
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::Url;

    use super::*;

    /// Host and port as the URL standard sees them, without the dot at the end of a name. An address with an IPv4 address
    /// in it is spelled in another way there, so addresses are compared as such.
    fn by_the_standard(text: &str) -> Option<(String, u16)> {
        let url: Url = format!("https://{text}/").parse().ok()?;
        let host = url.host_str()?.trim_end_matches('.');
        let address = host.trim_matches(['[', ']']).parse::<Ipv6Addr>();
        Some((address.map_or(host.to_owned(), |address| format!("[{address}]")), url.port_or_known_default()?))
    }

    fn host_and_port(registry: &Registry) -> (String, u16) {
        let (host, port) = split_port(registry.as_str());
        (host.to_owned(), port.map_or(443, |port| port.parse().unwrap()))
    }

    /// Spellings that mean the same to some reader and another host to the next.
    fn spelling() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a",
            "B",
            "io",
            "GHCR",
            "localhost",
            "xn--80ak6aa92e",
            "127",
            "0",
            "1",
            "255",
            "256",
            "0x7f",
            "0177",
            "2130706433",
            "-",
            "_",
            ".",
            ".",
            "..",
            "\u{430}",
            "\u{3002}",
            "%2e",
            "@",
            "user:pw@",
            "[",
            "]",
            "::1",
            "::ffff:127.0.0.1",
            "/",
            "\\",
            " ",
        ]);
        let port = prop::sample::select(vec!["", "", ":443", ":80", ":5000", ":0", ":65536", ":0443", ":", ":http"]);
        let address =
            prop::sample::select(vec!["[::1]", "[0:0::1]", "[::FFFF:127.0.0.1]", "127.0.0.1", "127.1", "[::1"]);
        let name = "[a-zA-Z0-9]{1,4}(-[a-z]{1,2})?(\\.[a-zA-Z]{2,3}){0,2}\\.?".prop_map(String::from);
        let host = prop_oneof![
            name,
            prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat()),
            address.prop_map(str::to_owned),
        ];
        (host, port).prop_map(|(host, port)| format!("{host}{port}"))
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_the_host_of_the_url_standard(text in spelling()) {
            let Ok(registry) = text.parse::<Registry>() else { return Ok(()) };
            prop_assert_eq!(registry.to_string().parse::<Registry>().unwrap(), registry.clone(), "canonical is canonical");
            let (host, port) = by_the_standard(&text).expect("what we accept is the host of a URL");
            prop_assert_eq!(host_and_port(&registry), (host, port));
            prop_assert!(registry.as_str().is_ascii() && !registry.as_str().contains(['@', '/', '%', '\\']));
        }

        #[test]
        fn equal_is_what_the_url_standard_calls_equal(one in spelling(), other in spelling()) {
            let (Ok(a), Ok(b)) = (one.parse::<Registry>(), other.parse::<Registry>()) else { return Ok(()) };
            prop_assert_eq!(a == b, by_the_standard(&one) == by_the_standard(&other), "{} and {}", one, other);
        }
    }

    #[test]
    fn spellings_and_what_becomes_of_them() {
        for (text, canonical) in [
            ("GHCR.IO", Some("ghcr.io")),
            ("ghcr.io.:443", Some("ghcr.io")),
            ("ghcr.io:80", Some("ghcr.io:80")),
            ("127.0.0.1:443", Some("127.0.0.1")),
            ("[0:0:0:0:0:0:0:1]:443", Some("[::1]")),
            ("[::FFFF:127.0.0.1]", Some("[::ffff:127.0.0.1]")),
            ("127.1", None),
            ("0177.0.0.1", None),
            ("0x7f000001", None),
            ("2130706433", None),
            ("127.0.0.1.", Some("127.0.0.1")),
            ("user@ghcr.io", None),
            ("user:pw@ghcr.io", None),
            ("b\u{fc}cher.example", None),
            ("xn--bcher-kva.example", None),
            ("a.xn--p1ai", None),
            ("ghcr\u{3002}io", None),
            ("ghcr.io/", None),
            ("[::1%25eth0]", None),
        ] {
            let read = text.parse::<Registry>().ok();
            assert_eq!(read.as_ref().map(Registry::as_str), canonical, "{text}");
        }
    }

    fn canonical(text: &str) -> String {
        text.parse::<Registry>().expect(text).to_string()
    }

    #[test]
    fn spellings_of_one_host_are_one_registry() {
        assert_eq!(canonical("GHCR.io."), "ghcr.io");
        assert_eq!(canonical("ghcr.io:443"), "ghcr.io");
        assert_eq!(canonical("index.docker.io"), "docker.io");
        assert_eq!(canonical("registry-1.docker.io"), "docker.io");
        assert_eq!(canonical("[0:0::1]:5000"), "[::1]:5000");
        assert_eq!(canonical("registry.internal:5000"), "registry.internal:5000");
    }

    #[test]
    fn look_alikes_and_numbers_are_not_hosts() {
        for text in
            ["2130706433", "0x7f.1", "1.2.3", "xn--80ak6aa92e.com", "[::1", "a..b", "-a.io", "gh%2fcr.io", "a_b.io", ""]
        {
            assert!(matches!(text.parse::<Registry>(), Err(ReferenceError::Host(_))), "{text}");
        }
        for text in ["ghcr.io:0", "ghcr.io:65536", "ghcr.io:http", "ghcr.io:", "ghcr.io:080"] {
            assert!(matches!(text.parse::<Registry>(), Err(ReferenceError::Port(_))), "{text}");
        }
    }

    #[test]
    fn loopback_is_known_by_its_spelling_alone() {
        for text in ["localhost", "localhost:5000", "a.localhost", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"] {
            assert!(text.parse::<Registry>().expect(text).is_loopback(), "{text}");
        }
        for text in ["localhost.evil.io", "10.0.0.1:5000", "[::2]:5000", "ghcr.io"] {
            assert!(!text.parse::<Registry>().expect(text).is_loopback(), "{text}");
        }
    }
}
