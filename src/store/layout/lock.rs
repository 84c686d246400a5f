//! The lock that writers of one layout take in turn, whichever process they run in.
//!
//! It is taken on a file of its own. A lock on `oci-layout` or `index.json` would keep readers out where the system
//! enforces locks (Windows), and be lost where another tool replaces the file. Readers take none: they see each file
//! whole, before or after a change.

use std::fs::File;
use std::io;

use super::files::{Dir, Fault};

/// Empty, made by the first writer, never removed: a lock on a removed file would exclude nobody.
const NAME: &str = ".regsync.lock";

/// The right to change a layout's index, until it is dropped. The system takes it back when the process dies.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Waits until nobody else has it; blocks the thread.
    pub(super) fn acquire(dir: &Dir) -> Result<Self, Fault> {
        let taken = dir.read_or_create(NAME).and_then(|file| {
            while let Err(error) = file.lock() {
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            Ok(file)
        });
        taken.map(Self).map_err(|error| Fault::io(NAME, &error))
    }
}
