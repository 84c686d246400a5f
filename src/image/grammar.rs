//! The grammar of references, written a second time: what is accepted is what the distribution's grammar accepts, less the
//! few texts that are refused on purpose, each named here.

use std::path::Path;

use proptest::prelude::*;

use super::{Role, Written};

/// The rules of the distribution's reference grammar, each a function over the whole text.
mod distribution {
    pub(super) fn reference(text: &str) -> bool {
        let (name, digest_fits) = text.split_once('@').map_or((text, true), |(name, rest)| (name, digest(rest)));
        let (name, tag_fits) = tagged(name);
        digest_fits && tag_fits && named(name)
    }

    /// A colon behind the last slash begins a tag.
    fn tagged(text: &str) -> (&str, bool) {
        let last = text.rfind('/').map_or(0, |at| at + 1);
        match text[last..].split_once(':') {
            Some((name, rest)) => (&text[..last + name.len()], tag(rest)),
            None => (text, true),
        }
    }

    fn named(text: &str) -> bool {
        match text.split_once('/') {
            Some((first, rest)) if is_host(first) => domain(first) && path(rest),
            _ => path(text),
        }
    }

    /// What makes the first component a host; without it, it is a namespace of the default registry.
    pub(super) fn is_host(first: &str) -> bool {
        first.contains('.') || first.contains(':') || first == "localhost"
    }

    fn path(text: &str) -> bool {
        text.split('/').all(component)
    }

    /// Alternately: letters and digits, a separator, letters and digits, …
    fn component(text: &str) -> bool {
        let mut rest = text;
        loop {
            let word = rest.bytes().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
            rest = &rest[word..];
            match (word, rest.is_empty()) {
                (0, _) => return false,
                (_, true) => return true,
                _ => {}
            }
            let dashes = rest.bytes().take_while(|b| *b == b'-').count();
            rest = match rest {
                _ if dashes > 0 => &rest[dashes..],
                _ if rest.starts_with("__") => &rest[2..],
                _ if rest.starts_with(['.', '_']) => &rest[1..],
                _ => return false,
            };
        }
    }

    fn domain(text: &str) -> bool {
        if let Some(rest) = text.strip_prefix('[') {
            let Some((address, after)) = rest.split_once(']') else { return false };
            let digits = !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
            return digits && (after.is_empty() || after.strip_prefix(':').is_some_and(port));
        }
        let (host, port_fits) = text.split_once(':').map_or((text, true), |(host, rest)| (host, port(rest)));
        port_fits && host.split('.').all(label)
    }

    fn port(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
    }

    fn label(text: &str) -> bool {
        let edges = !text.starts_with('-') && !text.ends_with('-');
        !text.is_empty() && edges && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    }

    fn tag(text: &str) -> bool {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let starts = text.bytes().next().is_some_and(word);
        starts && text.len() <= 128 && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
    }

    /// Of the algorithms, those that are registered.
    fn digest(text: &str) -> bool {
        let hex = |hex: &str, length: usize| {
            hex.len() == length && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        text.strip_prefix("sha256:").is_some_and(|text| hex(text, 64))
            || text.strip_prefix("sha512:").is_some_and(|text| hex(text, 128))
    }
}

/// What the grammar accepts and we refuse: hosts that are no hosts, or that people or resolvers take for others; and an
/// image identifier in place of a name.
fn refused_on_purpose(text: &str) -> bool {
    let name = text.split('@').next().unwrap_or_default();
    if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
        return true;
    }
    let Some((first, _)) = name.split_once('/').filter(|(first, _)| distribution::is_host(first)) else { return false };
    if let Some(rest) = first.strip_prefix('[') {
        let (address, port) = rest.split_once(']').unwrap_or_default();
        return address.parse::<std::net::Ipv6Addr>().is_err() || strange_port(port.strip_prefix(':'));
    }
    let (host, port) = first.split_once(':').map_or((first, None), |(host, port)| (host, Some(port)));
    let last = host.rsplit('.').next().unwrap_or_default();
    let hex = last.to_ascii_lowercase().strip_prefix("0x").map(str::to_owned);
    let number =
        last.bytes().all(|b| b.is_ascii_digit()) || hex.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let look_alike = host.split('.').any(|label| label.to_ascii_lowercase().starts_with("xn--"));
    look_alike || (number && host.parse::<std::net::Ipv4Addr>().is_err()) || strange_port(port)
}

fn strange_port(port: Option<&str>) -> bool {
    port.is_some_and(|port| port.starts_with('0') || port.parse::<u16>().is_err())
}

