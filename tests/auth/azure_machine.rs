//! Azure without a word in the configuration: what the environment and the machine offer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::support::azure::Acr;
use crate::support::canary::canary;
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{Actions, SUBJECT, Service, form, id_token};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Call, Fault, Match};
use crate::support::tripwire;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const RESOURCE: &str = "https%3A%2F%2Fcontainerregistry.azure.net";
const HOUR: Duration = Duration::from_secs(3600);

fn registry() -> (Arc<Acr>, FakeRegistry) {
    let acr = Acr::new(HOUR, true, HOUR);
    let target = FakeRegistry::with(Options { auth: acr.auth(), ..Options::default() });
    (acr, target)
}

/// A mirror to `target` whose configuration names no provider; who runs it says that it is one of Azure's.
fn mirror(source: &FakeRegistry, target: &FakeRegistry) -> Regsync {
    zoo::index("seed").push_to(source, "app", "1");
    let yaml = format!(
        "version: 1\nmirrors:\n  - {{ source: \"{}:1\", target: {}/app }}\n",
        source.reference("app"),
        target.host()
    );
    Regsync::new().config(&yaml).provider(target, "azure")
}

fn application(regsync: Regsync, entra: &Service) -> Regsync {
    let regsync = regsync.env("AZURE_AUTHORITY_HOST", &entra.url());
    regsync.env("AZURE_TENANT_ID", TENANT).env("AZURE_CLIENT_ID", CLIENT)
}

