//! `regsync auth check`: which credential is used for each repository, and whether it works.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Exit;
use super::load::{Loaded, load};
use super::output::{Refusal, print};
use super::session::Session;
use crate::auth::{Credential, Keychain, Verdict};
use crate::cli::AuthCheckArgs;
use crate::config::Desired;
use crate::image::{Location, Registry, Repository, Role, Written};
use crate::report::Untrusted;
use crate::store::registry::Checked;
use crate::store::{Error, Stores};

/// What is checked: a registry, and the repositories there with whether they are written.
type Question = BTreeMap<Registry, BTreeMap<Repository, bool>>;

pub(super) async fn check(args: &AuthCheckArgs, session: &Session) -> Result<Exit, Refusal> {
    let loaded = configuration(args, session)?;
    let voice = session.voice();
    let stores = session.stores(&loaded, &voice)?;
    let keychain = session.keychain(&loaded.desired.registries);
    let mut sound = true;
    for (registry, repositories) in questions(args, &loaded.desired)? {
        let (text, fine) = registry_report(&registry, &repositories, &keychain, &stores).await;
        print(&text)?;
        sound &= fine;
    }
    Ok(if sound { Exit::Done } else { Exit::Failed })
}

/// The configuration; none is needed where hosts are named.
fn configuration(args: &AuthCheckArgs, session: &Session) -> Result<Loaded, Refusal> {
    match load(&args.config, session) {
        Err(_) if !args.hosts.is_empty() && args.config.config.is_empty() => Ok(Loaded { desired: Desired::default() }),
        loaded => loaded,
    }
}

fn questions(args: &AuthCheckArgs, desired: &Desired) -> Result<Question, Refusal> {
    let mut all = Question::new();
    let mut ask = |location: &Location, writes: bool| {
        if let Location::Repository(repository) = location {
            let repositories = all.entry(repository.registry().clone()).or_default();
            *repositories.entry(repository.clone()).or_default() |= writes;
        }
    };
    for mirror in &desired.mirrors {
        ask(&mirror.source, false);
        mirror.targets.iter().for_each(|target| ask(target, true));
    }
    if args.hosts.is_empty() {
        return Ok(all);
    }
    args.hosts.iter().map(|text| named(text, &all)).collect()
}

/// A host with all that the configuration has there, or one repository to read.
fn named(text: &str, all: &Question) -> Result<(Registry, BTreeMap<Repository, bool>), Refusal> {
    let usage = |problem: String| Refusal::new(Exit::Usage, format!("`{text}` is no host or repository: {problem}"));
    if !text.contains('/') {
        let registry: Registry =
            text.parse().map_err(|error: crate::image::ReferenceError| usage(error.to_string()))?;
        let repositories = all.get(&registry).cloned().unwrap_or_default();
        return Ok((registry, repositories));
    }
    let written = Written::parse(text, Role::Source, std::path::Path::new(""));
    match written.map_err(|error| usage(error.to_string()))?.location {
        Location::Repository(repository) => {
            let registry = repository.registry().clone();
            let writes = all.get(&registry).and_then(|known| known.get(&repository)).copied().unwrap_or_default();
            Ok((registry, BTreeMap::from([(repository, writes)])))
        }
        Location::Layout(_) => Err(usage("a layout needs no credential".to_owned())),
    }
}

async fn registry_report(
    registry: &Registry,
    repositories: &BTreeMap<Repository, bool>,
    keychain: &Keychain,
    stores: &Stores,
) -> (String, bool) {
    let mut text = format!("{registry}\n");
    let mut sound = true;
    let client = match stores.registry(registry) {
        Ok(client) => client,
        Err(error) => return (format!("{text}{}", trouble("", &error)), false),
    };
    if repositories.is_empty() {
        if let Ok(whole) = Repository::new(registry.clone(), "regsync") {
            text += &credential_report(keychain, &whole).await;
        }
        let checked = client.check(None, false).await;
        sound &= checked.is_ok();
        text += &line("access", "", checked);
    }
    let mut said = String::new();
    for (repository, writes) in repositories {
        let credential = credential_report(keychain, repository).await;
        if credential != said {
            text += &credential;
            said = credential;
        }
        let access = if *writes { "push" } else { "pull" };
        let checked = client.check(Some(repository), *writes).await;
        sound &= matches!(&checked, Ok(checked) if checked.granted != Some(false));
        text += &line(access, repository.name(), checked);
    }
    (text, sound)
}

/// Which source has the credential, and why those before it have none.
async fn credential_report(keychain: &Keychain, repository: &Repository) -> String {
    let mut text = String::new();
    for consulted in keychain.trace(repository).await {
        let (sign, verdict) = match &consulted.verdict {
            Verdict::Used => ("=", "used".to_owned()),
            Verdict::Broken(error) => ("!", format!("broken: {error}")),
            other => ("-", other.to_string()),
        };
        let origin = consulted.origin.to_string();
        let _ = writeln!(text, "  {sign} {}  {}", Untrusted::new(&origin), Untrusted::new(&verdict));
    }
    if let Ok(found) = keychain.find(repository).await {
        let _ = writeln!(text, "  credential: {}", kind(&found.credential));
    }
    text
}

fn kind(credential: &Credential) -> String {
    match credential {
        Credential::Anonymous => "none, anonymous".to_owned(),
        Credential::Basic { username, .. } => format!("user {} with a password", Untrusted::new(username)),
        Credential::Identity(_) => "an identity token".to_owned(),
        Credential::Bearer(_) => "a registry token".to_owned(),
    }
}

fn line(access: &str, name: &str, checked: Result<Checked, Error>) -> String {
    let subject = format!("{access} {name}");
    match checked {
        Ok(checked) if checked.granted == Some(false) => {
            format!("  ! {subject}: the registry's token does not allow it\n")
        }
        Ok(checked) => {
            let sure = match (checked.granted, checked.scheme) {
                (Some(true), _) => "granted",
                (_, Some(_)) => "accepted; what it allows shows only when it is used",
                (_, None) => "the registry asks for no credential",
            };
            format!("  = {}: {sure}\n", subject.trim_end())
        }
        Err(error) => trouble(subject.trim_end(), &error),
    }
}

fn trouble(subject: &str, error: &Error) -> String {
    let mut text = format!("  ! {subject}: {}\n", Untrusted::new(&error.to_string()));
    if let Some(hint) = &error.hint {
        let _ = writeln!(text, "    help: {}", Untrusted::new(hint));
    }
    text
}
