//! The validated configuration: every value parsed, every default applied, everything with its place in the file.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;

use super::{Circle, MirrorGlob, Provider, ReferrerRule, Rename, Selection, TagGlob, WrittenPath};
use crate::image::{Creation, Digest, Location, Reference, Registry, Repository, Subset, Tag};

/// A place in a configuration file, for messages and annotations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, as named on the command line.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A configuration file that a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigFile {
    /// The path, as named on the command line.
    pub path: Arc<str>,
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
}

/// Everything the configuration asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The files it was read from, in the order given.
    pub files: Vec<ConfigFile>,
    /// How to reach registries, where that differs from the defaults.
    pub registries: BTreeMap<RegistryKey, RegistryRules>,
    /// What to mirror, in the order written.
    pub mirrors: Vec<Mirror>,
    /// Mirrors of as many repositories as match; see [`Self::resolved`].
    pub globs: Vec<MirrorGlob>,
    /// Mirrors that feed each other, once globs are resolved; see [`Self::without_circles`].
    pub circles: Vec<Circle>,
    /// Every path on this machine that the files name; see [`Self::paths`].
    pub paths: Vec<WrittenPath>,
}

impl Desired {
    /// The images that each mirror wants, with the mirror's index, in the order written. `tags` gives the tag list of a
    /// source; without one, only what is named exactly is known to be wanted.
    pub fn expand<'a>(&self, tags: impl Fn(&Location) -> Option<&'a [Tag]>) -> Vec<(usize, Vec<Wanted>)> {
        let wanted = |mirror: &Mirror| match tags(&mirror.source) {
            Some(listed) if mirror.needs_tag_list() => mirror.expand(listed),
            _ => mirror.expand(&[]),
        };
        self.mirrors.iter().map(wanted).enumerate().collect()
    }

    /// Every path on this machine that the files name, with its place: for whoever looks at the disk, and finds there
    /// what spelling alone cannot tell.
    pub fn paths(&self) -> impl Iterator<Item = &WrittenPath> {
        self.paths.iter()
    }
}

/// What an entry of `registries` is for: a host, or a namespace of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegistryKey {
    /// The host.
    pub registry: Registry,
    /// The leading path components of the repositories it is for; all of the host's where `None`.
    pub namespace: Option<Arc<str>>,
}

impl RegistryKey {
    /// Whether `repository` belongs to this entry: the host is equal and the namespace matches in whole components.
    pub fn covers(&self, repository: &Repository) -> bool {
        let within = |namespace: &str| {
            let rest = repository.name().strip_prefix(namespace);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.registry == *repository.registry() && self.namespace.as_deref().is_none_or(within)
    }
}

/// How to reach one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRules {
    /// Where the entry stands.
    pub place: Place,
    /// The most requests under way at once; the built-in default where `None`.
    pub concurrency: Option<NonZeroUsize>,
    /// The most requests started in a second; unlimited where `None`.
    pub requests_per_second: Option<NonZeroU32>,
    /// How many pulls of the registry's quota are left to others; nothing is held back where `None`.
    pub keep_pulls: Option<u32>,
    /// Speak plain HTTP.
    pub plain_http: bool,
    /// Extra certificate authority and client certificate.
    pub tls: Tls,
    /// Where credentials come from; the only rule that an entry for a namespace may hold.
    pub auth: Auth,
    /// What repositories are like that are made where they are missing; none is made where `None`.
    pub creation: Option<Creation>,
}

/// Certificates for one registry: paths of PEM files, already joined to the directory of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// The client certificate chain and its key: both or neither.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Where the credentials of a registry come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// The environment and the machine's credential files, in the documented order.
    #[default]
    Keychain,
    /// None are sent, whatever is configured elsewhere.
    Anonymous,
    /// From this provider, in place of the machine's credential files.
    Provider(Provider),
}

/// One entry of `mirrors`: a source, its targets, and which tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Where the entry stands.
    pub place: Place,
    /// Where images are read.
    pub source: Location,
    /// Where images are written, in the order written; never empty.
    pub targets: Vec<Location>,
    /// Which tags.
    pub tags: Selection,
    /// What they are called at the targets.
    pub rename: Rename,
    /// Which platforms of each image; all of them where `None`.
    pub subset: Option<Arc<Subset>>,
    /// What happens when a tag would move at the target.
    pub on_tag_move: OnTagMove,
    /// Globs of target tags that never move.
    pub immutable_tags: Vec<TagGlob>,
    /// What it means that nothing was selected.
    pub on_empty: OnEmpty,
    /// What comes along with the images.
    pub referrers: ReferrerRule,
}

