//! The tree of a file → its exact shape, by hand, so that one mistake does not hide the next.
//!
//! Owns types, unknown keys, and the words a key can have. Refuses to look inside references, globs and paths.

mod creation;
mod file;
mod platforms;
mod provider;
mod referrers;
mod secrets;
mod tags;
mod unknown;
mod value;

pub(super) use file::file;

/// The mapping that a key stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    File,
    Defaults,
    Mirror,
    Tags,
    Registry,
    Namespace,
    RateLimit,
    Tls,
    CreateRepositories,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::File => "a configuration",
            Self::Defaults => "`defaults`",
            Self::Mirror => "a mirror",
            Self::Tags => "`tags`",
            Self::Registry => "a registry",
            Self::Namespace => "a namespace of a registry",
            Self::RateLimit => "`rate-limit`",
            Self::Tls => "`tls`",
            Self::CreateRepositories => "`create-repositories`",
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::File => &["version", "registries", "defaults", "mirrors"],
            Self::Defaults => &[
                "tags",
                "rename",
                "platforms",
                "single",
                "referrers",
                "referrers-check",
                "on-tag-move",
                "immutable-tags",
                "on-empty",
            ],
            Self::Mirror => &[
                "source",
                "target",
                "targets",
                "tags",
                "rename",
                "platforms",
                "single",
                "referrers",
                "referrers-check",
                "on-tag-move",
                "immutable-tags",
                "on-empty",
            ],
            Self::Tags => &["include", "regex", "semver", "exclude", "newest"],
            Self::Registry => &[
                "tls",
                "plain-http",
                "concurrency",
                "requests-per-second",
                "rate-limit",
                "auth",
                "create-repositories",
            ],
            Self::Namespace => &["auth"],
            Self::RateLimit => &["keep"],
            Self::Tls => &["ca", "cert", "key"],
            Self::CreateRepositories => &["immutable-tags", "scan-on-push", "encryption", "kms-key", "tags"],
        }
    }
}