/// Microsoft Entra, which wants exactly this proof.
fn entra(acr: &Arc<Acr>, proof: Vec<(&'static str, String)>) -> Service {
    let acr = Arc::clone(acr);
    Service::start(move |call| {
        assert_eq!(call.path, format!("/{TENANT}/oauth2/v2.0/token"));
        let scope = "https://containerregistry.azure.net/.default";
        let fixed = [("grant_type", "client_credentials"), ("client_id", CLIENT), ("scope", scope)];
        let mut expected: Vec<_> =
            fixed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        expected.extend(proof.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        assert_eq!(form(call), expected);
        Answer::status(200).json(&json!({"access_token": acr.entra_token(Some(TENANT)), "expires_in": "3599"}))
    })
}

fn check(regsync: &Regsync, target: &FakeRegistry) -> Output {
    regsync.run(["auth", "check", &target.host()])
}

#[test]
fn an_application_with_a_secret() {
    let ((acr, target), source) = (registry(), FakeRegistry::start());
    let secret = canary("client-secret");
    let entra = entra(&acr, vec![("client_secret", secret.clone())]);
    tripwire::belongs(&secret, &entra.host());
    let regsync = application(mirror(&source, &target), &entra).env("AZURE_CLIENT_SECRET", &secret);
    let regsync = regsync.marked(&[&entra, &target]);
    let output = regsync.run(["plan"]);
    assert!(output.assert_status(0).assert_masked_first().masks.contains(&secret), "{:?}", output.masks);
    regsync.run(["apply"]).assert_status(0).assert_masked_first();
    assert!(target.tag_digest("app", "1").is_some());
    source.assert_no_authorization();
    let words = "AADSTS7000215: Invalid client secret provided.";
    let body = json!({"error": "invalid_client", "error_description": words});
    entra.fault(Match::new("POST", "/oauth2/"), Fault::Reply(Answer::status(401).json(&body)));
    let output = check(&regsync, &target);
    for part in [words, "set `AZURE_CLIENT_SECRET` to the value", "AZURE_CLIENT_SECRET   "] {
        assert!(output.assert_status(1).stdout.contains(part), "{part}:\n{}", output.stdout);
    }
}

/// In a cluster whose pods run jobs of GitHub too: the file is whose the variable is.
#[test]
fn a_workload_of_a_cluster_shows_its_own_token() {
    let ((acr, target), source, ci) = (registry(), FakeRegistry::start(), Actions::start());
    let token = id_token("api://AzureADTokenExchange", 7);
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let entra = entra(&acr, vec![("client_assertion_type", kind.to_owned()), ("client_assertion", token.clone())]);
    let regsync = application(ci.job(mirror(&source, &target)), &entra).file("azure-token", format!("{token}\n"));
    let path = regsync.path("azure-token");
    let regsync = regsync.env("AZURE_FEDERATED_TOKEN_FILE", path.to_str().unwrap());
    regsync.run(["apply"]).assert_status(0);
    assert!(target.tag_digest("app", "1").is_some());
    assert_eq!(ci.requests().len(), 0);
    let output = check(&regsync, &target);
    for part in ["AZURE_FEDERATED_TOKEN_FILE", SUBJECT] {
        assert!(output.assert_status(0).stdout.contains(part), "{part}:\n{}", output.stdout);
    }
}

/// A job of GitHub with the variables of `azure/login`, and without a login.
#[test]
fn an_application_that_trusts_the_job() {
    let ((acr, target), source, ci) = (registry(), FakeRegistry::start(), Actions::start());
    let judge = ci.judge();
    let entra = Service::start(move |call| {
        judge.expect(&form(call).pop().unwrap().1, "api://AzureADTokenExchange");
        Answer::status(200).json(&json!({"access_token": acr.entra_token(Some(TENANT))}))
    });
    let regsync = application(ci.job(mirror(&source, &target)), &entra);
    regsync.run(["apply"]).assert_status(0);
    let output = check(&regsync, &target);
    assert!(output.assert_status(0).stdout.contains("AZURE_CLIENT_ID with an ID token"), "{}", output.stdout);
}

/// Runners are machines too, and theirs is another identity, or none.
#[test]
fn an_application_without_an_id_token_is_not_replaced_by_the_machine() {
    let (target, source) = (FakeRegistry::start(), FakeRegistry::start());
    let (entra, metadata) = (Service::start(|_| Answer::status(500)), metadata(None, ""));
    let regsync = application(mirror(&source, &target), &entra).env("GITHUB_ACTIONS", "true");
    let output = check(&regsync.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &metadata.url()), &target);
    let line = "`permissions: id-token: write`";
    for part in ["AZURE_CLIENT_ID with an ID token", "no ID token", line, "or unset `AZURE_TENANT_ID`"] {
        assert!(output.assert_status(1).stdout.contains(part), "{part}:\n{}", output.stdout);
    }
    assert_eq!([entra.requests().len(), metadata.requests().len()], [0; 2]);
}

#[test]
fn an_app_with_a_managed_identity() {
    let ((acr, target), source) = (registry(), FakeRegistry::start());
    let header = canary("identity-header");
    let wanted = header.clone();
    let service = Service::start(move |call| {
        assert_eq!((call.method.as_str(), call.path.as_str()), ("GET", "/msi/token"));
        assert_eq!(call.query, format!("api-version=2019-08-01&resource={RESOURCE}"));
        assert_eq!(call.header("x-identity-header"), Some(wanted.as_str()));
        let answer = json!({"access_token": acr.entra_token(None), "expires_on": "4102444800", "token_type": "Bearer"});
        Answer::status(200).json(&answer)
    });
    tripwire::belongs(&header, &service.host());
    let regsync = mirror(&source, &target).env("IDENTITY_ENDPOINT", &format!("{}/msi/token", service.url()));
    let regsync = regsync.env("IDENTITY_HEADER", &header).marked(&[&service, &target]);
    let output = regsync.run(["apply"]);
    assert!(output.assert_status(0).assert_masked_first().masks.contains(&header), "{:?}", output.masks);
    assert!(target.tag_digest("app", "1").is_some());
}

/// The metadata service of a machine: what lacks its header is refused at once.
fn metadata(acr: Option<Arc<Acr>>, client: &'static str) -> Service {
    Service::start(move |call: &Call| {
        assert_eq!((call.method.as_str(), call.path.as_str()), ("GET", "/metadata/identity/oauth2/token"));
        if call.header("metadata") != Some("true") {
            assert_eq!(call.query, "", "nothing is asked for before it is found");
            return Answer::status(400).json(&json!({"error": "invalid_request"}));
        }
        assert_eq!(call.query, format!("api-version=2018-02-01&resource={RESOURCE}{client}"));
        if let Some(acr) = &acr {
            let token = acr.entra_token(None);
            return Answer::status(200).json(&json!({"access_token": token, "expires_in": "86399"}));
        }
        let body = json!({"error": "invalid_request", "error_description": "Identity not found"});
        Answer::status(400).json(&body)
    })
}

#[test]
fn a_machine_with_a_managed_identity() {
    for (client, query) in [(None, ""), (Some(CLIENT), "&client_id=aaaaaaaa-0000-0000-0000-000000000001")] {
        let ((acr, target), source) = (registry(), FakeRegistry::start());
        let service = metadata(Some(acr), query);
        let regsync = mirror(&source, &target).env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &service.url());
        let regsync = regsync.env("AZURE_CLIENT_ID", client.unwrap_or_default());
        let regsync = regsync.marked(&[&service, &target]);
        regsync.run(["apply"]).assert_status(0).assert_masked_first();
        assert!(target.tag_digest("app", "1").is_some());
        let output = check(&regsync, &target);
        assert!(output.assert_status(0).stdout.contains("managed identity of this machine"), "{}", output.stdout);
    }
}

