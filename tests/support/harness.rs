//! Runs the `regsync` binary as a user does: in a directory of its own, with an environment that holds nothing else.

use std::fs;
use std::io::{Read, pipe};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::canary::assert_no_canary;
use super::marks::{self, Marks, Moment};
use super::redact::Redactions;
use super::server::{Gate, Server};

/// The longest that a run may take before it is killed and the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A place to run the binary in.
pub struct Regsync {
    dir: TempDir,
    env: Vec<(String, String)>,
    redactions: Redactions,
    patience: Duration,
    marks: Option<Arc<Marks>>,
    traced: bool,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; 128 + signal where a signal ended it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    /// What GitHub's runner was told to hide, and does not show: stderr is without it.
    pub masks: Vec<String>,
    /// How many lines it has logged unasked, for who looks for secrets.
    pub logged: usize,
    moments: Vec<Moment>,
    redactions: Redactions,
}

/// A run under way. Killed when dropped.
pub struct Running {
    child: Child,
    /// The standard output where nobody reads it yet.
    unread: Option<ChildStdout>,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    redactions: Redactions,
    ends: Instant,
    marks: Option<Arc<Marks>>,
    traced: bool,
}

impl Regsync {
    /// An empty directory, homes of its own, and `PATH`. Tests of credentials see every log there is, which is searched for
    /// secrets and not part of what comes out.
    #[track_caller]
    pub fn new() -> Self {
        let caller = Location::caller().file().replace('\\', "/");
        let traced = caller.contains("tests/auth/") || caller.ends_with("cli/auth_check.rs");
        let dir = tempfile::Builder::new().prefix("regsync-test").tempdir().unwrap();
        let mut redactions = Redactions::default();
        redactions.name(dir.path().to_str().unwrap(), "DIR");
        for sub in ["work", "home", "home/config", "home/cache", "home/run"] {
            fs::create_dir(dir.path().join(sub)).unwrap();
        }
        Self { dir, env: Vec::new(), redactions, patience: PATIENCE, marks: None, traced }
    }

    /// Writes `regsync.yaml`.
    pub fn config(self, yaml: &str) -> Self {
        self.file("regsync.yaml", yaml)
    }

    /// Writes a file of the working directory.
    pub fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.write(name, text);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Names a host in transcripts: `.host(&source.host(), "SOURCE")`.
    pub fn host(mut self, host: &str, name: &str) -> Self {
        self.redactions.name(host, name);
        self
    }

    /// Names any text in transcripts.
    pub fn named(self, text: &str, name: &str) -> Self {
        self.host(text, name)
    }

    /// Hides all digests in transcripts.
    pub fn without_digests(mut self) -> Self {
        self.redactions.all_digests();
        self
    }

    /// Kills a run that takes longer, instead of 60 s.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Runs as a job of GitHub, and has these servers note in stderr what they are sent: for
    /// [`Output::assert_masked_first`] and its like.
    pub fn marked(self, servers: &[&Server]) -> Self {
        let marks = Arc::new(Marks::default());
        for server in servers {
            server.mark(&marks);
        }
        Self { marks: Some(marks), ..self }.env("GITHUB_ACTIONS", "true").env("NO_COLOR", "1")
    }

    /// Writes a file of the working directory, between two runs.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Reads a file of the working directory.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A path in the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("work").join(name)
    }

    /// The home directory of the runs.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Text of this run made comparable, for reports and plan files.
    pub fn redact(&self, text: &str) -> String {
        self.redactions.apply(text)
    }

    /// Runs to the end. Panics when it takes too long.
    #[track_caller]
    pub fn run<const N: usize>(&self, args: [&str; N]) -> Output {
        self.spawn(args).wait()
    }

    /// Starts a run.
    pub fn spawn<const N: usize>(&self, args: [&str; N]) -> Running {
        self.spawn_program(Path::new(env!("CARGO_BIN_EXE_regsync")), &args)
    }

    /// Starts a run whose standard output is not read before [`Running::read_on`]: once a pipe is full, it waits.
    pub fn spawn_unread<const N: usize>(&self, args: [&str; N]) -> Running {
        self.start(Path::new(env!("CARGO_BIN_EXE_regsync")), &args)
    }

    /// Starts another program in the same place.
    pub fn spawn_program(&self, program: &Path, args: &[&str]) -> Running {
        let mut running = self.start(program, args);
        running.read_on();
        running
    }

    /// Whether all is logged that can be, unasked.
    fn is_traced(&self, args: &[&str]) -> bool {
        let asked = |name: &str| self.env.iter().any(|(known, _)| known == name);
        let told = args.iter().any(|arg| *arg == "--log" || arg.starts_with("-vv"));
        self.traced && !told && !asked("REGSYNC_LOG") && !asked("RUNNER_DEBUG")
    }

    fn start(&self, program: &Path, args: &[&str]) -> Running {
        let home = self.home();
        let mut command = Command::new(program);
        command.args(args).current_dir(self.path("")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home);
        command.env("XDG_CONFIG_HOME", home.join("config")).env("XDG_CACHE_HOME", home.join("cache"));
        command.env("XDG_RUNTIME_DIR", home.join("run"));
        // Without it a process has no sockets on Windows.
        command.envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let traced = self.is_traced(args);
        command.envs(traced.then_some(("REGSYNC_LOG", "trace")));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let (stderr, writer) = pipe().unwrap();
        if let Some(marks) = &self.marks {
            marks.stderr(Some(writer.try_clone().unwrap()));
        }
        let mut child = command.stderr(writer).spawn().unwrap();
        let (unread, stderr) = (child.stdout.take(), Some(read_in_background(stderr)));
        let (redactions, ends) = (self.redactions.clone(), Instant::now() + self.patience);
        Running { child, unread, stdout: None, stderr, redactions, ends, marks: self.marks.clone(), traced }
    }
}

