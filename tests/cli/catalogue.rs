//! What is wrong before any network use: told, with what to do, and nothing left behind.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;

use super::{Case, one_mirror, refusals};
use crate::support::canary::{assert_no_canary, canary};
use crate::support::harness::Regsync;
use crate::support::registry::FakeRegistry;

/// `REGSYNC_AUTH_<HOST>` of a host.
pub(super) fn variable(kind: &str, host: &FakeRegistry) -> String {
    format!("REGSYNC_{kind}_{}", host.host().replace('.', "_").replace(':', "___"))
}

#[cfg(unix)]
#[test]
fn configurations_that_are_no_files_of_ours() {
    let host = FakeRegistry::start();
    let place = |name: &str| {
        let regsync = Regsync::new().host(&host.host(), "HOST").file("elsewhere/regsync.yaml", one_mirror(&host));
        let path = |name: &str| regsync.path(name);
        match name {
            "a FIFO" => assert!(std::process::Command::new("mkfifo").arg(path("c.yaml")).status().unwrap().success()),
            "a directory" => fs::create_dir(path("c.yaml")).unwrap(),
            "a link out of its directory" => {
                fs::create_dir(path("here")).unwrap();
                symlink("../elsewhere/regsync.yaml", path("here/c.yaml")).unwrap();
            }
            "a link to nowhere" => symlink("nowhere", path("c.yaml")).unwrap(),
            "a link to itself" => symlink("c.yaml", path("c.yaml")).unwrap(),
            "a device" => symlink("/dev/zero", path("c.yaml")).unwrap(),
            "too large" => regsync.write("c.yaml", " ".repeat((1 << 20) + 1)),
            "not text" => regsync.write("c.yaml", [0xff, 0xfe, b'v', 0]),
            "two that differ about a registry" => {
                let rules = |number: u8| format!("registries:\n  {}:\n    concurrency: {number}\n", host.host());
                regsync.write("a.yaml", one_mirror(&host) + &rules(1));
                regsync.write("b.yaml", one_mirror(&host).replace("mirror/app", "other") + &rules(2));
            }
            _ => {}
        }
        regsync
    };
    let cases = [
        Case { name: "no default", args: &["plan"] },
        Case { name: "no default to validate", args: &["validate"] },
        Case { name: "missing", args: &["plan", "-c", "c.yaml"] },
        Case { name: "missing directory", args: &["plan", "-c", "missing/c.yaml"] },
        Case { name: "a FIFO", args: &["plan", "-c", "c.yaml"] },
        Case { name: "a directory", args: &["apply", "-c", "c.yaml"] },
        Case { name: "a link out of its directory", args: &["plan", "-c", "here/c.yaml"] },
        Case { name: "a link to nowhere", args: &["plan", "-c", "c.yaml"] },
        Case { name: "a link to itself", args: &["plan", "-c", "c.yaml"] },
        Case { name: "a device", args: &["plan", "-c", "c.yaml"] },
        Case { name: "too large", args: &["plan", "-c", "c.yaml"] },
        Case { name: "not text", args: &["validate", "-c", "c.yaml"] },
        Case { name: "two that differ about a registry", args: &["plan", "-c", "a.yaml", "-c", "b.yaml"] },
        Case { name: "one of two missing", args: &["auth", "check", "-c", "elsewhere/regsync.yaml", "-c", "c.yaml"] },
    ];
    let text = refusals(&cases, place);
    assert_eq!(text.matches("\nexit: 65\n").count(), cases.len(), "{text}");
    assert_eq!(host.requests().len(), 0);
    insta::assert_snapshot!(text);
}

/// Not for root, whom nothing is forbidden.
#[cfg(unix)]
#[test]
fn a_configuration_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let regsync = Regsync::new().config("version: 1\n");
    fs::set_permissions(regsync.path("regsync.yaml"), fs::Permissions::from_mode(0o000)).unwrap();
    let output = regsync.run(["plan"]);
    output.assert_status(65);
    let is_root = fs::read(regsync.path("regsync.yaml")).is_ok();
    assert!(is_root || output.stderr == "error: regsync.yaml: permission denied\n", "{}", output.stderr);
}

/// As Kubernetes mounts them: a link to a link to a directory beside it.
#[cfg(unix)]
#[test]
fn a_link_within_its_directory_is_a_configuration() {
    let regsync = Regsync::new();
    regsync
        .write("..2026/regsync.yaml", "version: 1\nmirrors:\n  - {source: \"docker.io/a/a:1\", target: \"oci:b\"}\n");
    symlink("..2026", regsync.path("..data")).unwrap();
    symlink("..data/regsync.yaml", regsync.path("regsync.yaml")).unwrap();
    regsync.run(["validate"]).assert_status(0);
}

/// Writes docker's `config.json` of the user.
pub(super) fn write_docker_config(regsync: &Regsync, text: &str) {
    fs::create_dir_all(regsync.home().join(".docker")).unwrap();
    fs::write(regsync.home().join(".docker/config.json"), text).unwrap();
}

