//! What the tests of this room share: programs that stand in for credential helpers.

use std::path::Path;
use std::process::Command;

/// Installs the shell script `body` as the program `name`.
///
/// Written by another process: while this one has the file open for writing, a program started by a test beside it would
/// inherit that, and running the script would fail as "text file busy".
pub(super) fn install(directory: &Path, name: &str, body: &str) {
    let script = format!("#!/bin/sh\n{body}\n");
    let written = Command::new("/bin/sh")
        .args(["-c", r#"printf '%s' "$1" > "$2" && chmod 755 "$2""#, "sh", &script])
        .arg(directory.join(name))
        .status()
        .unwrap();
    assert!(written.success());
}

/// A `PATH` with `directory` first.
pub(super) fn path_variable(directory: &Path) -> String {
    format!("{}:/usr/bin:/bin", directory.display())
}
