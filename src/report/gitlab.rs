//! The report of changes that GitLab shows in a merge request.
//!
//! Owns its form, which is that of a Terraform plan in short: how much is created, changed and deleted
//! (<https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsterraform>).

use serde_json::json;

use super::{Applied, Tally};
use crate::plan::Plan;

/// What `plan` would do.
pub fn plan(plan: &Plan) -> String {
    let summary = plan.summary();
    render(summary.copy, summary.update)
}

/// What was done.
pub fn result(applied: &Applied<'_>) -> String {
    let tally = Tally::of(applied.outcomes);
    render(tally.copied, tally.updated)
}

/// Nothing is ever deleted.
fn render(create: usize, update: usize) -> String {
    format!("{}\n", json!({"create": create, "update": update, "delete": 0}))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{mixed, outcomes};
    use super::*;
    use crate::event::Ending;
    use crate::image::{Code, Failure};

    #[test]
    fn what_would_be_done_and_what_was() {
        let some = mixed();
        assert_eq!(plan(&some), "{\"create\":3,\"delete\":0,\"update\":1}\n");
        let stale = |line: u32| (line == 27).then(|| Ending::Stale(Failure::new(Code::Stale, "it moved")));
        let ends = outcomes(&some, |_, step| stale(step.place.line));
        let applied = Applied { plan: &some, outcomes: &ends, elapsed: Duration::ZERO };
        assert_eq!(result(&applied), "{\"create\":3,\"delete\":0,\"update\":0}\n");
    }
}
