//! Whether a run uses the credentials that it was given, by the event that GitHub started its job for.
//!
//! Some events give a job the secrets, the token and the identity of the repository whoever has caused them, and leave it to
//! the workflow which commits it checks out (GitHub, "Events that trigger workflows"; "Securely using `pull_request_target`").
//! Whether the files here are those of somebody from outside cannot be seen, so that it is decided by the event:
//!
//! | event | whose commits | credentials | `apply` |
//! |---|---|---|---|
//! | `pull_request` | anybody's | what GitHub gives, which for a fork is nothing | as far as they let it |
//! | `pull_request_target`, reviews | the repository's own | used | refused on `pull_request_target` |
//! | | a fork's, or not known | not used | refused |
//! | `workflow_run` | the repository's own | used | a saved plan only with the id that is expected |
//! | | a fork's, or not known: the run before it was for an event of this table | not used | refused |
//! | `issue_comment` on a pull request | not known: the event does not say | not used | refused |
//! | any other | of who may write to the repository | used | yes |
//!
//! Owns this rule; the Action does not repeat it. Refuses to be talked out of it: what an event does not show is not assumed.

use serde_json::Value;

use super::Exit;
use super::github::is_runner;
use super::output::{Refusal, say};
use super::pull_request::{Whose, event, whose};
use super::session::Session;
use crate::auth::Environment;
use crate::cli::ApplyArgs;
use crate::report::Untrusted;

/// Why a run does without the credentials that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Withheld {
    event: String,
    /// Whether the event shows that the commits are a fork's; otherwise it does not show whose they are.
    pub(super) is_of_fork: bool,
}

impl Withheld {
    /// Why this run does; `None` where it uses what it was given.
    pub(super) fn of(environment: &Environment) -> Option<Self> {
        if !is_runner(environment) {
            return None;
        }
        let name = environment.get("GITHUB_EVENT_NAME").unwrap_or_default();
        let whose = subject(name, &event(environment))?;
        (whose != Whose::Own).then(|| Self { event: name.to_owned(), is_of_fork: whose == Whose::Fork })
    }

    /// What is said of it.
    pub(super) fn notice(&self) -> String {
        format!("no credential is used: {}", self.reason())
    }

    fn reason(&self) -> String {
        let whose =
            if self.is_of_fork { "this one is of a fork" } else { "it does not show whose commits this one is for" };
        let event =
            if self.event.is_empty() { "an event without a name".to_owned() } else { format!("`{}`", self.event) };
        format!("a job for {event} has the rights of the repository whoever has caused it, and {whose}")
    }
}

/// Says so on stderr, for commands that tell the runner nothing.
pub(super) fn say_withheld(session: &Session) {
    if let Some(withheld) = session.withheld() {
        say(&format!("note: {}", Untrusted::new(&withheld.notice())));
    }
}

/// Whose commits the event is about; `None` where it is not about anybody's but the repository's.
fn subject(name: &str, event: &Value) -> Option<Whose> {
    let (pull, run) = (&event["pull_request"], &event["workflow_run"]);
    match name {
        // A fork's is given nothing; what the machine or the settings of the repository give all the same is meant for it.
        "pull_request" => None,
        "workflow_run" => Some(match whose(&run["head_repository"], &event["repository"]) {
            // Of that run the event shows the branch it ran on, which is ours, and not whose commits it looked at.
            Whose::Own if run["event"].as_str().is_none_or(is_for_anybody) => Whose::Unknown,
            whose => whose,
        }),
        _ if name.starts_with("pull_request_") || pull.is_object() => {
            Some(whose(&pull["head"]["repo"], &pull["base"]["repo"]))
        }
        // A comment on an issue proper is told from one on a pull request by what is there of the issue alone.
        "issue_comment" if !event["issue"].is_object() => Some(Whose::Unknown),
        _ if event["issue"]["pull_request"].is_object() => Some(Whose::Unknown),
        _ => None,
    }
}

