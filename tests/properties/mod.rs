//! Properties: what holds for every image graph, every target state and every schedule of faults, tried on random ones.
//!
//! Seeded and shrinking. The number of cases is small, so that the suite stays quick; `PROPTEST_CASES` raises it. What
//! fails is written to `proptest-regressions` and tried first from then on.

mod converging;
mod explaining;
mod faults;
mod running;
mod worlds;

use proptest::test_runner::Config;

/// So many cases, or as many as `PROPTEST_CASES` says.
pub(crate) fn cases(usual: u32) -> Config {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let config = Config::default();
    // A case is a whole run or several: a failure is shrunk for seconds, not for minutes.
    Config { cases: if asked { config.cases } else { usual }, max_shrink_iters: 200, ..config }
}
