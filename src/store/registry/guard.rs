//! Names, resolved with care.
//!
//! Owns the check of the very addresses that are connected to, behind every name but those of proxies: a registry may be
//! anywhere but where metadata services are, and leads no nearer than it is itself. Refuses to judge names by their spelling,
//! but for those that mean this machine: they are trusted for it, and must lead here.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::reach::{Reach, is_this_machine, reach_of};
use crate::store::mutex::lock;

/// How names are looked up.
#[derive(Clone)]
pub struct Names(Arc<dyn Resolve>);

/// As this machine resolves names.
struct System;

impl Names {
    /// As this machine does it.
    pub fn system() -> Self {
        Self(Arc::new(System))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is set by the client.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// How near a registry has been seen to be: the farthest of all its addresses so far, so that nobody who answers for its name
/// comes nearer by saying something else later.
#[derive(Debug, Default)]
pub(super) struct Nearness(Mutex<Option<Reach>>);

impl Nearness {
    /// Of a host that says it itself, being an address or `localhost`; of any other nothing is known yet.
    pub(super) fn spelled(reach: Reach) -> Self {
        Self(Mutex::new(Some(reach).filter(|reach| *reach != Reach::Public)))
    }

    /// What is not known counts as far away: a proxy that resolves the name says nothing of it.
    fn get(&self) -> Reach {
        lock(&self.0).unwrap_or(Reach::Public)
    }

    fn note(&self, seen: Reach) {
        let mut known = lock(&self.0);
        *known = Some(known.map_or(seen, |known| known.min(seen)));
    }
}

/// Whose names are resolved.
#[derive(Clone)]
pub(super) enum Rule {
    /// A registry's own, which stands in the configuration, as its address could: it may be anywhere but nowhere.
    Home(Arc<Nearness>),
    /// Those that a registry hands out, its own at another port among them: no nearer than it has shown itself to be.
    Abroad(Arc<Nearness>),
    /// Those that the environment binds to a registry: they may be anywhere but nowhere.
    Bound,
    /// Those of token services: in private networks clouds have endpoints of their own.
    Service,
    /// Those of this machine and of metadata services, which no stranger names.
    Anywhere,
}

impl Rule {
    /// The nearest that is let through.
    fn limit(&self) -> Reach {
        match self {
            Self::Home(_) | Self::Bound => Reach::Loopback,
            Self::Abroad(nearness) => nearness.get().min(Reach::Loopback),
            Self::Service => Reach::Private,
            Self::Anywhere => Reach::Nowhere,
        }
    }

    /// What may be connected to of what was found. A name that leads to this machine or a metadata service, where it must
    /// not, is refused whatever else it leads to.
    fn judge(&self, name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Astray> {
        let (limit, found) = (self.limit(), as_spelled(name, found)?);
        let (near, far): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| reach_of(address.ip()) > limit);
        let deceives = |address: &&SocketAddr| reach_of(address.ip()) >= Reach::Loopback;
        // A host of the own network has link-local addresses beside its others (RFC 6762).
        let deceiver = near.iter().find(deceives).filter(|_| !matches!(self, Self::Home(_)));
        if let Some(inside) = deceiver.or(near.first().filter(|_| far.is_empty())) {
            return Err(Astray::Inside(*inside));
        }
        if let (Self::Home(nearness), Some(seen)) = (self, far.iter().map(|address| reach_of(address.ip())).min()) {
            nearness.note(seen);
        }
        Ok(far)
    }
}

/// What is this machine of what was found for a name that means it by its spelling: such a name gets credentials in the clear.
/// All of it for others.
fn as_spelled(name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Astray> {
    if !is_this_machine(name) {
        return Ok(found);
    }
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| reach_of(address.ip()) == Reach::Loopback);
    match elsewhere.first().filter(|_| here.is_empty()) {
        Some(outside) => Err(Astray::Outside(*outside)),
        None => Ok(here),
    }
}

/// A resolver that refuses addresses by the rule for their names.
pub(super) struct Guard {
    names: Names,
    rule: Rule,
    proxies: BTreeSet<String>,
}

impl Guard {
    /// Over what `names` finds. What is found for a proxy is the operator's word; behind it no name is resolved here.
    pub(super) fn new(names: &Names, rule: Rule, proxies: BTreeSet<String>) -> Self {
        Self { names: names.clone(), rule, proxies }
    }
}

/// A name as names are compared: without the dot that may end it.
pub(super) fn plain_name(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let plain = plain_name(name.as_str());
        let resolving = self.names.0.resolve(name);
        if self.proxies.contains(&plain) {
            return resolving;
        }
        let rule = self.rule.clone();
        Box::pin(async move {
            let allowed = rule.judge(&plain, resolving.await?.collect())?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// A name resolved to an address that it may not lead to.
#[derive(Debug)]
pub(super) enum Astray {
    /// Nearer than it may.
    Inside(SocketAddr),
    /// Not to this machine, which it means by its spelling.
    Outside(SocketAddr),
}

impl Astray {
    /// What may be done about it, where something may.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Inside(address) => (reach_of(address.ip()) == Reach::Private).then_some(
                "a registry leads no nearer than it is itself; one in this network that is reached through a proxy must \
                 be named in NO_PROXY to be known as such",
            ),
            Self::Outside(_) => Some(
                "names at `.localhost` are trusted as this machine: give another machine another name, and a registry \
                 without encryption `plain-http: true`",
            ),
        }
    }
}

impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, what) = match self {
            Self::Outside(address) => (address, "no address of this machine, which it is a name of"),
            Self::Inside(address) => (
                address,
                match reach_of(address.ip()) {
                    Reach::Public | Reach::Private => "an address inside this network",
                    Reach::Loopback => "an address of this machine",
                    Reach::Nowhere => "an address of a metadata service, or of no host at all",
                },
            ),
        };
        write!(f, "its name resolves to {}, {what}", address.ip())
    }
}