/// `on-tag-move`: what happens when the target's tag names another digest than the one wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub enum OnTagMove {
    /// The tag moves.
    #[default]
    Update,
    /// The target's tag stays, and that is fine.
    Keep,
    /// The target's tag stays, and the run says so.
    Block,
}

/// `on-empty`: what it means that no tag was selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub enum OnEmpty {
    /// An error: most often a typing mistake.
    #[default]
    Error,
    /// A warning.
    Warn,
}

/// One image to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceImage {
    /// Where.
    pub location: Location,
    /// Under which tag.
    pub tag: Tag,
    /// The digest that was approved, where it was: then the tag is only its name.
    pub pin: Option<Digest>,
}

impl SourceImage {
    /// The reference by tag, as plans show it.
    pub fn reference(&self) -> Reference {
        Reference::tagged(self.location.clone(), self.tag.clone())
    }
}

/// What may happen to one tag at a target that names another digest: `on-tag-move`, `immutable-tags` and pins as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagPolicy {
    /// It may move.
    Move,
    /// It stays, and that is fine.
    Keep,
    /// It must not move: `on-tag-move: block`.
    Block,
    /// It must not move: one of `immutable-tags`, and no pin approves the move.
    Immutable,
}

/// One image that a mirror wants at its targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What to read.
    pub source: SourceImage,
    /// Where to write it: one reference for each target of the mirror.
    pub targets: Vec<Reference>,
    /// Which of its platforms; all of them where `None`.
    pub subset: Option<Arc<Subset>>,
    /// What may happen to the tag there.
    pub policy: TagPolicy,
}

impl Mirror {
    /// Whether the tags of the source must be listed to know what is wanted.
    pub fn needs_tag_list(&self) -> bool {
        self.tags.needs_list()
    }

    /// The images wanted, given the tags that the source lists (none are needed without [`Self::needs_tag_list`]).
    /// Sorted by tag; a tag that several rules select appears once, and a pin is stronger than a name. What cannot be
    /// renamed is told by [`Self::overlong`].
    pub fn expand(&self, listed: &[Tag]) -> Vec<Wanted> {
        let selected = self.tags.select(listed).into_iter();
        selected.filter_map(|(tag, pin)| self.wanted(tag, pin)).collect()
    }

    fn wanted(&self, tag: &Tag, pin: Option<&Digest>) -> Option<Wanted> {
        let renamed = self.rename.apply(tag)?;
        let at = |target: &Location| Reference::tagged(target.clone(), renamed.clone());
        Some(Wanted {
            source: SourceImage { location: self.source.clone(), tag: tag.clone(), pin: pin.cloned() },
            targets: self.targets.iter().map(at).collect(),
            subset: self.subset.clone(),
            policy: self.policy(&renamed, pin.is_some()),
        })
    }

