//! Amounts as people read them: sizes, times, numbers of things.
//!
//! Owns rounding and plurals. Refuses locales: the same amount is the same text everywhere.

use std::time::Duration;

/// Decimal units (IEC 80000-13 keeps these names for powers of ten; registries and disks are sold by them).
const UNITS: [(&str, u64); 5] =
    [("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("PB", 1_000_000_000_000_000)];

/// `48.1 MB`.
pub(super) fn size(bytes: u64) -> String {
    match unit_of(bytes) {
        None => format!("{bytes} B"),
        Some((name, unit)) => format!("{} {name}", in_unit(bytes, unit)),
    }
}

/// `1.2/3.4 GB`: a part and its whole, in the unit of the whole.
pub(super) fn share(part: u64, whole: u64) -> String {
    match unit_of(whole) {
        None => format!("{part}/{whole} B"),
        Some((name, unit)) => format!("{}/{} {name}", in_unit(part, unit), in_unit(whole, unit)),
    }
}

/// The first unit in which three digits before the point are enough, after rounding: 999 950 bytes are `1.0 MB`.
fn unit_of(bytes: u64) -> Option<(&'static str, u64)> {
    let fits = |(_, unit): &(&str, u64)| tenths(bytes, *unit) < 10_000;
    let largest = UNITS.last().copied();
    if bytes < 1_000 { None } else { UNITS.into_iter().find(fits).or(largest) }
}

fn in_unit(bytes: u64, unit: u64) -> String {
    let tenths = tenths(bytes, unit);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn tenths(bytes: u64, unit: u64) -> u64 {
    let tenth = unit / 10;
    bytes / tenth + u64::from(bytes % tenth >= tenth / 2)
}

/// `4.2 s`, `3 min 5 s`, `2 h 10 min`.
pub(super) fn time(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    let seconds = duration.as_secs() + u64::from(duration.subsec_millis() >= 500);
    match seconds {
        _ if tenths < 600 => format!("{}.{} s", tenths / 10, tenths % 10),
        ..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1 tag`, `2 tags`. `noun` is the singular; its plural takes an s, or `ies` for a final y.
pub(super) fn count(number: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("1 {noun}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_with_one_digit() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (48_149_999, "48.1 MB"),
            (154_800_000, "154.8 MB"),
            (3_400_000_000, "3.4 GB"),
            (u64::MAX, "18446.7 PB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(share(1_200_000_000, 3_400_000_000), "1.2/3.4 GB");
        assert_eq!(share(0, 3_400_000_000), "0.0/3.4 GB");
        assert_eq!(share(7, 9), "7/9 B");
    }

    #[test]
    fn times_get_coarser_as_they_get_longer() {
        let cases = [
            (0, "0.0 s"),
            (4_249, "4.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 0 s"),
            (65_000, "1 min 5 s"),
            (3_600_000, "1 h 0 min"),
        ];
        for (millis, text) in cases {
            assert_eq!(time(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(count(1, "tag"), "1 tag");
        assert_eq!(count(0, "error"), "0 errors");
        assert_eq!(count(2, "repository"), "2 repositories");
    }
}
