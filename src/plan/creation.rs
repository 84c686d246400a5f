//! What a plan says of repositories that `apply` makes. Nobody was asked whether they are missing: where nothing was found in
//! one, it may be.

use std::collections::{BTreeMap, BTreeSet};

use super::{Observed, Sighting, Step};
use crate::config::Desired;
use crate::image::{Creation, Encryption, Location, Registry, Repository};

/// Adds a remark to the first step of each such repository.
pub(super) fn announce(steps: &mut [Step], desired: &Desired, observed: &Observed) {
    let makes: BTreeMap<&Registry, &Creation> =
        desired.registries.iter().filter_map(|(key, rules)| Some((&key.registry, rules.creation.as_ref()?))).collect();
    if makes.is_empty() {
        return;
    }
    let found = observed.targets.iter().filter(|(_, sighting)| matches!(sighting, Sighting::Present(_)));
    let mut settled: BTreeSet<Repository> =
        found.filter_map(|(reference, _)| repository(&reference.location).cloned()).collect();
    for step in steps.iter_mut().filter(|step| step.action().writes()) {
        let Some(repository) = step.target.as_ref().and_then(|target| repository(&target.reference.location)) else {
            continue;
        };
        let Some(creation) = makes.get(repository.registry()) else { continue };
        let repository = repository.clone();
        if settled.insert(repository.clone()) {
            step.warnings.push(remark(&repository, creation).into());
        }
    }
}

fn repository(location: &Location) -> Option<&Repository> {
    match location {
        Location::Repository(repository) => Some(repository),
        Location::Layout(_) => None,
    }
}

fn remark(repository: &Repository, creation: &Creation) -> String {
    let encryption = match &creation.encryption {
        Some(Encryption::Aes256) => Some("encrypted with AES256".to_owned()),
        Some(Encryption::Kms(None)) => Some("encrypted with KMS".to_owned()),
        Some(Encryption::Kms(Some(key))) => Some(format!("encrypted with {key}")),
        None => None,
    };
    let tags: Vec<_> = creation.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let traits = [
        creation.immutable_tags.then(|| "immutable tags".to_owned()),
        creation.scan_on_push.then(|| "scanned on push".to_owned()),
        encryption,
        (!tags.is_empty()).then(|| format!("tagged {}", tags.join(", "))),
    ];
    let traits: Vec<String> = traits.into_iter().flatten().collect();
    let traits = if traits.is_empty() { String::new() } else { format!(" ({})", traits.join("; ")) };
    format!("{repository} is created if it is missing{traits}")
}
