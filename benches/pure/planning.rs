//! From what was wanted and seen to the steps.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use regsync::plan::{Scope, plan};

use super::mirrors::{TOTAL, observed, wanted};

/// Plans ten thousand tags: all of them, and those that a filter leaves.
pub(crate) fn bench(criterion: &mut Criterion) {
    let desired = wanted();
    let observed = observed(&desired);
    let some = Scope { only: vec!["ghcr.io/acme/mirror/app1*".to_owned()], ..Scope::default() };
    let mut group = criterion.benchmark_group("plan 10,000 tags");
    group.throughput(Throughput::Elements(TOTAL as u64)).sample_size(20);
    for (name, scope) in [("all", Scope::default()), ("with --only", some)] {
        let filter = scope.filter().expect("valid globs");
        group.bench_function(name, |bencher| {
            bencher.iter(|| plan(black_box(&desired), black_box(&observed), &scope, &filter));
        });
    }
    group.finish();
}