/// What we accept beyond the grammar: a host with the dot at its end, as in DNS.
fn without_last_dot(text: &str) -> String {
    match text.split_once('/') {
        Some((first, rest)) if distribution::is_host(first) => {
            let (host, port) = first.split_once(':').map_or((first, String::new()), |(h, p)| (h, format!(":{p}")));
            // Bare, it is told from the first part of a path by its port.
            let bare = host.strip_suffix('.').unwrap_or(host);
            let port = if distribution::is_host(bare) || !port.is_empty() { port } else { ":443".to_owned() };
            if host.contains(']') { text.to_owned() } else { format!("{bare}{port}/{rest}") }
        }
        _ => text.to_owned(),
    }
}

#[track_caller]
fn agree(text: &str) {
    let ours = Written::parse(text, Role::Source, Path::new("/")).is_ok();
    let theirs = distribution::reference(&without_last_dot(text)) && !refused_on_purpose(&without_last_dot(text));
    assert_eq!(ours, theirs, "{text:?}: ours {ours}, the grammar {theirs}");
}

const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

#[test]
fn the_two_grammars_agree_on_odd_texts() {
    let digested = |name: &str| format!("{name}@{DIGEST}");
    let long = "a".repeat(128);
    for text in [
        "test_com",
        "test.com:tag",
        "test.com:5000",
        "test.com/repo:tag",
        "test:5000/repo",
        "test:5000/repo:tag",
        "test:5000/repo@sha256:ffff",
        "",
        ":justtag",
        "@sha256:ffffffffffffffffffffffffffffffff",
        "repo@sha256:ffffffffffffffffffffffffffffff",
        "Uppercase:tag",
        "Uppercase/lowercase:tag",
        "test:5000/Uppercase/lowercase:tag",
        "lowercase:Uppercase",
        "domain/aa/aa/aa",
        "sub-dom1.foo.com/bar/baz/quux:some-long-tag",
        "b.gcr.io/test.example.com/my-app:test.example.com",
        "xn--n3h.com/myimage:xn--n3h.com",
        "foo_bar.com:8080/app",
        "foo/foo_bar.com:8080",
        "foo/foo_bar",
        "foo//bar",
        "-foo/bar",
        "foo.com/-bar",
        "foo-.com/bar",
        "foo.com:http/bar",
        "[2001:db8::1]/app",
        "[2001:db8::1]:5000/app:1",
        "[fe80::1%eth0]/app",
        "[2001:db8:::1]:5000/app",
        "192.168.0.1/app",
        "192.168.0.1:80/app:tag",
        "a.b./c",
        "a__b/c--d/e.f",
        "a___b",
        "a..b/c",
        "a.-b",
        "localhost",
        "localhost/a",
        "app./a",
        "C./a",
        "app.:443/a",
        "a.io./a",
        "LOCALHOST/a",
        "a/b:c/d",
        "a/b:1:2",
        "a@b@c",
    ] {
        agree(text);
        agree(&digested(text));
    }
    agree(&format!("a:{long}"));
    agree(&format!("a:{long}x"));
}

proptest! {
    #[test]
    fn the_two_grammars_agree(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "a", "b0", "C", "9", ".", "_", "__", "-", "--", "/", "/", "/", ":", ":", "@", "localhost", "a.io", "x.B", "[::1]",
                "127.0.0.1", "443", "5000", "0", "0x1", "latest", "+", "~", DIGEST, "sha256:",
            ]),
            0..9,
        ),
    ) {
        agree(&pieces.concat());
    }

    /// Texts that the grammar makes: most are accepted, and all of them print as what they were read from.
    #[test]
    fn what_the_grammar_makes_is_read_and_printed(
        host in prop::option::of("[a-z]{1,4}(-[a-z]{1,3})?\\.(io|com)(:[1-9][0-9]{0,3})?|localhost|[a-z]{2}:(443|80|5000)|\\[::1\\](:5000)?"),
        path in "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}){0,2}",
        tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9._-]{0,20}"),
        pinned in any::<bool>(),
    ) {
        let host = host.map(|host| format!("{host}/")).unwrap_or_default();
        let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = if pinned { format!("@{DIGEST}") } else { String::new() };
        let text = format!("{host}{path}{tag}{digest}");
        agree(&text);
        // Without a host, the first component may be taken for one that is none: `a_0.b/c`.
        let Ok(read) = Written::parse(&text, Role::Source, Path::new("/")) else { return Ok(()) };
        let printed = format!("{}{tag}{digest}", read.location);
        prop_assert_eq!(Written::parse(&printed, Role::Source, Path::new("/")).unwrap(), read);
    }
}
