//! The order in which sources of credentials are asked.
//!
//! | | source | |
//! |---|---|---|
//! | 1 | our environment variables | `variables` |
//! | 2 | what the configuration says of the registry | `auth: anonymous`, or a provider |
//! | 3 | docker's and containers' files and helpers | `documents`, `docker`, `helper` |
//! | 4 | what the cloud or CI system around us offers | `provider::Ambient` |
//! | 5 | anonymous | only where nothing above is configured |
//!
//! The first source that has a credential wins, and within a source the longest key. A source that is broken ends the search
//! with an error: what it would have said is not known, and the next one, or nobody at all, may be somebody else.

use std::fmt;
use std::sync::Arc;

use super::docker::{Answer, Helper};
use super::documents::{self, Document};
use super::exchange::Exchange;
use super::helper::Helpers;
use super::provider::{Ambient, Api, Aws, Provider, Reading};
use super::renewals::Renewals;
use super::scope::Scope;
use super::variables::Variables;
use super::{
    Consulted, Credential, Environment, Error, Found, Origin, ProviderError, Redactor, Refused, Surroundings, Trouble,
    Verdict,
};
use crate::image::{Creation, Registry, Repository, Tag};

/// Who we are to each repository. Files are read and helpers asked when first needed, and once; what providers give is
/// renewed.
pub struct Keychain(Source);

enum Source {
    #[cfg(test)]
    Given(std::collections::BTreeMap<Registry, Credential>),
    Nobody,
    Machine(Box<Machine>),
}

/// What the configuration says of a registry, or of a namespace of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// No credential.
    Anonymous,
    /// One of this provider.
    Provider(Provider),
}

/// A registry, or a namespace of it.
pub type Place = (Registry, Option<Arc<str>>);

/// This machine: its environment, files, programs, and who can be asked from here.
struct Machine {
    rules: Vec<(Scope, Rule)>,
    exchange: Exchange,
    renewals: Renewals,
    aws: Api,
    environment: Arc<Environment>,
    variables: Variables,
    documents: Vec<Document>,
    helpers: Helpers,
}

/// What one file and its helper say.
enum Reply {
    Has(Found),
    Lacks(Origin, Verdict),
}

impl Keychain {
    /// The credentials of this machine. `rules` are what the configuration says of registries, or namespaces of them; only
    /// our own environment variables are stronger.
    pub fn new(surroundings: impl Into<Surroundings>, rules: Vec<(Place, Rule)>) -> Self {
        let exchange = Exchange::new(surroundings.into());
        let environment = exchange.environment.clone();
        let scoped = |((registry, namespace), rule)| (Scope::new(registry, namespace), rule);
        Self(Source::Machine(Box::new(Machine {
            rules: rules.into_iter().map(scoped).collect(),
            exchange,
            renewals: Renewals::default(),
            aws: Api::default(),
            variables: Variables::new(environment.clone()),
            documents: Document::all(&environment, documents::runtime_user(&environment)),
            helpers: Helpers::new(environment.clone()),
            environment,
        })))
    }

    /// Anonymous everywhere: nothing is read, and nobody asked.
    pub fn withheld() -> Self {
        Self(Source::Nobody)
    }

    /// These credentials and no others; anonymous elsewhere. For tests of those who ask.
    #[cfg(test)]
    pub(crate) fn fixed(credentials: std::collections::BTreeMap<Registry, Credential>) -> Self {
        Self(Source::Given(credentials))
    }

    /// The credential for `repository`. An error is a credential that is, or may be, configured and cannot be had.
    pub async fn find(&self, repository: &Repository) -> Result<Found, Error> {
        self.search(repository, None, &mut Vec::new()).await
    }

    /// As [`Self::find`], after a credential that a provider gave was refused: another one, where it can be had.
    pub async fn replace(&self, repository: &Repository, refused: Refused<'_>) -> Result<Found, Error> {
        self.search(repository, Some(refused), &mut Vec::new()).await
    }

    /// For one client: the list of what it shows and is given. What is put on it is hidden from the CI system's log.
    pub fn redactor(&self) -> Redactor {
        match &self.0 {
            #[cfg(test)]
            Source::Given(_) => Redactor::default(),
            Source::Nobody => Redactor::default(),
            Source::Machine(machine) => machine.exchange.redactor(),
        }
    }

    /// Makes `repository` at its cloud, as whom the credential is for: as whom the configuration names or, without, as
    /// whom the environment is. Nobody makes one where the credential is somebody else's.
    pub async fn create(&self, repository: &Repository, creation: &Creation) -> Result<(), Error> {
        match &self.0 {
            #[cfg(test)]
            Source::Given(_) => Ok(()),
            Source::Nobody => Err(nobody(repository)),
            Source::Machine(machine) => machine.create(repository, creation).await,
        }
    }

