//! AWS under its own names: which endpoints are asked for which registry, without any variable that says so.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::aws::{Cloud, READER, WRITER, ecr_error};
use crate::support::harness::Regsync;
use crate::support::identity::{Actions, Desk, Service};
use crate::support::images::{Image, zoo};
use crate::support::proxy::ForwardProxy;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Call, Fault, Match};
use crate::support::tls::TestCa;
use crate::support::token::basic_pair;

/// Certificates of `ca` are trusted, and all names are the proxy's to know.
pub(super) fn behind(proxy: &ForwardProxy, ca: &TestCa, yaml: &str) -> Regsync {
    let regsync = Regsync::new().config(yaml).file("ca.pem", ca.pem());
    let path = regsync.path("ca.pem");
    let regsync = regsync.env("SSL_CERT_FILE", path.to_str().unwrap()).env("AWS_EC2_METADATA_DISABLED", "true");
    regsync.env("HTTPS_PROXY", &format!("http://{}", proxy.host()))
}

/// Where the proxy was asked to lead to.
fn names(proxy: &ForwardProxy) -> std::collections::BTreeSet<String> {
    let name = |head: String| head.split(' ').nth(1).unwrap_or_default().to_owned();
    proxy.heads().into_iter().map(name).collect()
}

#[test]
fn each_host_has_its_endpoints() {
    let cases = [
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "api.ecr.eu-west-1.amazonaws.com",
            "sts.eu-west-1.amazonaws.com",
        ),
        (
            "123456789012.dkr-ecr-fips.eu-west-1.on.aws",
            "ecr-fips.eu-west-1.api.aws",
            "sts-fips.eu-west-1.amazonaws.com",
        ),
    ];
    for (host, ecr, sts) in cases {
        let (ca, ci, desk) = (TestCa::new(), Actions::start(), Desk::new());
        let cloud = Cloud::over(("eu-west-1", Some(ca.server_named(&[ecr, sts]))), &ci, &desk);
        let tls = Some(ca.server_named(&[host]));
        let target = FakeRegistry::with(Options { auth: desk.auth(), tls, ..Options::default() });
        let source = FakeRegistry::start();
        zoo::index("seed").push_to(&source, "app", "1");
        let routes = [(host, target.host()), (ecr, cloud.host()), (sts, cloud.host())];
        let routes: Vec<_> = routes.iter().map(|(name, to)| (*name, to.as_str())).collect();
        let proxy = ForwardProxy::routing(&routes, None);
        let yaml = format!(
            "version: 1\nregistries:\n  {host}: {{ auth: {{ aws: {{ role: \"{WRITER}\" }} }}, create-repositories: {{}} }}\nmirrors:\n  - {{ source: \
             \"{}:1\", target: {host}/app }}\n",
            source.reference("app")
        );
        // Another region of the environment is not the registry's.
        let regsync = ci.job(behind(&proxy, &ca, &yaml)).env("AWS_REGION", "us-east-2");
        regsync.run(["apply"]).assert_status(0);
        assert!(target.tag_digest("app", "1").is_some());
        assert_eq!(cloud.given(), [format!("session {WRITER} regsync"), format!("password {WRITER}")]);
        // In the account of the host, whoever's role it is.
        assert_eq!(cloud.created(), [json!({"repositoryName": "app", "registryId": "123456789012"})]);
        assert_eq!(names(&proxy), [host, ecr, sts].map(|name| format!("{name}:443")).into());
    }
}

const PUBLIC: &str = "public.ecr.aws";
const REALM: &str = "Bearer realm=\"https://public.ecr.aws/token/\",service=\"public.ecr.aws\",scope=\"aws\"";

/// ECR Public with one image: tokens for passwords, for a scope of its own, and 400 to what has ended.
fn gallery(ca: &TestCa, desk: &Arc<Desk>, image: &Image, anonymous: bool) -> Service {
    let (desk, root) = (Arc::clone(desk), image.root.clone());
    let answer = move |call: &Call| {
        let shown = call.header("authorization");
        if call.path == "/token/" {
            assert_eq!(call.parameters("scope"), ["aws"]);
            assert_eq!(call.parameter("service").as_deref(), Some(PUBLIC));
            let token = match shown.and_then(basic_pair) {
                Some(pair) if desk.admit(&pair).is_ok() => STANDARD.encode(format!("{}:{}", pair.0, pair.1)),
                None if anonymous => STANDARD.encode("anonymous:anybody"),
                other => panic!("not a password of ECR Public: {other:?}"),
            };
            return Answer::status(200).json(&json!({"token": token}));
        }
        let Some(token) = shown.and_then(|shown| shown.strip_prefix("Bearer ")) else {
            return Answer::error(401, "DENIED", "Not Authorized").header("WWW-Authenticate", REALM);
        };
        let pair = basic_pair(&format!("Basic {token}")).unwrap();
        if desk.admit(&pair).is_err() && !(anonymous && pair.0 == "anonymous") {
            return Answer::error(400, "DENIED", "Your Authorization Token is invalid.");
        }
        let found = Answer::status(200).header("Docker-Content-Digest", &root.digest).body(root.bytes.clone());
        match call.path.as_str() {
            "/v2/" => Answer::status(200),
            path if path.starts_with("/v2/acme/app/manifests/1") => found.header("Content-Type", &root.media_type),
            path if path.ends_with(&root.digest) => found.header("Content-Type", &root.media_type),
            _ => Answer::error(404, "MANIFEST_UNKNOWN", "no"),
        }
    };
    Service::start_over(Some(ca.server_named(&[PUBLIC])), answer)
}

