//! The outputs of a step: what the next steps of a job branch on.
//!
//! Owns their names and that each is one line, whatever it holds: a line break in a value would let it set another output.

use super::super::{Tally, tally};
use crate::event::Outcome;
use crate::plan::Plan;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// `no-changes`, `changes`, `applied`, `partial`, `failed` or `blocked`.
    pub result: &'a str,
    /// Why it failed, in one word; empty where it did not.
    pub failure_reason: &'a str,
    /// The exit code.
    pub exit_code: u8,
}

/// All outputs of a run. What it did not come to is empty, and written all the same.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<'a> {
    /// How it ended.
    pub verdict: Verdict<'a>,
    /// The plan, where there is one.
    pub plan: Option<&'a Plan>,
    /// What came of it, where it was applied.
    pub outcomes: Option<&'a [Outcome]>,
    /// Where the plan is saved.
    pub plan_file: &'a str,
    /// Where the result is saved as JSON.
    pub result_file: &'a str,
    /// Where the plan or the result is saved as Markdown.
    pub summary_file: &'a str,
    /// Where it is listed what was written.
    pub subjects_file: &'a str,
    /// The address of the comment.
    pub comment_url: &'a str,
    /// The version of the tool.
    pub version: &'a str,
}

impl Outputs<'_> {
    /// The text to append to the file that `GITHUB_OUTPUT` names: `name=value` lines.
    pub fn render(&self) -> String {
        let lines = self.rows().map(|(name, value)| format!("{name}={}\n", one_line(&value)));
        lines.concat()
    }

    /// The same as variables, `REGSYNC_OUTPUT_EXIT_CODE=0`, for later jobs of GitLab. It takes the text behind the first `=`
    /// as it is (<https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv>). The names are none that flags
    /// have: those jobs may run this program again.
    pub fn dotenv(&self) -> String {
        let name = |name: &str| name.to_uppercase().replace('-', "_");
        let lines = self.rows().map(|(row, value)| format!("REGSYNC_OUTPUT_{}={}\n", name(row), one_line(&value)));
        lines.concat()
    }

    fn rows(&self) -> [(&'static str, String); 15] {
        let Verdict { result, failure_reason, exit_code } = self.verdict;
        let yes = |is: bool| is.to_string();
        let of_plan = |value: fn(&Plan) -> String| self.plan.map(value).unwrap_or_default();
        let counts = match (self.outcomes, self.plan) {
            (Some(outcomes), _) => serde_json::to_string(&Tally::of(outcomes)),
            (None, Some(plan)) => serde_json::to_string(&plan.summary()),
            (None, None) => Ok("{}".to_owned()),
        };
        let bytes = match self.outcomes {
            Some(outcomes) => tally::moved(outcomes).sent.to_string(),
            None => of_plan(|plan| plan.bytes().map(|bytes| bytes.transfer.to_string()).unwrap_or_default()),
        };
        [
            ("result", result.to_owned()),
            ("has-changes", yes(self.plan.is_some_and(Plan::has_changes))),
            ("has-risk", yes(self.plan.is_some_and(|plan| plan.steps.iter().any(|step| !step.risk.is_empty())))),
            ("counts", counts.unwrap_or_default()),
            ("bytes-to-transfer", bytes),
            ("plan-file", self.plan_file.to_owned()),
            ("plan-id", of_plan(|plan| plan.id().to_string())),
            ("shards", self.plan.map_or_else(|| "[]".to_owned(), |plan| serde_json::json!(plan.shards()).to_string())),
            ("result-file", self.result_file.to_owned()),
            ("summary-file", self.summary_file.to_owned()),
            ("subjects-file", self.subjects_file.to_owned()),
            ("comment-url", self.comment_url.to_owned()),
            ("failure-reason", failure_reason.to_owned()),
            ("exit-code", exit_code.to_string()),
            ("version", self.version.to_owned()),
        ]
    }
}

fn one_line(value: &str) -> String {
    value.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{mixed, outcomes};
    use super::*;

    const FAILED: Verdict<'_> = Verdict { result: "failed", failure_reason: "incomplete", exit_code: 1 };

    fn outputs<'a>() -> Outputs<'a> {
        Outputs {
            verdict: FAILED,
            plan: None,
            outcomes: None,
            plan_file: "",
            result_file: "",
            summary_file: "",
            subjects_file: "",
            comment_url: "",
            version: "1.2.3",
        }
    }

    #[test]
    fn the_outputs_of_a_plan_and_of_a_result() {
        let some = mixed();
        let planned = Outputs { plan: Some(&some), plan_file: "a\nresult=ok", ..outputs() };
        let ends = outcomes(&some, |_, _| None);
        let applied = Outputs { plan_file: "plan.json", outcomes: Some(&ends), ..planned };
        insta::assert_snapshot!(planned.render() + "\n" + &applied.render());
    }

    #[test]
    fn variables_of_later_jobs_are_lines_and_none_that_flags_have() {
        let some = mixed();
        let text = Outputs { plan: Some(&some), plan_file: "a\nREGSYNC_PLAN=b", ..outputs() }.dotenv();
        assert!(text.lines().all(|line| line.starts_with("REGSYNC_OUTPUT_")), "{text}");
        assert!(text.contains("REGSYNC_OUTPUT_HAS_CHANGES=true\n"), "{text}");
        assert!(text.contains("REGSYNC_OUTPUT_PLAN_FILE=a REGSYNC_PLAN=b\n"), "{text}");
        assert!(text.lines().count() <= 20 && text.len() < 5_000, "GitLab takes no more");
    }

    #[test]
    fn a_run_that_came_to_nothing_sets_them_all() {
        let names = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split_once('=').expect("a pair").0.to_owned()).collect()
        };
        let some = mixed();
        let (nothing, plan) = (outputs().render(), Outputs { plan: Some(&some), ..outputs() }.render());
        assert_eq!(names(&nothing), names(&plan));
        assert!(nothing.contains("has-changes=false\n") && nothing.contains("counts={}\n"), "{nothing}");
    }
}