/// Each time the machine is asked anew, and the registry for what it gives for that.
#[test]
fn a_machine_s_token_is_replaced_in_the_middle_of_a_copy() {
    let acr = Acr::new(Duration::from_secs(2), true, HOUR);
    let target = FakeRegistry::with(Options { auth: acr.auth(), ..Options::default() });
    let (source, service) = (FakeRegistry::start(), metadata(Some(Arc::clone(&acr)), ""));
    let regsync = mirror(&source, &target).env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &service.url());
    source.fault(Match::new("GET", "/blobs/"), Fault::Delay(Duration::from_millis(700)));
    let ending = Arc::clone(&acr);
    // All blobs are there by then, seconds later.
    target.before(Match::new("PUT", "/manifests/").nth(1), move || ending.issuer().revoke_all());
    regsync.run(["apply"]).assert_status(0);
    assert!(target.tag_digest("app", "1").is_some());
    assert!(acr.given() > 1, "the copy outlived its first token");
}

/// Every machine of Azure can be asked: one without an identity reads what everybody may.
#[test]
fn a_machine_without_an_identity_is_anybody() {
    let (source, target) = (FakeRegistry::start(), FakeRegistry::start());
    let service = metadata(None, "");
    let regsync = mirror(&source, &target).env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &service.url());
    regsync.run(["apply"]).assert_status(0);
    target.assert_no_authorization();
    let output = check(&regsync, &target);
    assert!(output.assert_status(0).stdout.contains("none, anonymous"), "{}", output.stdout);
    assert!(output.stdout.contains("managed identity of this machine   not set"), "{}", output.stdout);
}

/// Who names an identity wants that one.
#[test]
fn an_identity_that_is_named_and_unknown_is_an_error() {
    let (source, target) = (FakeRegistry::start(), FakeRegistry::start());
    let service = metadata(None, "&client_id=aaaaaaaa-0000-0000-0000-000000000001");
    let regsync = mirror(&source, &target).env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &service.url());
    let output = check(&regsync.env("AZURE_CLIENT_ID", CLIENT), &target);
    let advice = format!("assign the identity {CLIENT}");
    assert!(output.assert_status(1).stdout.contains(&advice), "{}", output.stdout);
}

#[test]
fn a_directory_is_no_path() {
    for tenant in ["../x", "a/b", "a?b", ".."] {
        let ((_, target), source) = (registry(), FakeRegistry::start());
        let regsync = mirror(&source, &target).env("AZURE_CLIENT_SECRET", &canary("client-secret"));
        let output = check(&regsync.env("AZURE_CLIENT_ID", CLIENT).env("AZURE_TENANT_ID", tenant), &target);
        assert!(output.assert_status(1).stdout.contains("`AZURE_TENANT_ID` is no id"), "{}", output.stdout);
    }
}
