//! Random worlds: image graphs at a source, what of them is at the target already, and mirrors between the two.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::support::images::{Format, Image, Single, media_type, zoo};
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::stage::{Mirror, Pair, yaml};
use crate::support::token::{Access, Account, Issuer, IssuerOptions};

/// The user of both registries; the passwords differ.
const USER: &str = "robot";

/// How one image is built. Equal recipes are equal bytes; few seeds, so that images share blobs.
#[derive(Clone, Debug)]
pub(crate) enum Recipe {
    Single { seed: u8, layers: usize, size: usize, docker: bool },
    Attested(u8),
    Artifact(u8),
    ZeroByte(u8),
    Foreign(u8),
    Sha512(u8),
    UnknownChild(u8),
    Index { docker: bool, children: Vec<Self> },
}

impl Recipe {
    pub(crate) fn build(&self) -> Image {
        let name = |seed: &u8| format!("seed {seed}");
        match self {
            Self::Single { seed, layers, size, docker } => {
                let format = if *docker { Format::Docker } else { Format::Oci };
                // The layer shared by seed is also in the images of the zoo.
                Single::new(&name(seed)).layers(*layers, *size).format(format).shared_layer(&name(seed)).build()
            }
            Self::Attested(seed) => zoo::index_with_attestations(&name(seed)),
            Self::Artifact(seed) => zoo::artifact(&name(seed)),
            Self::ZeroByte(seed) => zoo::with_zero_byte_layer(&name(seed)),
            Self::Foreign(seed) => zoo::with_foreign_layer(&name(seed), "http://127.0.0.1:1/layer"),
            Self::Sha512(seed) => zoo::with_sha512(&name(seed)),
            Self::UnknownChild(seed) => zoo::index_with_unknown_child(&name(seed)),
            Self::Index { docker, children } => {
                let media_type = if *docker { media_type::DOCKER_LIST } else { media_type::OCI_INDEX };
                Image::index(media_type, &children.iter().map(Self::build).collect::<Vec<_>>())
            }
        }
    }
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let seed = 0..3_u8;
    let single = (seed.clone(), 0..3_usize, prop::sample::select(vec![0, 300, 70_000]), any::<bool>())
        .prop_map(|(seed, layers, size, docker)| Recipe::Single { seed, layers, size, docker });
    let leaf = prop_oneof![
        4 => single,
        1 => seed.clone().prop_map(Recipe::Attested),
        1 => seed.clone().prop_map(Recipe::Artifact),
        1 => seed.clone().prop_map(Recipe::ZeroByte),
        1 => seed.clone().prop_map(Recipe::Foreign),
        1 => seed.clone().prop_map(Recipe::Sha512),
        1 => seed.prop_map(Recipe::UnknownChild),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        (any::<bool>(), prop::collection::vec(inner, 0..3))
            .prop_map(|(docker, children)| Recipe::Index { docker, children })
    })
}

/// What a target tag names before the run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Before {
    Absent,
    /// What the source has.
    Same,
    /// Another image.
    Other(prop::sample::Index),
    /// Nothing, but all blobs of the image are there.
    Blobs,
}

/// One tag of one repository.
#[derive(Clone, Debug)]
pub(crate) struct Tagged {
    /// `app0` or `app1`.
    pub(crate) repository: usize,
    pub(crate) image: prop::sample::Index,
    /// In the one target repository and in the other.
    pub(crate) before: [Before; 2],
}

/// Everything a run meets but the faults.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent way of the world, tried both ways")]
pub(crate) struct World {
    pub(crate) recipes: Vec<Recipe>,
    pub(crate) tags: Vec<Tagged>,
    /// `on-tag-move` of all mirrors.
    pub(crate) policy: &'static str,
    /// Each mirror has two targets.
    pub(crate) fan: bool,
    /// Tags are selected by a glob.
    pub(crate) glob: bool,
    /// The registries ask for tokens.
    pub(crate) locked: bool,
    /// Blobs can be mounted at the target.
    pub(crate) mounts: bool,
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    let before = prop_oneof![
        4 => Just(Before::Absent),
        1 => Just(Before::Same),
        2 => any::<prop::sample::Index>().prop_map(Before::Other),
        1 => Just(Before::Blobs),
    ];
    let tagged = (0..2_usize, any::<prop::sample::Index>(), [before.clone(), before])
        .prop_map(|(repository, image, before)| Tagged { repository, image, before });
    let policy = prop_oneof![4 => Just("update"), 1 => Just("keep"), 1 => Just("block")];
    let images = (prop::collection::vec(recipe(), 1..4), prop::collection::vec(tagged, 1..5));
    (images, policy, any::<[bool; 4]>()).prop_map(|((recipes, tags), policy, [fan, glob, locked, mounts])| World {
        recipes,
        tags,
        policy,
        fan,
        glob,
        locked,
        mounts,
    })
}

