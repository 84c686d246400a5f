//! A runner of one action: it reads `action.yml` itself, and treats its step, files and log as GitHub's does.
//!
//! Owns a workspace, a temporary directory, a tool cache, the environment of a job that lasts from step to step, and how a
//! step is cancelled. Knows nothing of other actions, expressions beyond names, or containers.

pub(crate) mod commands;
pub(crate) mod files;
pub(crate) mod manifest;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::canary::{assert_no_canary, canary};

use commands::Log;
use manifest::{Manifest, reference};

/// The longest that a step may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long the runner waits after SIGINT, and after SIGTERM.
const GRACE: [Duration; 2] = [Duration::from_millis(7500), Duration::from_millis(2500)];

/// A job on a machine of its own, with the action checked out beside its workspace.
pub(crate) struct Job {
    dir: TempDir,
    action: PathBuf,
    env: BTreeMap<String, String>,
    /// The secrets that the job was given.
    secrets: Vec<String>,
    grace: [Duration; 2],
}

/// A step that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` where a signal ended it.
    pub(crate) status: Option<i32>,
    /// What the step set, as the action's outputs give it on.
    pub(crate) outputs: BTreeMap<String, String>,
    /// The names that the step has set, empty ones included.
    pub(crate) set: Vec<String>,
    /// The job summary; `None` where it is too long to be shown.
    pub(crate) summary: Option<String>,
    pub(crate) log: Log,
    /// What the runner last did to end it.
    pub(crate) cancelled_by: Option<&'static str>,
}

/// A step under way.
pub(crate) struct Running<'job> {
    job: &'job mut Job,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    manifest: Manifest,
}

impl Job {
    /// With the action as it is in this checkout.
    pub(crate) fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let job = Self::without_action();
        fs::create_dir_all(job.action.join("action")).unwrap();
        for name in ["action.yml", "action/run.sh", "action/checksums.sh", "action/checksums.txt"] {
            fs::copy(root.join(name), job.action.join(name)).unwrap();
        }
        job
    }

    fn without_action() -> Self {
        let dir = tempfile::Builder::new().prefix("regsync-runner").tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        // With a blank: whoever forgets a quote is found out.
        for name in ["work space", "temp dir", "tool cache", "home", "the action"] {
            fs::create_dir(at(name)).unwrap();
        }
        let token = canary("github-token");
        let mut env = BTreeMap::new();
        let mut set = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
        set("PATH", std::env::var("PATH").unwrap().as_str());
        set("HOME", &at("home"));
        for (name, value) in [("CI", "true"), ("GITHUB_ACTIONS", "true"), ("RUNNER_OS", "Linux"), ("NO_COLOR", "1")] {
            set(name, value);
        }
        set("GITHUB_WORKSPACE", &at("work space"));
        set("GITHUB_ACTION_PATH", &at("the action"));
        set("RUNNER_TEMP", &at("temp dir"));
        set("RUNNER_TOOL_CACHE", &at("tool cache"));
        set("GITHUB_SERVER_URL", "https://github.example");
        set("GITHUB_API_URL", "http://127.0.0.1:9");
        set("GITHUB_REPOSITORY", "acme/mirrors");
        set("GITHUB_SHA", "3f9c2d1ab0c4e5f60718293a4b5c6d7e8f901234");
        for (name, value) in [("GITHUB_RUN_ID", "812"), ("GITHUB_RUN_NUMBER", "12"), ("GITHUB_RUN_ATTEMPT", "1")] {
            set(name, value);
        }
        let action = dir.path().join("the action");
        Self { dir, action, env, secrets: vec![token], grace: GRACE }.on("push", "{}")
    }

    /// For an event with this payload.
    pub(crate) fn on(self, event: &str, payload: &str) -> Self {
        let file = self.dir.path().join("event.json");
        fs::write(&file, payload).unwrap();
        self.env("GITHUB_EVENT_NAME", event).env("GITHUB_EVENT_PATH", file.to_str().unwrap())
    }

    /// With a variable of the job.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With other times between the signals of a cancellation.
    pub(crate) fn grace(self, grace: [Duration; 2]) -> Self {
        Self { grace, ..self }
    }

    /// Writes a file of the workspace.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A path in the workspace.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("work space").join(name)
    }

    /// The tool cache.
    pub(crate) fn tool_cache(&self) -> PathBuf {
        self.dir.path().join("tool cache")
    }

    /// Where the action is checked out.
    pub(crate) fn action(&self) -> &Path {
        &self.action
    }

    /// A variable as the next step gets it.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str)
    }

    /// `uses: ./`, `with` these inputs.
    #[track_caller]
    pub(crate) fn uses(&mut self, with: &[(&str, &str)]) -> Ended {
        self.start(with).wait()
    }

    /// Starts it.
    pub(crate) fn start(&mut self, with: &[(&str, &str)]) -> Running<'_> {
        let manifest = Manifest::read(&fs::read_to_string(self.action.join("action.yml")).unwrap());
        let inputs = manifest.values(with);
        let step = manifest.step();
        assert_eq!(step.shell, "sh");
        assert!(!step.run.contains("${{"), "an expression in a script is code of whoever gives it");
        let env = step.env.iter().map(|(name, value)| match reference(value) {
            Some(("inputs", input)) => (name, inputs[input].clone()),
            Some(("github", "token")) => (name, self.secrets[0].clone()),
            other => panic!("{name} is {other:?}"),
        });
        let mut command = Command::new("sh");
        let script = self.dir.path().join("step.sh");
        fs::write(&script, &step.run).unwrap();
        command.arg("-e").arg(script).current_dir(self.path("")).env_clear().envs(&self.env).envs(env);
        for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH", "GITHUB_ENV"] {
            fs::write(self.file(name), "").unwrap();
            command.env(name, self.file(name));
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Arc::default();
        let readers =
            vec![read_lines(child.stdout.take().unwrap(), &lines), read_lines(child.stderr.take().unwrap(), &lines)];
        Running { job: self, child, lines, readers, manifest }
    }

    /// The file behind a variable of the runner.
    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name} of the step"))
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// What a step has told by files, for those after it.
    fn learn(&mut self) {
        self.env.extend(files::pairs(&self.text("GITHUB_ENV")));
        for line in self.text("GITHUB_PATH").lines().filter(|line| !line.is_empty()) {
            let path = format!("{line}:{}", self.env["PATH"]);
            self.env.insert("PATH".to_owned(), path);
        }
    }
}

