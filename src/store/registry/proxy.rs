//! Proxies, as the environment names them.
//!
//! Owns the variables' order of precedence. Refuses to read the environment itself, and to send anything meant for this
//! machine or for a metadata service through a proxy.

use std::collections::BTreeSet;
use std::fmt;

use super::guard::plain_name;
use crate::auth::Secret;
use crate::image::Code;
use crate::store::Error;

/// Never proxied: this machine, and the addresses and names of metadata services.
const NEVER: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,fe80::/10,168.63.129.16,100.100.100.200,192.0.0.192,\
     fd00:ec2::/32,fd20:ce::/32,fd00:c1::/32,metadata.google.internal,metadata";

/// The proxies for http and https, and what goes past them. Their URLs may hold passwords.
#[derive(Clone, Default)]
pub struct Proxies {
    http: Option<Secret>,
    https: Option<Secret>,
    exceptions: String,
}

/// How the client's proxies are made.
type Make = fn(&str) -> reqwest::Result<reqwest::Proxy>;

impl Proxies {
    /// Reads a snapshot of the environment: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` and their lower-case forms.
    /// Empty counts as unset. `HTTP_PROXY` is ignored in a CGI program, where a request header can set it (CVE-2016-5385).
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let either = |upper: &str| set(upper).or_else(|| set(&upper.to_ascii_lowercase()));
        let all = either("ALL_PROXY");
        let http = if lookup("REQUEST_METHOD").is_some() { set("http_proxy") } else { either("HTTP_PROXY") };
        let exceptions = either("NO_PROXY").map(|list| format!(",{list}")).unwrap_or_default();
        Self {
            http: http.or_else(|| all.clone()).map(Secret::new),
            https: either("HTTPS_PROXY").or(all).map(Secret::new),
            exceptions: format!("{NEVER}{exceptions}"),
        }
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The names of the proxies, plain: those that are looked up to reach them. Addresses are not.
    pub(super) fn hosts(&self) -> BTreeSet<String> {
        let host = |proxy: &Secret| {
            let text = proxy.expose().trim();
            // As the client reads them: without a scheme it is http.
            let url = text.parse::<reqwest::Url>().ok().filter(reqwest::Url::has_host);
            let url = url.or_else(|| format!("http://{text}").parse().ok())?;
            url.domain().map(plain_name)
        };
        [&self.http, &self.https].into_iter().flatten().filter_map(host).collect()
    }

    /// The same, for the client.
    pub(super) fn apply(&self, builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, Error> {
        // Off first: the client would otherwise look at the environment by itself.
        let mut builder = builder.no_proxy();
        let kinds: [(&Option<Secret>, &str, Make); 2] = [
            (&self.https, "HTTPS_PROXY", |url| reqwest::Proxy::https(url)),
            (&self.http, "HTTP_PROXY", |url| reqwest::Proxy::http(url)),
        ];
        for (proxy, name, make) in kinds {
            let Some(proxy) = proxy else { continue };
            let proxy = make(proxy.expose().trim()).map_err(|_| unusable(name))?;
            builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_string(&self.exceptions)));
        }
        Ok(builder)
    }
}

fn unusable(name: &str) -> Error {
    let message = format!("the value of {name} (or ALL_PROXY) is not the URL of a proxy");
    Error::new(Code::Connect, "set up the connection", message).hint("write it as http://host:port")
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |proxy: &Option<Secret>| proxy.as_ref().map(|_| "***");
        let (http, https) = (shown(&self.http), shown(&self.https));
        f.debug_struct("Proxies").field("http", &http).field("https", &https).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Proxies {
        Proxies::from_environment(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn text(proxy: Option<&Secret>) -> Option<&str> {
        proxy.map(Secret::expose)
    }

    #[test]
    fn the_specific_variable_wins_over_the_general_one() {
        let proxies = read(&[("ALL_PROXY", "http://all:1"), ("https_proxy", "http://tls:2"), ("HTTPS_PROXY", "")]);
        assert_eq!(
            (text(proxies.http.as_ref()), text(proxies.https.as_ref())),
            (Some("http://all:1"), Some("http://tls:2"))
        );
        assert!(read(&[("HTTPS_PROXY", " ")]).is_empty());
    }

    #[test]
    fn a_request_header_sets_no_proxy() {
        let cgi = read(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil:1")]);
        assert_eq!(text(cgi.http.as_ref()), None);
        assert_eq!(text(read(&[("HTTP_PROXY", "http://p:1")]).http.as_ref()), Some("http://p:1"));
    }

    #[test]
    fn this_machine_is_always_an_exception() {
        let proxies = read(&[("NO_PROXY", "corp.internal")]);
        assert_eq!(proxies.exceptions, format!("{NEVER},corp.internal"));
    }

    #[test]
    fn no_metadata_service_is_asked_through_a_proxy() {
        let excepted: Vec<&str> = NEVER.split(',').collect();
        let services = [
            "169.254.0.0/16",
            "fe80::/10",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::/32",
            "fd20:ce::/32",
            "fd00:c1::/32",
            "metadata.google.internal",
            "metadata",
        ];
        for service in services {
            assert!(excepted.contains(&service), "{service}");
        }
    }

    #[test]
    fn the_hosts_of_proxies_are_those_that_are_looked_up() {
        let proxies = read(&[("HTTPS_PROXY", "http://user:pw@Proxy.Corp.example.:3128"), ("HTTP_PROXY", "gate:8080")]);
        assert_eq!(proxies.hosts(), ["gate", "proxy.corp.example"].map(str::to_owned).into());
        let both = read(&[("ALL_PROXY", "socks5h://socks.example")]);
        assert_eq!(both.hosts(), ["socks.example".to_owned()].into());
        assert_eq!(read(&[("ALL_PROXY", "proxy.example:3128/")]).hosts(), ["proxy.example".to_owned()].into());
        assert!(read(&[("ALL_PROXY", "http://10.0.0.1:3128"), ("NO_PROXY", "*")]).hosts().is_empty());
    }

    #[test]
    fn a_password_is_not_shown() {
        let proxies = read(&[("ALL_PROXY", "http://user:hunter2@p:1")]);
        assert!(!format!("{proxies:?}").contains("hunter2"));
        let broken = read(&[("HTTPS_PROXY", "http://user:hunter2@[broken")]);
        let error = broken.apply(reqwest::ClientBuilder::new()).expect_err("no URL");
        assert!(!error.to_string().contains("hunter2") && error.to_string().contains("HTTPS_PROXY"), "{error}");
    }
}