    /// What `tags` of `repository` name, asked of its cloud in one request, as whom the credential is for: at the private
    /// registries of Amazon ECR, at most 100 tags. `None` where the cloud has no such request, where the credential is
    /// somebody else's, and where nothing came of it: a registry itself can still be asked.
    pub async fn read(&self, repository: &Repository, tags: &[Tag]) -> Option<Reading> {
        match &self.0 {
            #[cfg(test)]
            Source::Given(_) => None,
            Source::Nobody => None,
            Source::Machine(machine) => machine.read(repository, tags).await,
        }
    }

    /// The sources asked for `repository`, in order, up to the one that is used or broken, and what came of each.
    pub async fn trace(&self, repository: &Repository) -> Vec<Consulted> {
        let mut consulted = Vec::new();
        if let Err(error) = self.search(repository, None, &mut consulted).await {
            consulted.push(Consulted { origin: error.origin(), verdict: Verdict::Broken(error) });
        }
        consulted
    }

    async fn search(
        &self,
        repository: &Repository,
        refused: Option<Refused<'_>>,
        consulted: &mut Vec<Consulted>,
    ) -> Result<Found, Error> {
        let found = match &self.0 {
            #[cfg(test)]
            Source::Given(credentials) => credentials
                .get(repository.registry())
                .map(|credential| used(consulted, Found::lasting(credential.clone(), Origin::Given))),
            Source::Nobody => Some(used(consulted, Found::lasting(Credential::Anonymous, Origin::Withheld))),
            Source::Machine(machine) => machine.search(repository, refused, consulted).await?,
        };
        let anonymous = Found::lasting(Credential::Anonymous, Origin::Anonymous);
        Ok(found.unwrap_or_else(|| used(consulted, anonymous)))
    }
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keychain(***)")
    }
}

impl Machine {
    async fn search(
        &self,
        repository: &Repository,
        refused: Option<Refused<'_>>,
        consulted: &mut Vec<Consulted>,
    ) -> Result<Option<Found>, Error> {
        if let Some(found) = self.variables.find(repository, consulted)? {
            return Ok(Some(found));
        }
        match self.rule(repository) {
            Some(Rule::Anonymous) => {
                let found = Found::lasting(Credential::Anonymous, Origin::Configuration);
                return Ok(Some(used(consulted, found)));
            }
            Some(Rule::Provider(provider)) => {
                let origin = Origin::Provider(provider.name());
                return self
                    .leased((provider, origin), repository, refused)
                    .await
                    .map(|found| Some(used(consulted, found)));
            }
            None => {}
        }
        for document in &self.documents {
            match self.ask(document, repository).await? {
                Reply::Has(found) => return Ok(Some(used(consulted, found))),
                Reply::Lacks(origin, verdict) => consulted.push(Consulted { origin, verdict }),
            }
        }
        self.ambient(repository, refused, consulted).await
    }

    /// What the cloud or CI system around us offers. A machine without an identity offers nothing; all else is an error.
    async fn ambient(
        &self,
        repository: &Repository,
        refused: Option<Refused<'_>>,
        consulted: &mut Vec<Consulted>,
    ) -> Result<Option<Found>, Error> {
        let Some(ambient) = Ambient::of(repository.registry(), &self.environment) else { return Ok(None) };
        let origin = Origin::Ambient(ambient.name);
        let Some(provider) = ambient.provider else {
            consulted.push(Consulted { origin, verdict: Verdict::NotSet });
            return Ok(None);
        };
        match self.leased((&provider, origin.clone()), repository, refused).await {
            Err(Error::Provider { problem, .. }) if matches!(*problem, ProviderError::Nobody { .. }) => {
                consulted.push(Consulted { origin, verdict: Verdict::NotSet });
                Ok(None)
            }
            Err(Error::Provider { provider, registry, problem, .. }) => {
                Err(Error::Provider { provider, registry, problem, ambient: Some(ambient.name) })
            }
            found => found.map(|found| Some(used(consulted, found))),
        }
    }

    /// What the configuration says of `repository`: its longest key counts.
    fn rule(&self, repository: &Repository) -> Option<&Rule> {
        Scope::of(repository)
            .find_map(|scope| self.rules.iter().find(|(known, _)| *known == scope))
            .map(|(_, rule)| rule)
    }

    async fn create(&self, repository: &Repository, creation: &Creation) -> Result<(), Error> {
        let found = self.search(repository, None, &mut Vec::new()).await?;
        let origin = found.map_or(Origin::Anonymous, |found| found.origin);
        let made = match self.asker(repository, &origin) {
            Some(aws) => self.aws.make((&aws, &self.exchange), repository, creation).await,
            None => Err(somebody_else(&origin)),
        };
        let (provider, registry) = ("aws", repository.registry().clone());
        made.map_err(|problem| Error::Provider { provider, ambient: None, registry, problem: Box::new(problem) })
    }

