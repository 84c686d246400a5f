//! 500 tags over 20 repositories between two real registries: what is in place costs one HEAD per side and tag.

use std::collections::BTreeMap;

use super::{RealPair, settled};
use crate::support::http::send;
use crate::support::images::Single;
use crate::support::real_registry::{Access, RealRegistry};

const REPOSITORIES: usize = 20;
const TAGS: usize = 25;

fn fill(registry: &RealRegistry) {
    for r in 0..REPOSITORIES {
        let repository = format!("team/app-{r:02}");
        let image = Single::new(&repository).layers(1, 50).build();
        image.push_to_url(&registry.url(), &repository, "v1.0");
        for t in 1..TAGS {
            let url = format!("{}/v2/{repository}/manifests/v1.{t}", registry.url());
            let reply = send("PUT", &url, &[("Content-Type", &image.root.media_type)], &image.root.bytes).unwrap();
            assert_eq!(reply.status, 201, "{}", reply.text());
        }
    }
}

/// How many requests there were of each kind.
fn kinds(accesses: &[Access]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for Access { method, path, status } in accesses {
        let kind = match (method.as_str(), path.split('?').next().unwrap_or_default(), status) {
            ("HEAD", path, 200) if path.contains("/manifests/v1.") => "HEAD manifest".to_owned(),
            ("GET", path, 200) if path.ends_with("/tags/list") => "GET tags".to_owned(),
            _ => format!("{method} {path} -> {status}"),
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    kinds
}

#[test]
fn after_an_apply_from_nothing_a_run_costs_one_head_per_side_and_tag() {
    let Some(pair) = RealPair::start() else { return };
    fill(&pair.source);
    let names: Vec<_> = (0..TAGS).map(|t| format!("v1.{t}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let repositories = (0..REPOSITORIES).map(|r| format!("team/app-{r:02}"));
    let mirror = |(r, repository): (usize, String)| {
        pair.mirror(&repository, if r.is_multiple_of(2) { &["v1.*"] } else { &names })
    };
    let mirrors: Vec<_> = repositories.enumerate().map(mirror).collect();
    let regsync = pair.regsync(&mirrors);
    let first = regsync.run(["apply", "--format", "json"]);
    assert_eq!(first.assert_status(0).json()["summary"]["copied"], REPOSITORIES * TAGS);

    let heads = REPOSITORIES * TAGS;
    let lists = REPOSITORIES / 2;
    for args in [["apply", "-q"], ["plan", "--detailed-exitcode"]] {
        let (source, target) = (pair.source.mark(), pair.target.mark());
        regsync.run(args).assert_status(0);
        let of = |kinds: &[(&str, usize)]| kinds.iter().map(|(kind, n)| ((*kind).to_owned(), *n)).collect();
        let expected: BTreeMap<_, _> = of(&[("GET tags", lists), ("HEAD manifest", heads)]);
        assert_eq!(kinds(&settled(&pair.source, source, heads + lists)), expected, "{args:?}: the source");
        let expected: BTreeMap<_, _> = of(&[("HEAD manifest", heads)]);
        assert_eq!(kinds(&settled(&pair.target, target, heads)), expected, "{args:?}: the target");
    }
}
