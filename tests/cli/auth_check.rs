//! `regsync auth check`: what somebody reads whose credential does not work.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::catalogue::{variable, write_docker_config};
use super::one_mirror;
use crate::support::canary::{assert_no_canary, canary};
use crate::support::harness::{Output, Regsync};
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};
use crate::support::token::{Access, Account, Issuer, IssuerOptions};
use crate::support::tripwire;

fn registry(auth: Auth) -> FakeRegistry {
    FakeRegistry::with(Options { auth, ..Options::default() })
}

/// A registry with tokens: `robot` may all, `reader` may pull, the public what `anonymous` says.
fn bearer(anonymous: Access) -> FakeRegistry {
    let accounts = vec![
        Account::new("robot", &canary("robot"), Access::PullPush),
        Account::new("reader", &canary("reader"), Access::Pull),
    ];
    registry(Auth::bearer(&Issuer::new(IssuerOptions { accounts, anonymous, ..IssuerOptions::default() })))
}

fn basic() -> FakeRegistry {
    registry(Auth::basic("robot", &canary("robot")))
}

fn place(host: &FakeRegistry) -> Regsync {
    let regsync = Regsync::new().config(&one_mirror(host)).host(&host.host(), "HOST");
    regsync.named(&variable("AUTH", host), "AUTH_VARIABLE").named(&variable("TOKEN", host), "TOKEN_VARIABLE")
}

/// `user:password` for the host.
fn login(host: &FakeRegistry, user: &str, password: &str) -> Regsync {
    // Also one that lets nobody in: it is meant for this host.
    tripwire::belongs(password, &host.host());
    place(host).env(&variable("AUTH", host), &format!("{user}:{password}"))
}

/// Runs the check, at the highest level of logging too: no secret is anywhere, and nothing but reads is asked for.
fn check(regsync: &Regsync, host: &FakeRegistry, status: i32) -> Output {
    let output = regsync.run(["auth", "check"]);
    output.assert_status(status);
    let loud = regsync.run(["auth", "check", "-vvv"]);
    for (place, text) in [("stdout", &loud.stdout), ("stderr", &loud.stderr), ("stdout", &output.stdout)] {
        assert_no_canary(place, text, &[&canary("robot"), &canary("reader"), &canary("wrong")]);
    }
    let writes = host.requests().iter().filter(|request| !matches!(request.method.as_str(), "GET" | "HEAD")).count();
    assert_eq!(writes, 0);
    assert_eq!(output.stderr, "");
    output
}

#[test]
fn basic_with_the_right_password() {
    let host = basic();
    let output = check(&login(&host, "robot", &canary("robot")), &host, 0);
    insta::assert_snapshot!(output.transcript());
}

#[test]
fn basic_with_the_wrong_password() {
    let host = basic();
    let output = check(&login(&host, "robot", &canary("wrong")), &host, 1);
    insta::assert_snapshot!(output.transcript());
}

#[test]
fn basic_without_a_credential() {
    let host = basic();
    insta::assert_snapshot!(check(&place(&host), &host, 1).transcript());
}

#[test]
fn bearer_with_the_right_password() {
    let host = bearer(Access::Nothing);
    let output = check(&login(&host, "robot", &canary("robot")), &host, 0);
    insta::assert_snapshot!(output.transcript());
}

/// Nothing is fallen back to: a configured credential that is refused is an error, also where the public may pull.
#[test]
fn bearer_with_the_wrong_password() {
    let host = bearer(Access::Pull);
    let output = check(&login(&host, "robot", &canary("wrong")), &host, 1);
    insta::assert_snapshot!(output.transcript());
}

/// A token that says what it allows: to pull, and no more.
#[test]
fn push_that_is_not_granted() {
    let host = bearer(Access::Nothing);
    let access = |name: &str| json!({"type": "repository", "name": name, "actions": ["pull"]});
    let claims = json!({"access": [access("app"), access("mirror/app")]}).to_string();
    let token = format!("e30.{}.{}", URL_SAFE_NO_PAD.encode(claims), canary("signed"));
    tripwire::belongs(&token, &host.host());
    host.fault(Match::new("GET", "/token"), Fault::Reply(Answer::status(200).json(&json!({"token": token}))));
    // The issuer of the fake does not know it; a registry that trusts its own tokens would let it in.
    host.fault(Match::new("GET", "/v2/").from(2), Fault::Reply(Answer::status(200).json(&json!({}))));
    let output = check(&login(&host, "reader", &canary("reader")), &host, 1);
    insta::assert_snapshot!(output.transcript());
}

