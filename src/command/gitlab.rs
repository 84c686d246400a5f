//! GitLab CI: what its variables say of a run.

use super::github::checkout;
use crate::auth::Environment;
use crate::report::Setting;

/// What reports say of where they are made.
pub(super) fn setting(environment: &Environment) -> Option<Setting> {
    if environment.get("GITLAB_CI") != Some("true") {
        return None;
    }
    let get = |name: &str| environment.get(name).map(str::to_owned);
    let run = get("CI_PIPELINE_ID").zip(get("CI_PIPELINE_URL"));
    let run = run.map(|(id, address)| (format!("pipeline {id}"), address));
    let commit = get("CI_COMMIT_SHA");
    let address = get("CI_PROJECT_URL").zip(commit.as_ref()).map(|(at, commit)| format!("{at}/-/blob/{commit}"));
    let checkout = checkout(environment.get("CI_PROJECT_DIR"), address);
    Some(Setting { commit, run, checkout, ..Setting::default() })
}
