//! Which addresses are connected to behind which names: at home, abroad, with proxies and without.

use std::sync::{Arc, Mutex};

use reqwest::Url;

use super::server::{Server, reply};
use crate::auth::Keychain;
use crate::event::Silent;
use crate::image::Code;
use crate::store::registry::clients::Clients;
use crate::store::registry::error::disconnected;
use crate::store::registry::origin::{Boundary, Breach, Words};
use crate::store::registry::{Names, Network, Proxies, Settings};

fn clients(base: &str, proxies: &[(&str, String)], names: &[(&'static str, &str)]) -> Clients {
    let lookup = |name: &str| proxies.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let proxies = Proxies::from_environment(lookup);
    let words = Words { proxies: proxies.hosts(), ..Words::default() };
    let nobody = Arc::new(Keychain::fixed([].into()));
    let network = Network::new("regsync-test", nobody, Arc::new(Silent));
    let network = Network { proxies, names: Names::listed(names), ..network };
    Clients::new(Boundary::new(base.parse().unwrap(), words), &Settings::default(), &network).unwrap()
}

/// How it ends to ask for `url`: a status, or the code of an error.
async fn asked(clients: &Clients, url: &str) -> Result<u16, Code> {
    let url: Url = url.parse().unwrap();
    let sent = clients.of(&url).unwrap().get(url).send().await;
    sent.map(|response| response.status().as_u16()).map_err(|error| disconnected("read", "it", error).code)
}

const NAMES: &[(&str, &str)] = &[
    ("r.example", "127.0.0.1"),
    ("meta.example", "169.254.169.254"),
    ("cdn.inside.example", "127.0.0.1"),
    ("store.inside.example", "10.0.0.7"),
    ("meta.inside.example", "169.254.169.254"),
    ("proxy.example", "127.0.0.1"),
];

/// With each set of proxies that leaves a way past them.
fn environments(proxy: &Server) -> [Vec<(&'static str, String)>; 4] {
    let of = |name: &str| format!("http://{name}:{}", proxy.address.port());
    let past = ("NO_PROXY", ".inside.example".to_owned());
    [
        vec![],
        vec![("HTTP_PROXY", of("127.0.0.1")), past.clone()],
        vec![("HTTPS_PROXY", of("proxy.example")), past.clone()],
        vec![("ALL_PROXY", of("proxy.example")), past],
    ]
}

#[tokio::test]
async fn no_proxy_opens_a_way_into_the_network() {
    let inside = Server::start(|_| reply(200, &[], ""));
    let port = inside.address.port();
    for proxies in environments(&inside) {
        for base in ["https://r.example/", "https://203.0.113.7/", "https://10.0.0.5/"] {
            let clients = clients(base, &proxies, NAMES);
            for host in ["cdn.inside.example", "meta.inside.example"] {
                for scheme in ["http", "https"] {
                    let ended = asked(&clients, &format!("{scheme}://{host}:{port}/x")).await;
                    assert_eq!(ended, Err(Code::Boundary), "{proxies:?} {base} {scheme} {host}");
                }
            }
        }
        let clients = clients("https://r.example/", &proxies, NAMES);
        assert_eq!(asked(&clients, "https://store.inside.example/x").await, Err(Code::Boundary), "{proxies:?}");
    }
    assert!(inside.log().is_empty());
}

#[tokio::test]
async fn a_registrys_own_name_may_be_anywhere_but_nowhere() {
    let server = Server::start(|_| reply(200, &[], ""));
    let port = server.address.port();
    for proxies in [vec![], vec![("HTTPS_PROXY", "http://proxy.example:1".to_owned())]] {
        let meta = clients("http://meta.example/", &proxies, NAMES);
        assert_eq!(asked(&meta, "http://meta.example/v2/").await, Err(Code::Boundary));
        let clients = clients(&format!("http://r.example:{port}/"), &proxies, NAMES);
        let other = format!("http://cdn.inside.example:{port}/x");
        assert_eq!(asked(&clients, &other).await, Err(Code::Boundary), "nothing is known of the registry");
        assert_eq!(asked(&clients, &format!("http://r.example:{port}/v2/")).await, Ok(200));
        assert_eq!(asked(&clients, &other).await, Ok(200), "it is on this machine itself");
        assert_eq!(asked(&clients, "http://meta.inside.example/x").await, Err(Code::Boundary));
    }
}

/// Another port of a host that is bound may be another's, as it is for credentials.
#[tokio::test]
async fn what_is_bound_to_a_registry_is_bound_with_its_port() {
    let (bound, neighbour) = (Server::start(|_| reply(200, &[], "")), Server::start(|_| reply(200, &[], "")));
    let url = |server: &Server| format!("http://auth.example:{}/token", server.address.port());
    let trusted = format!("auth.example:{}", bound.address.port()).parse().unwrap();
    let words = Words { trusted_realms: [trusted].into(), ..Words::default() };
    let network = Network::new("regsync-test", Arc::new(Keychain::fixed([].into())), Arc::new(Silent));
    let network = Network { names: Names::listed(&[("auth.example", "127.0.0.1")]), ..network };
    let boundary = Boundary::new("http://r.example/".parse().unwrap(), words);
    let clients = Clients::new(boundary, &Settings::default(), &network).unwrap();
    assert_eq!(asked(&clients, &url(&bound)).await, Ok(200));
    assert_eq!(asked(&clients, &url(&neighbour)).await, Err(Code::Boundary));
    assert!(neighbour.log().is_empty());
}

/// Such a name speaks plain http and is shown credentials there.
#[tokio::test]
async fn a_registry_that_is_spelled_as_this_machine_is_on_it() {
    let server = Server::start(|_| reply(200, &[], ""));
    for (address, ended) in [("127.0.0.1", Ok(200)), ("203.0.113.7", Err(Code::Boundary))] {
        let base = format!("http://registry.localhost:{}/", server.address.port());
        let clients = clients(&base, &[], &[("registry.localhost", address)]);
        assert_eq!(asked(&clients, &base).await, ended, "{address}");
    }
}

/// Who answers for a name may say one thing at first and another thing later.
#[tokio::test]
async fn another_port_of_the_registrys_own_host_is_no_nearer_than_the_registry() {
    let server = Server::start(|_| reply(200, &[], ""));
    let port = server.address.port();
    let clients = clients(&format!("http://r.example:{port}/"), &[], NAMES);
    let neighbour = Server::start(|_| reply(200, &[], ""));
    let other = format!("http://r.example:{}/token", neighbour.address.port());
    assert_eq!(asked(&clients, &other).await, Err(Code::Boundary));
    assert_eq!(asked(&clients, &format!("http://r.example:{port}/v2/")).await, Ok(200));
    assert_eq!(asked(&clients, &other).await, Ok(200));
}

/// What is behind a proxy is the proxy's to look up, and the proxy itself may be anywhere.
#[tokio::test]
async fn proxies_are_exempt_and_nothing_else_is() {
    let hosts = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&hosts);
    let proxy = Server::start(move |seen| {
        heard.lock().unwrap().push(seen.header("host").unwrap_or_default().to_owned());
        reply(200, &[], "")
    });
    let proxies = [("HTTP_PROXY", format!("http://proxy.example:{}", proxy.address.port()))];
    let clients = clients("http://r.example/", &proxies, NAMES);
    for url in ["http://r.example/v2/", "http://cdn.inside.example/x"] {
        assert_eq!(asked(&clients, url).await, Ok(200), "{url}");
    }
    assert_eq!(*hosts.lock().unwrap(), ["r.example", "cdn.inside.example"]);
    assert!(clients.boundary.realm("http://proxy.example/token").is_err(), "nobody leads to it");
}

#[test]
fn a_metadata_service_is_no_registry() {
    let network = Network::new("regsync-test", Arc::new(Keychain::fixed([].into())), Arc::new(Silent));
    for base in ["http://169.254.169.254/", "https://metadata.google.internal/", "http://[fd00:ec2::254]/"] {
        let boundary = Boundary::new(base.parse().unwrap(), Words::default());
        let refused = Clients::new(boundary, &Settings::default(), &network).err().map(|error| error.code);
        assert_eq!(refused, Some(Code::Boundary), "{base}");
    }
}

#[test]
fn nobody_is_led_to_a_proxy() {
    let proxies = std::collections::BTreeSet::from(["proxy.corp.example".to_owned(), "localhost".to_owned()]);
    let words = Words { proxies, ..Words::default() };
    let boundary = |base: &str| Boundary::new(base.parse().unwrap(), words.clone());
    let outside = boundary("https://r.io/");
    for realm in ["https://proxy.corp.example/t", "https://PROXY.corp.example.:3128/t"] {
        assert!(matches!(outside.realm(realm), Err(Breach::Inside(_))), "{realm}");
    }
    assert!(outside.realm("https://x.proxy.corp.example/t").is_ok());
    // A host may be both, and what is spelled as this machine is known without being looked up.
    assert!(boundary("https://proxy.corp.example:5000/").realm("https://proxy.corp.example/t").is_ok());
    assert!(boundary("http://127.0.0.1:5000/").realm("http://localhost:5001/t").is_ok());
}