#[test]
fn open_to_all() {
    let host = FakeRegistry::start();
    insta::assert_snapshot!(check(&place(&host), &host, 0).transcript());
}

#[test]
fn docker_config_and_what_comes_before_it() {
    let host = bearer(Access::Nothing);
    let auth = STANDARD.encode(format!("robot:{}", canary("robot")));
    let config = format!("{{\"auths\": {{\"{}\": {{\"auth\": \"{auth}\"}}}}}}", host.host());
    let regsync = place(&host);
    write_docker_config(&regsync, &config);
    insta::assert_snapshot!(check(&regsync, &host, 0).transcript());
}

#[cfg(unix)]
#[test]
fn helper_of_docker_config() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    let host = bearer(Access::Nothing);
    let regsync = place(&host);
    let answer = format!("{{\"Username\": \"robot\", \"Secret\": \"{}\"}}", canary("robot"));
    regsync.write("bin/docker-credential-vault", format!("#!/bin/sh\ncat >/dev/null\necho '{answer}'\n"));
    let program = regsync.path("bin/docker-credential-vault");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    write_docker_config(&regsync, &format!("{{\"credHelpers\": {{\"{}\": \"vault\"}}}}", host.host()));
    let path = format!("{}:{}", regsync.path("bin").display(), std::env::var("PATH").unwrap());
    let regsync = regsync.env("PATH", &path);
    insta::assert_snapshot!(check(&regsync, &host, 0).transcript());
}

#[test]
fn a_registry_token() {
    let host = basic();
    tripwire::belongs(&canary("wrong"), &host.host());
    let regsync = place(&host).env(&variable("TOKEN", &host), &canary("wrong"));
    insta::assert_snapshot!(check(&regsync, &host, 1).transcript());
}

/// A registry that is off, and one that is fine: the one does not hide the other.
#[test]
fn a_host_that_is_not_there() {
    let host = FakeRegistry::start();
    let gone = FakeRegistry::start().host();
    let yaml = one_mirror(&host) + &format!("  - {{source: \"{gone}/app:1\", target: {}/other}}\n", host.host());
    let regsync = place(&host).config(&yaml).host(&gone, "GONE");
    let output = regsync.run(["auth", "check"]);
    output.assert_status(1);
    assert!(output.stdout.contains("pull app: FAILED, E_CONNECT"), "{}", output.transcript());
    assert!(output.stdout.ends_with("Checked 4 accesses at 2 registries: 1 failed.\n"), "{}", output.transcript());
}

#[test]
fn named_hosts_and_repositories_need_no_configuration() {
    let host = bearer(Access::Pull);
    let regsync = Regsync::new().host(&host.host(), "HOST").named(&variable("AUTH", &host), "AUTH_VARIABLE");
    let regsync = regsync.named(&variable("TOKEN", &host), "TOKEN_VARIABLE");
    let whole = regsync.run(["auth", "check", &host.host()]);
    whole.assert_status(0);
    assert!(whole.stdout.contains("\n  access: "), "{}", whole.stdout);
    let one = regsync.run(["auth", "check", &host.reference("library/app")]);
    one.assert_status(0);
    insta::assert_snapshot!(one.transcript());
}

/// A configuration that is there says how hosts are reached; one that is broken must not be passed over.
#[test]
fn a_broken_configuration_is_not_passed_over() {
    let host = FakeRegistry::start();
    let regsync = Regsync::new().config("version: 2\n");
    regsync.run(["auth", "check", &host.host()]).assert_status(65);
    regsync.run(["auth", "check", "-c", "missing.yaml", &host.host()]).assert_status(65);
    assert_eq!(host.requests().len(), 0);
}

#[test]
fn layouts_need_nothing() {
    let output = super::quickstart().run(["auth", "check", "-c", super::QUICKSTART]);
    assert_eq!(output.assert_status(0).stdout, "");
    assert_eq!(output.stderr, "the configuration names no registry: there is nothing to check\n");
}
