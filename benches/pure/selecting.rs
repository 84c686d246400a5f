//! From a repository's tag list to the tags that a mirror wants.

use std::hint::black_box;

use criterion::{Criterion, Throughput};

use super::mirrors::{desired, tags};

/// Tags in the list.
const TAGS: usize = 100_000;

/// Selects from a long list, by names, globs and all other rules; and from lists of several lengths, to see that it grows
/// with them and not faster.
pub(crate) fn bench(criterion: &mut Criterion) {
    let listed = tags(TAGS);
    let cases = [
        ("one glob that takes all", r#"["*"]"#),
        ("one glob that takes few", r#"["v1*-alpine"]"#),
        ("ten globs", r#"["v1.*", "v2.*", "v3.*", "v4.*", "v5.*", "v6.*", "v7.*", "v8.*", "v9.*", "*-alpine"]"#),
        ("names beside a glob", r#"["v1.2.3", "v2.3.4", "v3.4.5", "v9?.1.*"]"#),
        ("a regular expression", r"{ regex: ['v1\.\d+\.\d+(-alpine)?'] }"),
        ("a constraint", r#"{ semver: ">=20, <80" }"#),
        ("the newest ten", "{ newest: 10 }"),
        (
            "all rules",
            r#"{ include: ["v*"], regex: ['v1\.\d+\.\d+'], semver: ">=20, <80", exclude: ["*-rc*"], newest: 10 }"#,
        ),
    ];
    let mut group = criterion.benchmark_group("select from 100,000 tags");
    group.throughput(Throughput::Elements(TAGS as u64)).sample_size(10);
    for (name, globs) in cases {
        let desired = desired(1, globs);
        group.bench_function(name, |bencher| bencher.iter(|| desired.expand(|_| Some(black_box(listed.as_slice())))));
    }
    group.finish();
    let mut group = criterion.benchmark_group("select by all rules from lists of other lengths");
    // Of any length the same share goes through each stage.
    let rules = r#"{ include: ["v*"], regex: ['v1\.\d+\.\d+'], semver: ">=0", exclude: ["*-rc*"], newest: 10 }"#;
    let desired = desired(1, rules);
    for length in [12_500, 25_000, 50_000, 100_000, 200_000] {
        let listed = tags(length);
        group.throughput(Throughput::Elements(length as u64)).sample_size(10);
        group.bench_function(length.to_string(), |bencher| {
            bencher.iter(|| desired.expand(|_| Some(black_box(listed.as_slice()))));
        });
    }
    group.finish();
}
