//! References as people write them: tag and digest both optional, the registry sometimes left out.
//!
//! Owns the grammar of the configuration's `source`, `target` and of the command line. Refuses to repeat a text that may
//! hold a password, and to read anything it does not fully understand.

use std::path::Path;

use super::{Digest, DigestError, LayoutPath, Location, ReferenceError, Registry, Repository, Tag};

/// A reference as written: the tag and the digest are both optional, and may both be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub location: Location,
    /// The tag, if one is written.
    pub tag: Option<Tag>,
    /// The digest, if one is written.
    pub digest: Option<Digest>,
}

/// Which rules a written reference is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Something to read: short names of Docker Hub are expanded.
    Source,
    /// Something to write: the registry must be named, and a digest cannot be chosen.
    Target,
}

impl Written {
    /// Reads `text`, found in a file that lies in the directory `base`, to which layout paths are relative.
    pub fn parse(text: &str, role: Role, base: &Path) -> Result<Self, ReferenceError> {
        refuse_characters(text)?;
        if let Some(path) = text.strip_prefix("oci:").filter(|path| !path.starts_with("//")) {
            return layout(path, role, base);
        }
        if let Some((_, rest)) = text.split_once("://") {
            let rest = rest.rsplit('@').next().unwrap_or_default();
            return Err(ReferenceError::Scheme(rest.to_owned()));
        }
        let (name, digest) = split_digest(text)?;
        let (name, tag) = split_tag(name)?;
        let location = Location::Repository(repository(name, role)?);
        check_role(role, digest.as_ref())?;
        Ok(Self { location, tag, digest })
    }
}

fn check_role(role: Role, digest: Option<&Digest>) -> Result<(), ReferenceError> {
    match (role, digest) {
        (Role::Target, Some(_)) => Err(ReferenceError::TargetDigest),
        _ => Ok(()),
    }
}

/// White space, control, format and non-ASCII characters: look-alikes and direction overrides among them.
fn refuse_characters(text: &str) -> Result<(), ReferenceError> {
    // A path of a layout may hold any letters; what it may not hold is the same as everywhere.
    let layout = text.starts_with("oci:");
    let wrong = |c: &char| {
        let visible = c.is_ascii_graphic() || (layout && (c.is_alphanumeric() || *c == ' '));
        !visible
    };
    match text.chars().find(wrong) {
        Some(c) => Err(ReferenceError::Character(format!("`{}` (U+{:04X})", c.escape_debug(), u32::from(c)))),
        None if text != text.trim() => Err(ReferenceError::Character("` ` (U+0020)".to_owned())),
        None => Ok(()),
    }
}

/// `path[:tag][@digest]` of a layout. The tag is what follows the last colon after the last slash.
fn layout(text: &str, role: Role, base: &Path) -> Result<Written, ReferenceError> {
    let (path, digest) = match text.rsplit_once('@') {
        Some((path, digest)) if digest.contains(':') || digest.is_empty() => {
            (path, Some(non_empty(digest, "@")?.parse()?))
        }
        _ => (text, None),
    };
    let (path, tag) = split_tag(path)?;
    check_role(role, digest.as_ref())?;
    Ok(Written { location: Location::Layout(LayoutPath::new(base, path)?), tag, digest })
}

fn split_digest(text: &str) -> Result<(&str, Option<Digest>), ReferenceError> {
    match text.split_once('@') {
        None => Ok((text, None)),
        Some((_, after)) if after.contains(['/', '@']) => Err(ReferenceError::UserInfo),
        Some((before, after)) => {
            let digest = non_empty(after, "@")?;
            let looks_like_user = before.contains(':') && !digest.contains(':');
            if looks_like_user {
                return Err(ReferenceError::UserInfo);
            }
            Ok((non_empty_before(before, "@")?, Some(digest.parse()?)))
        }
    }
}

