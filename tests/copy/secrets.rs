//! Secrets never turn up in what is printed, logged, saved or put into URLs, at any verbosity.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::canary::{assert_no_canary, canary};
use crate::support::cdn::BlobCdn;
use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::{Auth, Options};
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::Pair;
use crate::support::token::{Access, Account, IssuerOptions, TokenServer};
use crate::support::tripwire;

struct Vault {
    pair: Pair,
    tokens: TokenServer,
    cdn: BlobCdn,
    secrets: [String; 3],
}

impl Vault {
    /// The source behind a token server and a delivery network with signed URLs, the target behind a password.
    fn new() -> Self {
        let secrets = ["env", "docker", "wrong"].map(canary);
        let account = Account::new("mirror", &secrets[0], Access::PullPush);
        let tokens = TokenServer::start(IssuerOptions { accounts: vec![account], ..IssuerOptions::default() });
        let source = Options { auth: Auth::bearer_at(&tokens), ..Options::default() };
        let target = Options { auth: Auth::basic("docker-user", &secrets[1]), ..Options::default() };
        let pair = Pair::with(source, target);
        for tag in ["1", "2"] {
            zoo::index(tag).push_to(&pair.source, "app", tag);
        }
        let cdn = BlobCdn::start();
        let to = cdn.serve_blobs_of(&pair.source.store);
        pair.source.fault(Match::new("GET", "/blobs/"), Fault::Redirect { status: 307, to });
        Self { pair, tokens, cdn, secrets }
    }

    fn regsync(&self, password: &str) -> Regsync {
        // Also the wrong one, which opens nothing.
        tripwire::belongs(password, &self.tokens.host());
        let login = STANDARD.encode(format!("docker-user:{}", self.secrets[1]));
        let docker = json!({"auths": {self.pair.target.host(): {"auth": login}}});
        let variable = self.pair.source.host().replace('.', "_").replace(':', "___");
        let regsync = self.pair.regsync(&[self.pair.mirror("app", &["*"])]);
        let regsync = regsync.env(&format!("REGSYNC_AUTH_{variable}"), &format!("mirror:{password}"));
        std::fs::create_dir(regsync.home().join(".docker")).unwrap();
        std::fs::write(regsync.home().join(".docker/config.json"), docker.to_string()).unwrap();
        regsync
    }

    /// Runs and looks into everything that came out.
    #[track_caller]
    fn check<const N: usize>(&self, regsync: &Regsync, args: [&str; N], status: i32) {
        let output = regsync.run(args);
        output.assert_status(status);
        let secrets: Vec<_> = self.secrets.iter().map(String::as_str).collect();
        let basic = STANDARD.encode(format!("mirror:{}", self.secrets[0]));
        for (place, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            assert_no_canary(&format!("{place} of {args:?}"), text, &secrets);
            assert!(!text.contains(&basic), "a Basic header is in {place} of {args:?}");
        }
        for file in ["plan.json", "result.json", "result.txt"] {
            if regsync.path(file).exists() {
                assert_no_canary(file, &regsync.read(file), &secrets);
            }
        }
        for request in
            self.pair.source.requests().iter().chain(&self.pair.target.requests()).chain(&self.tokens.requests())
        {
            assert_no_canary("a URL", &request.target(), &secrets);
        }
        self.cdn.assert_no_authorization();
    }
}

#[test]
fn not_while_all_goes_well() {
    let vault = Vault::new();
    let regsync = vault.regsync(&vault.secrets[0]);
    vault.check(&regsync, ["auth", "check", "--log", "trace"], 0);
    vault.check(&regsync, ["plan", "-o", "plan.json", "--log", "trace"], 0);
    vault.check(&regsync, ["plan", "-vvv", "--format", "json"], 0);
    let reports =
        ["apply", "plan.json", "--log", "trace", "--report", "json=result.json", "--report", "text=result.txt"];
    vault.check(&regsync, reports, 0);
    vault.check(&regsync, ["apply", "-vvv", "--format", "json"], 0);
    assert!(!vault.cdn.requests().is_empty());
    vault.pair.target.assert_closed();
}

#[test]
fn not_while_everything_goes_wrong() {
    let vault = Vault::new();
    // The realm repeats what it was sent, as badly written ones do.
    let wrong = vault.regsync(&vault.secrets[2]);
    let echo = Answer::error(401, "UNAUTHORIZED", &format!("no user mirror with {}", vault.secrets[2]));
    vault.tokens.fault(Match::new("*", "/token"), Fault::Reply(echo));
    vault.check(&wrong, ["auth", "check", "--log", "trace"], 1);
    vault.check(&wrong, ["plan", "-o", "plan.json", "--log", "trace"], 1);
    vault.check(&wrong, ["apply", "--log", "trace", "--report", "json=result.json"], 1);
    vault.tokens.clear_faults();
    // The signed URL is a secret too, and its host refuses.
    let right = vault.regsync(&vault.secrets[0]);
    vault.cdn.fault(Match::new("GET", "/blobs/"), Fault::status(403));
    vault.check(&right, ["apply", "--log", "trace", "--report", "json=result.json"], 1);
    // And a connection that breaks.
    vault.cdn.stop();
    vault.check(&right, ["apply", "-vvv", "--only", "**/*:1", "--report", "json=result.json"], 1);
}

#[test]
fn the_log_is_not_empty_at_trace() {
    let vault = Vault::new();
    let regsync = vault.regsync(&vault.secrets[0]);
    let output = regsync.run(["plan", "--log", "trace"]);
    assert!(output.assert_status(0).stderr.lines().count() > 20, "{}", output.transcript());
}
