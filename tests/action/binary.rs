//! Which binary the action runs: one that it can prove, or none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use bytes::Bytes;

use super::runner::{Ended, Job};
use super::{REGSYNC, TELLS, arguments, only, program, told};
use crate::support::digest::sha256;
use crate::support::server::{Answer, Bound, Call, Close, Fault, Handler, Match, Server};
use crate::support::tools::require_tool;

/// What the action needs of a machine, beside one program to download with and one to hash with.
pub(super) const TOOLS: [&str; 16] = [
    "sh", "uname", "sed", "awk", "tr", "cut", "tail", "dirname", "mkdir", "mktemp", "chmod", "mv", "rm", "cat", "env",
    "pwd",
];
const VERSION: &str = "7.8.9";

struct Releases;

impl Handler for Releases {
    fn answer(&self, call: &Call) -> Answer {
        let is_there = call.path.starts_with(&format!("/mirror/v{VERSION}/regsync-"));
        if is_there { Answer::status(200).body(TELLS) } else { Answer::status(404).body("<html>no such page</html>") }
    }
}

/// What this machine runs, as releases name it.
fn triple() -> String {
    let system = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-musl" };
    format!("{}-{system}", std::env::consts::ARCH)
}

/// A job whose action knows the release of [`TELLS`], with programs of its own, and where its releases are.
pub(super) fn job(tools: &[&str]) -> (Job, Server, String) {
    let server = Bound::new(None).serve(Releases);
    let mirror = format!("{}/mirror/", server.url());
    let job = Job::new();
    let path = only(&job, &[&TOOLS[..], tools].concat());
    pin(&job, &format!("{VERSION} {} {}", triple(), hash(TELLS)));
    (job.env("PATH", &path), server, mirror)
}

fn hash(text: &str) -> String {
    sha256(text.as_bytes()).trim_start_matches("sha256:").to_owned()
}

/// Adds a line to the checksums of the action.
fn pin(job: &Job, line: &str) {
    let file = job.action().join("action/checksums.txt");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, format!("{text}{line}\n")).unwrap();
}

fn cached(job: &Job) -> PathBuf {
    job.tool_cache().join("regsync").join(VERSION).join(triple()).join("regsync")
}

/// Panics unless nothing was run, for a reason that holds `words`, and the outputs say so.
#[track_caller]
fn assert_refused(job: &Job, ended: &Ended, words: &str) {
    ended.assert_status(1);
    assert_eq!(arguments(job), None, "it was run");
    let errors = ended.errors();
    assert!(errors.len() == 1 && errors[0].contains(words), "{errors:?} is not about {words:?}");
    assert_eq!((ended.output("result"), ended.output("exit-code")), ("failed", "1"));
    assert_eq!((ended.output("failure-reason"), ended.output("has-changes")), ("install", "false"));
}

