//! What a plan takes of the quotas of pulls that its sources keep.

use std::collections::{BTreeMap, BTreeSet};

use super::{Observed, Reason, Step, Warning};
use crate::config::Desired;
use crate::image::{Digest, Location, Quota, Registry, Single};

/// What a plan needs of one registry's quota, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulls {
    /// The registry.
    pub registry: Registry,
    /// How many manifests apply reads there. A manifest that several steps need is read once.
    pub needed: u64,
    /// Whether it may be more: how many images an index has was not asked, since to ask is a pull, too.
    pub at_least: bool,
    /// What the registry said.
    pub quota: Quota,
    /// How many the configuration leaves to others.
    pub keep: Option<u64>,
}

impl Pulls {
    /// Whether there is less left than is needed, as far as both are known.
    fn falls_short(&self) -> bool {
        let free = self.quota.remaining.map(|left| left.saturating_sub(self.keep.unwrap_or_default()));
        free.is_some_and(|free| free < self.needed)
    }
}

/// The needs of `steps`, by registry; only where a quota was seen.
pub(super) fn pulls(steps: &[Step], desired: &Desired, observed: &Observed) -> Vec<Pulls> {
    let mut needs: BTreeMap<&Registry, (u64, bool)> = observed.quotas.keys().map(|host| (host, (0, false))).collect();
    let mut counted: BTreeSet<(&Location, &Digest)> = BTreeSet::new();
    for step in steps.iter().filter(|step| step.action().writes()) {
        let Some(source) = &step.source else { continue };
        let (location, Some(digest)) = (&source.reference.location, &step.digest) else { continue };
        let Some((needed, at_least)) = location.registry().and_then(|host| needs.get_mut(host)) else { continue };
        if !counted.insert((location, digest)) {
            continue;
        }
        *needed += step.referrers.len() as u64;
        if step.reason == Reason::ReferrersMissing {
            continue;
        }
        let contents = observed.contents.get(&(location.clone(), digest.clone()));
        if let Some(Ok(contents)) = contents {
            // In the place of an index that was made here, its source is read; before a manifest out of one, the index.
            let single = step.trim.as_ref().is_some_and(|trim| trim.subset.single() == Single::Manifest);
            *needed += contents.manifest_count + u64::from(single);
        } else {
            *needed += 1;
            *at_least |= source.media_type.as_ref().is_none_or(|media_type| !media_type.is_image());
        }
    }
    let keep = |host: &Registry| {
        let rules = desired.registries.iter().find(|(key, _)| key.registry == *host && key.namespace.is_none());
        rules.and_then(|(_, rules)| rules.keep_pulls).map(u64::from)
    };
    let with_quota = needs.into_iter().filter_map(|(host, need)| Some((host, need, observed.quotas.get(host)?)));
    with_quota
        .map(|(host, (needed, at_least), quota)| Pulls {
            registry: host.clone(),
            needed,
            at_least,
            quota: *quota,
            keep: keep(host),
        })
        .collect()
}

