//! The repositories of a registry.

use super::Repository;

/// What a registry lists of its repositories, as far as it shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// In the order of their names, each once.
    pub repositories: Vec<Repository>,
    /// How many names were left out, since no repository can have them.
    pub unusable: usize,
}
