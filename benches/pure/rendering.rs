//! From a plan to what people and programs read.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use regsync::plan::file::Stamp;
use regsync::report::{Format, Setting, Style, plan};

use super::mirrors::{TOTAL, planned};

/// Renders a plan of ten thousand steps, as text and as JSON.
pub(crate) fn bench(criterion: &mut Criterion) {
    let planned = planned();
    let stamp = Stamp { tool_version: "0.0.0".to_owned(), created_at: "2026-01-01T00:00:00Z".to_owned() };
    let cases = [
        ("text", Format::Text, Style { color: false, verbose: false }),
        ("text, every step, in colour", Format::Text, Style { color: true, verbose: true }),
        ("JSON", Format::Json, Style { color: false, verbose: false }),
    ];
    let mut group = criterion.benchmark_group("render 10,000 steps");
    group.throughput(Throughput::Elements(TOTAL as u64)).sample_size(20);
    for (name, format, style) in cases {
        group.bench_function(name, |bencher| {
            bencher.iter(|| plan(format, black_box(&planned), (&stamp, &Setting::default()), style));
        });
    }
    group.finish();
}
