//! Keys that are not there: slips, keys of later versions, commands, and secrets.

use super::Place;
use crate::config::problem::{Diagnosis, Problem, ProblemCode, is_secret_key, shown};
use crate::config::suggest::{closest, listed};
use crate::config::yaml::Entry;

/// Reports the key of `entry`, which nothing in `place` is called. Returns the key that was most likely meant: it is
/// not missing, then.
pub(super) fn report(entry: &Entry, place: Place, diagnosis: &mut Diagnosis<'_>) -> Option<&'static str> {
    let key = &*entry.key.value;
    if is_secret_key(key) {
        return None;
    }
    if !is_reported_elsewhere(entry, diagnosis) {
        let message = format!("unknown key {} in {}", shown(key), place.name());
        let problem = diagnosis.problem(ProblemCode::UnknownKey, entry.key.span, message);
        diagnosis.report(Problem { help: Some(help(key, place)), ..problem });
    }
    closest(key, place.keys())
}

/// Whether the key of `entry` is wrong wherever it stands: it looks like a secret, which was reported already, or would
/// run a program, which is reported here.
pub(super) fn is_reported_elsewhere(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> bool {
    let key = &*entry.key.value;
    if is_secret_key(key) {
        return true;
    }
    if !runs_something(key) {
        return false;
    }
    let message = format!("{} would run a program, and nothing in this file can", shown(key));
    let problem = diagnosis.problem(ProblemCode::Exec, entry.key.span, message);
    diagnosis.report(problem.with_help(if key.to_lowercase().starts_with("cred") {
        "credential helpers are configured in docker's `config.json` on the machine that runs regsync"
    } else {
        "run it before or after regsync instead"
    }));
    true
}

/// Keys by which other tools run commands.
fn runs_something(key: &str) -> bool {
    if key.len() > 40 {
        return false;
    }
    let name: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let commands = ["exec", "command", "cmd", "script", "shell", "credhelper", "credhelpers", "credsstore"];
    commands.contains(&name.as_str())
        || name.ends_with("credentialhelper")
        || name.ends_with("hook")
        || name.ends_with("hooks")
}

fn help(key: &str, place: Place) -> String {
    if let Some(now) = later(key, place) {
        return now.to_owned();
    }
    if place == Place::Defaults && Place::Mirror.keys().contains(&key) {
        return format!("`{key}` belongs to each mirror; it has no default");
    }
    if place == Place::Namespace && Place::Registry.keys().contains(&key) {
        return format!("`{key}` is for a whole host; move it to an entry with the host alone as its key");
    }
    if let Some(near) = closest(key, place.keys()) {
        return format!("did you mean `{near}`?");
    }
    match places_with(key).first() {
        Some(home) if *home != place => format!("`{key}` is a key of {}", home.name()),
        _ if place == Place::File => {
            format!("the keys are {}; keys for anchors start with `x-`", listed(place.keys()))
        }
        _ if place.keys().len() == 1 => format!("the only key of {} is {}", place.name(), listed(place.keys())),
        _ => format!("the keys of {} are {}", place.name(), listed(place.keys())),
    }
}

fn places_with(key: &str) -> Vec<Place> {
    let all = [
        Place::File,
        Place::Mirror,
        Place::Tags,
        Place::Registry,
        Place::RateLimit,
        Place::Tls,
        Place::CreateRepositories,
    ];
    all.into_iter().filter(|place| place.keys().contains(&key)).collect()
}

/// Keys that are decided but not there yet: what holds until then.
fn later(key: &str, place: Place) -> Option<&'static str> {
    Some(match (place, key) {
        (Place::File, "include" | "includes" | "import") => {
            "give several files on the command line: `-c a.yaml -c b.yaml`"
        }
        _ => return None,
    })
}
