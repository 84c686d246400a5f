//! A run where the system allows few open files: slower, and whole.

use std::path::Path;

use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::FakeRegistry;
use crate::support::stage::{Mirror, yaml};

#[test]
fn many_images_of_many_hosts_are_copied_with_few_open_files() {
    let hosts: Vec<(FakeRegistry, FakeRegistry)> =
        (0..6).map(|_| (FakeRegistry::start(), FakeRegistry::start())).collect();
    let names: Vec<String> = (0..20).map(|number| format!("image-{number}")).collect();
    let mut mirrors = Vec::new();
    for (source, target) in &hosts {
        for name in &names {
            zoo::single(name).push_to(source, name, "1");
            mirrors.push(Mirror::new(&source.reference(name), &[&target.reference(name)], &["1"]));
        }
    }
    let regsync = Regsync::new().config(&yaml(&mirrors));
    let script = r#"ulimit -n 64 && exec "$0" "$@""#;
    let binary = env!("CARGO_BIN_EXE_regsync");
    let run = regsync.spawn_program(Path::new("/bin/sh"), &["-c", script, binary, "apply"]);
    run.wait().assert_status(0);
    for (_, target) in &hosts {
        for name in &names {
            assert_eq!(target.tag_digest(name, "1").unwrap(), zoo::single(name).digest(), "{name}");
        }
        target.assert_closed();
    }
}
