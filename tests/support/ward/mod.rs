//! Six images side by side: a fault strikes one, and five must not notice.
//!
//! Owns the whole course of a test of a fault: plan and apply under it, then a second run without it, then a third that
//! finds nothing to do; after each, the oracle. A test says which fault strikes which request, and how that must end.
//! Refuses to say how a fault works.

mod course;
pub mod oracle;

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;

pub use course::{step, told};

use super::canary::canary;
use super::harness::Regsync;
use super::images::{Content, Image, Single, zoo};
use super::registry::{Auth, FakeRegistry, Options};
use super::server::{Answer, Fault, Match, RecordedRequest, Server};
use super::stage::Mirror;
use super::tls::{ServerCertificate, TestCa};
use super::token::{Access, Account, Issuer, IssuerOptions, TokenServer};

/// The repository of the image that a fault strikes, at its source and at its target.
pub const FAULTY: &str = "faulty";
/// The one tag of each repository.
pub const TAG: &str = "1";
/// The path of the faulty image's tag.
pub const TAG_PATH: &str = "/v2/faulty/manifests/1";
/// The path under which all uploads to the faulty repository are.
pub const UPLOADS: &str = "/v2/faulty/blobs/uploads/";

/// What kind of image the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Species {
    /// For one platform. Its tag is new at the target.
    Single,
    /// For two platforms, with a shared layer. Its tag names an older image at the target.
    Index,
    /// With a blob that is no archive. Its tag is new at the target.
    Artifact,
}

/// All of them.
pub const SPECIES: [Species; 3] = [Species::Single, Species::Index, Species::Artifact];

/// How a ward is set up.
pub struct Setup {
    pub species: Species,
    /// The faulty image has hosts of its own, for faults of a whole host. Otherwise all share one source and one target.
    pub apart: bool,
    /// The hosts of the faulty image speak TLS, which is h2 as well.
    pub encrypted: bool,
    /// What the source shows, where it is encrypted.
    pub certificate: ServerCertificate,
    /// The ways of the faulty image's source. Left open, it wants tokens of [`Ward::tokens`] (encrypted: of its own realm).
    pub source: Options,
    /// The ways of the faulty image's target. Left open, it wants a password.
    pub target: Options,
    /// The target wants tokens of its own realm instead of a password.
    pub target_wants_tokens: bool,
    /// How tokens are issued; the account is added.
    pub tokens: IssuerOptions,
    /// More keys for the faulty image's hosts in the configuration: `concurrency: 1, requests-per-second: 5`.
    pub settings: &'static str,
    /// More keys for the faulty image's mirror: `on-tag-move: keep`.
    pub policy: &'static str,
}

impl Setup {
    /// All on one source and one target, in the clear.
    pub fn of(species: Species) -> Self {
        Self {
            species,
            apart: false,
            encrypted: false,
            certificate: ServerCertificate::Sound,
            source: Options::default(),
            target: Options::default(),
            target_wants_tokens: false,
            tokens: IssuerOptions::default(),
            settings: "",
            policy: "",
        }
    }

    /// The faulty image on hosts of its own.
    pub fn apart(species: Species) -> Self {
        Self { apart: true, ..Self::of(species) }
    }

    /// The same on hosts that speak TLS.
    pub fn encrypted(species: Species) -> Self {
        Self { encrypted: true, ..Self::apart(species) }
    }
}

impl Setup {
    fn source_options(&self, tokens: &TokenServer, ca: &TestCa) -> Options {
        let own_realm = Auth::bearer(tokens.issuer());
        let wanted = if self.encrypted { own_realm } else { Auth::bearer_at(tokens) };
        self.completed(&self.source, wanted, ca.server(self.certificate))
    }

    fn target_options(&self, issuer: &Arc<Issuer>, ca: &TestCa) -> Options {
        let wanted = if self.target_wants_tokens { Auth::bearer(issuer) } else { password(SECRETS[1]) };
        self.completed(&self.target, wanted, ca.server(ServerCertificate::Sound))
    }

    fn completed(&self, options: &Options, wanted: Auth, tls: Arc<ServerConfig>) -> Options {
        let auth = if matches!(options.auth, Auth::Open) { wanted } else { options.auth.clone() };
        Options { auth, tls: self.encrypted.then_some(tls), ..options.clone() }
    }
}

fn password(secret: &str) -> Auth {
    Auth::basic("mirror", &canary(secret))
}

