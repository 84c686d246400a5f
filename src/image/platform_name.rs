//! A platform as somebody asks for it, and which platforms of an index that is.
//!
//! Owns the text form `os/architecture[/variant][:os.version]`, its one canonical spelling, and what matches what: the rules
//! are containerd's (`platforms` module, `normalizeArch` and `NewMatcher`). Refuses other tools' words for a platform
//! where a person writes them, and understands them where an image has them.

use std::fmt;
use std::str::FromStr;

use super::Platform;

/// The operating systems that Go names (`go tool dist list`, and the older ones), and `wasi` of container runtimes.
const SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasi",
    "wasip1",
    "windows",
    "zos",
];
/// The architectures that Go names.
const ARCHITECTURES: &[&str] = &[
    "386", "amd64", "arm", "arm64", "arm64be", "armbe", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc",
    "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x", "sparc", "sparc64", "wasm",
];
/// The longest version of an operating system that is taken; Windows has up to 17 characters.
const VERSION_LIMIT: usize = 64;

/// A platform that is asked for, canonical: `arm64/v8` is `arm64`, `arm` is `arm/v7`, `amd64/v1` is `amd64`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformName {
    os: String,
    architecture: String,
    variant: Option<String>,
    os_version: Option<String>,
}

/// Why a text is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// Not `os/architecture`, with a variant and a version at most.
    #[error("a platform is `os/architecture`, `os/architecture/variant`, or either with `:os.version` behind it")]
    Shape,
    /// An operating system that nobody builds for.
    #[error("`{0}` is no operating system")]
    System(String),
    /// An architecture that nobody builds for.
    #[error("`{0}` is no architecture")]
    Architecture(String),
    /// A variant that the architecture does not have.
    #[error("`{0}` is no variant")]
    Variant(String),
    /// Not a version of an operating system.
    #[error("`{0}` is no version of an operating system")]
    Version(String),
}

impl PlatformName {
    /// The operating systems that can be asked for.
    pub fn systems() -> &'static [&'static str] {
        SYSTEMS
    }

    /// The architectures that can be asked for.
    pub fn architectures() -> &'static [&'static str] {
        ARCHITECTURES
    }

    /// The name that `text` was most likely meant to be, where it has another tool's words for a platform: `x86_64`,
    /// `aarch64`, `armhf`, `macos`, `arm/7`, and containerd's `windows(10.0.17763)/amd64`.
    pub fn translated(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (text, version) = match (lower.split_once('('), lower.split_once(')')) {
            (Some((os, _)), Some((before, rest))) => (format!("{os}{rest}"), before.strip_prefix(&format!("{os}("))),
            _ => (lower.clone(), None),
        };
        let (name, version) = match version {
            Some(version) => (text.as_str(), Some(version)),
            None => text.split_once(':').map_or((text.as_str(), None), |(name, version)| (name, Some(version))),
        };
        let mut parts = name.split('/');
        let (os, architecture, variant) = (parts.next()?, parts.next(), parts.next());
        // An architecture alone is Linux's, as it is to docker.
        let (os, architecture) = architecture.map_or(("linux", os), |architecture| (os, architecture));
        let (architecture, variant) = normal_cpu(architecture, variant.unwrap_or_default());
        let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
        let version = version.map(|version| format!(":{version}")).unwrap_or_default();
        format!("{}/{architecture}{variant}{version}", normal_os(os)).parse().ok()
    }

    /// Whether an image for `platform` is what is asked for. Without a version any version is; `10.0.17763` is every
    /// `10.0.17763.…` (image-spec `image-index.md`, `os.version`; as containerd compares Windows builds).
    pub fn matches(&self, platform: &Platform) -> bool {
        let variant = platform.variant.as_deref().unwrap_or_default();
        let (architecture, variant) = normal_cpu(&platform.architecture, variant);
        let version = |asked: &str| {
            let rest = platform.os_version.as_deref().and_then(|version| version.strip_prefix(asked));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        normal_os(&platform.os) == self.os
            && architecture == self.architecture
            && variant == self.variant
            && self.os_version.as_deref().is_none_or(version)
    }
}

impl FromStr for PlatformName {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let (name, os_version) = text.split_once(':').map_or((text, None), |(name, version)| (name, Some(version)));
        let parts: Vec<&str> = name.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(PlatformError::Shape),
        };
        if !SYSTEMS.contains(&os) {
            return Err(PlatformError::System(os.to_owned()));
        }
        if !ARCHITECTURES.contains(&architecture) {
            return Err(PlatformError::Architecture(architecture.to_owned()));
        }
        if let Some(variant) = variant.filter(|variant| !is_variant(architecture, variant)) {
            return Err(PlatformError::Variant(variant.to_owned()));
        }
        if let Some(version) = os_version.filter(|version| !is_version(version)) {
            return Err(PlatformError::Version(version.to_owned()));
        }
        let (architecture, variant) = normal_cpu(architecture, variant.unwrap_or_default());
        Ok(Self { os: os.to_owned(), architecture, variant, os_version: os_version.map(str::to_owned) })
    }
}

