//! How far addresses reach: from everybody's to those that mean something on this machine alone. Pure.
//!
//! Owns the list of ranges. Refuses to resolve names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// How far an address reaches. Later ones are nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    Public,
    Private,
    Loopback,
    /// Link-local, unspecified and metadata addresses: never a place for images.
    Nowhere,
}

/// How far the host of a URL reaches, by its spelling.
pub(super) fn reach(url: &Url) -> Reach {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    if is_this_machine(host) {
        return Reach::Loopback;
    }
    if matches!(host, "metadata.google.internal" | "metadata") {
        return Reach::Nowhere;
    }
    // The URL parser has already turned decimal, octal and hexadecimal spellings into plain addresses.
    host.trim_start_matches('[').trim_end_matches(']').parse().map_or(Reach::Public, reach_of)
}

/// Whether a plain name means this machine by its spelling (RFC 6761 section 6.3).
pub(super) fn is_this_machine(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// How far an address reaches.
pub(super) fn reach_of(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, ..] = address.octets();
    // Metadata of Azure, Alibaba and Oracle outside the link-local range.
    let metadata = [[168, 63, 129, 16], [100, 100, 100, 200], [192, 0, 0, 192]];
    let special = a == 0 || address.is_link_local() || address.is_broadcast() || address.is_multicast();
    if special || metadata.contains(&address.octets()) {
        Reach::Nowhere
    } else if address.is_loopback() {
        Reach::Loopback
    } else if address.is_private() || (a == 100 && (64..128).contains(&b)) {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let segments = address.segments();
    // Metadata of Amazon, Google and Oracle, all outside the link-local range.
    let metadata = [[0xfd00, 0xec2], [0xfd20, 0xce], [0xfd00, 0xc1]].iter().any(|prefix| segments[..2] == *prefix);
    if address.is_loopback() {
        Reach::Loopback
    } else if address.is_unspecified() || address.is_unicast_link_local() || address.is_multicast() || metadata {
        Reach::Nowhere
    } else if address.is_unique_local() {
        Reach::Private
    } else {
        reach_inside(address)
    }
}

/// IPv6 that leads to IPv4: mapped and compatible (RFC 4291 section 2.5.5), 6to4 (RFC 3056), translated (RFC 6052), and
/// translated in one network alone (RFC 8215), whose prefix may end at any of four places.
fn reach_inside(address: Ipv6Addr) -> Reach {
    let octets = address.octets();
    let four = |places: [usize; 4]| reach_v4(places.map(|place| octets[place]).into());
    let last = [12, 13, 14, 15];
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => four(last),
        [0x2002, ..] => four([2, 3, 4, 5]),
        [0x64, 0xff9b, 1, ..] => {
            let places = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], last];
            // Where the prefix ends elsewhere, zeros are read in an address's place; those say nothing.
            let read = places.into_iter().filter(|places| octets[places[0]] != 0).map(four);
            read.fold(Reach::Private, Reach::max)
        }
        _ => Reach::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_an_address_reaches_farther_than_the_address() {
        let reach = |host: &str| reach(&format!("https://{host}/").parse().unwrap());
        let nowhere = [
            "[fd20:ce::254]",
            "[fd00:c1::a9fe:a9fe]",
            "[fd00:ec2::23]",
            "[2002:a9fe:a9fe::]",
            "[2002:a9fe:a9fe:1::7]",
            "[64:ff9b:1::a9fe:a9fe]",
            "[64:ff9b:1:a9fe:a9:fe00::]",
            "[64:ff9b:1:a9:fe:a9fe::]",
            "[64:ff9b:1:0:a9:fea9:fe00::]",
            "[::169.254.169.254]",
            "[::ffff:168.63.129.16]",
        ];
        for host in nowhere {
            assert_eq!(reach(host), Reach::Nowhere, "{host}");
        }
        for host in ["[2002:7f00:1::]", "[64:ff9b:1::7f00:1]", "[::127.0.0.1]", "[::1]"] {
            assert_eq!(reach(host), Reach::Loopback, "{host}");
        }
        // The translators of RFC 8215 are those of one network, whatever they lead to.
        for host in ["[2002:a00:5::]", "[64:ff9b:1::a00:5]", "[64:ff9b:1::808:808]", "[::10.0.0.5]"] {
            assert_eq!(reach(host), Reach::Private, "{host}");
        }
        for host in ["[2002:808:808::]", "[64:ff9b::808:808]", "[::8.8.8.8]", "[2606:4700::1]"] {
            assert_eq!(reach(host), Reach::Public, "{host}");
        }
        assert_eq!(reach("[::]"), Reach::Nowhere);
    }
}
