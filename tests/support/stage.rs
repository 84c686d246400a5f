//! Two registries, a configuration between them, and what a run of the binary did, in few words.

use std::fmt::Write as _;

use serde_json::Value;

use super::harness::Regsync;
use super::registry::{FakeRegistry, Options};

/// A source and a target.
pub struct Pair {
    pub source: FakeRegistry,
    pub target: FakeRegistry,
}

impl Pair {
    /// Two that let anybody in.
    pub fn start() -> Self {
        Self::with(Options::default(), Options::default())
    }

    /// Two with these ways.
    pub fn with(source: Options, target: Options) -> Self {
        Self { source: FakeRegistry::with(source), target: FakeRegistry::with(target) }
    }

    /// `source/<repository>` to `target/<repository>`.
    pub fn mirror(&self, repository: &str, tags: &[&str]) -> Mirror {
        self.mirror_to(repository, repository, tags)
    }

    /// `source/<from>` to `target/<to>`.
    pub fn mirror_to(&self, from: &str, to: &str, tags: &[&str]) -> Mirror {
        Mirror::new(&self.source.reference(from), &[&self.target.reference(to)], tags)
    }

    /// A place to run in, with these mirrors. Hosts have names in transcripts, and digests have none.
    pub fn regsync(&self, mirrors: &[Mirror]) -> Regsync {
        let regsync = Regsync::new().config(&yaml(mirrors)).without_digests();
        regsync.host(&self.source.host(), "SOURCE").host(&self.target.host(), "TARGET")
    }

    /// The same, with so many requests at once to either registry.
    pub fn regsync_with_concurrency(&self, mirrors: &[Mirror], most: usize) -> Regsync {
        let rules = |host: String| format!("  {host}: {{ concurrency: {most} }}\n");
        let rules = format!("registries:\n{}{}", rules(self.source.host()), rules(self.target.host()));
        self.regsync(mirrors).config(&(yaml(mirrors) + &rules))
    }

    /// Forgets the requests so far, on both sides.
    pub fn clear_logs(&self) {
        self.source.clear_log();
        self.target.clear_log();
    }

    /// Panics when either side was written to.
    #[track_caller]
    pub fn assert_read_only(&self) {
        self.source.assert_read_only();
        self.target.assert_read_only();
    }
}

/// One entry of `mirrors:`.
#[derive(Clone, Debug)]
pub struct Mirror(String);

impl Mirror {
    /// Tags from one source to targets.
    pub fn new(source: &str, targets: &[&str], tags: &[&str]) -> Self {
        let quoted: Vec<_> = tags.iter().map(|tag| format!("{tag:?}")).collect();
        let mut text = format!("  - source: {source}\n    targets: [{}]\n", targets.join(", "));
        if !tags.is_empty() {
            writeln!(text, "    tags: [{}]", quoted.join(", ")).unwrap();
        }
        Self(text)
    }

    /// With one more key: `.with("on-tag-move: keep")`.
    pub fn with(self, line: &str) -> Self {
        Self(format!("{}    {line}\n", self.0))
    }
}

/// The text of a configuration with these mirrors.
pub fn yaml(mirrors: &[Mirror]) -> String {
    let entries: String = mirrors.iter().map(|mirror| mirror.0.as_str()).collect();
    format!("version: 1\nmirrors:\n{entries}")
}

/// The steps of a plan or result, one line for each: target without its registry, action or outcome, reason, and the
/// code of what went wrong.
pub fn steps(document: &Value) -> Vec<String> {
    let step = |step: &Value| {
        let reference = step["target"]["reference"].as_str().unwrap_or("-");
        let name = reference.split_once('/').map_or(reference, |(_, rest)| rest);
        let what = [&step["outcome"], &step["action"]].into_iter().find_map(Value::as_str).unwrap_or("?");
        let reason = step["reason"].as_str().unwrap_or("?");
        let code = step["error"]["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
        format!("{name} {what} {reason}{code}")
    };
    document["steps"].as_array().expect("a document has steps").iter().map(step).collect()
}
