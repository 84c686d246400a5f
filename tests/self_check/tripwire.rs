//! The tripwire trips: else no test that runs over it says anything.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::canary::canary;
use crate::support::http::{send, send_as};
use crate::support::registry::{Auth, FakeRegistry, Options};

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
    assert!(!trips(|other| drop(send_as(Some("robot:wrong"), "GET", &other.url(), &[], b""))));
}
