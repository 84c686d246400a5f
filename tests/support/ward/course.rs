//! The course of a test: what is run, and what must have come of it.

use std::time::Duration;

use serde_json::Value;

use super::{FAULTY, TAG, Ward, oracle};
use crate::support::harness::Output;
use crate::support::images::Image;
use crate::support::memory;

/// The longest that a run may take: some faults are waited for several times.
const PATIENCE: Duration = Duration::from_secs(180);

impl Ward {
    /// The fault does not show: plan sees all six, apply copies them, and the next run finds nothing to do.
    #[track_caller]
    pub fn ends_well(&self) {
        self.plan_under_fault(None);
        self.rewind();
        let (output, document) = self.apply();
        output.assert_status(0);
        self.assert_struck(&output);
        self.assert_five(&document, &output);
        self.assert_faulty(&document, ["copied", "updated"], None, &output);
        self.image.assert_at(&self.target, FAULTY, TAG);
        self.converges();
    }

    /// As [`Self::ends_well`], but apply alone: for a table of many forms of one fault.
    #[track_caller]
    pub fn passes(&self) {
        let (output, document) = self.apply();
        output.assert_status(0);
        self.assert_struck(&output);
        self.assert_five(&document, &output);
        self.assert_faulty(&document, ["copied", "updated"], None, &output);
        self.image.assert_at(&self.target, FAULTY, TAG);
    }

    /// As [`Self::fails`], but apply alone: for a table of many forms of one fault.
    #[track_caller]
    pub fn is_refused(&self, code: &str) -> Value {
        let (output, document) = self.apply();
        output.assert_status(3);
        self.assert_struck(&output);
        self.assert_five(&document, &output);
        let error = self.assert_faulty(&document, ["failed"; 2], Some(code), &output);
        self.assert_tag_is_as_before();
        error
    }

    /// The faulty image fails with this code, whether plan sees it already or apply finds out. Gives back the error.
    #[track_caller]
    pub fn fails(&self, code: &str) -> Value {
        self.fails_until(code, |_| ())
    }

    /// As [`Self::fails`], where more than the scripted faults has to be taken away before the second run.
    #[track_caller]
    pub fn fails_until(&self, code: &str, repair: impl FnOnce(&Self)) -> Value {
        self.ends_as("failed", code, repair)
    }

    /// The faulty image ends with this outcome and code, and the tag at its target is as it was.
    #[track_caller]
    pub fn ends_as(&self, outcome: &str, code: &str, repair: impl FnOnce(&Self)) -> Value {
        self.plan_under_fault(Some(code));
        self.rewind();
        let (output, document) = self.apply();
        output.assert_status(if outcome == "blocked" { 5 } else { 3 });
        self.assert_struck(&output);
        self.assert_five(&document, &output);
        let error = self.assert_faulty(&document, [outcome; 2], Some(code), &output);
        self.assert_tag_is_as_before();
        repair(self);
        self.converges();
        error
    }

    /// Plans, with whatever is wrong; plan alone must keep to reading and find the five.
    #[track_caller]
    pub fn plan(&self) -> (Output, Value) {
        let output = self.run(["plan", "--format", "json", "-o", "plan.json", "--log", "trace"]);
        let document = output.json();
        self.registries().for_each(|registry| registry.assert_read_only());
        for (repository, _) in &self.sound {
            let step = step(&document, repository);
            assert!(matches!(step["action"].as_str(), Some("copy" | "skip")), "{repository}\n{}", told(&output));
        }
        (output, document)
    }

    /// Applies, with whatever is wrong. Plans anew: no saved plan is used.
    #[track_caller]
    pub fn apply(&self) -> (Output, Value) {
        let output = self.run(["apply", "--format", "json", "--report", "json=result.json", "--log", "trace"]);
        let document = output.json();
        (output, document)
    }

    /// Applies under the fault, and gives back the most memory that took, in KiB. The image fails with one of the codes.
    #[track_caller]
    pub fn peak_memory_of_apply(&self, codes: [&str; 2]) -> u64 {
        let regsync = self.regsync().patience(PATIENCE);
        let mut run = regsync.spawn(["apply", "--format", "json"]);
        let peak = memory::highest_until_end(&mut run);
        let output = run.wait();
        output.assert_status(3);
        self.look_back();
        let (document, output) = (output.json(), &output);
        self.assert_five(&document, output);
        let code = step(&document, FAULTY)["error"]["code"].clone();
        assert!(codes.iter().any(|expected| code == *expected), "{code}\n{}", told(output));
        self.assert_struck(output);
        self.assert_tag_is_as_before();
        peak
    }

