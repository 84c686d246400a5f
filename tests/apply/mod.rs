//! Applying: saved plans, kills and signals, failures that stay with their image, exit codes, and what is said.

#[cfg(unix)]
mod deadline;
mod descriptors;
mod exits;
mod immutable;
mod isolation;
mod kills;
mod manners;
mod panics;
mod progress;
mod quota;
mod saved_plan;
mod scheduling;
mod shards;
mod signals;
mod together;
mod transcripts;
