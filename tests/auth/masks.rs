//! What GitHub's runner is told to hide: each credential before it is sent, whatever its source.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::canary::{assert_no_canary, canary};
use crate::support::harness::{Output, Regsync};
use crate::support::identity::in_variable;
use crate::support::images::zoo;
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::tls::TestCa;
use crate::support::token::{Access, Account, Issuer, IssuerOptions};
use crate::support::tripwire;

/// With a colon, a blank and what commands escape.
fn password() -> String {
    format!("100% pass: word {}", canary("masks"))
}

fn registry(auth: Auth) -> FakeRegistry {
    let host = FakeRegistry::with(Options { auth, ..Options::default() });
    zoo::index("seed").push_to(&host, "app", "1");
    host
}

/// A job of GitHub that reads from there.
fn job(host: &FakeRegistry) -> Regsync {
    let yaml =
        format!("version: 1\nmirrors:\n  - {{ source: \"{}:1\", target: oci:out/app }}\n", host.reference("app"));
    Regsync::new().config(&yaml).marked(&[host])
}

#[track_caller]
fn plan(regsync: &Regsync) -> Output {
    let output = regsync.run(["plan"]);
    output.assert_status(0).assert_masked_first();
    assert!(!output.stdout.contains("add-mask"), "data stays data");
    output
}

/// How a machine or a job has a user name and password.
const SOURCES: [&str; 7] = [
    "REGSYNC_AUTH_<HOST>",
    "REGSYNC_AUTH",
    "DOCKER_AUTH_CONFIG",
    "REGISTRY_AUTH_FILE",
    "config.json",
    "fields of config.json",
    "a helper",
];

fn with(source: &str, host: &FakeRegistry, regsync: Regsync) -> Regsync {
    let (name, password) = (host.host(), password());
    let entry = json!({"auth": STANDARD.encode(format!("robot:{password}"))});
    let file = json!({"auths": {&name: entry}}).to_string();
    match source {
        "REGSYNC_AUTH_<HOST>" => {
            regsync.env(&format!("REGSYNC_AUTH_{}", in_variable(&name)), &format!("robot:{password}"))
        }
        "REGSYNC_AUTH" => {
            let list = json!([{"registry": name, "username": "robot", "password": password}]);
            regsync.env("REGSYNC_AUTH", &list.to_string())
        }
        "DOCKER_AUTH_CONFIG" => regsync.env("DOCKER_AUTH_CONFIG", &file),
        "REGISTRY_AUTH_FILE" => {
            let path = regsync.path("auth.json");
            regsync.file("auth.json", file).env("REGISTRY_AUTH_FILE", path.to_str().unwrap())
        }
        "fields of config.json" => {
            let entry = json!({"username": "robot", "password": password});
            in_docker_config(regsync, &json!({"auths": {&name: entry}}).to_string())
        }
        "a helper" => helped(regsync, &name, &password),
        _ => in_docker_config(regsync, &file),
    }
}

fn in_docker_config(regsync: Regsync, text: &str) -> Regsync {
    let path = regsync.path("docker");
    regsync.file("docker/config.json", text).env("DOCKER_CONFIG", path.to_str().unwrap())
}

#[cfg(unix)]
fn helped(regsync: Regsync, host: &str, password: &str) -> Regsync {
    use std::os::unix::fs::PermissionsExt as _;
    let answer = json!({"Username": "robot", "Secret": password});
    regsync.write("bin/docker-credential-vault", format!("#!/bin/sh\ncat >/dev/null\necho '{answer}'\n"));
    let program = regsync.path("bin/docker-credential-vault");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", regsync.path("bin").display(), std::env::var("PATH").unwrap());
    in_docker_config(regsync, &json!({"credHelpers": {host: "vault"}}).to_string()).env("PATH", &path)
}

#[cfg(not(unix))]
fn helped(regsync: Regsync, host: &str, password: &str) -> Regsync {
    let entry = json!({"username": "robot", "password": password});
    in_docker_config(regsync, &json!({"auths": {host: entry}}).to_string())
}

#[test]
fn a_password_and_its_pair_wherever_they_are_from() {
    let pair = STANDARD.encode(format!("robot:{}", password()));
    for source in SOURCES {
        let host = registry(Auth::basic("robot", &password()));
        let regsync = with(source, &host, job(&host));
        assert_eq!(plan(&regsync).masks, [password(), pair.clone()], "{source}: each once");
        let check = regsync.run(["auth", "check"]);
        check.assert_status(0).assert_masked_first();
        assert_eq!(check.masks, [password(), pair.clone()], "{source}: each once, however often it is asked for");
        let elsewhere = regsync.env("GITHUB_ACTIONS", "").run(["plan"]);
        assert_eq!(elsewhere.assert_status(0).masks, [""; 0], "{source}: a command of another runner");
    }
}