impl Running<'_> {
    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let ended = self.ends_within(PATIENCE);
        assert!(ended, "it takes too long\n{}", self.lines.lock().unwrap().join("\n"));
        self.read(None)
    }

    /// Cancels the job: SIGINT to the process that the runner has started, SIGTERM to it, and an end.
    #[track_caller]
    pub(crate) fn cancel(mut self) -> Ended {
        let grace = self.job.grace;
        let mut last = "SIGINT";
        self.signal("INT");
        if !self.ends_within(grace[0]) {
            last = "SIGTERM";
            self.signal("TERM");
            if !self.ends_within(grace[1]) {
                last = "SIGKILL";
                self.child.kill().unwrap();
                self.ends_within(PATIENCE);
            }
        }
        self.read(Some(last))
    }

    /// The process that was started.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success(), "it is gone already");
    }

    fn ends_within(&mut self, time: Duration) -> bool {
        let ends = Instant::now() + time;
        while Instant::now() < ends {
            if self.child.try_wait().unwrap().is_some() {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn read(mut self, cancelled_by: Option<&'static str>) -> Ended {
        let status = self.child.wait().unwrap().code();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let mut log = Log::hiding(&self.job.secrets);
        for line in self.lines.lock().unwrap().iter() {
            log.read(line);
        }
        let step: BTreeMap<String, String> = files::pairs(&self.job.text("GITHUB_OUTPUT")).into_iter().collect();
        let output = |(name, output): (&String, &manifest::Output)| {
            let (context, output) = reference(&output.value).expect("an output of the step");
            assert_eq!(context, format!("steps.{}.outputs", self.manifest.step().id));
            (name.clone(), step.get(output).cloned().unwrap_or_default())
        };
        let outputs = self.manifest.outputs.iter().map(output).collect();
        let summary = files::summary(&self.job.file("GITHUB_STEP_SUMMARY")).map(|text| log.masked(&text));
        self.job.learn();
        assert_no_canary("the log", &log.shown.join("\n"), &[]);
        assert_no_canary("the outputs", &format!("{outputs:?}"), &[]);
        assert_no_canary("the summary", summary.as_deref().unwrap_or_default(), &[]);
        Ended { status, outputs, set: step.into_keys().collect(), summary, log, cancelled_by }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Both fail where it has ended, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Ended {
    /// Panics, with the whole log, unless it has ended with this code, has set each output that the action promises, and has
    /// said nothing to the runner but annotations and masks.
    #[track_caller]
    pub(crate) fn assert_status(&self, status: i32) -> &Self {
        let log = self.log.shown.join("\n");
        assert_eq!(self.status, Some(status), "{:?}\n{:?}\n{log}", self.outputs, self.log.annotations);
        for name in self.outputs.keys() {
            assert!(self.set.contains(name), "{name} is not set, of {:?}\n{log}", self.set);
        }
        assert_eq!(self.log.others, [], "{log}");
        self
    }

    /// An output.
    #[track_caller]
    pub(crate) fn output(&self, name: &str) -> &str {
        &self.outputs[name]
    }

    /// The texts of the errors that it has annotated.
    pub(crate) fn errors(&self) -> Vec<&str> {
        self.log.of("error").iter().map(|command| command.data.as_str()).collect()
    }
}

fn read_lines(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let line = line.unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            // As .NET reads them: a carriage return ends a line too.
            lines.lock().unwrap().extend(line.trim_end_matches('\r').split('\r').map(str::to_owned));
        }
    })
}
