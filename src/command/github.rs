//! GitHub Actions: what its environment says of a run.
//!
//! Refuses to trust the environment further than its own runner: elsewhere all of it is unknown.

use std::path::Path;

use crate::auth::Environment;
use crate::report::{Checkout, Setting};

/// Whether GitHub's runner, or one like it, runs this.
pub(super) fn is_runner(environment: &Environment) -> bool {
    environment.get("GITHUB_ACTIONS") == Some("true")
}

/// What reports say of where they are made.
pub(super) fn setting(environment: &Environment) -> Setting {
    if !is_runner(environment) {
        return Setting::default();
    }
    let get = |name: &str| environment.get(name).map(str::to_owned);
    let repository = get("GITHUB_SERVER_URL").zip(get("GITHUB_REPOSITORY"));
    let repository = repository.map(|(server, name)| format!("{server}/{name}"));
    let run = repository.clone().zip(get("GITHUB_RUN_ID")).map(|(at, id)| {
        let number = get("GITHUB_RUN_NUMBER").map_or_else(|| "run".to_owned(), |number| format!("run {number}"));
        (number, format!("{at}/actions/runs/{id}"))
    });
    Setting { label: None, commit: get("GITHUB_SHA"), run, checkout: checkout(environment, repository) }
}

fn checkout(environment: &Environment, repository: Option<String>) -> Option<Checkout> {
    let text = |path: &Path| path.canonicalize().ok().map(|path| path.to_string_lossy().into_owned());
    Some(Checkout {
        root: text(Path::new(environment.get("GITHUB_WORKSPACE")?))?,
        directory: text(Path::new("."))?,
        address: format!("{}/blob/{}", repository?, environment.get("GITHUB_SHA")?),
    })
}