impl fmt::Display for PlatformName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if let Some(variant) = &self.variant {
            write!(f, "/{variant}")?;
        }
        match &self.os_version {
            Some(version) => write!(f, ":{version}"),
            None => Ok(()),
        }
    }
}

impl Platform {
    /// Whether both are one platform, however they are spelled: an image for one serves whoever wants the other. Versions of
    /// an operating system count up to their build, `10.0.17763`: what follows changes with every update (`os.version`, as
    /// containerd compares Windows builds).
    pub fn is_as(&self, other: &Self) -> bool {
        let build = |platform: &Self| {
            let version = platform.os_version.as_deref().unwrap_or_default();
            version.split('.').take(3).map(str::to_owned).collect::<Vec<_>>()
        };
        let cpu = |platform: &Self| normal_cpu(&platform.architecture, platform.variant.as_deref().unwrap_or_default());
        normal_os(&self.os) == normal_os(&other.os) && cpu(self) == cpu(other) && build(self) == build(other)
    }
}

/// `v8`, `v8.1`; of other architectures any word, since new ones keep being named (`power9`, `rva22u64`).
fn is_variant(architecture: &str, variant: &str) -> bool {
    match architecture {
        // Only those of arm64 have minor numbers: `v8.2`.
        "arm" | "arm64" | "amd64" => variant.strip_prefix('v').is_some_and(|number| {
            let parts = number.splitn(if architecture == "arm64" { 2 } else { 1 }, '.');
            parts.into_iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        }),
        _ => {
            !variant.is_empty()
                && variant.len() <= 32
                && variant.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        }
    }
}

fn is_version(version: &str) -> bool {
    version.starts_with(|c: char| c.is_ascii_digit())
        && !version.ends_with('.')
        && version.len() <= VERSION_LIMIT
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
}

fn normal_os(os: &str) -> String {
    let os = os.to_ascii_lowercase();
    if os == "macos" { "darwin".to_owned() } else { os }
}

