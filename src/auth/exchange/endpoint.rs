//! Where tokens are exchanged: URLs that may be shown a credential.
//!
//! Owns the rule of schemes: https; plain http only on this machine, or for metadata services, which speak nothing else.

use std::sync::Arc;

use reqwest::Url;

use crate::auth::ProviderError;
use crate::image::Registry;

/// A place to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) struct Endpoint {
    pub(super) url: Url,
    pub(super) way: Way,
}

/// How a place is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through proxies where the environment names some, and never to an address of this machine or a metadata service.
    Open,
    /// On this machine or its link: past all proxies.
    Local,
    /// As [`Self::Local`], and given up soon: what is not there would not answer.
    Metadata,
}

impl Endpoint {
    /// A URL of this program's own. Panics on one that is no https URL, so that a test finds it.
    pub(in crate::auth) fn fixed(url: &str) -> Self {
        match Self::read(url) {
            Ok(endpoint) => endpoint,
            Err(problem) => unreachable!("{url} {problem}"),
        }
    }

    /// A URL that the variable `name` holds.
    pub(in crate::auth) fn given(name: &str, url: &str) -> Result<Self, ProviderError> {
        Self::read(url).map_err(|problem| ProviderError::Variable { name: Arc::from(name), problem })
    }

    /// A URL of the configuration, that was checked to be the registry's own or named by the environment.
    pub(in crate::auth) fn configured(url: &str, who: &Registry) -> Result<Self, ProviderError> {
        Self::read(url).map_err(|problem| ProviderError::Absent {
            missing: format!("the URL of the service for {who} {problem}"),
            hint: "write it as `https://host/path`".to_owned(),
        })
    }

    /// A place at the registry itself, by the scheme that the registry has: `path` begins with a slash.
    pub(in crate::auth) fn at(registry: &Registry, path: &str) -> Result<Self, ProviderError> {
        let scheme = if registry.is_loopback() { "http" } else { "https" };
        Self::configured(&format!("{scheme}://{}{path}", registry.api_host()), registry)
    }

    /// A metadata service: plain http at a link-local address is its only form.
    pub(in crate::auth) fn metadata(name: &str, url: &str) -> Result<Self, ProviderError> {
        let problem = "is not the URL of a metadata service";
        let invalid = || ProviderError::Variable { name: Arc::from(name), problem };
        let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(invalid)?;
        Ok(Self { url, way: Way::Metadata })
    }

    /// A service of the machine's own surroundings that the variable `name` holds the URL of, in the clear: that it is one
    /// of those that belong there is for the caller to know.
    pub(in crate::auth) fn neighbour(name: &str, url: &str) -> Result<Self, ProviderError> {
        let endpoint = Self::metadata(name, url)?;
        Ok(Self { way: Way::Local, ..endpoint })
    }

    /// The host alone; brackets around one of IPv6.
    pub(in crate::auth) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The same metadata service, after it has been found: it is waited for, and asked again.
    pub(in crate::auth) fn found(self) -> Self {
        Self { way: if self.way == Way::Metadata { Way::Local } else { self.way }, ..self }
    }

    /// The same place with this pair added to the query.
    pub(in crate::auth) fn with_pair(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Whether the query has this name.
    pub(in crate::auth) fn has(&self, name: &str) -> bool {
        self.url.query_pairs().any(|(key, _)| key == name)
    }

    /// Another path at the same origin, beginning with a slash; no query.
    pub(in crate::auth) fn with_path(mut self, path: &str) -> Self {
        self.url.set_path(path);
        self.url.set_query(None);
        self
    }

    /// The place at `path`, beginning with a slash, below this one; no query.
    pub(in crate::auth) fn below(self, path: &str) -> Self {
        let path = format!("{}{path}", self.url.path().trim_end_matches('/'));
        self.with_path(&path)
    }

    /// The URL without its query: for whom tokens that are sent here are made.
    pub(in crate::auth) fn audience(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.to_string()
    }

    /// `host[:port]`, as in a `Host` header.
    pub(in crate::auth) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The origin, in words.
    pub(super) fn who(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "is not a URL")?;
        let Some(host) = url.host_str() else { return Err("names no host") };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has a user name or password in it");
        }
        let local = host.parse::<Registry>().is_ok_and(|host| host.is_loopback());
        match (url.scheme(), local) {
            (_, true) if matches!(url.scheme(), "http" | "https") => Ok(Self { url, way: Way::Local }),
            ("https", false) => Ok(Self { url, way: Way::Open }),
            ("http", false) => Err("is not https: nothing is sent there"),
            _ => Err("is not an https URL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine() {
        for url in ["https://sts.example.com/v1", "http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]:1/"] {
            assert!(Endpoint::given("X", url).is_ok(), "{url}");
        }
        for url in ["http://sts.example.com/", "http://169.254.169.254/", "ftp://a/", "x", "https://u:p@a.b/", "https:"]
        {
            let error = Endpoint::given("X_URL", url).unwrap_err();
            assert!(error.to_string().starts_with("`X_URL` ") && !error.to_string().contains("u:p"), "{error}");
        }
    }

    #[test]
    fn an_audience_has_no_query() {
        let endpoint = Endpoint::fixed("https://sts.example.com:8443/a/b").with_pair("c", "d&e");
        assert_eq!(endpoint.audience(), "https://sts.example.com:8443/a/b");
        assert_eq!((endpoint.authority().as_str(), endpoint.has("c")), ("sts.example.com:8443", true));
        assert_eq!(endpoint.url.query(), Some("c=d%26e"));
        assert_eq!(endpoint.clone().with_path("/z").audience(), "https://sts.example.com:8443/z");
        assert_eq!(endpoint.below("/z").audience(), "https://sts.example.com:8443/a/b/z");
        assert_eq!(Endpoint::fixed("https://a.example/").below("/z").audience(), "https://a.example/z");
    }
}
