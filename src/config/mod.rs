//! What a person wrote, and what it asks for: YAML text → [`Desired`]. Pure.
//!
//! Owns the file's grammar, its diagnostics and the selection of tags. Refuses to read files, environment or network:
//! it is handed text and gives back values.

mod desired;
mod glob;

pub use desired::{
    Auth, ConfigFile, Desired, Mirror, OnEmpty, OnTagMove, Place, RegistryKey, RegistryRules, SourceImage, TagPolicy,
    TagRule, Tls, Wanted,
};
pub use glob::TagGlob;