impl std::error::Error for Astray {}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A name service that says something else each time, and the last of it for ever.
    struct Changing(Mutex<Vec<Vec<String>>>);

    impl Resolve for Changing {
        fn resolve(&self, _: Name) -> Resolving {
            let mut answers = lock(&self.0);
            let answer = if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() };
            let found: Vec<_> = answer.into_iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
        }
    }

    fn saying(answers: &[&[&str]]) -> Names {
        let texts = |answer: &&[&str]| answer.iter().map(|text| (*text).to_owned()).collect();
        Names(Arc::new(Changing(Mutex::new(answers.iter().rev().map(texts).collect()))))
    }

    impl Names {
        /// Those of a list, with their addresses; no others.
        pub(in crate::store::registry) fn listed(list: &[(&'static str, &str)]) -> Self {
            struct Listed(Vec<(&'static str, SocketAddr)>);
            impl Resolve for Listed {
                fn resolve(&self, name: Name) -> Resolving {
                    let found = self.0.iter().filter(|(known, _)| *known == name.as_str());
                    let found: Vec<_> = found.map(|(_, address)| *address).collect();
                    Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
                }
            }
            let address = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);
            Self(Arc::new(Listed(list.iter().map(|(name, ip)| (*name, address(ip))).collect())))
        }
    }

    /// How many addresses are let through; the refused one in words.
    async fn through(guard: &Guard, name: &str) -> Result<usize, String> {
        match guard.resolve(name.parse().unwrap()).await {
            Ok(found) => Ok(found.count()),
            Err(error) => Err(error.downcast_ref::<Astray>().expect("refused, not failed").to_string()),
        }
    }

    async fn answered(rule: Rule, answer: &[&str]) -> Result<usize, String> {
        through(&Guard::new(&saying(&[answer]), rule, BTreeSet::new()), "cdn.example.com").await
    }

    fn abroad(reach: Reach) -> Rule {
        Rule::Abroad(Arc::new(Nearness::spelled(reach)))
    }

    #[tokio::test]
    async fn this_machines_own_name_is_known_for_what_it_is() {
        let guard = Guard::new(&Names::system(), abroad(Reach::Public), BTreeSet::new());
        assert!(through(&guard, "localhost").await.unwrap_err().contains("this machine"));
    }

    #[tokio::test]
    async fn nobody_leads_to_a_metadata_service() {
        let nowhere =
            ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254", "0.0.0.0", "100.100.100.200"];
        for address in nowhere {
            for rule in [Reach::Public, Reach::Private, Reach::Loopback]
                .map(abroad)
                .into_iter()
                .chain([Rule::Service, Rule::Bound])
            {
                for answer in [&[address][..], &["203.0.113.7", address], &[address, "2001:db8::7"]] {
                    let refused = answered(rule.clone(), answer).await.unwrap_err();
                    assert!(refused.contains("metadata"), "{answer:?}: {refused}");
                }
            }
            let home = || Rule::Home(Arc::default());
            assert!(answered(home(), &[address]).await.unwrap_err().contains("metadata"), "{address}");
            // In its own network a host has such addresses too. They are left out.
            assert_eq!(answered(home(), &["192.168.1.5", address]).await, Ok(1));
        }
    }

    #[tokio::test]
    async fn a_registry_leads_no_nearer_than_it_is() {
        let table = [
            (abroad(Reach::Public), [true, false, false]),
            (abroad(Reach::Private), [true, true, false]),
            (abroad(Reach::Loopback), [true, true, true]),
            (Rule::Service, [true, true, false]),
            (Rule::Home(Arc::default()), [true, true, true]),
            (Rule::Bound, [true, true, true]),
            (Rule::Anywhere, [true, true, true]),
        ];
        for (index, (rule, allowed)) in table.into_iter().enumerate() {
            for (address, allowed) in ["203.0.113.7", "10.0.0.7", "127.0.0.1"].into_iter().zip(allowed) {
                assert_eq!(answered(rule.clone(), &[address]).await.is_ok(), allowed, "{index} {address}");
            }
        }
        let mixed = ["203.0.113.7", "10.0.0.7"];
        assert_eq!(answered(abroad(Reach::Public), &mixed).await, Ok(1), "the private one is left out");
        assert!(answered(abroad(Reach::Private), &["10.0.0.7", "127.0.0.1"]).await.is_err());
    }

    #[tokio::test]
    async fn how_near_a_registry_is_follows_from_its_addresses() {
        for (answers, nearness) in [
            (&[&["10.0.0.5"][..]][..], Reach::Private),
            (&[&["127.0.0.1"][..]][..], Reach::Loopback),
            (&[&["10.0.0.5", "203.0.113.7"][..]][..], Reach::Public),
            (&[&["10.0.0.5", "fe80::1"][..]][..], Reach::Private),
            (&[&["203.0.113.7"][..], &["127.0.0.1"]][..], Reach::Public),
            (&[&["127.0.0.1"][..], &["10.0.0.5"]][..], Reach::Private),
        ] {
            let known = Arc::new(Nearness::default());
            assert_eq!(known.get(), Reach::Public);
            let guard = Guard::new(&saying(answers), Rule::Home(Arc::clone(&known)), BTreeSet::new());
            for _ in answers {
                through(&guard, "registry.example").await.unwrap();
            }
            assert_eq!(known.get(), nearness, "{answers:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_looked_at_each_time() {
        let names = saying(&[&["203.0.113.7"], &["169.254.169.254"], &["203.0.113.7", "203.0.113.8"]]);
        let guard = Guard::new(&names, abroad(Reach::Public), BTreeSet::new());
        assert_eq!(through(&guard, "cdn.example.com").await, Ok(1));
        assert!(through(&guard, "cdn.example.com").await.is_err());
        assert_eq!(through(&guard, "cdn.example.com").await, Ok(2));
    }

    #[tokio::test]
    async fn proxies_are_known_by_their_names() {
        let names = saying(&[&["10.0.0.7"]]);
        let guard = Guard::new(&names, abroad(Reach::Public), BTreeSet::from(["proxy.example".to_owned()]));
        for (name, allowed) in
            [("other.example", false), ("proxy.example", true), ("PROXY.example.", true), ("x.proxy.example", false)]
        {
            assert_eq!(through(&guard, name).await.is_ok(), allowed, "{name}");
        }
    }

    #[tokio::test]
    async fn a_name_that_means_this_machine_leads_here_or_nowhere() {
        let rules = || [Rule::Home(Arc::default()), abroad(Reach::Loopback), Rule::Bound, Rule::Anywhere];
        for name in ["localhost", "registry.localhost", "Registry.LocalHost."] {
            for rule in rules() {
                for (answer, allowed) in [
                    (&["127.0.0.1"][..], Ok(1)),
                    (&["::1", "127.0.0.53"], Ok(2)),
                    (&["203.0.113.7", "127.0.0.1", "10.0.0.7"], Ok(1)),
                    (&["203.0.113.7"], Err("203.0.113.7, no address of this machine")),
                    (&["10.0.0.7", "192.168.1.5"], Err("10.0.0.7, no address of this machine")),
                    (&["169.254.169.254"], Err("169.254.169.254, no address of this machine")),
                ] {
                    let guard = Guard::new(&saying(&[answer]), rule.clone(), BTreeSet::new());
                    match (through(&guard, name).await, allowed) {
                        (Ok(count), allowed) => assert_eq!(Ok(count), allowed, "{name} {answer:?}"),
                        (Err(said), allowed) => assert!(said.contains(allowed.unwrap_err()), "{name}: {said}"),
                    }
                }
            }
        }
        for name in ["localhost.example", "notlocalhost"] {
            let guard = Guard::new(&saying(&[&["203.0.113.7"]]), Rule::Home(Arc::default()), BTreeSet::new());
            assert_eq!(through(&guard, name).await, Ok(1), "{name}");
        }
    }
}
