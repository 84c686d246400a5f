//! Credential helpers: the programs that docker's files name, run by docker's protocol (docker-credential-helpers, README).
//!
//! Owns the look-up of the program, its limits and the memory of its answers. Refuses programs outside the absolute
//! directories of `PATH`, and to pass on anything that a program says besides its answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::scope::HUB_KEY;
use super::{Credential, Environment, Secret, Trouble, docker};
use crate::image::Registry;

const TIME_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: u64 = 64 << 10;
/// What helpers print, and fail, where they have no entry (docker-credential-helpers, `credentials/error.go`).
const NOT_FOUND: &[u8] = b"credentials not found";

/// What a helper has for a registry: a credential, or nothing.
type Answer = Result<Option<Credential>, Trouble>;

/// By program and registry: an answer, or the room where the first who asks will put it.
type Answers = BTreeMap<(String, Registry), Arc<OnceCell<Answer>>>;

/// The credential helpers of this machine. Each is asked once for a registry, however many ask at the same time; a failure
/// is remembered like an answer, so that a helper that hangs is waited for once.
#[derive(Debug)]
pub(super) struct Helpers {
    environment: Arc<Environment>,
    time_limit: Duration,
    answers: Mutex<Answers>,
}

impl Helpers {
    pub(super) fn new(environment: Arc<Environment>) -> Self {
        Self { environment, time_limit: TIME_LIMIT, answers: Mutex::default() }
    }

    /// What `program`, a bare file name, has for `registry`.
    pub(super) async fn ask(&self, program: &str, registry: &Registry) -> Answer {
        let cell = {
            // Nothing can panic while it is held; a poisoned map would still be whole.
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.entry((program.to_owned(), registry.clone())).or_default().clone()
        };
        cell.get_or_init(|| self.run(program, registry)).await.clone()
    }

    async fn run(&self, program: &str, registry: &Registry) -> Answer {
        let path = self.locate(program).await?;
        let key = if registry.is_docker_hub() { HUB_KEY } else { registry.as_str() };
        tokio::time::timeout(self.time_limit, self.get(&path, key))
            .await
            .unwrap_or_else(|_| Err(Trouble::Slow(self.time_limit.as_secs())))
    }

    async fn locate(&self, program: &str) -> Result<PathBuf, Trouble> {
        let file = if cfg!(windows) { format!("{program}.exe") } else { program.to_owned() };
        for directory in self.environment.search_path().map_err(|_| Trouble::Path)? {
            let path = directory.join(&file);
            if is_program(&path).await {
                return Ok(path);
            }
        }
        Err(Trouble::Missing)
    }

    /// One exchange. Dropping it, when the time is over, kills the program.
    async fn get(&self, path: &Path, key: &str) -> Answer {
        let run = |error: std::io::Error| Trouble::Run(error.kind());
        let mut command = Command::new(path);
        command.arg("get").env_clear().envs(self.environment.for_programs());
        // What it prints to stderr may hold anything; it goes nowhere.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(run)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input may still answer; the answer is what counts.
            let _ = stdin.write_all(key.as_bytes()).await;
        }
        // Room for the longest: it never moves.
        let mut answer = Zeroizing::new(Vec::with_capacity(usize::try_from(ANSWER_LIMIT).unwrap_or_default() + 64));
        if let Some(stdout) = child.stdout.take() {
            stdout.take(ANSWER_LIMIT + 1).read_to_end(&mut answer).await.map_err(run)?;
        }
        if answer.len() as u64 > ANSWER_LIMIT {
            return Err(Trouble::Long);
        }
        let status = child.wait().await.map_err(run)?;
        match status.success() {
            true => credential(&answer),
            false if answer.windows(NOT_FOUND.len()).any(|window| window == NOT_FOUND) => Ok(None),
            false => Err(Trouble::Failed(status.code())),
        }
    }
}