fn split_tag(text: &str) -> Result<(&str, Option<Tag>), ReferenceError> {
    let path = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[path..].rfind(':') {
        // `[::1]` alone has colons but no tag.
        Some(_) if text.ends_with(']') => Ok((text, None)),
        Some(colon) => {
            let (name, tag) = (&text[..path + colon], &text[path + colon + 1..]);
            Ok((non_empty_before(name, ":")?, Some(non_empty(tag, ":")?.parse()?)))
        }
        None => Ok((text, None)),
    }
}

fn non_empty<'a>(text: &'a str, separator: &str) -> Result<&'a str, ReferenceError> {
    if text.is_empty() { Err(ReferenceError::Incomplete(separator.to_owned())) } else { Ok(text) }
}

fn non_empty_before<'a>(text: &'a str, separator: &str) -> Result<&'a str, ReferenceError> {
    if text.is_empty() { Err(ReferenceError::Path(separator.to_owned())) } else { Ok(text) }
}

fn repository(name: &str, role: Role) -> Result<Repository, ReferenceError> {
    let (first, rest) = name.split_once('/').unwrap_or((name, ""));
    let has_host = Registry::looks_like_host(first) && name.contains('/');
    match (has_host, role) {
        (true, _) => {
            let registry: Registry = first.parse()?;
            Repository::new(registry.clone(), &hub_name(&registry, rest))
        }
        (false, Role::Source) => {
            refuse_bare_digest(name)?;
            let hub = Registry::docker_hub();
            Repository::new(hub.clone(), &hub_name(&hub, name))
        }
        (false, Role::Target) => {
            // The name itself must be sound before the missing registry is worth a word.
            let hub = Registry::docker_hub();
            let full = Repository::new(hub.clone(), &hub_name(&hub, name))?;
            Err(ReferenceError::NoRegistry(full.to_string()))
        }
    }
}

/// Docker Hub's official images live below `library/`.
fn hub_name(registry: &Registry, name: &str) -> String {
    let official = registry.is_docker_hub() && !name.contains('/') && !name.is_empty();
    if official { format!("library/{name}") } else { name.to_owned() }
}

