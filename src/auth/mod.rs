//! Who we are to each registry: credentials, where they come from, and what may be said of them.
//!
//! Owns secrets from the moment they are read to the moment they become a header. Refuses to be printed: secrets have no
//! `Display` and no `Serialize`, and their `Debug` shows three stars. Reads credential files, runs credential helpers and
//! asks token services itself; the environment, the clock and the HTTP client are handed to it.
//!
//! ```text
//! keychain                       which source is asked, in which order
//!   ├─ variables · documents     what is stored: our variables; docker's files and helpers
//!   └─ renewals                  what is obtained: kept, renewed before it ends and when it is refused
//!        └─ provider             one file for each: what is shown to whom for what
//!             ├─ identity        the ID token of the job
//!             └─ exchange        requests to token services
//! ```

mod credential;
mod docker;
mod documents;
mod environment;
mod error;
mod exchange;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod helper;
mod identity;
mod keychain;
mod mutex;
mod origin;
mod provider;
mod redact;
mod renewals;
mod scope;
mod variables;
mod wiped;

#[cfg(test)]
#[cfg(unix)]
mod testing;
#[cfg(test)]
#[cfg(unix)]
mod tests;

pub use credential::{Credential, Secret, basic_pair};
pub use environment::Environment;
pub use error::{Error, Flaw, Trouble};
#[cfg(any(test, fuzzing))]
pub(crate) use exchange::witness::{Sent, watch};
pub use exchange::{Connect, Mask, Surroundings, Way, form};
pub use identity::Claims;
pub use keychain::{Keychain, Place, Rule};
pub use origin::{Consulted, Found, Origin, Verdict};
pub use provider::{
    Aws, Azure, Chainguard, Cloudsmith, DockerHub, Gcp, Generic, Jfrog, Provider, ProviderError, Quay, Reading, Send,
};
pub use redact::Redactor;
pub use renewals::{Lease, Refused};
pub use wiped::Wiped;
