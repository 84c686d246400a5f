//! Proxies that refuse, or are not there; and what they are told.

use crate::support::canary::{canary, holds};
#[cfg(target_os = "linux")]
use crate::support::cdn::BlobCdn;
use crate::support::proxy::ForwardProxy;
use crate::support::registry::{Auth, Options};
use crate::support::server::refusing_host;
#[cfg(target_os = "linux")]
use crate::support::server::{Fault, Match};
use crate::support::tls::ServerCertificate;
use crate::support::ward::{FAULTY, SOURCE_SECRET, Setup, Species, Ward, step};

/// The source of the faulty image has a name that only a proxy can reach.
fn behind(setup: Setup) -> (Ward, ForwardProxy) {
    let auth = Auth::basic("mirror", &canary(SOURCE_SECRET));
    let source = Options { auth, ..Options::default() };
    let ward = Ward::begin(Setup { source, ..setup });
    let proxy = ForwardProxy::start(&ward.source.host(), Some(&format!("clerk:{}", canary("proxy"))));
    (ward, proxy)
}

/// With TLS, through a tunnel.
fn encrypted() -> (Ward, ForwardProxy) {
    let setup = Setup { certificate: ServerCertificate::WrongName, ..Setup::encrypted(Species::Index) };
    let (mut ward, proxy) = behind(setup);
    ward.reach_source_at("other.example");
    ward.env("HTTPS_PROXY", &format!("http://clerk:{}@{}", canary("proxy"), proxy.host()));
    (ward, proxy)
}

/// Without TLS, by whole URLs.
fn plain() -> (Ward, ForwardProxy) {
    let (mut ward, proxy) = behind(Setup { settings: "plain-http: true", ..Setup::apart(Species::Single) });
    ward.reach_source_at("plain.example:8080");
    ward.env("HTTP_PROXY", &format!("http://clerk:{}@{}", canary("proxy"), proxy.host()));
    ward.env("REGSYNC_INSECURE_HOSTS", "plain.example:8080");
    (ward, proxy)
}

#[track_caller]
fn assert_kept_from_the_registry(ward: &Ward) {
    for request in ward.source.requests() {
        let told =
            request.headers.iter().find(|(name, value)| name.starts_with("proxy-") || holds(value, &canary("proxy")));
        assert!(told.is_none(), "the registry was told {told:?}");
    }
}

#[test]
fn a_tunnel_is_opened_with_the_password_of_the_proxy_alone() {
    let (ward, proxy) = encrypted();
    ward.ends_well();
    assert_kept_from_the_registry(&ward);
    assert!(!proxy.heads().is_empty());
    for head in proxy.heads() {
        assert!(head.starts_with("CONNECT other.example:443 "), "{head}");
        assert!(!head.to_ascii_lowercase().contains("\r\nauthorization:"), "{head}");
    }
}

#[test]
fn a_plain_registry_behind_a_proxy_is_not_told_its_password() {
    let (ward, proxy) = plain();
    ward.ends_well();
    assert_kept_from_the_registry(&ward);
    assert!(proxy.heads().iter().all(|head| head.contains("http://plain.example:8080/v2/")));
}

/// Fails, says why, and works again once `repair` has been done.
#[track_caller]
fn fails(ward: &Ward, words: &str, repair: impl FnOnce()) {
    let (output, document) = ward.plan();
    output.assert_status(1);
    assert_eq!(step(&document, FAULTY)["reason"], "source-unreadable", "{document:#}");
    let (output, document) = ward.apply();
    output.assert_status(3);
    let error = &step(&document, FAULTY)["error"];
    assert_eq!(error["code"], "E_CONNECT", "{error:#}");
    assert!(error["message"].as_str().unwrap().contains(words), "{error:#}");
    assert!(error["hint"].as_str().unwrap().contains("HTTPS_PROXY"), "{error:#}");
    ward.assert_tag_is_as_before();
    repair();
    ward.converges();
}

