//! The plan: what would happen, decided. Pure: (Desired, Observed) → Plan.
//!
//! Owns the decision table ([`decide`]), the steps and their reasons, and the JSON form of a plan. Refuses I/O, clocks and
//! `Result`: a failed read arrives as [`Sighting::Unreadable`] and leaves as a step in error. Equal inputs, equal bytes.

mod observed;
mod step;

pub use observed::{Cost, Observed, Sighting};
pub use step::{Action, Bytes, Plan, Reason, Risk, Scope, SourceState, Step, Summary, TargetState, Warning};