/// Six images, their hosts, and a place to run in.
pub struct Ward {
    /// Where the faulty image comes from.
    pub source: FakeRegistry,
    /// Where it goes to.
    pub target: FakeRegistry,
    /// The realm of the source.
    pub tokens: TokenServer,
    /// The target's realm, on its own origin, where it wants tokens.
    pub target_issuer: Arc<Issuer>,
    /// The image that the fault strikes.
    pub image: Image,
    /// What its tag names at the target before the first run.
    pub older: Option<Image>,
    /// The hosts of the five where they are not those of the faulty one.
    others: Option<(FakeRegistry, FakeRegistry)>,
    ca: TestCa,
    setup: Setup,
    /// What the configuration calls the hosts of the faulty image.
    doors: (String, String),
    environment: Vec<(String, String)>,
    /// The five: repository and image.
    sound: Vec<(&'static str, Image)>,
}

/// The label of the source's password, as [`canary`] takes it.
pub const SOURCE_SECRET: &str = SECRETS[0];
/// Passwords, one for each host.
const SECRETS: [&str; 4] = ["ward-source", "ward-target", "ward-other-source", "ward-other-target"];

impl Ward {
    /// All on one source and one target.
    pub fn of(species: Species) -> Self {
        Self::begin(Setup::of(species))
    }

    /// The faulty image on hosts of its own.
    pub fn apart(species: Species) -> Self {
        Self::begin(Setup::apart(species))
    }

    /// As the setup says.
    pub fn begin(setup: Setup) -> Self {
        let account = |secret| vec![Account::new("mirror", &canary(secret), Access::PullPush)];
        let tokens = TokenServer::start(IssuerOptions { accounts: account(SECRETS[0]), ..setup.tokens.clone() });
        let target_issuer = Issuer::new(IssuerOptions { accounts: account(SECRETS[1]), ..setup.tokens.clone() });
        let ca = TestCa::new();
        let source = FakeRegistry::with(setup.source_options(&tokens, &ca));
        let target = FakeRegistry::with(setup.target_options(&target_issuer, &ca));
        let locked = |secret| FakeRegistry::with(Options { auth: password(secret), ..Options::default() });
        let others = setup.apart.then(|| (locked(SECRETS[2]), locked(SECRETS[3])));
        let sound = five();
        for (repository, image) in &sound {
            image.push_to(others.as_ref().map_or(&source, |(source, _)| source), repository, TAG);
        }
        let image = image(setup.species);
        image.push_to(&source, FAULTY, TAG);
        let older = (setup.species == Species::Index).then(|| zoo::single("older"));
        if let Some(older) = &older {
            older.push_to(&target, FAULTY, TAG);
        }
        let (doors, environment) = ((source.host(), target.host()), Vec::new());
        Self { source, target, tokens, target_issuer, image, older, others, ca, setup, doors, environment, sound }
    }

    /// Has the source of the faulty image reached by this host, a proxy of the test's own.
    pub fn reach_source_at(&mut self, host: &str) {
        host.clone_into(&mut self.doors.0);
    }

    /// Has the target of the faulty image reached by this host.
    pub fn reach_target_at(&mut self, host: &str) {
        host.clone_into(&mut self.doors.1);
    }

    /// Sets an environment variable of all runs.
    pub fn env(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The authority of the encrypted hosts.
    pub fn ca(&self) -> &TestCa {
        &self.ca
    }

    /// A layer of the faulty image.
    pub fn layer(&self) -> &Content {
        self.image.blobs.last().unwrap()
    }

    /// The path of that layer, at source and target.
    pub fn layer_path(&self) -> String {
        format!("/v2/{FAULTY}/blobs/{}", self.layer().digest)
    }

    /// The path of the faulty image's root by digest.
    pub fn root_path(&self) -> String {
        format!("/v2/{FAULTY}/manifests/{}", self.image.digest())
    }

    /// Has the source serve this manifest in the place of the faulty image's, under its tag and by its digest, until faults
    /// are cleared. What it refers to is not there, unless a test puts it there.
    pub fn serve_instead(&self, root: &Content) {
        let answer = Answer::status(200).header("Content-Type", &root.media_type);
        let answer = answer.header("Docker-Content-Digest", &root.digest).body(root.bytes.clone());
        for path in [TAG_PATH.to_owned(), format!("/v2/{FAULTY}/manifests/{}", root.digest)] {
            self.source.fault(Match::new("*", &path), Fault::Reply(answer.clone()));
        }
    }

    /// This server, of a test's own, was shown no secret of the ward.
    #[track_caller]
    pub fn assert_told_nothing(&self, stranger: &Server) {
        stranger.assert_no_authorization();
        oracle::assert_secrets_stay(stranger, &[], &self.secrets());
    }

    /// Counts faults and hooks of all servers of the ward from the beginning again.
    pub fn rewind(&self) {
        self.servers().for_each(|(server, _)| server.rewind_faults());
    }

    /// The requests to the faulty image's source and target, by arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        let mut all = [self.source.requests(), self.target.requests()].concat();
        all.sort_by_key(|request| request.sequence);
        all
    }