struct Public {
    ca: TestCa,
    ci: Actions,
    desk: Arc<Desk>,
    cloud: Cloud,
    gallery: Service,
    proxy: ForwardProxy,
}

impl Public {
    fn new(anonymous: bool) -> Self {
        let (ca, ci, desk) = (TestCa::new(), Actions::start(), Desk::new());
        let (api, sts) = ("api.ecr-public.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com");
        let cloud = Cloud::over(("us-east-1", Some(ca.server_named(&[api, sts]))), &ci, &desk);
        let gallery = gallery(&ca, &desk, &zoo::single("seed"), anonymous);
        desk.serves(&gallery.host());
        let routes = [(PUBLIC, gallery.host()), (api, cloud.host()), (sts, cloud.host())];
        let routes: Vec<_> = routes.iter().map(|(name, to)| (*name, to.as_str())).collect();
        let proxy = ForwardProxy::routing(&routes, None);
        Self { ca, ci, desk, cloud, gallery, proxy }
    }

    fn regsync(&self, auth: &str) -> Regsync {
        let yaml = format!(
            "version: 1\n{auth}mirrors:\n  - {{ source: \"{PUBLIC}/acme/app:1\", target: oci:out, referrers: none }}\n"
        );
        self.ci.job(behind(&self.proxy, &self.ca, &yaml)).env("AWS_REGION", "eu-west-1")
    }

    fn with_role(&self) -> Regsync {
        self.regsync(&format!("registries:\n  {PUBLIC}: {{ auth: {{ aws: {{ role: \"{READER}\" }} }} }}\n"))
    }
}

#[test]
fn ecr_public_has_an_api_in_one_region() {
    let scene = Public::new(false);
    scene.with_role().run(["plan"]).assert_status(0);
    assert_eq!(scene.cloud.given(), [format!("session {READER} regsync"), format!("password {READER}")]);
    let target = scene.cloud.requests().remove(1).header("x-amz-target").unwrap().to_owned();
    assert_eq!(target, "SpencerFrontendService.GetAuthorizationToken");
}

/// With keys of its API; what is at its own host is asked for nowhere else.
#[test]
fn ecr_public_is_written_to() {
    let (ca, ci, desk) = (TestCa::new(), Actions::start(), Desk::new());
    let (api, sts) = ("api.ecr-public.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com");
    let cloud = Cloud::over(("us-east-1", Some(ca.server_named(&[api, sts]))), &ci, &desk);
    let tls = Some(ca.server_named(&[PUBLIC]));
    let target = FakeRegistry::with(Options { auth: desk.auth(), tls, ..Options::default() });
    let source = FakeRegistry::start();
    zoo::index("seed").push_to(&source, "app", "1");
    let routes = [(PUBLIC, target.host()), (api, cloud.host()), (sts, cloud.host())];
    let routes: Vec<_> = routes.iter().map(|(name, to)| (*name, to.as_str())).collect();
    let proxy = ForwardProxy::routing(&routes, None);
    let yaml = format!(
        "version: 1\nregistries:\n  {PUBLIC}: {{ auth: {{ aws: {{ role: \"{WRITER}\", plan-role: \"{READER}\" }} }} }}\n\
         mirrors:\n  - {{ source: \"{}:1\", target: {PUBLIC}/acme/app }}\n",
        source.reference("app")
    );
    let regsync = ci.job(behind(&proxy, &ca, &yaml));
    regsync.run(["plan"]).assert_status(0);
    regsync.run(["apply"]).assert_status(0);
    assert!(target.tag_digest("acme/app", "1").is_some());
    let of = |role: &str| [format!("session {role} regsync"), format!("password {role}")];
    assert_eq!(cloud.given(), [of(READER), of(WRITER)].concat());
    source.assert_no_authorization();
}

/// It says 400 to a token that has ended; a HEAD says no more than that.
#[test]
fn ecr_public_ends_a_token_with_400() {
    let scene = Public::new(false);
    let desk = Arc::clone(&scene.desk);
    scene.gallery.before(Match::new("HEAD", "/manifests/1").first(1), move || desk.revoke_all());
    scene.with_role().run(["plan"]).assert_status(0);
    assert_eq!(scene.desk.issued().len(), 2);
}

#[test]
fn ecr_public_may_be_refused_to_a_role() {
    let scene = Public::new(false);
    let words = "User is not authorized to perform: sts:GetServiceBearerToken on resource: *";
    scene.cloud.fault(Match::new("POST", "/").from(2), Fault::Reply(ecr_error(400, "AccessDeniedException", words)));
    let output = scene.with_role().run(["auth", "check", PUBLIC]);
    for part in ["`ecr-public:GetAuthorizationToken` and `sts:GetServiceBearerToken`", "auth: anonymous"] {
        assert!(output.assert_status(1).stdout.contains(part), "{}", output.stdout);
    }
}

/// Keys that are there for another registry are not shown for a public one.
#[test]
fn ecr_public_is_anonymous_unless_it_is_configured() {
    let scene = Public::new(true);
    let keys = scene.cloud.keys("runner", true);
    let regsync = crate::support::aws::with_keys(scene.regsync(""), &keys);
    regsync.run(["plan"]).assert_status(0);
    assert_eq!(scene.cloud.requests().len(), 0);
    let bound = regsync.env("REGSYNC_PROVIDER_PUBLIC_ECR_AWS", "aws");
    bound.run(["plan"]).assert_status(0);
    assert_eq!(scene.cloud.given(), ["password runner"]);
}
