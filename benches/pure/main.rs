//! What the pure rooms cost: planning, parsing manifests, selecting tags, rendering. `cargo bench`
//!
//! Owns the sizes at which they are measured: those of the largest configurations. Refuses the network; the whole program is
//! measured by `bench/run.py`.

mod manifests;
mod mirrors;
mod planning;
mod rendering;
mod selecting;

use criterion::{criterion_group, criterion_main};

criterion_group!(pure, planning::bench, manifests::bench, selecting::bench, rendering::bench);
criterion_main!(pure);
