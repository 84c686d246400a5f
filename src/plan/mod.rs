//! The plan: what would happen, decided. Pure: (Desired, Observed) → Plan.
//!
//! Owns the decision table (in `decide`), the steps and their reasons, and the JSON form of a plan. Refuses I/O, clocks and
//! `Result`: a failed read arrives as [`Sighting::Unreadable`] and leaves as a step in error. Equal inputs, equal bytes.

mod attach;
mod build;
mod catalogs;
mod changes;
mod cost;
mod creation;
mod decide;
pub mod explain;
pub mod file;
mod id;
mod observed;
mod overlap;
mod pulls;
mod read;
mod scope;
mod selection;
mod shard;
mod step;
#[cfg(test)]
mod tests;
mod trim;

pub use build::{draft, plan};
pub use observed::{Attached, AttachedTo, Contents, Observed, Sighting};
pub use pulls::Pulls;
pub(crate) use read::document_of;
pub use read::{Bases, document};
pub use scope::{Filter, Scope};
pub use selection::{SelectionDocument, Tallied};
pub use shard::{SHARDS, Shard, Shards};
pub use step::{Action, Bytes, Plan, Reason, Referrer, Risk, SourceState, Step, Summary, TargetState, Warning};
pub use trim::{Cut, CutKey, StepTrim, cut_key, is_left_alone};
