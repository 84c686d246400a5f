//! Who we are to each registry: credentials, where they come from, and what may be said of them.
//!
//! Owns secrets from the moment they are read to the moment they become a header. Refuses to be printed: secrets have no
//! `Display` and no `Serialize`, and their `Debug` shows three stars. Reads credential files and runs credential helpers
//! itself; the environment is handed to it as a snapshot.

mod credential;
mod docker;
mod documents;
mod environment;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod helper;
mod keychain;
mod origin;
mod scope;
mod variables;

#[cfg(test)]
#[cfg(unix)]
mod testing;
#[cfg(test)]
#[cfg(unix)]
mod tests;

pub use credential::{Credential, Secret};
pub use environment::Environment;
pub use error::{Error, Flaw, Trouble};
pub use keychain::Keychain;
pub use origin::{Consulted, Found, Origin, Verdict};