/// Architecture and variant in one spelling.
fn normal_cpu(architecture: &str, variant: &str) -> (String, Option<String>) {
    let (architecture, variant) = (architecture.to_ascii_lowercase(), variant.to_ascii_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("amd64" | "x86_64" | "x86-64", "v1") => ("amd64", ""),
        ("amd64" | "x86_64" | "x86-64", variant) => ("amd64", variant),
        ("arm64" | "aarch64", "8" | "8.0" | "v8" | "v8.0") => ("arm64", ""),
        ("arm64" | "aarch64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("arm64" | "aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (architecture.to_owned(), (!variant.is_empty()).then(|| variant.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> PlatformName {
        text.parse().expect(text)
    }

    fn platform(text: &str) -> Platform {
        let (name, os_version) = text.split_once(':').map_or((text, None), |(name, version)| (name, Some(version)));
        let mut parts = name.split('/').map(str::to_owned);
        Platform {
            os: parts.next().unwrap_or_default(),
            architecture: parts.next().unwrap_or_default(),
            variant: parts.next(),
            os_version: os_version.map(str::to_owned),
        }
    }

    #[test]
    fn one_platform_has_many_spellings() {
        for (one, other, same) in [
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm", "linux/arm/v7", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/amd64", "linux/x86_64", true),
            ("linux/amd64", "windows/amd64", false),
            ("windows/amd64:10.0.17763.1", "windows/amd64:10.0.17763.2", true),
            ("windows/amd64:10.0.17763.1", "windows/amd64:10.0.20348.1", false),
            ("windows/amd64:10.0.17763.1", "windows/amd64", false),
        ] {
            assert_eq!(platform(one).is_as(&platform(other)), same, "{one} {other}");
            assert_eq!(platform(other).is_as(&platform(one)), same, "{other} {one}");
        }
    }

    #[test]
    fn what_matches_what() {
        // asked for, those it is, those it is not
        let table: &[(&str, &[&str], &[&str])] = &[
            (
                "linux/amd64",
                &["linux/amd64", "linux/amd64/v1", "linux/x86_64", "Linux/AMD64"],
                &["linux/amd64/v2", "linux/386"],
            ),
            ("linux/amd64/v1", &["linux/amd64", "linux/amd64/v1"], &["linux/amd64/v3"]),
            ("linux/amd64/v3", &["linux/amd64/v3"], &["linux/amd64", "linux/amd64/v2"]),
            (
                "linux/arm64",
                &["linux/arm64", "linux/arm64/v8", "linux/aarch64", "linux/arm64/8"],
                &["linux/arm64/v9", "linux/arm/v8"],
            ),
            ("linux/arm64/v8", &["linux/arm64"], &["linux/arm64/v8.1"]),
            ("linux/arm64/v9", &["linux/arm64/v9", "linux/arm64/v9.0"], &["linux/arm64"]),
            (
                "linux/arm",
                &["linux/arm", "linux/arm/v7", "linux/arm/7", "linux/armhf"],
                &["linux/arm/v6", "linux/arm64"],
            ),
            ("linux/arm/v7", &["linux/arm"], &["linux/arm/v5", "linux/armel"]),
            ("linux/arm/v6", &["linux/arm/v6", "linux/arm/6", "linux/armel"], &["linux/arm"]),
            ("linux/386", &["linux/386", "linux/i386", "linux/i386/sse2"], &["linux/amd64", "linux/386/softfloat"]),
            ("darwin/arm64", &["darwin/arm64", "macos/arm64/v8"], &["linux/arm64"]),
            (
                "windows/amd64",
                &["windows/amd64", "windows/amd64:10.0.17763.6414", "windows/amd64:10.0.20348.2762"],
                &["linux/amd64"],
            ),
            (
                "windows/amd64:10.0.17763",
                &["windows/amd64:10.0.17763.6414", "windows/amd64:10.0.17763"],
                &["windows/amd64", "windows/amd64:10.0.177631.1", "windows/amd64:10.0.20348.2762"],
            ),
            ("windows/amd64:10.0.17763.6414", &["windows/amd64:10.0.17763.6414"], &["windows/amd64:10.0.17763.1"]),
            ("freebsd/amd64:14.2-RELEASE", &["freebsd/amd64:14.2-RELEASE"], &["freebsd/amd64"]),
        ];
        for (asked, same, others) in table {
            let asked = name(asked);
            for text in *same {
                assert!(asked.matches(&platform(text)), "{asked} is {text}");
            }
            for text in others.iter().chain(&["unknown/unknown", "/", "linux/"]) {
                assert!(!asked.matches(&platform(text)), "{asked} is not {text}");
            }
        }
    }

    #[test]
    fn each_platform_has_one_spelling() {
        for (text, canonical) in [
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm64/v8.0", "linux/arm64"),
            ("linux/arm64/v8.2", "linux/arm64/v8.2"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("linux/ppc64le/power9", "linux/ppc64le/power9"),
            ("windows/amd64:10.0.17763", "windows/amd64:10.0.17763"),
        ] {
            assert_eq!(name(text).to_string(), canonical);
            assert_eq!(name(canonical), name(text), "canonical is canonical");
        }
    }

    #[test]
    fn other_texts_are_no_platforms() {
        use PlatformError::{Architecture, Shape, System, Variant, Version};
        for (text, expected) in [
            ("", Shape),
            ("linux", Shape),
            ("a/b/c/d", Shape),
            ("linux/amd46", Architecture("amd46".into())),
            ("linux/x86_64", Architecture("x86_64".into())),
            ("linux/", Architecture(String::new())),
            ("Linux/amd64", System("Linux".into())),
            ("unknown/unknown", System("unknown".into())),
            ("linux/arm/7", Variant("7".into())),
            ("linux/arm/", Variant(String::new())),
            ("linux/amd64/v1.0", Variant("v1.0".into())),
            ("linux/arm64/v8.", Variant("v8.".into())),
            ("linux/arm64/v8.2.1", Variant("v8.2.1".into())),
            ("linux/arm64/v8\u{1b}", Variant("v8\u{1b}".into())),
            ("windows/amd64:", Version(String::new())),
            ("windows/amd64:latest", Version("latest".into())),
            ("windows/amd64:10.", Version("10.".into())),
        ] {
            assert_eq!(text.parse::<PlatformName>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn the_words_of_other_tools_are_translated() {
        for (text, meant) in [
            ("linux/x86_64", Some("linux/amd64")),
            ("linux/aarch64", Some("linux/arm64")),
            ("Linux/AMD64", Some("linux/amd64")),
            ("linux/armhf", Some("linux/arm/v7")),
            ("linux/arm/6", Some("linux/arm/v6")),
            ("macos/arm64", Some("darwin/arm64")),
            ("arm64", Some("linux/arm64")),
            ("windows(10.0.17763)/amd64", Some("windows/amd64:10.0.17763")),
            ("windows/x86_64:10.0.17763", Some("windows/amd64:10.0.17763")),
            ("linux", None),
            ("linux/amd46", None),
            ("(/)", None),
            (")(", None),
        ] {
            assert_eq!(PlatformName::translated(text).map(|name| name.to_string()).as_deref(), meant, "{text}");
        }
    }
}