/// A world put up: two registries, the configuration, and what the target is to name in the end.
pub(crate) struct Built {
    pub(crate) pair: Pair,
    pub(crate) yaml: String,
    pub(crate) environment: Vec<(String, String)>,
    /// The token servers of source and target, where they are locked.
    pub(crate) issuers: Vec<std::sync::Arc<Issuer>>,
    /// For each target tag, the digest at the source.
    pub(crate) wanted: BTreeMap<(String, String), String>,
    /// For each target tag, what it named before.
    pub(crate) before: BTreeMap<(String, String), Option<String>>,
}

impl World {
    /// Builds it. Nothing of that is in the logs.
    pub(crate) fn build(&self) -> Built {
        let issuers: Vec<_> = ["of-source", "of-target"].map(issuer).into_iter().filter(|_| self.locked).collect();
        let options = |side: usize| Options {
            auth: issuers.get(side).map_or(Auth::Open, Auth::bearer),
            page_size: 2,
            mounts: self.mounts,
            ..Options::default()
        };
        let pair = Pair::with(options(0), options(1));
        let environment = [(&pair.source, "of-source"), (&pair.target, "of-target")].map(|(registry, password)| {
            let name = registry.host().replace('.', "_").replace(':', "___");
            (format!("REGSYNC_AUTH_{name}"), format!("{USER}:{password}"))
        });
        let yaml = yaml(&self.mirrors(&pair));
        let environment = environment.into_iter().filter(|_| self.locked).collect();
        let (wanted, before) = self.fill(&pair);
        pair.target.store.watch();
        Built { pair, yaml, environment, issuers, wanted, before }
    }

    fn targets(&self, repository: usize) -> Vec<String> {
        let all = [format!("app{repository}"), format!("copy/app{repository}")];
        all.into_iter().take(if self.fan { 2 } else { 1 }).collect()
    }

    fn mirrors(&self, pair: &Pair) -> Vec<Mirror> {
        let mirror = |repository: usize| {
            let names = self.tags.iter().enumerate().filter(|(_, tag)| tag.repository == repository);
            let names: Vec<_> = names.map(|(number, _)| format!("t{number}")).collect();
            let names: Vec<_> = if self.glob { vec!["t*"] } else { names.iter().map(String::as_str).collect() };
            let used = self.tags.iter().any(|tag| tag.repository == repository);
            let targets: Vec<_> = self.targets(repository).iter().map(|target| pair.target.reference(target)).collect();
            let targets: Vec<_> = targets.iter().map(String::as_str).collect();
            let mirror = Mirror::new(&pair.source.reference(&format!("app{repository}")), &targets, &names);
            used.then(|| mirror.with(&format!("on-tag-move: {}", self.policy)))
        };
        (0..2).filter_map(mirror).collect()
    }

    #[expect(clippy::type_complexity, reason = "two maps with one kind of key")]
    fn fill(&self, pair: &Pair) -> (BTreeMap<(String, String), String>, BTreeMap<(String, String), Option<String>>) {
        let images: Vec<_> = self.recipes.iter().map(Recipe::build).collect();
        let (mut wanted, mut before) = (BTreeMap::new(), BTreeMap::new());
        for (number, tagged) in self.tags.iter().enumerate() {
            let (tag, image) = (format!("t{number}"), tagged.image.get(&images));
            image.push_to(&pair.source, &format!("app{}", tagged.repository), &tag);
            for (place, target) in tagged.before.iter().zip(self.targets(tagged.repository)) {
                let there = place.put(&pair.target, (&target, &tag), (image, &images));
                wanted.insert((target.clone(), tag.clone()), image.digest().to_owned());
                before.insert((target, tag.clone()), there);
            }
        }
        (wanted, before)
    }
}

impl Before {
    /// Makes it so, and says what the tag names then.
    fn put(
        self,
        target: &FakeRegistry,
        (repository, tag): (&str, &str),
        (same, all): (&Image, &[Image]),
    ) -> Option<String> {
        let image = match self {
            Self::Absent => return None,
            Self::Blobs => {
                for blob in &same.blobs {
                    target.store.put_blob_as(repository, &blob.digest, blob.bytes.clone());
                }
                return None;
            }
            Self::Same => same,
            Self::Other(index) => index.get(all),
        };
        image.push_to(target, repository, tag);
        Some(image.digest().to_owned())
    }
}

fn issuer(password: &str) -> std::sync::Arc<Issuer> {
    let account = Account::new(USER, password, Access::PullPush);
    Issuer::new(IssuerOptions { accounts: vec![account], ..IssuerOptions::default() })
}
