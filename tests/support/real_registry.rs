//! Docker's own registry (`docker-registry`) as a child process, and witnesses that read it without our code.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::digest::sha256;
use super::images::pull_manifest;
use super::tools::require_tool;

/// The only user of a registry with a password.
pub const USER: &str = "real-user";
/// The password of [`USER`].
pub const PASSWORD: &str = "CANARY-real-registry-password";
/// [`PASSWORD`], as `htpasswd -B` writes it.
const HTPASSWD: &str = "real-user:$2y$05$abcdefghijklmnopqrstuuvNJQUKPt2uvfyIFTxltUzf1Knb2NOPC\n";

/// A running registry with a directory of its own. Ends when dropped.
pub struct RealRegistry {
    child: Child,
    dir: TempDir,
    port: u16,
}

/// One request as the registry logged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub status: u16,
}

impl RealRegistry {
    /// Starts one that lets anybody in; `None`, with a notice, where it is not installed.
    pub fn start() -> Option<Self> {
        Self::launch(false)
    }

    /// Starts one that lets only [`USER`] in.
    pub fn start_with_password() -> Option<Self> {
        Self::launch(true)
    }

    fn launch(with_password: bool) -> Option<Self> {
        let program = require_tool("docker-registry")?;
        let dir = tempfile::Builder::new().prefix("regsync-registry").tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        fs::write(path("config.yml"), config(&dir, with_password)).unwrap();
        fs::write(path("htpasswd"), HTPASSWD).unwrap();
        let mut command = Command::new(program);
        command.arg("serve").arg(path("config.yml")).env_clear().stdin(Stdio::null());
        command.stdout(File::create(path("access.log")).unwrap());
        command.stderr(File::create(path("error.log")).unwrap());
        let mut registry = Self { child: command.spawn().unwrap(), dir, port: 0 };
        registry.wait_until_ready();
        Some(registry)
    }

    /// The registry chooses its port and logs it: a port chosen here could be taken before it starts.
    fn wait_until_ready(&mut self) {
        let ends = Instant::now() + Duration::from_secs(20);
        loop {
            let log = fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default();
            if let Some(port) = listening_port(&log) {
                self.port = port;
                return;
            }
            let running = self.child.try_wait().unwrap().is_none();
            assert!(running && Instant::now() < ends, "docker-registry does not start:\n{log}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// `127.0.0.1:<port>`: the registry part of a reference.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// All requests so far, in order of their ends.
    pub fn access_log(&self) -> Vec<Access> {
        let text = fs::read_to_string(self.dir.path().join("access.log")).unwrap();
        text.lines().filter_map(parse_access).collect()
    }

    /// How many requests there are so far; see [`Self::access_log_since`].
    pub fn mark(&self) -> usize {
        self.access_log().len()
    }

    /// The requests after a mark.
    pub fn access_log_since(&self, mark: usize) -> Vec<Access> {
        self.access_log().split_off(mark)
    }

    /// Panics when a request after the mark was not GET or HEAD.
    #[track_caller]
    pub fn assert_read_only_since(&self, mark: usize) {
        let reads = |access: &Access| matches!(access.method.as_str(), "GET" | "HEAD");
        let writes: Vec<_> = self.access_log_since(mark).into_iter().filter(|access| !reads(access)).collect();
        assert!(writes.is_empty(), "the registry was written to: {writes:?}");
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn config(dir: &TempDir, with_password: bool) -> String {
    let path = |name: &str| dir.path().join(name).display().to_string();
    let mut lines = vec![
        "version: 0.1".to_owned(),
        format!("storage: {{filesystem: {{rootdirectory: '{}'}}, delete: {{enabled: true}}}}", path("data")),
        "http: {addr: '127.0.0.1:0'}".to_owned(),
    ];
    if with_password {
        lines.push(format!("auth: {{htpasswd: {{realm: test, path: '{}'}}}}", path("htpasswd")));
    }
    lines.join("\n")
}

/// The port in a line like `msg="listening on 127.0.0.1:4711"`.
fn listening_port(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("listening on 127.0.0.1:")?;
    let (port, _) = rest.split_once(|c: char| !c.is_ascii_digit())?;
    port.parse().ok()
}

/// A line of the "combined" format: `… "GET /v2/ HTTP/1.1" 200 2 …`.
fn parse_access(line: &str) -> Option<Access> {
    let (_, rest) = line.split_once('"')?;
    let (request, rest) = rest.split_once('"')?;
    let mut words = request.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Access { method, path, status: rest.split_whitespace().next()?.parse().ok()? })
}

/// The digest of a tag's manifest, by plain HTTP and our own hashing.
pub fn digest_by_http(url: &str, repository: &str, reference: &str) -> String {
    sha256(&pull_manifest(url, repository, reference).1)
}

/// The digest of a tag's manifest as skopeo reads it; `None`, with a notice, where it is not installed.
pub fn digest_by_skopeo(host: &str, repository: &str, tag: &str) -> Option<String> {
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{host}/{repository}:{tag}")])?;
    Some(sha256(&raw))
}

/// The digest of a tag's manifest in an OCI layout as skopeo reads it; `None`, with a notice, where it is not installed.
pub fn digest_of_layout_by_skopeo(dir: &Path, tag: &str) -> Option<String> {
    let raw = skopeo(&["inspect", "--raw", &format!("oci:{}:{tag}", dir.display())])?;
    Some(sha256(&raw))
}

/// The digest of a tag by two witnesses that must agree; by one, where skopeo is not installed.
#[track_caller]
pub fn witness_digest(host: &str, repository: &str, tag: &str) -> String {
    let digest = digest_by_http(&format!("http://{host}"), repository, tag);
    if let Some(seen) = digest_by_skopeo(host, repository, tag) {
        assert_eq!(seen, digest, "skopeo and plain HTTP read {repository}:{tag} differently");
    }
    digest
}

/// Copies every platform of an image with skopeo into an OCI layout: proof that a registry serves it whole.
///
/// `None`, with a notice, where skopeo is not installed.
#[track_caller]
pub fn pull_with_skopeo(host: &str, repository: &str, tag: &str) -> Option<TempDir> {
    let dir = tempfile::tempdir().unwrap();
    let source = format!("docker://{host}/{repository}:{tag}");
    let target = format!("oci:{}:{tag}", dir.path().join("layout").display());
    skopeo(&["copy", "--all", "--preserve-digests", "--src-tls-verify=false", &source, &target])?;
    Some(dir)
}

#[track_caller]
fn skopeo(args: &[&str]) -> Option<Vec<u8>> {
    let program: PathBuf = require_tool("skopeo")?;
    let output =
        Command::new(program).args(["--override-os", "linux", "--insecure-policy"]).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "skopeo {} failed:\n{errors}", args.join(" "));
    Some(output.stdout)
}