/// A place with one broken source of credentials, by the name of the case. None of them may be shown, or be passed over.
fn broken(name: &str, host: &FakeRegistry) -> Regsync {
    let secret = canary("broken");
    let regsync = Regsync::new().config(&one_mirror(host)).host(&host.host(), "HOST");
    let (auth, token) = (variable("AUTH", host), variable("TOKEN", host));
    let regsync = regsync.named(&auth, "AUTH_VARIABLE").named(&token, "TOKEN_VARIABLE");
    let docker = |regsync: Regsync, text: String| {
        write_docker_config(&regsync, &text);
        regsync
    };
    let entry = |entry: String| format!("{{\"auths\": {{\"{}\": {entry}}}}}", host.host());
    match name {
        "docker config that is no JSON" => docker(regsync, format!("{{\"auths\": {secret}")),
        "docker config that is a list" => docker(regsync, format!("[\"{secret}\"]")),
        "auth that is no base64" => docker(regsync, entry(format!("{{\"auth\": \"%%{secret}%%\"}}"))),
        "auth that is a number" => docker(regsync, entry("{\"auth\": 17}".to_owned())),
        "helper with a path" => {
            docker(regsync, format!("{{\"credHelpers\": {{\"{}\": \"../../bin/{secret}\"}}}}", host.host()))
        }
        "helper that is not there" => {
            docker(regsync, format!("{{\"credHelpers\": {{\"{}\": \"nowhere\"}}}}", host.host()))
        }
        "DOCKER_AUTH_CONFIG that is no JSON" => regsync.env("DOCKER_AUTH_CONFIG", &secret),
        "variable without a colon" => regsync.env(&auth, &secret),
        "variable with a line break" => regsync.env(&auth, &format!("robot:{secret}\n")),
        "variable in quotes" => regsync.env(&auth, &format!("\"robot:{secret}\"")),
        "two variables" => regsync.env(&auth, &format!("robot:{secret}")).env(&token, &secret),
        "list that is none" => regsync.env("REGSYNC_AUTH", &format!("[{{registry: {secret}")),
        other => panic!("{other} is no case"),
    }
}

const BROKEN: [&str; 12] = [
    "docker config that is no JSON",
    "docker config that is a list",
    "auth that is no base64",
    "auth that is a number",
    "helper with a path",
    "helper that is not there",
    "DOCKER_AUTH_CONFIG that is no JSON",
    "variable without a colon",
    "variable with a line break",
    "variable in quotes",
    "two variables",
    "list that is none",
];

#[test]
fn broken_credentials_are_named_and_never_shown() {
    let host = FakeRegistry::start();
    for (verb, snapshot) in
        [(&["auth", "check"][..], "broken credentials, auth check"), (&["plan", "-q"], "broken credentials, plan")]
    {
        let cases = BROKEN.map(|name| Case { name, args: verb });
        let text = refusals(&cases, |name| broken(name, &host));
        assert_eq!(text.matches("\nexit: 1\n").count(), cases.len(), "{text}");
        assert_no_canary("what is said of broken credentials", &text, &[&canary("broken")]);
        insta::assert_snapshot!(snapshot, text);
    }
    assert_eq!(host.requests().len(), 0, "nobody is asked as somebody else");
}

/// Set by a CI system whose secret is not there.
#[test]
fn an_empty_variable_is_no_credential() {
    let host = FakeRegistry::start();
    crate::support::images::zoo::single("x").push_to(&host, "app", "1");
    let regsync = Regsync::new().config(&one_mirror(&host)).env(&variable("AUTH", &host), "").env("REGSYNC_AUTH", "");
    let output = regsync.run(["auth", "check"]);
    output.assert_status(0);
    assert!(output.stdout.contains("credential: none, anonymous"), "{}", output.stdout);
}

#[test]
fn variables_that_are_wrong_for_all_hosts_are_usage() {
    let host = FakeRegistry::start();
    let regsync = Regsync::new().config(&one_mirror(&host)).env("REGSYNC_INSECURE_HOSTS", "https://x");
    let output = regsync.run(["plan"]);
    assert!(output.assert_status(64).stderr.contains("REGSYNC_INSECURE_HOSTS"), "{}", output.stderr);
    assert_eq!(host.requests().len(), 0);
}

#[test]
fn validate_counts_what_each_file_holds() {
    let mirror =
        |target: &str| format!("version: 1\nmirrors:\n  - {{source: \"docker.io/a/a:1\", target: \"oci:{target}\"}}\n");
    let regsync = Regsync::new().config(&mirror("b")).file("team.yaml", mirror("c"));
    let output = regsync.run(["validate", "-c", "regsync.yaml", "-c", "team.yaml"]);
    assert_eq!(output.assert_status(0).stdout, "regsync.yaml: valid, 1 mirror\nteam.yaml: valid, 1 mirror\n");
    assert_eq!(output.stderr, "");
    let conflict = regsync.file("team.yaml", mirror("b").replace("a/a", "a/z"));
    let output = conflict.run(["validate", "-c", "regsync.yaml", "-c", "team.yaml"]);
    output.assert_status(65);
    assert!(output.stderr.contains("regsync.yaml:3") && output.stderr.contains("team.yaml:3"), "{}", output.stderr);
    assert_eq!(output.stdout, "");
}
