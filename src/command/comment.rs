//! The comment on the pull or merge request that a run belongs to: which one, by whom, and what is said where there is none.
//!
//! Owns what the variables of GitHub Actions and GitLab CI say of it. Refuses to change how a run ends: a comment that could
//! not be written is told, and the job summary has the same.

use super::Exit;
use super::github::{Conclusion, is_runner};
use super::pull_request::PullRequest;
use super::signals::Signals;
use crate::auth::{Environment, Secret};
use crate::cli::CommentArg;
use crate::comment::{Access, Draft, Error, Kept, Marker, Mode, Run, Thread, keep};
use crate::plan::Plan;
use crate::report::markdown::Budget;

/// What is commented on.
struct Place {
    /// In words: `pull request #7`.
    name: String,
    thread: Result<Thread, Error>,
    token: Option<Secret>,
    run: Run,
    /// What a refused token lacks.
    needs: &'static str,
}

/// Writes the comment that is asked for, if this run belongs to a pull or merge request; its address.
pub(super) async fn publish(conclusion: &Conclusion<'_>) -> Option<String> {
    let asked = conclusion.told.comment;
    if asked == CommentArg::Off || matches!(conclusion.exit(), Exit::Interrupted | Exit::Terminated) {
        return None;
    }
    let environment = conclusion.session.environment();
    let place = if is_runner(environment) { github(environment) } else { gitlab(environment) }?;
    let draft = draft(conclusion, &place)?;
    match write(conclusion, place, draft).await {
        Ok(address) => address,
        Err(message) => {
            conclusion.notice(message);
            None
        }
    }
}

async fn write(conclusion: &Conclusion<'_>, place: Place, draft: Draft) -> Result<Option<String>, String> {
    let Place { name, thread, token, needs, .. } = place;
    let session = conclusion.session;
    let failed = |error: &Error| {
        let hint = if error.is_denied() { format!(" — {needs}") } else { String::new() };
        format!("the comment on {name} was not written: {error}{hint}")
    };
    let thread = thread.map_err(|error| failed(&error))?;
    let token = token.ok_or_else(|| {
        let hint = "give the step `GITHUB_TOKEN: ${{ github.token }}`";
        format!("the comment on {name} was not written: there is no token — {hint}")
    })?;
    session.mask()(token.expose());
    let access = Access { token, connect: session.connect() };
    let kept = Signals::listen().until_next(keep(&thread, &draft, &access)).await;
    match kept.ok_or_else(|| format!("the comment on {name} was not written: interrupted"))? {
        Ok(Kept::Written(address)) => Ok(address),
        Ok(Kept::None) => Ok(None),
        Ok(Kept::Newer(address)) => {
            conclusion.notice(format!("the comment on {name} is that of a newer run, and was left alone"));
            Ok(address)
        }
        Err(error) => Err(failed(&error)),
    }
}

/// What is to be said, and under which name.
fn draft(conclusion: &Conclusion<'_>, place: &Place) -> Option<Draft> {
    let marker = Marker { verb: conclusion.told.verb, key: key(conclusion), run: place.run };
    let is_open = |plan: &Plan| plan.has_changes() || !plan.is_complete();
    let is_notable = conclusion.exit() != Exit::Done || conclusion.account.plan.as_ref().is_some_and(is_open);
    let mode = match conclusion.told.comment {
        CommentArg::Off => return None,
        CommentArg::ChangesOnly if !is_notable => Mode::Update,
        CommentArg::Auto | CommentArg::ChangesOnly => Mode::Sticky,
        CommentArg::AlwaysNew => Mode::AlwaysNew,
    };
    let text = conclusion.page(Budget::COMMENT.without(marker.line().len()))?;
    Some(Draft { marker, text, mode })
}

/// What tells the comment of one mirror from that of another: its label, or its configuration, and which part of it.
fn key(conclusion: &Conclusion<'_>) -> String {
    let scope = conclusion.scope();
    let list = |word: &str, globs: Vec<String>| {
        let globs: Vec<String> = globs.into_iter().map(|glob| format!(" {word}={glob}")).collect();
        globs.concat()
    };
    let shard = scope.shard.map(|shard| format!(" shard={shard}")).unwrap_or_default();
    if let Some(label) = conclusion.told.label {
        return format!("{label}{shard}");
    }
    let checkout = conclusion.setting.checkout.as_ref();
    let file = |file: &str| checkout.and_then(|checkout| checkout.path(file)).unwrap_or_else(|| file.to_owned());
    let files: Vec<String> = match &conclusion.account.plan {
        Some(plan) => plan.config.iter().map(|config| file(&config.path)).collect(),
        None => conclusion.told.configs.iter().map(|path| file(&path.to_string_lossy())).collect(),
    };
    let (only, exclude) = (list("only", scope.only), list("without", scope.exclude));
    format!("{}{only}{exclude}{shard}", files.join(","))
}

/// The pull request that a job of GitHub Actions runs for.
fn github(environment: &Environment) -> Option<Place> {
    let pull = PullRequest::read(environment);
    let number = pull.number.or_else(|| number_of(environment.get("GITHUB_REF")?))?;
    let get = |name: &'static str| environment.get(name).ok_or_else(|| Error::Setting(format!("{name} is not set")));
    let thread = get("GITHUB_API_URL").and_then(|api| Thread::github(api, get("GITHUB_REPOSITORY")?, number));
    Some(Place {
        name: format!("pull request #{number}"),
        thread,
        token: environment.get("GITHUB_TOKEN").map(Secret::new),
        run: Run { id: figure(environment, "GITHUB_RUN_ID"), attempt: figure(environment, "GITHUB_RUN_ATTEMPT") },
        needs: if pull.is_of_fork {
            "it comes from a fork, for which the token can only read; the job summary has the same"
        } else {
            "the job needs `permissions: pull-requests: write`; the job summary has the same"
        },
    })
}

/// The merge request that a job of GitLab CI runs for. The token of the job itself may not comment, so that one has to be
/// given; without it there is nothing to say.
fn gitlab(environment: &Environment) -> Option<Place> {
    let get = |name: &'static str| environment.get(name).ok_or_else(|| Error::Setting(format!("{name} is not set")));
    if environment.get("GITLAB_CI") != Some("true") {
        return None;
    }
    let number: u64 = environment.get("CI_MERGE_REQUEST_IID")?.parse().ok()?;
    let token = Secret::new(environment.get("GITLAB_TOKEN")?);
    let project = environment.get("CI_MERGE_REQUEST_PROJECT_URL").or(environment.get("CI_PROJECT_URL"));
    let page = format!("{}/-/merge_requests/{number}", project.unwrap_or_default());
    // Of a fork's pipeline, the request is the parent's.
    let id = get("CI_MERGE_REQUEST_PROJECT_ID").or_else(|_| get("CI_PROJECT_ID"));
    let thread = get("CI_API_V4_URL").and_then(|api| Thread::gitlab(api, id?, (number, page)));
    Some(Place {
        name: format!("merge request !{number}"),
        thread,
        token: Some(token),
        run: Run { id: figure(environment, "CI_PIPELINE_ID"), attempt: figure(environment, "CI_JOB_ID") },
        needs: "GITLAB_TOKEN needs the scope `api`, and the role of a reporter",
    })
}

/// `refs/pull/7/merge`.
fn number_of(reference: &str) -> Option<u64> {
    reference.strip_prefix("refs/pull/")?.split('/').next()?.parse().ok()
}

fn figure(environment: &Environment, name: &str) -> u64 {
    environment.get(name).and_then(|text| text.parse().ok()).unwrap_or_default()
}