    /// Without the faults a run brings what is missing, and the next one asks for nothing but what the tags name.
    #[track_caller]
    pub fn converges(&self) {
        self.servers().for_each(|(server, _)| server.clear_faults());
        let (output, _) = self.apply();
        output.assert_status(0);
        self.image.assert_at(&self.target, FAULTY, TAG);
        self.assert_five_arrived();
        self.servers().for_each(|(server, _)| server.clear_log());
        let (output, document) = self.apply();
        output.assert_status(0);
        for name in self.sound.iter().map(|(name, _)| *name).chain([FAULTY]) {
            assert_eq!(step(&document, name)["outcome"], "skipped", "{name}\n{}", told(&output));
        }
        for registry in self.registries() {
            registry.assert_read_only();
            let reads = registry.count("GET", "/manifests/") + registry.count("GET", "/blobs/");
            assert_eq!(reads, 0, "what is in sync was read:\n{}", registry.request_log(&[]));
        }
    }

    /// The tag at the target names what it named before the first run.
    #[track_caller]
    pub fn assert_tag_is_as_before(&self) {
        let before = self.older.as_ref().map(Image::digest);
        assert_eq!(self.target.tag_digest(FAULTY, TAG).as_deref(), before, "the tag of the faulty image was touched");
    }

    /// Runs the binary in a fresh place, then looks at all that it said and did.
    #[track_caller]
    pub fn run<const N: usize>(&self, args: [&str; N]) -> Output {
        let regsync = self.regsync().patience(PATIENCE);
        let output = regsync.run(args);
        let secrets = self.secrets();
        oracle::assert_silent("stdout", &output.stdout, &secrets);
        oracle::assert_silent("stderr", &output.stderr, &secrets);
        for file in ["plan.json", "result.json"] {
            if regsync.path(file).exists() {
                oracle::assert_silent(file, &regsync.read(file), &secrets);
            }
        }
        self.look_back();
        output
    }

    /// The oracle over everything that was asked of all servers so far.
    #[track_caller]
    fn look_back(&self) {
        let secrets = self.secrets();
        for (server, own) in self.servers() {
            oracle::assert_secrets_stay(server, &own, &secrets);
        }
        for registry in self.registries() {
            registry.assert_closed();
            oracle::assert_written_in_order(registry);
        }
        self.source.assert_read_only();
        self.others.iter().for_each(|(source, _)| source.assert_read_only());
    }

    #[track_caller]
    fn plan_under_fault(&self, code: Option<&str>) {
        let (output, document) = self.plan();
        let step = step(&document, FAULTY);
        let in_error = step["action"] == "error";
        output.assert_status(i32::from(in_error));
        if in_error {
            assert_eq!(step["error"]["code"].as_str(), code, "{}", told(&output));
        }
    }

    /// A fault that never struck proves nothing.
    #[track_caller]
    fn assert_struck(&self, output: &Output) {
        let strikes: Vec<_> = self.servers().flat_map(|(server, _)| server.strikes()).collect();
        assert!(!strikes.contains(&0), "not every fault struck: {strikes:?}\n{}", told(output));
    }

    #[track_caller]
    fn assert_five(&self, document: &Value, output: &Output) {
        for (name, _) in &self.sound {
            let outcome = step(document, name)["outcome"].clone();
            assert_eq!(outcome, "copied", "{name}\n{}", told(output));
        }
        self.assert_five_arrived();
    }

    #[track_caller]
    fn assert_five_arrived(&self) {
        let target = self.others.as_ref().map_or(&self.target, |(_, target)| target);
        self.sound.iter().for_each(|(repository, image)| image.assert_at(target, repository, TAG));
    }

    #[track_caller]
    fn assert_faulty(&self, document: &Value, outcomes: [&str; 2], code: Option<&str>, output: &Output) -> Value {
        let step = step(document, FAULTY);
        let outcome = step["outcome"].as_str().unwrap_or_default();
        assert!(outcomes.contains(&outcome), "{outcome} instead of {outcomes:?}\n{}", told(output));
        assert_eq!(step["error"]["code"].as_str(), code, "{}", told(output));
        assert_eq!(document["steps"].as_array().unwrap().len(), self.sound.len() + 1, "{}", told(output));
        step["error"].clone()
    }
}

/// The step of a plan or a result whose target is the tag of this repository.
#[track_caller]
pub fn step<'a>(document: &'a Value, repository: &str) -> &'a Value {
    let end = format!("/{repository}:{TAG}");
    let fits = |step: &&Value| step["target"]["reference"].as_str().is_some_and(|target| target.ends_with(&end));
    let steps = document["steps"].as_array().expect("a document has steps");
    steps.iter().find(fits).unwrap_or_else(|| panic!("no step for {repository}: {document:#}"))
}

/// The transcript of a run without its log.
pub fn told(output: &Output) -> String {
    let transcript = output.transcript();
    let logged = |line: &&str| [" TRACE ", " DEBUG "].iter().any(|level| line.contains(level));
    transcript.lines().filter(|line| !logged(line)).collect::<Vec<_>>().join("\n")
}
