//! A list of 100,000 tags: what it takes to select a few of them.

use serde_json::json;

use crate::support::digest::sha256;
use crate::support::harness::Regsync;
use crate::support::memory;
use crate::support::server::{Answer, Bound, Call, Handler};
use crate::support::stage::{Mirror, steps, yaml};

const TAGS: usize = 100_000;
/// Of a plan as a whole: code, connections and the list.
const LIMIT_KIB: u64 = 100 * 1024;

/// A repository with so many tags, in pages and in their order.
struct Long(Vec<String>);

impl Long {
    fn new() -> Self {
        let tag = |number: usize| {
            let suffix = ["", "-alpine", "-rc.1", "-debian-12-r3"][number % 4];
            format!("v{}.{}.{}{suffix}", number / 1000, number / 40 % 25, number % 40)
        };
        let mut tags: Vec<String> = (0..TAGS).map(tag).collect();
        tags.sort();
        Self(tags)
    }

    fn page(&self, call: &Call) -> Answer {
        let last = call.parameter("last").unwrap_or_default();
        let size = call.parameter("n").and_then(|size| size.parse().ok()).unwrap_or(1000);
        let rest = &self.0[self.0.partition_point(|tag| *tag <= last)..];
        let page = &rest[..rest.len().min(size)];
        let answer = Answer::status(200).json(&json!({"name": "app", "tags": page}));
        match page.last() {
            Some(last) if page.len() < rest.len() => {
                answer.header("Link", format!("</v2/app/tags/list?n={size}&last={last}>; rel=\"next\""))
            }
            _ => answer,
        }
    }
}

impl Handler for Long {
    fn answer(&self, call: &Call) -> Answer {
        let found = call.path.starts_with("/v2/app/");
        match call.path.rsplit('/').next() {
            Some("list") if found => self.page(call),
            Some(_) if found && call.method == "HEAD" => {
                let answer = Answer::status(200).header("Content-Type", "application/vnd.oci.image.index.v1+json");
                answer.header("Docker-Content-Digest", sha256(call.path.as_bytes())).header("Content-Length", "1000")
            }
            _ => Answer::error(404, "NAME_UNKNOWN", "repository name not known to registry"),
        }
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "/proc tells how much memory a process has")]
fn a_few_of_a_hundred_thousand_tags_are_planned_in_little_memory() {
    let registry = Bound::new(None).serve(Long::new());
    let reference = |name: &str| format!("{}/{name}", registry.host());
    let rules = r#"tags: { include: ["v*"], regex: ['v1\..*'], semver: ">=20", exclude: ["*-rc*"], newest: 3 }"#;
    let mirror = Mirror::new(&reference("app"), &[&reference("down")], &[]).with(rules);
    let regsync = Regsync::new().config(&yaml(&[mirror]));
    let mut run = regsync.spawn(["plan", "-q", "--sizes", "never", "--format", "json"]);
    let highest = memory::highest_until_end(&mut run);
    let document = run.wait().assert_status(0).json();
    assert_eq!(
        steps(&document),
        ["down:v99.24.28 copy new", "down:v99.24.32 copy new", "down:v99.24.36 copy new"],
        "{document:#}"
    );
    assert_eq!(document["selections"][0]["listed"], TAGS);
    assert!(highest < LIMIT_KIB, "{highest} KiB of memory for a list of {TAGS} tags");
}