/// Sixty-four hex digits are an image identifier, not a name: every client refuses them.
fn refuse_bare_digest(name: &str) -> Result<(), ReferenceError> {
    let identifier = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    if identifier { Err(DigestError::Format.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Check = fn(&ReferenceError) -> bool;

    fn parse(text: &str, role: Role) -> Result<Written, ReferenceError> {
        Written::parse(text, role, Path::new("/config"))
    }

    fn canonical(text: &str) -> String {
        let written = parse(text, Role::Source).expect(text);
        let tag = written.tag.map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = written.digest.map(|digest| format!("@{}", digest.short())).unwrap_or_default();
        format!("{}{tag}{digest}", written.location)
    }

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn short_names_of_sources_are_docker_hubs() {
        assert_eq!(canonical("alpine"), "docker.io/library/alpine");
        assert_eq!(canonical("alpine:3.20"), "docker.io/library/alpine:3.20");
        assert_eq!(canonical("grafana/grafana"), "docker.io/grafana/grafana");
        assert_eq!(canonical("index.docker.io/alpine"), "docker.io/library/alpine");
        assert_eq!(canonical("localhost/x"), "localhost/x");
        assert_eq!(canonical(&format!("ghcr.io:443/a/b:1@{DIGEST}")), "ghcr.io/a/b:1@44136fa355b3");
        assert_eq!(canonical("[::1]:5000/x:1"), "[::1]:5000/x:1");
    }

    #[test]
    fn layouts_are_relative_to_their_file() {
        let written = parse("oci:up/./stream/../web:2.5", Role::Source).unwrap();
        assert_eq!(written.location.to_string(), "oci:up/./stream/../web");
        assert_eq!(written.tag.unwrap().as_str(), "2.5");
        let Location::Layout(path) = written.location else { panic!("a layout") };
        assert_eq!(path.directory(), Path::new("/config/up/web"));
        assert!(path.is_below(Path::new("/config")) && !path.is_below(Path::new("/config/other")));
        let outside = LayoutPath::new(Path::new("/config"), "../../../etc").unwrap();
        assert!(!outside.is_below(Path::new("/config")));
    }

    #[test]
    fn a_target_names_its_registry_and_no_digest() {
        assert_eq!(parse("app", Role::Target), Err(ReferenceError::NoRegistry("docker.io/library/app".into())));
        let pinned = parse(&format!("ghcr.io/a/b@{DIGEST}"), Role::Target);
        assert_eq!(pinned, Err(ReferenceError::TargetDigest));
    }

    #[test]
    fn each_kind_of_mistake_is_named() {
        use ReferenceError as E;
        let long_tag = format!("ghcr.io/a:{}", "t".repeat(129));
        let long_name = format!("ghcr.io/{}", "a".repeat(256));
        let cases: Vec<(&str, Check)> = vec![
            ("ghcr.io/a\u{202e}b", |e| matches!(e, E::Character(c) if c.contains("U+202E"))),
            ("ghcr.io/\u{430}pp", |e| matches!(e, E::Character(_))),
            (" ghcr.io/a", |e| matches!(e, E::Character(_))),
            ("ghcr.io/a\n", |e| matches!(e, E::Character(_))),
            ("https://ghcr.io/a/b:1", |e| matches!(e, E::Scheme(rest) if rest == "ghcr.io/a/b:1")),
            ("user:pw@ghcr.io/a", |e| matches!(e, E::UserInfo)),
            ("https://user:hunter2@ghcr.io/a", |e| matches!(e, E::Scheme(rest) if !rest.contains("hunter2"))),
            ("ghcr.io/Org/App", |e| matches!(e, E::Case(lower) if lower == "org/app")),
            ("ghcr.io/a//b", |e| matches!(e, E::Path(_))),
            ("ghcr.io/a/", |e| matches!(e, E::Path(_))),
            ("/a", |e| matches!(e, E::Path(_))),
            ("ghcr.io/a/../b", |e| matches!(e, E::Path(_))),
            ("ghcr.io/a:", |e| matches!(e, E::Incomplete(_))),
            ("ghcr.io/a@", |e| matches!(e, E::Incomplete(_))),
            (":tag", |e| matches!(e, E::Path(_))),
            ("ghcr.io/a:-x", |e| matches!(e, E::Tag(_))),
            ("ghcr.io/a:1+2", |e| matches!(e, E::Tag(_))),
            ("ghcr.io/a@sha256:abcd", |e| matches!(e, E::Digest(_))),
            ("ghcr.io/a@sha256:../../etc", |e| matches!(e, E::UserInfo | E::Digest(_))),
            ("ghcr.io:0/a", |e| matches!(e, E::Port(_))),
            ("ghcr.io:/a", |e| matches!(e, E::Port(_))),
            ("ghcr.io%2f/a", |e| matches!(e, E::Host(_))),
            ("xn--80ak6aa92e.com/a", |e| matches!(e, E::Host(_))),
            (&long_tag, |e| matches!(e, E::Length { what: "tag", .. })),
            (&long_name, |e| matches!(e, E::Length { what: "repository", .. })),
        ];
        for (text, expected) in cases {
            let error = parse(text, Role::Source).expect_err(text);
            assert!(expected(&error), "{text}: {error:?}");
        }
    }

    #[test]
    fn an_image_identifier_is_not_a_name() {
        assert!(matches!(parse(&"a".repeat(64), Role::Source), Err(ReferenceError::Digest(_))));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_the_same(
            host in "[a-z]{1,8}\\.(io|com)(:[1-9][0-9]{0,3})?",
            path in "[a-z0-9]{1,5}(/[a-z0-9]{1,5}([._-][a-z0-9]{1,3})?){0,3}",
            tag in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9._-]{0,20}"),
        ) {
            let text = format!("{host}/{path}{}", tag.map(|tag| format!(":{tag}")).unwrap_or_default());
            let once = parse(&text, Role::Source).unwrap();
            let printed = once.tag.as_ref().map_or(once.location.to_string(), |tag| format!("{}:{tag}", once.location));
            prop_assert_eq!(parse(&printed, Role::Source).unwrap(), once);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            let _ = parse(&text, Role::Source);
            let _ = parse(&format!("oci:{text}"), Role::Target);
        }
    }
}