/// Whether a run for this event has the rights of the repository whoever has caused it.
fn is_for_anybody(event: &str) -> bool {
    matches!(event, "issue_comment" | "workflow_run") || event.starts_with("pull_request_")
}

/// Refuses what is not applied for this event: what a pull request brings along, and what another run has left behind, is
/// not carried out with the rights of the repository unseen.
pub(super) fn check_apply(args: &ApplyArgs, environment: &Environment) -> Result<(), Refusal> {
    let refuse = |message: String, hint: &str| Err(Refusal::new(Exit::Usage, message).hint(hint));
    if let Some(withheld) = Withheld::of(environment) {
        let message = format!("apply is not run: {}", withheld.reason());
        return refuse(message, "apply what is merged, on `push` or by `schedule` or `workflow_dispatch`");
    }
    match environment.get("GITHUB_EVENT_NAME").filter(|_| is_runner(environment)) {
        Some("pull_request_target") => refuse(
            "apply is not run on `pull_request_target`, where anybody's pull request has the rights of the repository"
                .to_owned(),
            "apply what is merged, on `push`",
        ),
        Some("workflow_run") if args.plan.is_some() && args.expect_plan_id.is_none() => refuse(
            "a saved plan is not applied on `workflow_run` without --expect-plan-id: anybody may have made it"
                .to_owned(),
            "name the id of the plan that was reviewed, from where nobody else can write",
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_shown_to_be_the_repositorys_own_is() {
        let repo = |id: u64| json!({"id": id});
        let pull = |head: Value| json!({"pull_request": {"head": {"repo": head}, "base": {"repo": repo(1)}}});
        let after = |event: &str, head: Value| json!({"workflow_run": {"head_repository": head, "event": event}, "repository": repo(1)});
        let run = |head: Value| after("push", head);
        let comment = json!({"issue": {"number": 7, "pull_request": {}}, "repository": repo(1)});
        for (name, event, expected) in [
            ("pull_request", pull(repo(2)), None),
            ("pull_request", json!({}), None),
            ("pull_request_target", pull(repo(1)), Some(Whose::Own)),
            ("pull_request_target", pull(repo(2)), Some(Whose::Fork)),
            ("pull_request_target", pull(Value::Null), Some(Whose::Unknown)),
            ("pull_request_target", Value::Null, Some(Whose::Unknown)),
            ("pull_request_review", pull(repo(2)), Some(Whose::Fork)),
            ("pull_request_review_comment", pull(repo(1)), Some(Whose::Own)),
            ("pull_request_review", Value::Null, Some(Whose::Unknown)),
            ("workflow_run", run(repo(1)), Some(Whose::Own)),
            ("workflow_run", run(repo(2)), Some(Whose::Fork)),
            ("workflow_run", run(Value::Null), Some(Whose::Unknown)),
            ("workflow_run", Value::Null, Some(Whose::Unknown)),
            (
                "workflow_run",
                json!({"workflow_run": {"head_repository": repo(1)}, "repository": repo(1)}),
                Some(Whose::Unknown),
            ),
            ("workflow_run", after("pull_request", repo(1)), Some(Whose::Own)),
            ("workflow_run", after("issue_comment", repo(1)), Some(Whose::Unknown)),
            ("workflow_run", after("pull_request_target", repo(1)), Some(Whose::Unknown)),
            ("workflow_run", after("workflow_run", repo(1)), Some(Whose::Unknown)),
            ("workflow_run", after("workflow_run", repo(2)), Some(Whose::Fork)),
            ("issue_comment", comment, Some(Whose::Unknown)),
            ("issue_comment", json!({"issue": {"number": 7}}), None),
            ("issue_comment", Value::Null, Some(Whose::Unknown)),
            ("issue_comment", json!({}), Some(Whose::Unknown)),
            ("push", json!({"repository": repo(1)}), None),
            ("schedule", Value::Null, None),
            ("", Value::Null, None),
            ("", pull(repo(2)), Some(Whose::Fork)),
        ] {
            assert_eq!(subject(name, &event), expected, "{name} {event}");
        }
    }
}
