//! `regsync auth check`: which credential is used for each repository, and whether it works.
//!
//! Owns what is asked of whom. How it is said is `words`'.

mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Exit;
use super::load::{Loaded, has_default, load};
use super::output::{Refusal, print, say};
use super::providers::Purpose;
use super::session::Session;
use super::trust::say_withheld;
use crate::auth::{Credential, Keychain};
use crate::cli::{AuthCheckArgs, VerbArg};
use crate::config::{Auth, Desired};
use crate::image::{Location, ReferenceError, Registry, Repository, Role, Written};
use crate::store::Stores;
use crate::store::registry::{Checked, RegistryClient};

/// What is checked: a registry, and the repositories there with whether they are written.
type Questions = BTreeMap<Registry, BTreeMap<Repository, bool>>;

/// One access that was tried.
struct Access<'a> {
    /// `pull`, `push` or, where only the host is asked, `access`.
    kind: &'static str,
    /// The repository; `None` for the host as a whole.
    repository: Option<&'a Repository>,
    /// Whether nothing is shown to the registry.
    anonymous: bool,
    /// What the registry says; `None` where it was not asked, for want of the credential that is configured.
    answer: Option<Result<Checked, crate::store::Error>>,
}

impl Access<'_> {
    fn works(&self) -> bool {
        matches!(&self.answer, Some(Ok(checked)) if checked.granted != Some(false))
    }
}

/// Who asks registries on behalf of `plan`, or of `apply`.
struct Asker {
    purpose: Purpose,
    // One keychain for both: what a provider gives is asked for once.
    keychain: Arc<Keychain>,
    stores: Stores,
}

/// How often registries were asked, and how often in vain.
#[derive(Default)]
struct Count {
    registries: usize,
    accesses: usize,
    failed: usize,
}

pub(super) async fn check(args: &AuthCheckArgs, session: &Session) -> Result<Exit, Refusal> {
    say_withheld(session);
    let loaded = configuration(args, session)?;
    let questions = questions(args, &loaded.desired)?;
    let voice = session.voice();
    let asker = |purpose| -> Result<Asker, Refusal> {
        let keychain = session.keychain(&loaded, purpose);
        let stores = session.stores(&loaded, Arc::clone(&keychain), &voice)?;
        Ok(Asker { purpose, keychain, stores })
    };
    let askers = [asker(Purpose::Plan)?, asker(Purpose::Apply)?];
    let mut count = Count::default();
    for (registry, repositories) in &questions {
        let purposes = purposes(args, registry, &loaded.desired);
        count.registries += 1;
        for asker in askers.iter().filter(|asker| purposes.contains(&asker.purpose)) {
            let head = words::head(registry, (purposes.len() > 1).then_some(asker.purpose));
            let text = check_registry(registry, repositories, asker, &mut count).await;
            print(&format!("{head}{text}\n"))?;
        }
    }
    if questions.is_empty() {
        say("the configuration names no registry: there is nothing to check");
    } else {
        print(&words::closing(&count))?;
    }
    Ok(if count.failed == 0 { Exit::Done } else { Exit::Failed })
}

/// On whose behalf a registry is asked. Where reading has an identity of its own, nothing is known of it by the other's.
fn purposes(args: &AuthCheckArgs, registry: &Registry, desired: &Desired) -> Vec<Purpose> {
    let mut rules = desired.registries.iter().filter(|(key, _)| key.registry == *registry);
    match args.verb {
        Some(VerbArg::Plan) => vec![Purpose::Plan],
        None if rules.any(|(_, rules)| matches!(&rules.auth, Auth::Provider(written) if written.has_reader())) => {
            vec![Purpose::Plan, Purpose::Apply]
        }
        Some(VerbArg::Apply) | None => vec![Purpose::Apply],
    }
}

/// The configuration. Where hosts are named none is needed; but one that is there says how they are to be reached.
fn configuration(args: &AuthCheckArgs, session: &Session) -> Result<Loaded, Refusal> {
    if !args.hosts.is_empty() && args.config.files().is_empty() && !has_default() {
        return Ok(Loaded { desired: Desired::default() });
    }
    load(&args.config, session)
}