#[test]
fn what_is_pinned_is_downloaded_proven_kept_and_run() {
    for tools in [["curl", "sha256sum"], ["curl", "openssl"], ["curl", "shasum"], ["wget", "sha256sum"]] {
        if tools.iter().any(|tool| require_tool(tool).is_none()) {
            continue;
        }
        let (mut job, server, mirror) = job(&tools);
        let ended = job.uses(&[("download-url", &mirror), ("command", "validate")]);
        ended.assert_status(0);
        assert_eq!(arguments(&job).as_deref(), Some("validate\n"), "{tools:?}");
        assert_eq!(ended.output("binary-path"), cached(&job).to_str().unwrap());
        assert_eq!(server.count("GET", ""), 1, "{tools:?}");
        job.uses(&[("download-url", &mirror)]).assert_status(0);
        assert_eq!(server.count("GET", ""), 1, "what is sound in the cache is not downloaded again");
        let left: Vec<_> = fs::read_dir(cached(&job).parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}

#[test]
fn what_cannot_be_proven_is_not_run() {
    let cut = |after| Fault::CutBody { after, close: Close::Fin };
    let faults = [
        ("truncated", cut(TELLS.len() / 2), "could not be downloaded"),
        ("reset", Fault::CutBody { after: 10, close: Close::Reset }, "could not be downloaded"),
        ("shorter", Fault::Truncate { to: 100 }, "has the SHA-256"),
        ("longer", Fault::Append(Bytes::from_static(b"touch pwned")), "has the SHA-256"),
        ("changed", Fault::FlipBit { at: 30 }, "has the SHA-256"),
        ("a page", Fault::html(), "has the SHA-256"),
        ("missing", Fault::status(404), "could not be downloaded"),
        ("refused", Fault::status(403), "could not be downloaded"),
    ];
    for program in ["curl", "wget"] {
        for (name, fault, words) in &faults {
            let (mut job, server, mirror) = job(&[program, "sha256sum"]);
            server.fault(Match::any(), fault.clone());
            let ended = job.uses(&[("download-url", &mirror)]);
            assert_refused(&job, &ended, words);
            assert!(!cached(&job).exists(), "{program}: {name}: it was kept");
        }
    }
}

#[test]
fn a_cache_that_was_tampered_with_is_not_run() {
    let (mut job, server, mirror) = job(&["curl", "sha256sum"]);
    let poison = "#!/bin/sh\n>\"$GITHUB_WORKSPACE/told arguments\"\n";
    program(&cached(&job), poison);
    server.fault(Match::any(), Fault::status(404));
    let ended = job.uses(&[("download-url", &mirror)]);
    assert_refused(&job, &ended, "could not be downloaded");
    server.clear_faults();
    job.uses(&[("download-url", &mirror)]).assert_status(0);
    assert_eq!(arguments(&job).as_deref(), Some("plan\n"));
    assert_eq!(fs::read_to_string(cached(&job)).unwrap(), TELLS);
}

#[test]
fn a_cache_that_lost_the_right_to_run_is_not_relied_on() {
    let (mut job, server, mirror) = job(&["curl", "sha256sum"]);
    program(&cached(&job), TELLS);
    fs::set_permissions(cached(&job), fs::Permissions::from_mode(0o644)).unwrap();
    job.uses(&[("download-url", &mirror)]).assert_status(0);
    assert_eq!((arguments(&job).as_deref(), server.count("GET", "")), (Some("plan\n"), 1));
}

#[test]
fn a_working_directory_is_a_directory_whatever_its_name() {
    let mut job = Job::new().env("OLDPWD", "/");
    fs::create_dir(job.path("-")).unwrap();
    program(&job.path("tool"), TELLS);
    job.uses(&[("binary-path", "tool"), ("working-directory", "-")]).assert_status(0);
    let at = fs::read_to_string(job.path("told directory")).unwrap();
    assert_eq!(at.trim_end(), job.path("-").to_str().unwrap());
    fs::remove_dir(job.path("-")).unwrap();
    let ended = job.uses(&[("binary-path", "tool"), ("working-directory", "-")]);
    assert_eq!(ended.assert_status(1).errors(), ["working-directory is no directory"]);
}

#[test]
fn what_this_commit_does_not_list_is_not_run() {
    let (mut job, server, mirror) = job(&["curl", "sha256sum"]);
    let with = |version| [("version", version), ("download-url", mirror.as_str())];
    for (version, words) in [
        ("1.2.3", "is not in this action's checksums"),
        ("7.8", "is not in this action's checksums"),
        ("latest", "is not in this action's checksums"),
        ("../7.8.9", "version is no version"),
        ("7.8.9 $(touch pwned)", "version is no version"),
        (".*", "version is no version"),
    ] {
        let ended = job.uses(&with(version));
        assert_refused(&job, &ended, words);
    }
    assert_eq!(server.count("*", ""), 0);
    for version in ["7.8.9", "v7.8.9"] {
        job.uses(&with(version)).assert_status(0);
    }
    fs::write(job.action().join("action/checksums.txt"), "# nothing\n").unwrap();
    fs::remove_file(job.path("told arguments")).unwrap();
    let ended = job.uses(&[]);
    assert_refused(&job, &ended, "no release is listed yet");
}

#[test]
fn the_last_version_that_is_listed_is_the_one() {
    let (mut job, server, mirror) = job(&["curl", "sha256sum"]);
    pin(&job, &format!("7.9.0 {} {}", triple(), hash("other")));
    let ended = job.uses(&[("download-url", &mirror)]);
    assert_refused(&job, &ended, "could not be downloaded");
    assert_eq!(server.count("GET", "/mirror/v7.9.0/regsync-"), 1);
    job.uses(&[("download-url", &mirror), ("version", "7.8.9")]).assert_status(0);
}

#[test]
fn a_machine_without_the_means_is_told_so() {
    for (tools, words) in [
        (&["sha256sum"][..], "neither curl nor wget is here"),
        (&["curl"][..], "neither sha256sum, shasum nor openssl is here"),
    ] {
        let (mut job, _server, mirror) = job(tools);
        let ended = job.uses(&[("download-url", &mirror)]);
        assert_refused(&job, &ended, words);
    }
    let (mut job, server, mirror) = job(&["curl", "sha256sum"]);
    for (url, words) in [
        (mirror.replace("127.0.0.1", "127.0.0.1.example"), "download-url must begin with https://"),
        ("file:///etc".to_owned(), "download-url must begin with https://"),
    ] {
        let ended = job.uses(&[("download-url", &url)]);
        assert_refused(&job, &ended, words);
    }
    // What a redirect leads to is held to the same.
    server.fault(Match::any(), Fault::Redirect { status: 302, to: "file:///etc/passwd".to_owned() });
    let ended = job.uses(&[("download-url", &mirror)]);
    assert_refused(&job, &ended, "could not be downloaded");
    fs::remove_file(job.path("../bin/uname")).unwrap();
    program(&job.path("../bin/uname"), "#!/bin/sh\necho Plan9\n");
    let ended = job.uses(&[("download-url", &mirror)]);
    assert_refused(&job, &ended, "there is no regsync for Plan9/Plan9");
}

#[test]
fn a_password_in_the_address_is_not_shown() {
    let (mut job, server, mirror) = job(&["curl", "sha256sum"]);
    server.fault(Match::any(), Fault::status(404));
    let url = mirror.replace("http://", "https://me:hunter2@");
    let ended = job.uses(&[("download-url", &url)]);
    assert_refused(&job, &ended, "https://***@127.0.0.1");
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
}

#[test]
fn a_binary_that_is_there_is_run_as_it_is() {
    let mut job = Job::new();
    program(&job.path("sub/my tool"), TELLS);
    for (path, directory) in [("sub/my tool", ""), (job.path("sub/my tool").to_str().unwrap(), "sub")] {
        let ended = job.uses(&[("binary-path", path), ("working-directory", directory), ("command", "apply")]);
        ended.assert_status(0);
        assert_eq!(ended.output("binary-path"), job.path("sub/my tool").to_str().unwrap());
        let at = fs::read_to_string(job.path("told directory")).unwrap();
        assert_eq!(at.trim_end_matches(['\n', '/']), job.path(directory).to_str().unwrap().trim_end_matches('/'));
        fs::remove_file(job.path("told arguments")).unwrap();
    }
    job.write("text", "not a program");
    for path in ["nowhere", "sub", "text"] {
        let ended = job.uses(&[("binary-path", path)]);
        assert_refused(&job, &ended, "binary-path names no program");
    }
    let ended = job.uses(&[("binary-path", "sub/my tool"), ("working-directory", "nowhere")]);
    assert_eq!(ended.assert_status(1).errors(), ["working-directory is no directory"]);
    assert_eq!((ended.output("failure-reason"), arguments(&job)), ("usage", None), "it is not for want of a binary");
}

#[test]
fn installed_it_is_on_the_path_of_the_steps_that_follow() {
    let mut job = Job::new();
    let ended = job.uses(&[("command", "install"), ("binary-path", REGSYNC)]);
    ended.assert_status(0);
    assert_eq!((ended.output("version"), ended.output("exit-code")), (env!("CARGO_PKG_VERSION"), "0"));
    assert_eq!((ended.output("failure-reason"), ended.output("binary-path")), ("", REGSYNC));
    let mut next = Command::new("sh");
    next.args(["-c", "regsync -V"]).env_clear().env("PATH", job.variable("PATH").unwrap());
    assert_eq!(
        String::from_utf8(next.output().unwrap().stdout).unwrap(),
        concat!("regsync ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let mut broken = Job::new();
    program(&broken.path("broken"), "#!/bin/sh\nexit 3\n");
    let ended = broken.uses(&[("command", "install"), ("binary-path", "broken")]);
    assert_eq!((ended.status, ended.output("exit-code")), (Some(3), "1"));
    assert_eq!(broken.variable("PATH"), Job::new().variable("PATH"));
}

#[test]
fn without_a_release_it_is_built_from_the_checkout() {
    let cargo = |writes: &str| {
        format!(
            "#!/bin/sh\nprintf '%s\\n' \"$PWD\" \"$@\" >\"$GITHUB_WORKSPACE/cargo\"\n[ -n \"{writes}\" ] || exit 101\n\
             mkdir -p \"{writes}\" && cp \"$GITHUB_WORKSPACE/tells\" \"{writes}/regsync\"\n"
        )
    };
    for (variables, writes) in [
        (&[][..], "target/release"),
        (&[("REGSYNC_BUILD_PROFILE", "dev")][..], "target/debug"),
        (&[("REGSYNC_BUILD_PROFILE", "dist"), ("CARGO_TARGET_DIR", "else/where")][..], "else/where/dist"),
    ] {
        let job = Job::new();
        program(&job.path("tells"), TELLS);
        program(&job.path("../cargo bin/cargo"), &cargo(writes));
        let path = format!("{}:{}", job.path("../cargo bin").display(), job.variable("PATH").unwrap());
        let mut job = variables.iter().fold(job, |job, (name, value)| job.env(name, value)).env("PATH", &path);
        job.uses(&[("build", "true")]).assert_status(0);
        assert_eq!(arguments(&job).as_deref(), Some("plan\n"), "{writes}");
        let asked = fs::read_to_string(job.path("cargo")).unwrap();
        let mut asked = asked.lines();
        assert_eq!(asked.next(), Some(job.action().canonicalize().unwrap().to_str().unwrap()));
        let asked: Vec<&str> = asked.collect();
        assert!(asked.contains(&"--locked") && asked.contains(&"--profile"), "{asked:?}");
    }
    let job = Job::new();
    program(&job.path("../cargo bin/cargo"), &cargo(""));
    let path = format!("{}:{}", job.path("../cargo bin").display(), job.variable("PATH").unwrap());
    let mut job = job.env("PATH", &path);
    let ended = job.uses(&[("build", "true")]);
    assert_refused(&job, &ended, "the build failed");
    let job = Job::new();
    let path = only(&job, &TOOLS);
    let mut job = job.env("PATH", &path);
    let ended = job.uses(&[("build", "true")]);
    assert_refused(&job, &ended, "there is no cargo");
}

#[test]
fn each_input_arrives_as_its_variable_and_none_that_was_not_given() {
    let job = Job::new().env("REGSYNC_CONFIG", "of the job").env("REGSYNC_ALLOW", "of the job");
    let mut job = job.env("REGSYNC_LABEL", "of the job");
    program(&job.path("tells"), TELLS);
    let mut with = vec![("binary-path", "tells")];
    let given = [
        ("config", "REGSYNC_CONFIG"),
        ("only", "REGSYNC_ONLY"),
        ("exclude", "REGSYNC_EXCLUDE"),
        ("shard", "REGSYNC_SHARD"),
        ("concurrency", "REGSYNC_CONCURRENCY"),
        ("deadline", "REGSYNC_DEADLINE"),
        ("detailed-exitcode", "REGSYNC_DETAILED_EXITCODE"),
        ("require-complete", "REGSYNC_REQUIRE_COMPLETE"),
        ("fail-fast", "REGSYNC_FAIL_FAST"),
        ("fail-on-risk", "REGSYNC_FAIL_ON_RISK"),
        ("allow", "REGSYNC_ALLOW"),
        ("comment", "REGSYNC_COMMENT"),
        ("summary", "REGSYNC_SUMMARY"),
        ("annotations", "REGSYNC_ANNOTATIONS"),
        ("report", "REGSYNC_REPORT"),
        ("registry-auth", "REGSYNC_AUTH"),
        ("log-level", "REGSYNC_LOG"),
        ("expect-plan-id", "REGSYNC_EXPECT_PLAN_ID"),
        ("github-token", "GITHUB_TOKEN"),
        ("plan-file", "REGSYNC_OUT"),
    ];
    with.extend(given.iter().map(|(input, _)| (*input, "a \"b\"\n$(c) 'd'\\ `e`; *")));
    job.uses(&with).assert_status(0);
    for (input, variable) in given {
        assert_eq!(told(&job, variable).as_deref(), Some("a \"b\"\n$(c) 'd'\\ `e`; *"), "{input}");
    }
    assert_eq!(told(&job, "REGSYNC_LABEL").as_deref(), Some("of the job"));
    for gone in ["INPUT_REGISTRY_AUTH", "INPUT_GITHUB_TOKEN", "JOB_TOKEN"] {
        assert_eq!(told(&job, gone), None);
    }
    job.uses(&[("binary-path", "tells"), ("command", "apply"), ("plan-file", "it.json")]).assert_status(0);
    assert_eq!(told(&job, "REGSYNC_PLAN").as_deref(), Some("it.json"));
    let known = ["REGSYNC_CONFIG", "REGSYNC_ALLOW", "REGSYNC_LABEL", "REGSYNC_PLAN"];
    let text = fs::read_to_string(job.path("told environment")).unwrap();
    for variable in text.split('\0').filter_map(|pair| pair.split_once('=').map(|(name, _)| name)) {
        assert!(!variable.starts_with("REGSYNC_") || known.contains(&variable), "{variable} was not given");
    }
}
