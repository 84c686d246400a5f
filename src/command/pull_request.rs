//! The pull request that a job of GitHub Actions runs for, and what may be asked of one from a fork.
//!
//! Owns the reading of the event, and which steps a run without credentials is excused. Refuses to believe in a fork where
//! the event does not show one: what is not known excuses nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;

use serde_json::Value;

use super::github::is_runner;
use super::trust::Withheld;
use crate::auth::Environment;
use crate::image::{Code, Registry, Side};
use crate::plan::{Observed, Plan, Reason, Step};

/// A webhook's payload is no longer (GitHub, "Webhook events and payloads": 25 MB).
const EVENT_BYTES: u64 = 25 << 20;

/// What the event of a job says of its pull request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PullRequest {
    /// Its number, where it is for one.
    pub(super) number: Option<u64>,
    /// Whether its commits are of another repository than the one it is for.
    pub(super) is_of_fork: bool,
}

impl PullRequest {
    /// Reads the event that the runner names; one that cannot be read says nothing.
    pub(super) fn read(environment: &Environment) -> Self {
        Self::of(&event(environment))
    }

    fn of(event: &Value) -> Self {
        let pull = &event["pull_request"];
        let commented =
            if event["issue"]["pull_request"].is_object() { event["issue"]["number"].as_u64() } else { None };
        let is_of_fork = whose(&pull["head"]["repo"], &pull["base"]["repo"]) == Whose::Fork;
        Self { number: pull["number"].as_u64().or(commented), is_of_fork }
    }
}

/// Whose commits are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of the repository itself.
    Own,
    /// Those of another one.
    Fork,
    /// The event does not show both repositories. That of a head may be gone, and is `null` then.
    Unknown,
}

/// Names can change hands and letters; the number of a repository is its own.
pub(super) fn whose(head: &Value, base: &Value) -> Whose {
    let name = |repo: &Value| repo["full_name"].as_str().map(str::to_ascii_lowercase);
    let is_own = match (head["id"].as_u64(), base["id"].as_u64(), name(head), name(base)) {
        (Some(head), Some(base), ..) => head == base,
        (_, _, Some(head), Some(base)) => head == base,
        _ => return Whose::Unknown,
    };
    if is_own { Whose::Own } else { Whose::Fork }
}

/// Why this job has no credentials, where it is a fork's: GitHub gives none to its pull requests (GitHub, "Events that
/// trigger workflows", `pull_request`), and with any other event we use none.
fn lack(environment: &Environment) -> Option<&'static str> {
    if Withheld::of(environment).is_some_and(|withheld| withheld.is_of_fork) {
        return Some("they are not used for a fork");
    }
    let is_given_none = is_runner(environment)
        && environment.get("GITHUB_EVENT_NAME") == Some("pull_request")
        && PullRequest::read(environment).is_of_fork;
    is_given_none.then_some("the pull request comes from a fork")
}

/// What a plan for the pull request of a fork is excused: steps that lack a credential are no failures of the run. Only
/// plans are; who writes has to be able to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Excuse {
    /// The hosts that ask for credentials.
    hosts: BTreeSet<Registry>,
    /// Why there are none.
    lack: &'static str,
}

impl Excuse {
    /// What the environment excuses `plan`, if anything in it has to be.
    pub(super) fn of(plan: &Plan, environment: &Environment) -> Option<Self> {
        if !plan.steps.iter().any(lacks_credentials) {
            return None;
        }
        Some(Self { hosts: plan.steps.iter().filter_map(host).cloned().collect(), lack: lack(environment)? })
    }

    /// With the hosts that had something to list: no step has them where no tag is known.
    #[must_use]
    pub(super) fn and(mut self, hosts: BTreeSet<Registry>) -> Self {
        self.hosts.extend(hosts);
        self
    }

    /// What is said of it.
    pub(super) fn notice(&self, plan: &Plan) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        let hosts = if hosts.is_empty() { "hosts that ask for them".to_owned() } else { hosts.join(", ") };
        let (steps, them) = match plan.steps.iter().filter(|step| lacks_credentials(step)).count() {
            1 => ("1 step is".to_owned(), "it"),
            number => (format!("{number} steps are"), "them"),
        };
        format!(
            "no credentials for {hosts}, since {}: {steps} not planned, and the exit code does not count {them}",
            self.lack
        )
    }
}

/// Whether the step is in error for want of a credential alone.
pub(super) fn lacks_credentials(step: &Step) -> bool {
    matches!(step.reason, Reason::NoCredentials(_))
}

fn host(step: &Step) -> Option<&Registry> {
    let Reason::NoCredentials(failure) = &step.reason else { return None };
    let reference = match failure.side? {
        Side::Source => step.source.as_ref().map(|source| &source.reference),
        Side::Target => step.target_reference(),
    };
    reference?.location.registry()
}

/// The hosts that list nothing without a credential.
pub(super) fn unlisted(observed: &Observed) -> BTreeSet<Registry> {
    let catalogs = observed.catalogs.iter().map(|(host, catalog)| (Some(host), catalog.as_ref().err()));
    let tags = observed.tags.iter().map(|(source, tags)| (source.registry(), tags.as_ref().err()));
    let locked = catalogs.chain(tags).filter(|(_, failure)| failure.is_some_and(|it| it.code == Code::NoCredentials));
    locked.filter_map(|(host, _)| host.cloned()).collect()
}

/// What the runner says of the event; nothing where it cannot be read. All but numbers in it may be anybody's.
pub(super) fn event(environment: &Environment) -> Value {
    let read = |path: &str| {
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(EVENT_BYTES).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    environment.get("GITHUB_EVENT_PATH").and_then(read).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fork_is_one_only_where_the_event_shows_both_repositories() {
        let of = |head: Value, base: Value| {
            PullRequest::of(&json!({"pull_request": {"number": 7, "head": {"repo": head}, "base": {"repo": base}}}))
        };
        let repo = |id: u64, name: &str| json!({"id": id, "full_name": name});
        let named = |name: &str| json!({"full_name": name});
        for (head, base, is_of_fork) in [
            (repo(2, "mallory/m"), repo(1, "acme/m"), true),
            (repo(2, "acme/m"), repo(1, "acme/m"), true),
            (repo(1, "old/m"), repo(1, "acme/m"), false),
            (named("mallory/m"), repo(1, "acme/m"), true),
            (named("Acme/M"), named("acme/m"), false),
            (json!({"id": 1, "fork": true}), json!({"id": 1}), false),
            (Value::Null, repo(1, "acme/m"), false),
            (json!({"fork": true}), repo(1, "acme/m"), false),
            (repo(2, "mallory/m"), Value::Null, false),
            (json!({"id": "2"}), json!({"id": 1}), false),
        ] {
            assert_eq!(of(head.clone(), base), PullRequest { number: Some(7), is_of_fork }, "{head}");
        }
        for event in [Value::Null, json!([]), json!({"pull_request": 7}), json!({"pull_request": {"head": []}})] {
            assert_eq!(PullRequest::of(&event), PullRequest::default(), "{event}");
        }
        let commented = json!({"issue": {"number": 9, "pull_request": {}}});
        assert_eq!(PullRequest::of(&commented), PullRequest { number: Some(9), is_of_fork: false });
    }
}
