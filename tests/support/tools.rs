//! Foreign programs used as witnesses: present, skipped with a notice, or demanded.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// Set to `1` where a missing tool must fail the run (continuous integration).
pub const REQUIRE_TOOLS: &str = "REGSYNC_TEST_REQUIRE_TOOLS";

/// The path of the program; `None`, with a notice, where it is not installed.
///
/// The caller returns on `None`: `let Some(skopeo) = require_tool("skopeo") else { return };`
#[track_caller]
pub fn require_tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    if found.is_none() {
        let demanded = env::var_os(REQUIRE_TOOLS).is_some_and(|value| value == "1");
        assert!(!demanded, "{name} is not installed, and {REQUIRE_TOOLS}=1 demands it");
        // Past the capture of passing tests: a skip must be seen.
        let advice = format!("set {REQUIRE_TOOLS}=1 to make this a failure");
        let notice = format!("SKIPPED: {name} is not installed; {advice}\n");
        io::stderr().write_all(notice.as_bytes()).unwrap();
    }
    found
}
