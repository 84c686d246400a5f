//! Copying: every species byte for byte between registries and layouts, each blob once, credentials at home.

mod boundary;
mod forms;
mod layouts;
mod memory;
mod mishaps;
mod once;
mod requests;
mod resume;
mod secrets;
mod shared;
mod sources;
mod species;