/// A remark for each quota that is too small.
pub(super) fn shortages(pulls: &[Pulls]) -> impl Iterator<Item = Warning> {
    pulls.iter().filter(|pulls| pulls.falls_short()).map(|Pulls { registry, needed, at_least, quota, keep }| {
        let least = if *at_least { "at least " } else { "" };
        let kept = keep.map(|keep| format!(" and {keep} are to be kept")).unwrap_or_default();
        let message = format!(
            "this plan needs {least}{needed} pulls from {registry}, which has {quota}{kept}: not all will be copied"
        );
        Warning { place: None, message }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{desired, digest, exact, location, mirror, observed, planned, present, source};
    use super::*;
    use crate::config::{Auth, Place, RegistryKey, RegistryRules, Tls};
    use crate::image::{Descriptor, MediaType};
    use crate::plan::{Contents, Plan, Sighting};

    const HUB: &str = "docker.io/library/app";
    const DOWN: &str = "ghcr.io/acme/app";

    /// Three tags to copy from Docker Hub, two of them one image, with this much left and so much to keep.
    fn plan_with(remaining: Option<u64>, keep: Option<u32>, change: impl FnOnce(&mut Observed)) -> Plan {
        let mut wanted = desired(vec![mirror(3, HUB, &[DOWN, "quay.io/acme/app"], exact(&["1", "2", "3", "4"]))]);
        let key = RegistryKey { registry: "docker.io".parse().unwrap(), namespace: None };
        let place = Place { file: Path::new("regsync.yaml").to_string_lossy().into(), line: 2, column: 3 };
        let (concurrency, requests_per_second, tls) = (None, None, Tls::default());
        let rules = RegistryRules {
            place,
            concurrency,
            requests_per_second,
            keep_pulls: keep,
            plain_http: false,
            tls,
            auth: Auth::Keychain,
            creation: None,
        };
        wanted.registries.insert(key, rules);
        let there: Vec<_> =
            ["1", "2", "3"].iter().flat_map(|tag| [(DOWN, *tag, None), ("quay.io/acme/app", *tag, None)]).collect();
        let in_sync = [(DOWN, "4", Some("D")), ("quay.io/acme/app", "4", Some("D"))];
        let there: Vec<_> = there.into_iter().chain(in_sync).collect();
        let mut seen = observed(&[(HUB, "1", "A"), (HUB, "2", "B"), (HUB, "3", "A"), (HUB, "4", "D")], &there);
        for (tag, content) in [("1", "A"), ("2", "B"), ("3", "A")] {
            let single = Descriptor::new(MediaType::oci_manifest(), digest(content), 1);
            seen.sources.insert(source(HUB, tag), Sighting::Present(single));
        }
        let quota = Quota { limit: Some(100), remaining, window: Some(21_600) };
        seen.quotas.insert("docker.io".parse().unwrap(), quota);
        change(&mut seen);
        planned(&wanted, &seen)
    }

    #[test]
    fn each_manifest_counts_once_whatever_its_tags_and_targets() {
        let plan = plan_with(Some(86), None, |_| {});
        let [pulls] = plan.pulls.as_slice() else { panic!("one registry keeps a quota") };
        assert_eq!((pulls.needed, pulls.at_least, pulls.keep), (2, false, None));
        assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
        assert!(plan_with(Some(86), None, |seen| seen.quotas.clear()).pulls.is_empty());
    }

    #[test]
    fn an_index_is_at_least_one_until_it_was_looked_into() {
        let index = |seen: &mut Observed| drop(seen.sources.insert(source(HUB, "2"), present("B")));
        let plan = plan_with(Some(86), None, index);
        assert_eq!((plan.pulls[0].needed, plan.pulls[0].at_least), (2, true));
        let plan = plan_with(Some(86), None, |seen| {
            index(seen);
            let contents = Contents { manifest_count: 9, ..Contents::default() };
            seen.contents.insert((location(HUB), digest("B")), Ok(contents));
        });
        assert_eq!((plan.pulls[0].needed, plan.pulls[0].at_least), (10, false));
    }

    #[test]
    fn too_little_is_said_before_it_is_tried() {
        let warning = |remaining, keep| {
            let plan = plan_with(remaining, keep, |_| {});
            plan.warnings.into_iter().map(|warning| warning.message).next()
        };
        assert_eq!(warning(Some(2), None), None);
        assert_eq!(warning(Some(22), Some(20)), None);
        assert_eq!(warning(None, Some(20)), None, "what is not known is no shortage");
        let expected = "this plan needs 2 pulls from docker.io, which has 21 of 100 left in 6 h and 20 are to be kept: not \
                        all will be copied";
        assert_eq!(warning(Some(21), Some(20)).as_deref(), Some(expected));
        assert!(warning(Some(1), None).is_some());
        assert!(warning(Some(5), Some(200)).is_some());
    }
}
