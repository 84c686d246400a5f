//! Who we are to each registry: credentials, where they come from, and what may be said of them.
//!
//! Owns secrets from the moment they are read to the moment they become a header. Refuses to be printed: secrets have no
//! `Display` and no `Serialize`, and their `Debug` shows three stars. Reads credential files and runs credential helpers
//! itself; the environment is handed to it as a snapshot.

mod credential;

pub use credential::{Credential, Secret};
