//! A provider whose service takes the ID token of a job and gives a password: the job, the service, a registry that takes
//! nothing else, and what must hold for each such provider.
//!
//! ```ignore
//! let scene = Federation::elsewhere("docker-hub", "{ organization: acme }", |asked| {
//!     asked.judge.expect(&form(asked.call)[2].1, "https://identity.docker.com");
//!     Answer::status(200).json(&json!({"access_token": asked.desk.issue("acme")}))
//! });
//! scene.goes_end_to_end("https://identity.docker.com");
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;

use super::canary::assert_no_canary;
use super::harness::{Output, Regsync};
use super::identity::{Actions, Desk, Judge, SUBJECT, Service, in_variable};
use super::images::zoo;
use super::registry::{FakeRegistry, Options};
use super::server::{Answer, Call, Fault, Match, RecordedRequest, Server};

/// A source for everybody, a target for those who come with what the service gave.
pub struct Federation {
    pub ci: Actions,
    pub desk: Arc<Desk>,
    pub source: FakeRegistry,
    pub target: FakeRegistry,
    provider: &'static str,
    settings: &'static str,
    /// `None` where it is at the registry itself.
    service: Option<Service>,
}

/// What the service is asked, and what it can check and answer it with.
pub struct Asked<'a> {
    pub call: &'a Call,
    pub judge: &'a Judge,
    pub desk: &'a Desk,
}

impl Federation {
    /// The service is at the registry itself, below `path`.
    pub fn at_registry(
        (provider, settings): (&'static str, &'static str),
        path: &'static str,
        answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let (ci, desk) = (Actions::start(), Desk::new());
        let (judge, issuing) = (ci.judge(), Arc::downgrade(&desk));
        desk.service_at_registry(move |call| {
            let desk = issuing.upgrade().filter(|_| call.path.starts_with(path))?;
            Some(answer(&Asked { call, judge: &judge, desk: &desk }))
        });
        Self::new((provider, settings), ci, desk, None)
    }

    /// The service is elsewhere: the environment says where.
    pub fn elsewhere(
        named: (&'static str, &'static str),
        answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::over(None, named, answer)
    }

    /// The same with TLS.
    pub fn encrypted(
        named: (&'static str, &'static str),
        tls: Arc<ServerConfig>,
        answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::over(Some(tls), named, answer)
    }

    fn over(
        tls: Option<Arc<ServerConfig>>,
        named: (&'static str, &'static str),
        answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let (ci, desk) = (Actions::start(), Desk::new());
        let (judge, issuing) = (ci.judge(), Arc::clone(&desk));
        let service = Service::start_over(tls, move |call| answer(&Asked { call, judge: &judge, desk: &issuing }));
        Self::new(named, ci, desk, Some(service))
    }

    fn new(
        (provider, settings): (&'static str, &'static str),
        ci: Actions,
        desk: Arc<Desk>,
        service: Option<Service>,
    ) -> Self {
        let source = FakeRegistry::start();
        zoo::index("seed").push_to(&source, "app", "1");
        let target = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
        let scene = Self { ci, desk, source, target, provider, settings, service };
        scene.ci.judge().only_for(&scene.service().host());
        scene
    }

    /// Who is asked.
    pub fn service(&self) -> &Server {
        match &self.service {
            Some(service) => service,
            None => &self.target,
        }
    }

    /// The registry and its provider, bound by whoever runs it, but without an identity.
    pub fn bound(&self) -> Regsync {
        let host = self.target.host();
        let config = format!(
            "version: 1\nregistries:\n  {host}: {{ auth: {{ {}: {} }} }}\n  {}: {{ concurrency: 1 }}\nmirrors:\n  - {{ \
             source: {}, target: {host}/app, tags: [\"*\"] }}\n",
            self.provider,
            self.settings,
            self.source.host(),
            self.source.reference("app")
        );
        let names = [(host.clone(), "TARGET"), (self.source.host(), "SOURCE"), (self.service().host(), "SERVICE")];
        let regsync =
            names.iter().fold(Regsync::new().config(&config), |regsync, (host, name)| regsync.host(host, name));
        let regsync = regsync.host(&in_variable(&host), "HOST").provider(&self.target, self.provider);
        match &self.service {
            Some(service) => regsync.env(&format!("REGSYNC_ENDPOINT_{}", in_variable(&host)), &service.url()),
            None => regsync,
        }
    }

    /// The same, in a job that may ask for ID tokens.
    pub fn job(&self) -> Regsync {
        self.ci.job(self.bound())
    }

