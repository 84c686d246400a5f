//! What is a version, and which of two is the newer.

use std::cmp::Ordering;

use super::*;

/// Numbers, pre-release, variant.
fn read(text: &str) -> String {
    let Some(version) = Version::parse(text) else { return "-".to_owned() };
    let numbers: Vec<String> = version.numbers[..version.written].iter().map(u64::to_string).collect();
    let pre = version.pre.map(|pre| format!(" pre {pre}")).unwrap_or_default();
    let variant = if version.is_variant() { format!(" variant {}", version.variant) } else { String::new() };
    let long = if version.is_long_number { " long" } else { "" };
    format!("{}{pre}{variant}{long}", numbers.join("."))
}

#[test]
fn versions_are_read_as_registries_write_them() {
    let table = [
        ("1", "1"),
        ("v1.29", "1.29"),
        ("V1.2.3", "1.2.3"),
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4.5", "-"),
        ("1.02.003", "1.2.3"),
        // Pre-releases.
        ("v1.31.0-alpha.3", "1.31.0 pre alpha.3"),
        ("v1.31.0-rc.1", "1.31.0 pre rc.1"),
        ("1.31.0-rc1", "1.31.0 pre rc1"),
        ("1.31.0-RC-2", "1.31.0 pre RC-2"),
        ("17beta2", "17 pre beta2"),
        ("17rc1-alpine3.20", "17 pre rc1 variant alpine3.20"),
        ("3.14.0a5", "3.14.0 pre a5"),
        ("3.14.0b2-slim", "3.14.0 pre b2 variant slim"),
        ("3.14.0rc1-bookworm", "3.14.0 pre rc1 variant bookworm"),
        ("3.2.0-M1", "3.2.0 pre M1"),
        ("22-ea-16-jdk-slim", "22 pre ea-16 variant jdk-slim"),
        ("2.0.0-SNAPSHOT", "2.0.0 pre SNAPSHOT"),
        ("2.0.0.dev3", "2.0.0 pre dev3"),
        ("2.0.0-dev.20240101.abcdef", "2.0.0 pre dev.20240101.abcdef"),
        ("11.0.0-66206", "11.0.0 pre 66206"),
        ("0.0.0-20240115-abcdef012345", "0.0.0 pre 20240115 variant abcdef012345"),
        ("v1.2.3-14-gabcdef0", "1.2.3 pre 14 variant gabcdef0"),
        // Variants.
        ("1.27.4-alpine3.20-perl", "1.27.4 variant alpine3.20-perl"),
        ("16.2-bookworm", "16.2 variant bookworm"),
        ("3.22-rfcurated", "3.22 variant rfcurated"),
        ("1.2.3_build5", "1.2.3 variant build5"),
        ("5.0.0.Final", "5.0.0 variant Final"),
        ("1.0.2k", "1.0.2 variant k"),
        ("v1.29.1-k3s1", "1.29.1 variant k3s1"),
        ("v1.29.0-rc1-k3s1", "1.29.0 pre rc1 variant k3s1"),
        ("16.2.0-debian-12-r3", "16.2.0 variant debian-12-r3"),
        ("1.2.3-3f9c2d1", "1.2.3 variant 3f9c2d1"),
        ("1.2.3-a1b2c3d", "1.2.3 variant a1b2c3d"),
        ("1.2.3-b4", "1.2.3 pre b4"),
        // Dates.
        ("2024.01.15", "2024.1.15"),
        ("2024-01-15", "2024.1.15"),
        ("2024-01-15-3f9c2d1", "2024.1.15 variant 3f9c2d1"),
        ("2024-13-15", "2024 pre 13 variant 15"),
        ("2024-01", "2024.1"),
        ("2024-01-slim", "2024.1 variant slim"),
        ("2024-01-15-1", "2024.1.15 variant 1"),
        ("2024.01.15-1", "2024.1.15 variant 1"),
        ("2024.10.15-1", "2024.10.15 pre 1"),
        ("20240115", "20240115 long"),
        ("20240115.1", "20240115.1 long"),
        ("v20240115-0c1e8a9", "20240115 variant 0c1e8a9 long"),
        ("20240115-123456", "20240115 variant 123456 long"),
        // Commits, names, and what is too large.
        ("1234567", "1234567 long"),
        ("1f3a9c2", "-"),
        ("3b12345", "-"),
        ("12a3", "-"),
        ("8u342-jdk", "-"),
        ("abc1234", "-"),
        ("1.2.3-", "-"),
        ("1.2.3.", "-"),
        ("1.2.3-rc.1_", "-"),
        ("latest", "-"),
        ("v", "-"),
        ("vx1", "-"),
        ("release-1.2", "-"),
        ("RELEASE.2024-01-16T16-07-38Z", "-"),
        ("99999999999999999999", "-"),
    ];
    for (text, expected) in table {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn newer_is_by_version_then_by_what_is_written() {
    // From the newest to the oldest.
    let order = [
        "v1.31.0",
        "1.31.0-rc.10",
        "1.31.0-rc.2",
        "1.31.0-rc1",
        "1.31.0-beta.11",
        "1.31.0-beta.2",
        "1.31.0-alpha.beta",
        "1.31.0-alpha.1",
        "1.31.0-alpha",
        "1.31.0-99",
        "1.31.0-1",
        "1.30.0.1",
        "1.30.0",
        "v1.30.0",
        "1.30.0-alpine3.20",
        "1.30.0-alpine3.9",
        "1.30",
        "1.30-alpine",
        "1.29.99",
        "1.9.0",
        "1",
    ];
    for (newer, pair) in order.windows(2).enumerate() {
        let [a, b] = [tag(pair[0]), tag(pair[1])];
        assert_eq!(Ranked::of(&a).unwrap().cmp(&Ranked::of(&b).unwrap()), Ordering::Greater, "{newer}: {a} and {b}");
    }
}