#[test]
fn tokens_of_the_registry_and_those_they_are_had_for() {
    let mut account = Account::new("robot", &password(), Access::Pull);
    account.identity_token = Some(canary("masks-identity"));
    let issuer = Issuer::new(IssuerOptions { accounts: vec![account], ..IssuerOptions::default() });
    let host = registry(Auth::bearer(&issuer));
    let output = plan(&with("REGSYNC_AUTH_<HOST>", &host, job(&host)));
    assert!(issuer.all_tokens().iter().all(|token| output.masks.contains(token)), "{:?}", output.masks);
    let file = json!({"auths": {host.host(): {"identitytoken": canary("masks-identity")}}}).to_string();
    let output = plan(&in_docker_config(job(&host), &file));
    assert!(output.masks.contains(&canary("masks-identity")), "{:?}", output.masks);
    assert!(issuer.token_requests().iter().any(|request| request.method == "POST"), "it was exchanged");
}

#[test]
fn a_token_that_anybody_is_given_is_no_secret() {
    let issuer = Issuer::new(IssuerOptions { anonymous: Access::Pull, ..IssuerOptions::default() });
    let host = registry(Auth::bearer(&issuer));
    assert_eq!(job(&host).run(["plan"]).assert_status(0).masks, [""; 0]);
    assert!(!issuer.all_tokens().is_empty());
}

#[test]
fn a_token_for_the_registry_itself() {
    let (host, token) = (registry(Auth::Open), canary("masks-bearer"));
    tripwire::belongs(&token, &host.host());
    let regsync = job(&host).env(&format!("REGSYNC_TOKEN_{}", in_variable(&host.host())), &token);
    assert_eq!(plan(&regsync).masks, [token]);
}

/// A key file that serves as a password has lines, and the runner reads in lines.
#[test]
fn a_secret_of_several_lines_is_hidden_line_by_line() {
    let lines =
        ["{", "  \"type\": \"service_account\",", &format!("  \"key\": \"{}\"", password()), "}"].map(str::to_owned);
    let secret = lines.join("\n");
    let host = registry(Auth::basic("_json_key", &secret));
    let variable = format!("REGSYNC_AUTH_{}", in_variable(&host.host()));
    let output = job(&host).env(&variable, &format!("_json_key:{secret}")).run(["plan"]);
    let pair = STANDARD.encode(format!("_json_key:{secret}"));
    // Without brackets, which the log would lose all of.
    assert_eq!(output.assert_status(0).masks, [lines[1].trim(), lines[2].trim(), &pair]);
}

#[test]
fn the_key_of_a_client_certificate() {
    let ca = TestCa::new();
    let tls = Some(ca.server_requiring_client_certificate());
    let host = FakeRegistry::with(Options { tls, ..Options::default() });
    zoo::index("seed").push_to(&host, "app", "1");
    let client = ca.client_pair();
    let rules = "{ tls: { ca: ca.pem, cert: client.pem, key: client-key.pem } }";
    let yaml = format!(
        "version: 1\nregistries:\n  {}: {rules}\nmirrors:\n  - {{ source: \"{}:1\", target: oci:out/app }}\n",
        host.host(),
        host.reference("app")
    );
    let regsync = job(&host).config(&yaml).file("ca.pem", ca.pem());
    let regsync = regsync.file("client.pem", &client.certificate).file("client-key.pem", &client.key);
    regsync.run(["plan"]).assert_status(0).assert_masked_at_first(&client.key);
}

/// A file keeps what it is told, and nobody hides it there.
#[cfg(unix)]
#[test]
fn nothing_is_masked_into_a_file() {
    let host = registry(Auth::basic("robot", &password()));
    let regsync = with("REGSYNC_AUTH", &host, job(&host));
    let shell = std::path::Path::new("/bin/sh");
    let program = env!("CARGO_BIN_EXE_regsync");
    let output = regsync.spawn_program(shell, &["-c", "exec \"$0\" plan -v 2>err.log", program]).wait();
    output.assert_status(0);
    assert!(!host.requests().is_empty() && output.masks.is_empty());
    let written = regsync.read("err.log");
    assert!(!written.contains("add-mask"), "{written}");
    assert_no_canary("a file", &written, &[]);
    // All else that is no terminal is the runner's.
    let output = regsync.spawn_program(shell, &["-c", "\"$0\" plan 2>&1 >/dev/null | cat >&2", program]).wait();
    output.assert_status(0).assert_masked_first();
}