#[test]
fn a_proxy_that_wants_another_password_is_asked_once() {
    let (ward, proxy) = encrypted();
    proxy.refuse_with(Some(407));
    fails(&ward, "through the proxy: it wants a credential", || {
        // Once by plan, once by apply.
        assert_eq!(proxy.heads().len(), 2, "a password that is refused does not get better");
        proxy.refuse_with(None);
    });
}

#[test]
fn a_proxy_of_a_plain_registry_that_wants_another_password_is_asked_once() {
    let (ward, proxy) = plain();
    proxy.refuse_with(Some(407));
    fails(&ward, "407", || {
        // Once by plan, once by apply.
        assert_eq!(proxy.heads().len(), 2, "a password that is refused does not get better: {:?}", proxy.heads());
        proxy.refuse_with(None);
    });
}

#[test]
fn a_proxy_that_forbids_the_host_is_named() {
    let (ward, proxy) = encrypted();
    proxy.refuse_with(Some(403));
    fails(&ward, "through the proxy: it refuses to lead there", || proxy.refuse_with(None));
}

#[test]
fn a_proxy_that_is_not_there_fails_what_needs_it() {
    let (mut ward, proxy) = encrypted();
    let right = format!("http://clerk:{}@{}", canary("proxy"), proxy.host());
    ward.env("HTTPS_PROXY", &format!("http://{}", refusing_host()));
    let (output, document) = ward.apply();
    output.assert_status(3);
    let error = &step(&document, FAULTY)["error"];
    assert_eq!(error["code"], "E_CONNECT", "{document:#}");
    assert!(error["message"].as_str().unwrap().contains("through the proxy"), "{error:#}");
    // This machine is reached without it, and whatever it is told to leave out.
    assert!(proxy.heads().is_empty());
    ward.env("HTTPS_PROXY", &right);
    ward.converges();
}

#[test]
fn what_no_proxy_names_goes_past_the_proxy() {
    let (mut ward, proxy) = encrypted();
    ward.env("NO_PROXY", "other.example");
    let (output, document) = ward.plan();
    output.assert_status(1);
    // Nobody has that name, so the way past the proxy leads nowhere.
    assert_eq!(step(&document, FAULTY)["error"]["code"], "E_CONNECT", "{document:#}");
    assert!(proxy.heads().is_empty(), "{:?}", proxy.heads());
    ward.env("NO_PROXY", "");
    ward.converges();
}

/// A name of this machine that does not say so, as `/etc/hosts` has one for each container and each installation.
#[cfg(target_os = "linux")]
fn name_of_this_machine() -> String {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap();
    let inside = |address: &str| match address.parse() {
        Ok(std::net::IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(std::net::IpAddr::V6(address)) => address.is_loopback(),
        Err(_) => false,
    };
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    let mut names =
        lines.filter_map(|mut words| words.next().filter(|address| inside(address)).map(|_| words)).flatten();
    let name = names.find(|name| *name != "localhost" && !name.ends_with(".localhost"));
    name.expect("a name of this machine in /etc/hosts, besides `localhost`").to_owned()
}

/// What a proxy is not asked for is looked up here, and looked at.
#[cfg(target_os = "linux")]
#[test]
fn a_name_past_the_proxy_that_leads_to_this_machine_is_not_connected_to() {
    let (mut ward, proxy) = plain();
    let name = name_of_this_machine();
    ward.env("NO_PROXY", &name);
    let cdn = BlobCdn::start();
    let to = cdn.serve_blobs_of(&ward.source.store).replace("127.0.0.1", &name);
    ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::Redirect { status: 307, to });
    let error = ward.is_refused("E_BOUNDARY");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&name) && message.contains("its name resolves to"), "{error:#}");
    assert!(cdn.requests().is_empty(), "{}", cdn.request_log(&[]));
    assert!(!proxy.heads().is_empty());
}

#[test]
fn a_metadata_service_is_no_registry() {
    let (mut ward, proxy) = plain();
    ward.reach_source_at("169.254.169.254");
    let (output, document) = ward.plan();
    output.assert_status(1);
    assert_eq!(step(&document, FAULTY)["error"]["code"], "E_BOUNDARY", "{document:#}");
    assert!(proxy.heads().is_empty());
}