impl Running {
    /// Sends a signal by name: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success(), "the process is gone already");
    }

    /// Waits until it prints, and takes the first byte of that. Panics where its output is read already.
    #[track_caller]
    pub fn await_print(&mut self) {
        self.unread.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }

    /// Reads what it prints from now on.
    pub fn read_on(&mut self) {
        self.stdout = self.unread.take().map(read_in_background);
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as SIGKILL does.
    pub fn kill(&mut self) {
        // Fails where it has ended by itself, which is as good.
        drop(self.child.kill());
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until a request is held by `gate`; false where it ends without.
    pub fn reaches(&mut self, gate: &Gate) -> bool {
        while gate.reached() == 0 {
            if self.has_ended() {
                return gate.reached() > 0;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Waits for the end. Panics when it takes too long.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let status = self.await_exit();
        self.marks.iter().for_each(|marks| marks.stderr(None));
        let take = |reader: Option<JoinHandle<String>>| reader.map(|reader| reader.join().unwrap()).unwrap_or_default();
        let (stdout, stderr) = (take(self.stdout.take()), take(self.stderr.take()));
        let Some(status) = status else { panic!("killed: it took too long\n{stdout}\n{stderr}") };
        let (moments, stderr) = marks::read(&stderr);
        let masks = moments.iter().filter_map(|moment| match moment {
            Moment::Masked(mask) => Some(mask.clone()),
            Moment::Sent(_) => None,
        });
        let masks = masks.collect();
        assert_no_canary("stdout", &stdout, &[]);
        assert_no_canary("stderr", &stderr, &[]);
        let (logged, stderr) = if self.traced { without_log(&stderr) } else { (0, stderr) };
        Output { status: code(status), stdout, stderr, masks, logged, moments, redactions: self.redactions.clone() }
    }

    fn await_exit(&mut self) -> Option<ExitStatus> {
        while Instant::now() < self.ends {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        drop(self.child.wait());
    }
}

impl Output {
    /// Exit code, stdout and stderr for a snapshot, made comparable.
    pub fn transcript(&self) -> String {
        let text = format!("exit: {}\n--- stdout\n{}--- stderr\n{}", self.status, self.stdout, self.stderr);
        self.redactions.apply(&text)
    }

    /// Panics, with the whole output, unless the exit code is this one.
    #[track_caller]
    pub fn assert_status(&self, status: i32) -> &Self {
        assert_eq!(self.status, status, "unexpected exit code\n{}", self.transcript());
        self
    }

    /// Panics unless each secret was masked before a server was sent it. For runs that are [`Regsync::marked`].
    #[track_caller]
    pub fn assert_masked_first(&self) -> &Self {
        marks::assert_masked_first(&self.moments);
        self
    }

    /// Panics unless each line of `secret`, which stays here, was masked before any request came.
    #[track_caller]
    pub fn assert_masked_at_first(&self, secret: &str) -> &Self {
        marks::assert_masked_at_first(&self.moments, secret);
        self
    }

    /// stdout as JSON. Panics where it is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}", self.transcript()))
    }
}

/// How many lines are logged (`2026-01-02T03:04:05.678Z TRACE …`), and what is left without them.
fn without_log(stderr: &str) -> (usize, String) {
    let is_log = |line: &&str| {
        let mut words = line.split_whitespace();
        let dated =
            words.next().is_some_and(|word| word.len() > 20 && word.as_bytes()[10] == b'T' && word.ends_with('Z'));
        dated && words.next().is_some_and(|word| ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&word))
    };
    let (logged, rest): (Vec<&str>, Vec<&str>) = stderr.split_inclusive('\n').partition(is_log);
    (logged.len(), rest.concat())
}

fn read_in_background(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(unix)]
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap()
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap()
}
