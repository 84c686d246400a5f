//! The tripwire trips: else no test that runs over it says anything.

use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::canary::canary;
use crate::support::http::{send, send_as};
use crate::support::identity::{Service, id_token};
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::server::Answer;
use crate::support::tripwire;

/// Whether a server complains when it goes, after what `sends` has sent to it.
fn trips(sends: impl FnOnce(&FakeRegistry)) -> bool {
    let server = FakeRegistry::start();
    sends(&server);
    catch_unwind(AssertUnwindSafe(|| drop(server))).is_err()
}

#[test]
fn a_secret_at_another_host_is_noticed_however_it_is_sent() {
    let secret = canary("of-one-host");
    let home = FakeRegistry::with(Options { auth: Auth::basic("robot", &secret), ..Options::default() });
    let login = format!("robot:{secret}");
    send_as(Some(&login), "GET", &format!("{}/v2/", home.url()), &[], b"").unwrap();
    assert!(trips(|other| drop(send_as(Some(&login), "GET", &format!("{}/v2/", other.url()), &[], b""))));
    let bearer = format!("Bearer {secret}");
    assert!(trips(|other| drop(send("GET", &other.url(), &[("Authorization", &bearer)], b""))));
    assert!(trips(|other| drop(send("GET", &format!("{}/v2/?token={secret}", other.url()), &[], b""))));
    assert!(trips(|other| drop(send("POST", &other.url(), &[], format!("a=b&jwt={secret}&c=d").as_bytes()))));
    let encoded = STANDARD.encode(&secret);
    assert!(trips(|other| drop(send("GET", &format!("{}/v2/?token={encoded}", other.url()), &[], b""))));
    assert!(!trips(|other| drop(send_as(Some("robot:wrong"), "GET", &other.url(), &[], b""))));
}

#[test]
fn a_secret_that_is_nobody_s_belongs_nowhere() {
    let secret = canary("of nobody");
    let login = format!("robot:{secret}");
    let sends = |other: &FakeRegistry| drop(send_as(Some(&login), "GET", &format!("{}/v2/", other.url()), &[], b""));
    assert!(trips(sends));
    assert!(!trips(|other| {
        tripwire::belongs(&secret, &other.host());
        sends(other);
    }));
}

/// Those that are had for no service in particular are known by their beginning.
#[test]
fn an_id_token_belongs_to_services_that_exchange_it() {
    let token = id_token("audience", 99);
    let bearer = format!("Bearer {token}");
    let sends = |url: &str| drop(send("GET", url, &[("Authorization", &bearer)], b""));
    assert!(trips(|other| sends(&other.url())));
    let service = Service::start(|_| Answer::status(200));
    sends(&service.url());
    assert_eq!(service.requests().len(), 1);
}