    /// A place to run in, its configuration and its credentials.
    pub fn regsync(&self) -> Regsync {
        let mut regsync = Regsync::new().config(&self.yaml()).file("ca.pem", self.ca.pem());
        let (other_source, other_target) = self.five_hosts();
        let hosts = [&self.doors.0, &self.doors.1, &other_source, &other_target];
        for (host, secret) in hosts.into_iter().zip(SECRETS).take(if self.others.is_some() { 4 } else { 2 }) {
            let variable = host.replace('.', "_").replace('-', "__").replace(':', "___").to_uppercase();
            regsync = regsync.env(&format!("REGSYNC_AUTH_{variable}"), &format!("mirror:{}", canary(secret)));
        }
        for (name, value) in &self.environment {
            regsync = regsync.env(name, value);
        }
        regsync.host(&self.doors.0, "SOURCE").host(&self.doors.1, "TARGET").without_digests()
    }

    fn registries(&self) -> impl Iterator<Item = &FakeRegistry> {
        [&self.source, &self.target].into_iter().chain(self.others.iter().flat_map(|(source, target)| [source, target]))
    }

    /// Every server, with the secrets that may be shown to it.
    fn servers(&self) -> impl Iterator<Item = (&Server, Vec<String>)> {
        let own = [canary(SECRETS[0])].into_iter().chain(self.tokens.issuer().all_tokens()).collect();
        let others = self.others.iter().flat_map(|(source, target)| [(source, 2), (target, 3)]);
        let others = others.map(|(registry, secret)| (&**registry, vec![canary(SECRETS[secret])]));
        let source: (&Server, Vec<String>) = (&self.source, own);
        let targets = [canary(SECRETS[1])].into_iter().chain(self.target_issuer.all_tokens()).collect();
        let target: (&Server, Vec<String>) = (&self.target, targets);
        let realm: (&Server, Vec<String>) = (&self.tokens, vec![canary(SECRETS[0])]);
        [source, target, realm].into_iter().chain(others)
    }

    fn secrets(&self) -> Vec<String> {
        let tokens = [self.tokens.issuer().all_tokens(), self.target_issuer.all_tokens()].concat();
        SECRETS.map(canary).into_iter().chain(tokens).collect()
    }

    fn five_hosts(&self) -> (String, String) {
        let apart = self.others.as_ref().map(|(source, target)| (source.host(), target.host()));
        apart.unwrap_or_else(|| self.doors.clone())
    }

    fn yaml(&self) -> String {
        let mut registries = String::new();
        let tls = if self.setup.encrypted { "tls: { ca: ca.pem }" } else { "" };
        let settings =
            [tls, self.setup.settings].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
        if !settings.is_empty() {
            let entry = |host: &str| format!("  \"{host}\": {{ {settings} }}\n");
            registries = format!("registries:\n{}{}", entry(&self.doors.0), entry(&self.doors.1));
        }
        let (source, target) = self.five_hosts();
        let mirror = |(from, to): (&str, &str), name: &str| {
            Mirror::new(&format!("{from}/{name}"), &[&format!("{to}/{name}")], &[TAG])
        };
        let mut mirrors: Vec<_> = self.sound.iter().map(|(name, _)| mirror((&source, &target), name)).collect();
        let faulty = mirror((&self.doors.0, &self.doors.1), FAULTY);
        mirrors.insert(2, if self.setup.policy.is_empty() { faulty } else { faulty.with(self.setup.policy) });
        super::stage::yaml(&mirrors).replacen("mirrors:", &format!("{registries}mirrors:"), 1)
    }
}

fn five() -> Vec<(&'static str, Image)> {
    vec![
        ("a-single", zoo::single("sound a")),
        ("b-docker", zoo::docker("sound b")),
        ("c-index", zoo::index("sound c")),
        ("x-attested", zoo::index_with_attestations("sound x")),
        ("y-artifact", zoo::artifact("sound y")),
    ]
}

fn image(species: Species) -> Image {
    match species {
        Species::Single => Single::new(FAULTY).layers(2, 5000).build(),
        Species::Index => zoo::index(FAULTY),
        Species::Artifact => zoo::artifact(&"a note of some length. ".repeat(200)),
    }
}
