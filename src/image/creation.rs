//! How a repository is made where it is missing, at registries that make none by themselves.

use std::collections::BTreeMap;

/// What a new repository is like. What is not said is as the registry has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Creation {
    /// Its tags never move.
    pub immutable_tags: bool,
    /// Each image that is pushed is scanned.
    pub scan_on_push: bool,
    /// How its images are kept.
    pub encryption: Option<Encryption>,
    /// What it is tagged with, for the registry's owner.
    pub tags: BTreeMap<String, String>,
}

/// How the images of a repository are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// With keys of the registry's own.
    Aes256,
    /// With a key of a key management service; its default one, where `None`.
    Kms(Option<String>),
}