    fn policy(&self, tag: &Tag, pinned: bool) -> TagPolicy {
        let immutable = self.immutable_tags.iter().any(|glob| glob.matches(tag.as_str()));
        match self.on_tag_move {
            OnTagMove::Block => TagPolicy::Block,
            _ if immutable && !pinned => TagPolicy::Immutable,
            OnTagMove::Keep => TagPolicy::Keep,
            OnTagMove::Update => TagPolicy::Move,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::TagRule;
    use crate::image::{Role, Written};

    const PIN: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn location(text: &str) -> Location {
        Written::parse(text, Role::Target, Path::new("/config")).unwrap().location
    }

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn glob(text: &str) -> TagRule {
        TagRule::Glob(TagGlob::new(text).unwrap())
    }

    fn mirror(tags: Vec<TagRule>) -> Mirror {
        let place = Place { file: "regsync.yaml".into(), line: 1, column: 1 };
        let tags = Selection::of(&place, tags);
        Mirror {
            place,
            source: location("ghcr.io/upstream/app"),
            targets: vec![location("ghcr.io/acme/app"), location("oci:mirror")],
            tags,
            rename: Rename::default(),
            subset: None,
            on_tag_move: OnTagMove::Update,
            immutable_tags: Vec::new(),
            on_empty: OnEmpty::Error,
            referrers: ReferrerRule::default(),
        }
    }

    fn names(wanted: &[Wanted]) -> Vec<&str> {
        wanted.iter().map(|wanted| wanted.source.tag.as_str()).collect()
    }

    #[test]
    fn names_are_wanted_whether_listed_or_not_and_globs_only_what_is_listed() {
        let mirror = mirror(vec![TagRule::Exact(tag("edge")), glob("v1.*"), glob("*.0")]);
        let wanted = mirror.expand(&[tag("v2.0"), tag("v1.1"), tag("v1.0"), tag("v3.1")]);
        assert_eq!(names(&wanted), ["edge", "v1.0", "v1.1", "v2.0"]);
        assert!(mirror.needs_tag_list());
    }

    #[test]
    fn nothing_matching_is_nothing_wanted() {
        assert!(mirror(vec![glob("v*")]).expand(&[tag("edge")]).is_empty());
        assert!(!mirror(vec![TagRule::Exact(tag("v1"))]).needs_tag_list());
    }

    #[test]
    fn a_pin_is_stronger_than_a_name_in_any_order() {
        let pin = || TagRule::Pin(tag("v1"), PIN.parse().unwrap());
        for tags in [vec![pin(), glob("*")], vec![TagRule::Exact(tag("v1")), pin()], vec![glob("*"), pin()]] {
            let wanted = mirror(tags).expand(&[tag("v1")]);
            assert_eq!(names(&wanted), ["v1"]);
            assert_eq!(wanted[0].source.pin.as_ref().map(ToString::to_string).as_deref(), Some(PIN));
        }
    }

    #[test]
    fn each_target_gets_the_tag() {
        let wanted = mirror(vec![TagRule::Exact(tag("v1"))]).expand(&[]);
        let targets: Vec<String> = wanted[0].targets.iter().map(ToString::to_string).collect();
        assert_eq!(targets, ["ghcr.io/acme/app:v1", "oci:mirror:v1"]);
        assert_eq!(wanted[0].source.reference().to_string(), "ghcr.io/upstream/app:v1");
    }

    #[test]
    fn immutable_tags_are_those_of_the_target() {
        let mirror = |immutable: &str| Mirror {
            rename: Rename::parse("up-{tag}").unwrap(),
            immutable_tags: vec![TagGlob::new(immutable).unwrap()],
            ..mirror(vec![TagRule::Exact(tag("v1"))])
        };
        let wanted = mirror("up-v*").expand(&[]);
        assert_eq!(wanted[0].targets[0].to_string(), "ghcr.io/acme/app:up-v1");
        assert_eq!(wanted[0].source.reference().to_string(), "ghcr.io/upstream/app:v1");
        assert_eq!(wanted[0].policy, TagPolicy::Immutable);
        assert_eq!(mirror("v*").expand(&[])[0].policy, TagPolicy::Move);
    }

    #[test]
    fn policies_become_one() {
        use OnTagMove::{Block, Keep, Update};
        // on-tag-move, does a glob of immutable-tags match, is it pinned
        let table = [
            (Update, false, false, TagPolicy::Move),
            (Update, false, true, TagPolicy::Move),
            (Update, true, false, TagPolicy::Immutable),
            (Update, true, true, TagPolicy::Move),
            (Keep, false, false, TagPolicy::Keep),
            (Keep, true, false, TagPolicy::Immutable),
            (Keep, true, true, TagPolicy::Keep),
            (Block, false, false, TagPolicy::Block),
            (Block, true, false, TagPolicy::Block),
            (Block, false, true, TagPolicy::Block),
        ];
        for (on_tag_move, immutable, pinned, expected) in table {
            let rule = if pinned { TagRule::Pin(tag("v1"), PIN.parse().unwrap()) } else { TagRule::Exact(tag("v1")) };
            let immutable_tags = vec![TagGlob::new(if immutable { "v*" } else { "x*" }).unwrap()];
            let mirror = Mirror { on_tag_move, immutable_tags, ..mirror(vec![rule]) };
            assert_eq!(mirror.expand(&[])[0].policy, expected, "{on_tag_move:?} {immutable} {pinned}");
        }
    }

    #[test]
    fn a_namespace_covers_whole_components() {
        let key = |namespace: Option<&str>| RegistryKey {
            registry: "ghcr.io".parse().unwrap(),
            namespace: namespace.map(Into::into),
        };
        let repository = |text| match location(text) {
            Location::Repository(repository) => repository,
            Location::Layout(_) => unreachable!("a repository"),
        };
        assert!(key(None).covers(&repository("ghcr.io/acme/app")));
        assert!(key(Some("acme")).covers(&repository("ghcr.io/acme/app")));
        assert!(key(Some("acme/app")).covers(&repository("ghcr.io/acme/app")));
        assert!(!key(Some("acme/ap")).covers(&repository("ghcr.io/acme/app")));
        assert!(!key(Some("acme")).covers(&repository("quay.io/acme/app")));
    }
}
