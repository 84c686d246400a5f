//! The `regsync` binary.

fn main() {}