    /// Who asks AWS's API about `repository`, where its credential is AWS's and from `origin`.
    fn asker(&self, repository: &Repository, origin: &Origin) -> Option<Aws> {
        let provider = match (origin, self.rule(repository)) {
            (Origin::Provider(_), Some(Rule::Provider(provider))) => Some(provider.clone()),
            (Origin::Ambient(_), _) => Ambient::of(repository.registry(), &self.environment)?.provider,
            _ => None,
        };
        if let Some(Provider::Aws(aws)) = provider { Some(aws) } else { None }
    }

    async fn read(&self, repository: &Repository, tags: &[Tag]) -> Option<Reading> {
        if !Api::reads(repository.registry()) {
            return None;
        }
        let found = self.search(repository, None, &mut Vec::new()).await.ok()??;
        let aws = self.asker(repository, &found.origin)?;
        self.aws.read((&aws, &self.exchange), repository, tags).await
    }

    /// The credential that a provider gives, or gave.
    async fn leased(
        &self,
        (provider, origin): (&Provider, Origin),
        repository: &Repository,
        refused: Option<Refused<'_>>,
    ) -> Result<Found, Error> {
        let wanted = (provider, repository.registry());
        let leased = self.renewals.get(wanted, (&self.exchange, &self.aws), refused).await?;
        Ok(Found { credential: leased.credential, origin, lease: Some(leased.lease) })
    }

    /// Asks one file, and the helper that it names.
    async fn ask(&self, document: &Document, repository: &Repository) -> Result<Reply, Error> {
        let place = document.place();
        let whole = || Origin::Document(place.clone());
        let Some(file) = document.contents(&self.environment).await? else {
            let verdict = if document.is_file() { Verdict::NoFile } else { Verdict::NotSet };
            return Ok(Reply::Lacks(whole(), verdict));
        };
        match file.look_up(repository) {
            Answer::Credential(credential) => {
                Ok(Reply::Has(Found::lasting(credential.clone(), Origin::Entry(place.clone()))))
            }
            Answer::Helper(helper) => self.ask_helper(document, &helper, repository.registry()).await,
            Answer::Flawed(scope, flaw) => {
                Err(Error::Entry { place: place.clone(), key: scope.to_string().into(), flaw })
            }
            Answer::Nothing => Ok(Reply::Lacks(whole(), Verdict::NoEntry)),
        }
    }

    /// A store for everything that is not installed, as on a build machine with a desktop's file, is an error only where
    /// the file says that someone has logged in to the registry. A helper for this registry always is.
    async fn ask_helper(&self, document: &Document, helper: &Helper<'_>, registry: &Registry) -> Result<Reply, Error> {
        let place = document.place();
        let broken = |program: Option<Arc<str>>, trouble| Error::Helper {
            place: place.clone(),
            field: helper.field,
            program,
            key: registry.as_str().into(),
            trouble,
        };
        let program = helper.program.ok_or_else(|| broken(None, Trouble::Name))?;
        let origin = Origin::Helper { place: place.clone(), field: helper.field, program: program.clone() };
        match self.helpers.ask(program, registry).await {
            Ok(Some(credential)) => Ok(Reply::Has(Found::lasting(credential, origin))),
            Ok(None) => Ok(Reply::Lacks(origin, Verdict::NoEntry)),
            Err(Trouble::Missing) if !helper.certain => {
                document.warned.call_once(|| tracing::warn!("{origin} is not installed; going on without it"));
                Ok(Reply::Lacks(origin, Verdict::NoProgram))
            }
            Err(trouble) => Err(broken(Some(program.clone()), trouble)),
        }
    }
}

/// Nobody makes a repository.
fn nobody(repository: &Repository) -> Error {
    let missing = "no credential is used in this job".to_owned();
    let hint = "repositories are made by jobs for commits of the repository's own".to_owned();
    let problem = Box::new(ProviderError::Absent { missing, hint });
    Error::Provider { provider: "aws", ambient: None, registry: repository.registry().clone(), problem }
}

/// The credential is none of AWS's own, and nobody else is taken in its place.
fn somebody_else(origin: &Origin) -> ProviderError {
    let missing = format!("the credential for the registry is from elsewhere ({origin}), and makes no repository");
    let hint = "write `auth: { aws: { role: … } }` for the registry, or make the repository yourself".to_owned();
    ProviderError::Absent { missing, hint }
}

/// Notes that `found` is what is used.
fn used(consulted: &mut Vec<Consulted>, found: Found) -> Found {
    consulted.push(Consulted { origin: found.origin.clone(), verdict: Verdict::Used });
    found
}