fn questions(args: &AuthCheckArgs, desired: &Desired) -> Result<Questions, Refusal> {
    let mut all = Questions::new();
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
    // Which repositories a glob stands for, only the registries know: those are asked as a whole.
    for glob in &desired.globs {
        let hosts = glob.like.targets.iter().filter_map(Location::registry).chain([glob.source.registry()]);
        for registry in hosts {
            all.entry(registry.clone()).or_default();
        }
    }
    if args.hosts.is_empty() {
        return Ok(all);
    }
    let mut named = Questions::new();
    for text in &args.hosts {
        let (registry, repositories) = one(text, &all)?;
        named.entry(registry).or_default().extend(repositories);
    }
    Ok(named)
}

/// A host with all that the configuration has there, or one repository to read.
fn one(text: &str, all: &Questions) -> Result<(Registry, BTreeMap<Repository, bool>), Refusal> {
    let usage = |problem: String| Refusal::new(Exit::Usage, format!("`{text}` is no host or repository: {problem}"));
    if !text.contains('/') {
        let registry: Registry = text.parse().map_err(|error: ReferenceError| usage(error.to_string()))?;
        let repositories = all.get(&registry).cloned().unwrap_or_default();
        return Ok((registry, repositories));
    }
    let written = Written::parse(text, Role::Source, Path::new(""));
    match written.map_err(|error| usage(error.to_string()))?.location {
        Location::Repository(repository) => {
            let registry = repository.registry().clone();
            let writes = all.get(&registry).and_then(|known| known.get(&repository)).copied().unwrap_or_default();
            Ok((registry, BTreeMap::from([(repository, writes)])))
        }
        Location::Layout(_) => Err(usage("a layout needs no credential".to_owned())),
    }
}

/// Asks one registry for all its accesses; what came of it, in words.
async fn check_registry(
    registry: &Registry,
    repositories: &BTreeMap<Repository, bool>,
    Asker { purpose, keychain, stores }: &Asker,
    count: &mut Count,
) -> String {
    let mut text = String::new();
    let mut said = Vec::new();
    let client = match stores.registry(registry) {
        Ok(client) => client,
        Err(error) => {
            (count.accesses, count.failed) = (count.accesses + 1, count.failed + 1);
            return words::unreachable(&error);
        }
    };
    for (repository, writes) in wishes(registry, repositories) {
        let trace = keychain.trace(&repository).await;
        // Sources are asked once and remembered: this is what the trace says, and what the client will find.
        let found = keychain.find(&repository).await.ok();
        let credential = found.as_ref().map(|found| &found.credential);
        if trace != said {
            text += &words::credential(&trace, found.as_ref());
            said.clone_from(&trace);
        }
        let known = repositories.contains_key(&repository).then_some(&repository);
        let writes = writes && *purpose == Purpose::Apply;
        let access = ask(&client, known, (writes, credential)).await;
        count.accesses += 1;
        count.failed += usize::from(!access.works());
        text += &words::access(&access, &trace);
    }
    text
}

/// The repositories to ask for; where none is known, any name stands for the host.
fn wishes(registry: &Registry, repositories: &BTreeMap<Repository, bool>) -> Vec<(Repository, bool)> {
    if repositories.is_empty() {
        return Repository::new(registry.clone(), "regsync").into_iter().map(|whole| (whole, false)).collect();
    }
    repositories.iter().map(|(repository, writes)| (repository.clone(), *writes)).collect()
}

async fn ask<'a>(
    client: &RegistryClient,
    repository: Option<&'a Repository>,
    (writes, credential): (bool, Option<&Credential>),
) -> Access<'a> {
    let kind = match (repository, writes) {
        (None, _) => "access",
        (Some(_), true) => "push",
        (Some(_), false) => "pull",
    };
    let answer = if credential.is_some() { Some(client.check(repository, writes).await) } else { None };
    Access { kind, repository, anonymous: credential == Some(&Credential::Anonymous), answer }
}
