//! Several registries behind one name, of which some list referrers and some do not.

use super::{REPOSITORY, attached, pair};
use crate::support::images::attached::{fallback_index, fallback_tag, kind, referrer};
use crate::support::images::zoo;
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::{Pair, steps};

const REMOTE: &str = "a-remote/app";

/// Lists at the source, for all repositories but one; that one, which is asked first, has three indexes.
fn mixed(refusal: &Answer) -> Pair {
    let pair = pair(true, true);
    attached("local").push_to(&pair.source, "1", true);
    for n in ["1", "2", "3"] {
        zoo::index(n).push_to(&pair.source, REMOTE, n);
    }
    let lists = Match::new("GET", &format!("/v2/{REMOTE}/referrers/"));
    pair.source.fault(lists, Fault::Reply(refusal.clone()));
    pair
}

#[test]
fn a_repository_without_lists_says_nothing_of_the_next() {
    let page = Answer::status(200).header("Content-Type", "text/html").body("<html>sign in</html>");
    for refusal in [Answer::status(404), Answer::status(405), Answer::status(501), page] {
        let pair = mixed(&refusal);
        let mirrors = [pair.mirror(REMOTE, &["1", "2", "3"]), pair.mirror(REPOSITORY, &["1"])];
        // One request at a time: the repository without lists is the first to be asked.
        let regsync = pair.regsync_with_concurrency(&mirrors, 1);
        regsync.run(["apply", "--concurrency", "1"]).assert_status(0);
        attached("local").assert_at(&pair.target, "1", true);
        assert_eq!(pair.source.count("GET", &format!("/v2/{REMOTE}/referrers/")), 1, "asked again");
        assert_eq!(pair.source.count("GET", &format!("/v2/{REPOSITORY}/referrers/")), 8);
    }
}

#[test]
fn a_target_without_lists_says_nothing_of_the_next() {
    let pair = pair(true, true);
    let lists = Match::new("GET", &format!("/v2/{REMOTE}/referrers/"));
    pair.target.fault(lists, Fault::Reply(Answer::status(404)));
    for repository in [REMOTE, REPOSITORY] {
        let image = zoo::index("two places");
        let signature = referrer(&image.root, kind::SIGNATURE, "two places");
        image.push_to(&pair.source, repository, "1");
        signature.push_to(&pair.source, repository, signature.digest());
        image.push_to(&pair.target, repository, "1");
        signature.push_to(&pair.target, repository, signature.digest());
        let index = fallback_index(&[&signature]);
        if repository == REMOTE {
            pair.target.put_manifest(repository, &fallback_tag(&image.root), &index.media_type, index.bytes);
        }
    }
    let always = |repository| pair.mirror(repository, &["1"]).with("referrers-check: always");
    let regsync = pair.regsync_with_concurrency(&[always(REMOTE), always(REPOSITORY)], 1);
    let plan = regsync.run(["plan", "--concurrency", "1", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&plan), ["a-remote/app:1 skip in-sync", "app:1 skip in-sync"]);
    assert_eq!(pair.target.count("GET", &format!("/v2/{REPOSITORY}/referrers/")), 1);
    assert_eq!(pair.target.count("GET", &format!("/v2/{REMOTE}/referrers/")), 1);
}

#[test]
fn a_subject_that_a_registry_cannot_read_says_nothing_of_the_others() {
    let pair = pair(true, true);
    let all = attached("ecr");
    all.push_to(&pair.source, "1", true);
    let odd = Match::new("GET", "/referrers/").first(1);
    let refusal = Answer::error(405, "UNSUPPORTED", "Invalid JSON syntax");
    pair.source.fault(odd, Fault::Reply(refusal));
    let plan = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["plan", "--format", "json"]);
    let plan = plan.assert_status(0).json();
    // The attestation of a child, and what is under a tag.
    assert_eq!(plan["steps"][0]["referrers"].as_array().unwrap().len(), 2, "{plan:#}");
}
