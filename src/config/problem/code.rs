//! The codes of problems: stable names for scripts and for the documentation.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What kind of mistake a problem is. The text forms are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ProblemCode { $($(#[$doc])* $name,)* }

        impl ProblemCode {
            /// Every code, in the order documented.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The text form, such as `E_CFG_UNKNOWN_KEY`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The file could not be read, or is not a file.
    File = "E_CFG_FILE",
    /// The file holds nothing, or no mirrors.
    Empty = "E_CFG_EMPTY",
    /// Not UTF-8, or a character that YAML does not allow.
    Encoding = "E_CFG_ENCODING",
    /// The file is larger than the limit, or has too many mirrors.
    TooLarge = "E_CFG_TOO_LARGE",
    /// Nested too deep, or too many values once aliases are followed.
    Budget = "E_CFG_BUDGET",
    /// Not YAML.
    Syntax = "E_CFG_SYNTAX",
    /// A feature of YAML that configurations do not use.
    YamlFeature = "E_CFG_YAML_FEATURE",
    /// More than one YAML document.
    MultiDoc = "E_CFG_MULTI_DOC",
    /// The same key, value or mirror twice.
    Duplicate = "E_CFG_DUPLICATE",
    /// A key that does not exist here.
    UnknownKey = "E_CFG_UNKNOWN_KEY",
    /// A key without which the rest has no meaning.
    Missing = "E_CFG_MISSING",
    /// A version of the format that is not known.
    Version = "E_CFG_VERSION",
    /// A list where a mapping belongs, and the like.
    Type = "E_CFG_TYPE",
    /// An unquoted value that YAML reads as a number, boolean, date or null where text belongs.
    NotString = "E_CFG_NOT_STRING",
    /// Not one of the words a key can have.
    Value = "E_CFG_VALUE",
    /// A number outside its limits.
    Range = "E_CFG_RANGE",
    /// A value that this version does not support.
    Unsupported = "E_CFG_UNSUPPORTED",
    /// A platform, or a list of them.
    Platform = "E_CFG_PLATFORM",
    /// A secret; never repeated.
    Secret = "E_CFG_SECRET",
    /// A template or a variable.
    Template = "E_CFG_TEMPLATE",
    /// A command or hook.
    Exec = "E_CFG_EXEC",
    /// The file of another tool.
    Foreign = "E_CFG_FOREIGN",
    /// A glob that cannot be read.
    Glob = "E_CFG_GLOB",
    /// A regular expression that cannot be read, or is too large.
    Regex = "E_CFG_REGEX",
    /// A constraint on versions that cannot be read, or that no version satisfies.
    Semver = "E_CFG_SEMVER",
    /// A template for tags that makes none, or one of many.
    Rename = "E_CFG_RENAME",
    /// A selection that no tag can match.
    EmptySelector = "E_CFG_EMPTY_SELECTOR",
    /// Two keys that exclude each other.
    Exclusive = "E_CFG_EXCLUSIVE",
    /// A tag at a target: tags follow from the source.
    TargetTag = "E_CFG_TARGET_TAG",
    /// Two mirrors that would write the same target tag from different sources.
    TargetConflict = "E_CFG_TARGET_CONFLICT",
    /// A target that is its own source, directly or through other mirrors.
    Cycle = "E_CFG_CYCLE",
    /// A certificate without its key, or the other way round.
    Tls = "E_CFG_TLS",
    /// A credential provider that may not serve this host.
    Provider = "E_CFG_PROVIDER",
    /// A path outside the directory of the file.
    Path = "E_CFG_PATH",
    /// A character that no reference holds.
    RefChar = "E_REF_CHAR",
    /// A reference with a scheme.
    RefScheme = "E_REF_SCHEME",
    /// A reference with a user name or password; never repeated.
    RefUserInfo = "E_REF_USERINFO",
    /// Upper case in the name of a repository.
    RefCase = "E_REF_CASE",
    /// An empty or malformed path component.
    RefPath = "E_REF_PATH",
    /// A part of a reference is too long.
    RefLength = "E_REF_LENGTH",
    /// Not a tag.
    RefTag = "E_REF_TAG",
    /// A separator with nothing after it.
    RefIncomplete = "E_REF_INCOMPLETE",
    /// A digest at a target.
    RefTargetDigest = "E_REF_TARGET_DIGEST",
    /// A target without its registry.
    RefAmbiguous = "E_REF_AMBIGUOUS",
    /// Not a port.
    RefPort = "E_REF_PORT",
    /// Not a host.
    RefHost = "E_REF_HOST",
    /// Not a digest, or one that cannot be verified.
    DigestFormat = "E_DIGEST_FORMAT",
    /// The path of a layout leads outside the directory of the file, or is not a layout.
    LayoutPath = "E_LAYOUT_PATH",
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
