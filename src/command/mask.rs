//! What GitHub's runner is told to hide in the log of a job.
//!
//! Owns the command, what is worth one, and where it is written: to stderr, since the runner reads both streams and stdout is
//! data. Refuses to write secrets into a file, where nobody would take them out again.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::fd::AsFd as _;
#[cfg(windows)]
use std::os::windows::io::AsHandle as _;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::github::is_runner;
use crate::auth::{Environment, Mask};

/// The least of a secret, in bytes: what is shorter may be a part of ordinary words, and the log would lose all of those.
const LEAST: usize = 6;

/// Has the runner hide what it takes, wherever it is one. To be made once for a process: each secret is told once.
pub(super) fn mask(environment: &Environment) -> Mask {
    if !is_runner(environment) || stderr_is_file() {
        return Arc::new(|_| ());
    }
    let told = Told::default();
    Arc::new(move |secret| told.tell(secret, &mut io::stderr()))
}

/// What the runner knows already, as digests: this is no place for the secrets themselves.
#[derive(Default)]
struct Told(Mutex<HashSet<[u8; 32]>>);

impl Told {
    fn tell(&self, secret: &str, out: &mut dyn Write) {
        // Held while writing: nobody may use what somebody else is only about to hide.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(Sha256::digest(secret).into()) {
            // At once, so that no other line comes in between. Where nobody reads, nothing needs to be hidden.
            let _ = out.write_all(commands(secret).as_bytes());
        }
    }
}

/// The runner reads line by line, and hides in each what it was told as a whole: a secret of several lines is told in
/// several. <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#masking-a-value-in-a-log>
fn commands(secret: &str) -> Zeroizing<String> {
    let mut commands = Zeroizing::new(String::with_capacity(2 * secret.len() + 64));
    for line in secret.split(['\r', '\n']).map(str::trim).filter(|line| line.len() >= LEAST) {
        let escaped = Zeroizing::new(line.replace('%', "%25"));
        commands.extend(["::add-mask::", &escaped, "\n"]);
    }
    commands
}

/// Whether stderr is a regular file. Anything else (a pipe, a terminal) is taken for what the runner reads.
fn stderr_is_file() -> bool {
    #[cfg(unix)]
    let own = io::stderr().as_fd().try_clone_to_owned();
    #[cfg(windows)]
    let own = io::stderr().as_handle().try_clone_to_owned();
    own.and_then(|own| File::from(own).metadata()).is_ok_and(|found| is_file(&found))
}

#[cfg(unix)]
fn is_file(found: &Metadata) -> bool {
    found.is_file()
}

/// What is no directory is a file here, pipes included; but those were never made.
#[cfg(windows)]
fn is_file(found: &Metadata) -> bool {
    use std::os::windows::fs::MetadataExt as _;
    found.is_file() && found.creation_time() != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_told_in_lines_and_escaped() {
        let cases = [
            ("p%25 w::rd", "::add-mask::p%2525 w::rd\n"),
            (
                "  -----BEGIN\r\nMIIEvQ\rx\n\n 123456 \n",
                "::add-mask::-----BEGIN\n::add-mask::MIIEvQ\n::add-mask::123456\n",
            ),
        ];
        for (secret, expected) in cases {
            assert_eq!(*commands(secret), expected);
        }
    }

    #[test]
    fn what_may_be_a_part_of_a_word_is_not_told() {
        for short in ["", "a", "admin", "    a    ", "{\n}\n"] {
            assert_eq!(*commands(short), "", "{short}");
        }
    }

    #[test]
    fn each_is_told_once() {
        let (told, mut out) = (Told::default(), Vec::new());
        for secret in ["first-secret", "second-secret", "first-secret"] {
            told.tell(secret, &mut out);
        }
        assert_eq!(str::from_utf8(&out), Ok("::add-mask::first-secret\n::add-mask::second-secret\n"));
    }
}
