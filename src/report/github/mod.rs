//! What GitHub Actions reads of a run: annotations on lines of the configuration, and the outputs of a step.
//!
//! Owns the formats of both, and which annotations are worth one of the ten places there are. Refuses to write anywhere.

mod annotation;
mod outputs;

pub use annotation::{Annotation, Level, annotations, of_plan, of_result};
pub use outputs::{Outputs, Verdict};
