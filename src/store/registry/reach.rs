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
    if host == "localhost" || host.ends_with(".localhost") {
        return Reach::Loopback;
    }
    if matches!(host, "metadata.google.internal" | "metadata") {
        return Reach::Nowhere;
    }
    // The URL parser has already turned decimal, octal and hexadecimal spellings into plain addresses.
    host.trim_start_matches('[').trim_end_matches(']').parse().map_or(Reach::Public, reach_of)
}

/// Whether an address is this machine's, or one at which a metadata service may be.
pub(super) fn is_of_this_machine(address: IpAddr) -> bool {
    reach_of(address) >= Reach::Loopback
}

fn reach_of(address: IpAddr) -> Reach {
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
    // IPv4 in IPv6: mapped (RFC 4291) and translated (RFC 6052).
    let translated = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    if let Some(inner) = address.to_ipv4_mapped().or_else(|| translated.then(|| last_four(address))) {
        return reach_v4(inner);
    }
    let metadata = segments[..2] == [0xfd00, 0xec2];
    if address.is_loopback() {
        Reach::Loopback
    } else if address.is_unspecified() || address.is_unicast_link_local() || address.is_multicast() || metadata {
        Reach::Nowhere
    } else if address.is_unique_local() {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn last_four(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}