    /// `auth check` of the target, as the one who writes.
    pub fn check(&self, regsync: &Regsync) -> Output {
        let output = regsync.run(["auth", "check", "--for", "apply", &self.target.host()]);
        assert_no_canary("stdout", &output.stdout, &[]);
        output
    }

    /// Plan, apply, and a plan that finds nothing to do; one exchange each, for `audience`, and what was got is masked.
    #[track_caller]
    pub fn goes_end_to_end(&self, audience: &str) {
        let regsync = self.job();
        regsync.run(["plan"]).assert_status(0);
        let applied = regsync.run(["apply", "-vvv", "--report", "json=result.json"]);
        applied.assert_status(0);
        self.target.assert_closed();
        assert_eq!(self.target.tag_digest("app", "1"), self.source.tag_digest("app", "1"));
        regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
        assert_eq!(self.ci.audiences(), [audience; 3]);
        assert_eq!(self.desk.issued().len(), 3);
        assert!(applied.masks.contains(&self.desk.issued()[1]), "{:?}", applied.masks);
        assert_no_canary("result.json", &regsync.read("result.json"), &[]);
        self.source.assert_no_authorization();
    }

    /// What ends after two seconds is replaced in the middle of a copy, and before it ends.
    #[track_caller]
    pub fn renews(&self) {
        self.desk.lifetime(Duration::from_secs(2));
        for tag in ["2", "3"] {
            zoo::index(tag).push_to(&self.source, "app", tag);
        }
        // One after the other, so that two seconds are less than the copy takes.
        self.source.fault(Match::new("GET", "/blobs/"), Fault::Delay(Duration::from_millis(300)));
        self.job().run(["apply"]).assert_status(0);
        let issued = self.desk.issued().len();
        assert!(issued > 1, "the copy took longer than two seconds, and {issued} were got");
        let refused = self.target.requests().iter().filter(|request| request.status == Some(401)).count();
        assert!(refused <= 2, "replaced before the end, not after a refusal: {refused}");
        for tag in ["1", "2", "3"] {
            assert!(self.target.tag_digest("app", tag).is_some());
        }
    }

    /// Without an identity the check says what the job lacks, with `audience` for GitLab.
    #[track_caller]
    pub fn says_what_the_job_lacks(&self, audience: &str) {
        self.service().clear_log();
        self.ci.clear_log();
        let bare = self.check(&self.bound().env("GITHUB_ACTIONS", "true"));
        assert!(bare.assert_status(1).stdout.contains("permissions: id-token: write"), "{}", bare.stdout);
        let gitlab = self.check(&self.bound().env("GITLAB_CI", "true"));
        let name = self.provider.replace('-', "__").to_ascii_uppercase();
        let line = format!("id_tokens: {{ REGSYNC_ID_TOKEN_{name}: {{ aud: \"{audience}\" }} }}");
        assert!(gitlab.assert_status(1).stdout.contains(&line), "{}", gitlab.stdout);
        assert_eq!(self.service().requests().len() + self.ci.requests().len(), 0);
    }

    /// A refusal is told with `words`, and what the ID token says of itself; it is final.
    #[track_caller]
    pub fn refuses(&self, (method, path): (&'static str, &str), answer: Answer, words: &[&str]) {
        let status = answer.status;
        self.service().clear_log();
        self.service().fault(Match::new(method, path), Fault::Reply(answer));
        let output = self.check(&self.job());
        self.service().clear_faults();
        output.assert_status(1);
        for part in words.iter().chain(&[format!("({status})").as_str(), SUBJECT]) {
            assert!(output.stdout.contains(part), "{part}:\n{}", output.stdout);
        }
        assert_eq!(self.asked(path).len(), 1, "a refusal is final");
        assert_eq!(self.target.count("*", "/v2/app"), 0, "nobody is asked anonymously");
    }

    /// An answer without what it must hold is told as that.
    #[track_caller]
    pub fn is_nonsense(&self, (method, path): (&'static str, &str), answer: Answer, words: &str) {
        self.service().fault(Match::new(method, path), Fault::Reply(answer));
        let output = self.check(&self.job());
        self.service().clear_faults();
        assert!(output.assert_status(1).stdout.contains(words), "{}", output.stdout);
        assert_eq!(self.target.count("*", "/v2/app"), 0, "nobody is asked anonymously");
    }

    /// The requests to the service at `path`.
    pub fn asked(&self, path: &str) -> Vec<RecordedRequest> {
        self.service().requests().into_iter().filter(|request| request.path.starts_with(path)).collect()
    }
}
