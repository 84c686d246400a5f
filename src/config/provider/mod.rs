//! Credential providers as the configuration names them: which there are, which keys each takes, whose hosts are whose.
//!
//! Owns the table that decoding, validation and the JSON Schema are made from. Refuses secrets, by having no key for one,
//! and to know how a credential is got.

mod hosts;
mod json;
mod table;

use std::collections::BTreeMap;

pub(crate) use table::{Key, Shape, Spec};

use crate::image::Registry;

/// A way to get credentials without a stored secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProviderKind {
    /// Amazon ECR and ECR Public, as an IAM role.
    Aws,
    /// Google Artifact Registry and Container Registry, through workload identity federation.
    Gcp,
    /// Azure Container Registry, as a Microsoft Entra application.
    Azure,
    /// GitHub's container registry, with the token of the job.
    Github,
    /// GitLab's container registry, with the token of the job.
    Gitlab,
    /// Docker Hub, through an OIDC connection of an organisation.
    DockerHub,
    /// Quay, as a robot account with a federation.
    Quay,
    /// Artifactory, through an OIDC integration.
    Jfrog,
    /// Chainguard's registry, as an assumable identity.
    Chainguard,
    /// Cloudsmith, as a service account.
    Cloudsmith,
    /// Any service that takes an ID token and gives a credential.
    Exchange,
}

impl ProviderKind {
    /// Every provider, in the order documented.
    pub const ALL: &'static [Self] = &[
        Self::Aws,
        Self::Gcp,
        Self::Azure,
        Self::Github,
        Self::Gitlab,
        Self::DockerHub,
        Self::Quay,
        Self::Jfrog,
        Self::Chainguard,
        Self::Cloudsmith,
        Self::Exchange,
    ];

    /// The key of the provider in the file, and its name in `REGSYNC_PROVIDER_<HOST>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::DockerHub => "docker-hub",
            Self::Quay => "quay",
            Self::Jfrog => "jfrog",
            Self::Chainguard => "chainguard",
            Self::Cloudsmith => "cloudsmith",
            Self::Exchange => "exchange",
        }
    }

    /// Whether `registry` is one of this provider's own, by its name.
    pub fn is_at(self, registry: &Registry) -> bool {
        hosts::is_own(self, registry)
    }

    /// The provider that is called `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The names of all.
    pub(crate) fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|kind| kind.name()).collect()
    }

    /// What it takes.
    pub(crate) fn spec(self) -> &'static Spec {
        table::of(self)
    }
}

/// A provider with its settings, as one registry uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Which one.
    pub kind: ProviderKind,
    /// Its settings, by key. Those that are needed are there.
    pub(crate) settings: BTreeMap<&'static str, Setting>,
}

/// The value of one key of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Text(String),
    Fields(BTreeMap<String, String>),
}

impl Provider {
    /// The text of `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.settings.get(key)? {
            Setting::Text(text) => Some(text),
            Setting::Fields(_) => None,
        }
    }

    /// The text of `key`, or that of `plan-<key>` where one is given and only reading is meant.
    pub fn identity(&self, key: &str, reads_only: bool) -> Option<&str> {
        let own = reads_only.then(|| self.text(&format!("plan-{key}"))).flatten();
        own.or_else(|| self.text(key))
    }

    /// Whether another identity is written for where only reading is meant.
    pub fn has_reader(&self) -> bool {
        self.settings.keys().any(|key| key.starts_with("plan-"))
    }

    /// The names and values of `key`; none where it is not given.
    pub fn fields(&self, key: &str) -> BTreeMap<String, String> {
        match self.settings.get(key) {
            Some(Setting::Fields(fields)) => fields.clone(),
            _ => BTreeMap::new(),
        }
    }
}