#[cfg(unix)]
async fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = tokio::fs::metadata(path).await;
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
async fn is_program(path: &Path) -> bool {
    tokio::fs::metadata(path).await.is_ok_and(|metadata| metadata.is_file())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pair {
    username: Secret,
    secret: Secret,
}

/// Both empty is how some helpers say that they have nothing.
fn credential(answer: &[u8]) -> Answer {
    let text = std::str::from_utf8(answer).map_err(|_| Trouble::Answer)?;
    let pair: Pair = docker::object(text).map_err(|_| Trouble::Answer)?;
    let (username, secret) = (pair.username.expose(), pair.secret.expose());
    if username.is_empty() && secret.is_empty() {
        return Ok(None);
    }
    Credential::docker(username, secret).map(Some).map_err(Trouble::Flawed)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;

    use super::super::Flaw;
    use super::super::testing::{install, path_variable};
    use super::*;

    struct Machine {
        directory: tempfile::TempDir,
        helpers: Helpers,
    }

    /// A machine whose `docker-credential-x` is the shell script `body`.
    fn machine(body: &str) -> Machine {
        let directory = tempfile::tempdir().unwrap();
        install(directory.path(), "docker-credential-x", body);
        let variables = [
            ("PATH", path_variable(directory.path())),
            ("OUT", directory.path().display().to_string()),
            ("REGSYNC_AUTH", "canary".to_owned()),
        ];
        let mut helpers = Helpers::new(Arc::new(variables.into_iter().collect()));
        helpers.time_limit = Duration::from_secs(20);
        Machine { directory, helpers }
    }

    impl Machine {
        async fn ask(&self, registry: &str) -> Answer {
            self.helpers.ask("docker-credential-x", &registry.parse().unwrap()).await
        }
    }

    fn basic(username: &str, password: &str) -> Credential {
        Credential::Basic { username: username.into(), password: Secret::new(password) }
    }

    #[tokio::test]
    async fn a_hit_is_a_credential_and_hub_is_asked_for_by_its_url() {
        let machine = machine(r#"printf '{"ServerURL":"s","Username":"%s","Secret":"p:w"}' "$(cat)""#);
        assert_eq!(machine.ask("ghcr.io:5000").await, Err(Trouble::Flawed(Flaw::User)));
        assert_eq!(machine.ask("ghcr.io").await, Ok(Some(basic("ghcr.io", "p:w"))));
        let hub = machine_for_hub().ask("docker.io").await;
        assert_eq!(hub, Ok(Some(basic("hub", "pw"))));
    }

    fn machine_for_hub() -> Machine {
        machine(
            r#"[ "$1" = get ] && [ "$(cat)" = https://index.docker.io/v1/ ] || exit 9
            echo '{"Username": "hub", "Secret": "pw"}'"#,
        )
    }

    #[tokio::test]
    async fn the_user_token_marks_an_identity_token() {
        let machine = machine(r#"echo '{"ServerURL":"s","Username":"<token>","Secret":"id"}'"#);
        assert_eq!(machine.ask("ghcr.io").await, Ok(Some(Credential::Identity(Secret::new("id")))));
    }

    #[tokio::test]
    async fn not_found_is_no_entry_and_other_failures_are_errors_without_its_words() {
        let none = [
            "echo 'credentials not found in native keychain'; exit 1",
            r#"echo '{"ServerURL":"","Username":"","Secret":""}'"#,
        ];
        for body in none {
            assert_eq!(machine(body).ask("ghcr.io").await, Ok(None), "{body}");
        }
        let broken = [
            ("echo canary; echo canary >&2; exit 3", Trouble::Failed(Some(3))),
            ("echo 'no credentials server URL'; exit 1", Trouble::Failed(Some(1))),
            ("kill -9 $$", Trouble::Failed(None)),
            ("echo canary", Trouble::Answer),
            (r#"echo '["me","canary"]'"#, Trouble::Answer),
            (r"printf '\377'", Trouble::Answer),
            (r#"echo '{"Username":"me"}'"#, Trouble::Answer),
            (r#"echo '{"Username":"me","Secret":""}'"#, Trouble::Flawed(Flaw::NoPassword)),
            (r#"printf '{"Username":"me","Secret":"canary\\n"}'"#, Trouble::Flawed(Flaw::Edge)),
            ("exec cat /dev/zero", Trouble::Long),
        ];
        for (body, trouble) in broken {
            assert_eq!(machine(body).ask("ghcr.io").await, Err(trouble), "{body}");
        }
    }

    #[tokio::test]
    async fn a_program_that_ignores_its_input_may_still_answer() {
        let machine = machine(r#"exec 0<&-; echo '{"Username":"me","Secret":"pw"}'"#);
        assert_eq!(machine.ask("ghcr.io").await, Ok(Some(basic("me", "pw"))));
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed() {
        let mut machine = machine("echo $$ > \"$OUT/pid\"; exec sleep 600");
        machine.helpers.time_limit = Duration::from_secs(1);
        assert_eq!(machine.ask("ghcr.io").await, Err(Trouble::Slow(1)));
        let pid = fs::read_to_string(machine.directory.path().join("pid")).unwrap();
        let gone = async {
            // A killed process stays visible until it is collected; both are ends.
            let running = || {
                let listed = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid.trim()]).output().unwrap();
                let state = String::from_utf8_lossy(&listed.stdout).trim().to_owned();
                !state.is_empty() && !state.starts_with('Z')
            };
            while running() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the program was killed");
    }

    #[tokio::test]
    async fn many_who_ask_at_once_run_it_once_for_each_registry() {
        let machine =
            machine(r#"key=$(cat); echo "$key" >> "$OUT/calls"; sleep 0.2; printf '{"Username":"me","Secret":"pw"}'"#);
        let asked = (0..20).map(|n| machine.ask(if n % 2 == 0 { "ghcr.io" } else { "quay.io" }));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer, Ok(Some(basic("me", "pw"))));
        }
        assert_eq!(machine.ask("ghcr.io").await, Ok(Some(basic("me", "pw"))));
        let calls = fs::read_to_string(machine.directory.path().join("calls")).unwrap();
        assert_eq!(calls.lines().count(), 2, "{calls}");
    }

    #[tokio::test]
    async fn it_gets_the_environment_without_our_secrets() {
        let machine = machine(r#"env > "$OUT/env"; echo '{"Username":"me","Secret":"pw"}'"#);
        machine.ask("ghcr.io").await.unwrap();
        let given = fs::read_to_string(machine.directory.path().join("env")).unwrap();
        assert!(given.contains("OUT=") && !given.contains("canary") && !given.contains("CARGO"), "{given}");
    }

    #[tokio::test]
    async fn only_absolute_directories_of_the_path_are_searched_and_only_programs_run() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("docker-credential-x"), "#!/bin/sh\n").unwrap();
        for path in [directory.path().to_str().unwrap(), "", ".", "target:.:", "/none"] {
            let helpers = Helpers::new(Arc::new([("PATH", path)].into_iter().collect()));
            let answer = helpers.ask("docker-credential-x", &"ghcr.io".parse().unwrap()).await;
            assert_eq!(answer, Err(Trouble::Missing), "{path}");
        }
    }
}
