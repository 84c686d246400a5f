//! The whole search, over directories and programs that stand in for a machine.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::testing::{install, path_variable};
use super::{
    Consulted, Credential, Environment, Error, Found, Keychain, Origin, Rule, Secret, Sent, Trouble, Verdict, watch,
};
use crate::image::{Creation, Registry, Repository};

/// A home directory, a `PATH`, and variables.
struct Machine {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
    anonymous: Vec<(Registry, Option<Arc<str>>)>,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().display().to_string();
        let variables = [
            ("HOME", home.clone()),
            ("XDG_RUNTIME_DIR", format!("{home}/run")),
            ("PATH", path_variable(&directory.path().join("bin"))),
        ];
        fs::create_dir(directory.path().join("bin")).unwrap();
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { directory, variables, anonymous: Vec::new() }
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn docker(self, text: &str) -> Self {
        self.file(".docker/config.json", text)
    }

    fn helper(self, name: &str, body: &str) -> Self {
        install(&self.path("bin"), &format!("docker-credential-{name}"), body);
        self
    }

    fn anonymous(mut self, host: &str, namespace: Option<&str>) -> Self {
        self.anonymous.push((host.parse().unwrap(), namespace.map(Arc::from)));
        self
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn keychain(&self) -> Keychain {
        let rules = self.anonymous.iter().cloned().map(|key| (key, Rule::Anonymous));
        Keychain::new(self.variables.iter().cloned().collect::<Environment>(), rules.collect())
    }

    async fn find(&self, text: &str) -> Result<Found, Error> {
        self.keychain().find(&repository(text)).await
    }

    /// The user name found, or `anonymous`, and its origin.
    async fn user(&self, text: &str) -> String {
        let found = self.find(text).await.unwrap();
        let name = match found.credential {
            Credential::Anonymous => "anonymous".to_owned(),
            Credential::Basic { username, .. } => username,
            other => panic!("{other:?}"),
        };
        format!("{name} from {}", found.origin)
    }

    async fn trace(&self, text: &str) -> Vec<String> {
        let consulted = self.keychain().trace(&repository(text)).await;
        consulted.iter().map(|Consulted { origin, verdict }| format!("{origin}: {verdict}")).collect()
    }
}

fn repository(text: &str) -> Repository {
    let (host, name) = text.split_once('/').unwrap();
    Repository::new(host.parse().unwrap(), name).unwrap()
}

/// A file with one entry.
fn auths(key: &str, user: &str) -> String {
    format!(r#"{{"auths": {{"{key}": {{"username": "{user}", "password": "pw"}}}}}}"#)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_first_source_that_has_it_wins() {
    let mut machine = Machine::new();
    assert_eq!(machine.user("ghcr.io/acme/app").await, "anonymous from anonymous");
    machine = machine.docker(&auths("ghcr.io/acme", "docker"));
    assert_eq!(machine.user("ghcr.io/acme/app").await, "docker from auths of ~/.docker/config.json");
    machine = machine.file(".config/containers/auth.json", &auths("ghcr.io", "config"));
    assert_eq!(machine.user("ghcr.io/acme/app").await, "config from auths of ~/.config/containers/auth.json");
    machine = machine.file("run/containers/auth.json", &auths("ghcr.io", "runtime"));
    assert_eq!(machine.user("ghcr.io/acme/app").await, "runtime from auths of ~/run/containers/auth.json");
    let named = machine.path("named.json");
    machine = machine.file("named.json", &auths("quay.io", "named")).set("REGISTRY_AUTH_FILE", named.to_str().unwrap());
    assert_eq!(machine.user("ghcr.io/acme/app").await, "docker from auths of ~/.docker/config.json");
    assert_eq!(machine.user("quay.io/acme/app").await, "named from auths of ~/named.json");
    machine = machine.set("DOCKER_AUTH_CONFIG", &auths("ghcr.io", "text"));
    assert_eq!(machine.user("ghcr.io/acme/app").await, "text from auths of DOCKER_AUTH_CONFIG");
    machine = machine.anonymous("ghcr.io", Some("acme"));
    assert_eq!(machine.user("ghcr.io/acme/app").await, "anonymous from `auth: anonymous` of the configuration");
    assert_eq!(machine.user("ghcr.io/acmecorp/app").await, "text from auths of DOCKER_AUTH_CONFIG");
    machine = machine.set("REGSYNC_AUTH", "[{registry: ghcr.io, username: list, password: pw}]");
    assert_eq!(machine.user("ghcr.io/acme/app").await, "list from REGSYNC_AUTH");
    machine = machine.set("REGSYNC_AUTH_GHCR_IO", "own:pw");
    assert_eq!(machine.user("ghcr.io/acme/app").await, "own from REGSYNC_AUTH_GHCR_IO");
    assert_eq!(machine.user("ghcr.io.evil.tld/acme/app").await, "anonymous from anonymous");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_trace_tells_what_was_asked_in_order_and_where() {
    let machine = Machine::new()
        .set("REGSYNC_AUTH", "[{registry: quay.io, username: me, password: pw}]")
        .file(".config/containers/auth.json", r#"{"credHelpers": {"ghcr.io": "one"}}"#)
        .docker(r#"{"credsStore": "two"}"#)
        .helper("one", "echo 'credentials not found in native keychain'; exit 1")
        .helper("two", r#"echo '{"Username": "me", "Secret": "pw"}'"#);
    let expected = [
        "REGSYNC_AUTH_GHCR_IO: not set",
        "REGSYNC_TOKEN_GHCR_IO: not set",
        "REGSYNC_AUTH: no entry for this registry",
        "DOCKER_AUTH_CONFIG: not set",
        "~/run/containers/auth.json: no such file",
        "credHelpers of ~/.config/containers/auth.json (docker-credential-one): no entry for this registry",
        "credsStore of ~/.docker/config.json (docker-credential-two): used",
    ];
    assert_eq!(machine.trace("ghcr.io/acme/app").await, expected);
    let machine = Machine::new().docker("{\n}\nx").anonymous("quay.io", None);
    let told = machine.trace("ghcr.io/acme/app").await;
    let last =
        "~/.docker/config.json: broken: ~/.docker/config.json is not a docker credential file (line 3, column 1)";
    assert_eq!(told.last().unwrap(), last);
    let told = machine.trace("quay.io/x").await;
    assert_eq!(told.last().unwrap(), "`auth: anonymous` of the configuration: used");
    assert_eq!(Machine::new().trace("ghcr.io/x").await.last().unwrap(), "anonymous: used");
}

#[tokio::test]
async fn what_a_helper_does_not_have_the_entries_of_its_file_do_not_have() {
    let machine = Machine::new()
        .docker(r#"{"credsStore": "x", "auths": {"ghcr.io": {"username": "stale", "password": "pw"}}}"#)
        .helper("x", "echo 'credentials not found in native keychain'; exit 1");
    assert_eq!(machine.user("ghcr.io/acme/app").await, "anonymous from anonymous");
}

#[tokio::test]
async fn a_helper_for_a_registry_must_be_there_and_be_a_word() {
    let machine = Machine::new().docker(r#"{"credHelpers": {"ghcr.io": "none", "quay.io": "../canary"}}"#);
    let error = machine.find("ghcr.io/x").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the credential helper for ghcr.io in credHelpers of ~/.docker/config.json (docker-credential-none) is not on `PATH`"
    );
    assert!(error.hint().unwrap().starts_with("install docker-credential-none"));
    let error = machine.find("quay.io/x").await.unwrap_err();
    assert!(matches!(&error, Error::Helper { trouble: Trouble::Name, program: None, .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert_eq!(machine.user("other.io/x").await, "anonymous from anonymous");
}

#[tokio::test]
async fn a_store_for_all_that_fails_is_an_error_for_all() {
    let machine = Machine::new().docker(r#"{"credsStore": "x"}"#).helper("x", "exit 1");
    let error = machine.find("ghcr.io/x").await.unwrap_err();
    assert!(matches!(error, Error::Helper { trouble: Trouble::Failed(Some(1)), .. }), "{error:?}");
}

#[tokio::test]
async fn a_broken_file_breaks_only_those_who_have_to_ask_it() {
    let machine = Machine::new().docker("{").set("REGSYNC_TOKEN_GHCR_IO", "token");
    let found = machine.find("ghcr.io/x").await.unwrap();
    assert_eq!(found.credential, Credential::Bearer(Secret::new("token")));
    assert!(matches!(machine.find("quay.io/x").await, Err(Error::Malformed { .. })));
    let machine = Machine::new().docker(r#"{"auths": {"ghcr.io": {"auth": "!"}, "quay.io": {"auth": "bWU6cHc="}}}"#);
    let error = machine.find("ghcr.io/x").await.unwrap_err();
    assert_eq!(error.to_string(), "the entry for ghcr.io in auths of ~/.docker/config.json is not base64");
    assert_eq!(machine.user("quay.io/x").await, "me from auths of ~/.docker/config.json");
}

#[tokio::test]
async fn files_are_read_once() {
    let machine = Machine::new().docker(&auths("ghcr.io", "before"));
    let keychain = machine.keychain();
    let before = keychain.find(&repository("ghcr.io/x")).await.unwrap();
    let machine = machine.docker(&auths("ghcr.io", "after"));
    assert_eq!(keychain.find(&repository("ghcr.io/x")).await.unwrap(), before);
    assert_eq!(machine.user("ghcr.io/x").await, "after from auths of ~/.docker/config.json");
}

#[tokio::test]
async fn given_credentials_are_all_there_is() {
    let bearer = Credential::Bearer(Secret::new("t"));
    let keychain = Keychain::fixed([("ghcr.io".parse().unwrap(), bearer.clone())].into());
    let found = keychain.find(&repository("ghcr.io/x")).await.unwrap();
    assert_eq!(found, Found::lasting(bearer, Origin::Given));
    assert_eq!(keychain.find(&repository("quay.io/x")).await.unwrap().credential, Credential::Anonymous);
    let traced = keychain.trace(&repository("ghcr.io/x")).await;
    assert_eq!(traced, [Consulted { origin: Origin::Given, verdict: Verdict::Used }]);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        tracing::subscriber::set_default(subscriber.with_writer(move || log.clone()).finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// The log is started first: tracing remembers for each place in the code whether anyone listened when it was first passed.
#[tokio::test]
async fn a_store_for_all_that_is_not_installed_is_an_error_only_where_someone_logged_in() {
    let log = Log::default();
    let _guard = log.start();
    let machine = Machine::new().docker(r#"{"credsStore": "desktop", "auths": {"https://index.docker.io/v1/": {}}}"#);
    let keychain = machine.keychain();
    let error = keychain.find(&repository("docker.io/library/alpine")).await.unwrap_err();
    assert!(matches!(error, Error::Helper { trouble: Trouble::Missing, field: "credsStore", .. }), "{error:?}");
    for name in ["ghcr.io/x", "ghcr.io/y", "quay.io/x"] {
        assert_eq!(keychain.find(&repository(name)).await.unwrap().origin, Origin::Anonymous);
    }
    assert_eq!(log.text().matches("docker-credential-desktop").count(), 1, "{}", log.text());
    let said = "credsStore of ~/.docker/config.json (docker-credential-desktop): not installed, and no entry for this registry";
    assert!(machine.trace("ghcr.io/x").await.contains(&said.to_owned()));
}

const CANARY: &str = "canary-Zm9v";

/// Machines that hold the canary wherever a secret can be, soundly and in each way of being broken.
fn machines() -> Vec<Machine> {
    let variables = ["me:{}", "me:{}\n", "{}", "\"me:{}\"", ":{}", "{}:"];
    let lists = [
        "[{registry: ghcr.io, username: me, password: '{}'}]",
        "[{registry: ghcr.io, username: me, password: '{}', extra: '{}'}]",
        "[{registry: 'me:{}@ghcr.io', username: me, password: '{}'}]",
        "[{registry: ghcr.io, username: '{}', password: ['{}']}]",
        "- {}\n- *{}",
        "{}: {}",
    ];
    let files = [
        r#"{"auths": {"ghcr.io": {"username": "me", "password": "{}"}}}"#,
        r#"{"auths": {"ghcr.io": {"auth": "[]"}}}"#,
        r#"{"auths": {"ghcr.io": {"auth": "{}"}}}"#,
        r#"{"auths": {"ghcr.io": {"auth": "[]="}}}"#,
        r#"{"auths": {"ghcr.io": {"identitytoken": "{}"}}}"#,
        r#"{"auths": {"ghcr.io": {"identitytoken": "{} {}"}}}"#,
        r#"{"auths": {"ghcr.io": {"registrytoken": "{}"}}}"#,
        r#"{"auths": {"ghcr.io": {"auth": ["{}"]}}}"#,
        r#"{"auths": {"ghcr.io": {}, "me:{}@ghcr.io": {"auth": "[]"}}}"#,
        r#"{"auths": "{}"}"#,
        r#"{"auths": {"ghcr.io": {"auth": {}}}}"#,
        r#"{"credHelpers": {"ghcr.io": "../{}"}}"#,
        r#"{"credsStore": "x"}"#,
        "{}",
    ];
    let helpers = [
        r#"echo '{"Username": "me", "Secret": "{}"}'"#,
        r#"echo '{"Username": "<token>", "Secret": "{}"}'"#,
        r#"echo '{"Username": "{}:", "Secret": "{}"}'"#,
        r#"echo '{"Username": "", "Secret": "{}"}'"#,
        "echo '{}'; echo '{}' >&2",
        "echo '{}'; echo '{}' >&2; exit 1",
    ];
    let base64 = STANDARD.encode(format!("me:{CANARY}"));
    let fill = |text: &str| text.replace("{}", CANARY).replace("[]", &base64);
    let with = |name: &str, text: &str| Machine::new().set(name, &fill(text));
    let mut machines: Vec<_> = variables.iter().map(|text| with("REGSYNC_AUTH_GHCR_IO", text)).collect();
    machines.extend(["{}", "{}\n", "{} {}", "'{}'"].map(|text| with("REGSYNC_TOKEN_GHCR_IO", text)));
    machines.push(with("REGSYNC_TOKEN_GHCR_IO", "{}").set("REGSYNC_AUTH_GHCR_IO", &fill("me:{}")));
    machines.extend(lists.iter().map(|text| with("REGSYNC_AUTH", text)));
    machines.extend(files.iter().map(|text| with("DOCKER_AUTH_CONFIG", text)));
    machines.extend(files.iter().map(|text| Machine::new().docker(&fill(text))));
    machines
        .extend(helpers.iter().map(|body| Machine::new().docker(r#"{"credsStore": "x"}"#).helper("x", &fill(body))));
    machines
}

#[tokio::test]
async fn no_secret_is_ever_told() {
    let log = Log::default();
    let _guard = log.start();
    let (mut found, mut broken) = (0, 0);
    let base64 = STANDARD.encode(format!("me:{CANARY}"));
    let check = |text: &str| assert!(!text.contains(CANARY) && !text.contains(&base64), "{text}");
    for machine in machines() {
        let environment: Environment = machine.variables.iter().cloned().collect();
        let keychain = machine.keychain();
        match keychain.find(&repository("ghcr.io/acme/app")).await {
            Ok(one) => {
                found += usize::from(one.credential != Credential::Anonymous);
                check(&format!("{one:?} {}", one.origin));
            }
            Err(error) => {
                broken += 1;
                check(&format!("{error} {error:?} {error:#?} {:?}", error.hint()));
            }
        }
        for Consulted { origin, verdict } in keychain.trace(&repository("ghcr.io/acme/app")).await {
            check(&format!("{origin} {origin:?} {verdict} {verdict:?}"));
        }
        check(&format!("{keychain:?} {keychain:#?} {environment:?}"));
    }
    check(&log.text());
    assert!(found >= 12 && broken >= 30, "{found} found, {broken} broken");
}

/// Keys of the machine make repositories only where they are who we are there.
#[test]
fn nobody_makes_a_repository_as_somebody_else() {
    let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let machine = || {
        let keys = [("AWS_ACCESS_KEY_ID", "ASIAENVIRONMENTEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "key")];
        keys.into_iter().fold(Machine::new(), |machine, (name, value)| machine.set(name, value))
    };
    let name = "REGSYNC_AUTH_123456789012_DKR_ECR_EU__WEST__1_AMAZONAWS_COM";
    for (machine, makes) in [
        (machine(), true),
        (machine().anonymous(host, None), false),
        (machine().set(name, "AWS:password"), false),
        (machine().docker(&auths(host, "AWS")), false),
    ] {
        let (keychain, app) = (machine.keychain(), repository(&format!("{host}/app")));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let password = STANDARD.encode("AWS:password");
        let reply = move |_: &Sent| format!(r#"{{"authorizationData": [{{"authorizationToken": "{password}"}}]}}"#);
        let creation = Creation::default();
        let (made, sent) = watch(reply, || runtime.block_on(keychain.create(&app, &creation)));
        assert_eq!(made.is_ok(), makes, "{made:?}");
        assert_eq!(sent.iter().any(|sent| sent.text.contains("CreateRepository")), makes, "{made:?}");
    }
}
