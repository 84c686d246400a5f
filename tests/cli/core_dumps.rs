//! What others may see of a process that holds credentials.

use std::fs;

use super::one_mirror;
use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::FakeRegistry;
use crate::support::server::{Fault, Gate, Match};

/// proc(5): the files of a process that may not be dumped belong to root; those of any other to who runs it.
#[test]
fn a_run_leaves_no_core_dump_and_hides_its_memory() {
    let host = FakeRegistry::start();
    zoo::index("one").push_to(&host, "app", "1");
    zoo::index("two").push_to(&host, "app", "2");
    let gate = Gate::new();
    host.fault(Match::new("*", "/v2/app/manifests/1"), Fault::Hold(gate.clone()));
    let regsync = Regsync::new().config(&one_mirror(&host)).host(&host.host(), "HOST");
    let mut run = regsync.spawn(["plan"]);
    assert!(run.reaches(&gate));
    let limits = fs::read_to_string(format!("/proc/{}/limits", run.id())).unwrap();
    let environ = fs::metadata(format!("/proc/{}/environ", run.id())).unwrap();
    gate.open();
    run.wait().assert_status(0);
    let owner = std::os::unix::fs::MetadataExt::uid(&environ);
    assert_eq!(owner, 0);
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"], "{limits}");
}
