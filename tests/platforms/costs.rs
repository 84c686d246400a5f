//! What some platforms of an image cost, request by request, as `docs/requests.md` has it.

use super::eight;
use crate::support::costs::{Kinds, Side, assert_documented, kinds};
use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::FakeRegistry;
use crate::support::stage::Pair;

fn asked(registry: &FakeRegistry) -> Kinds {
    let requests = registry.requests();
    let each = requests.iter().map(|request| (request.method.clone(), request.target(), request.status.unwrap_or(0)));
    let each: Vec<_> = each.collect();
    kinds(each.iter().map(|(method, target, status)| (method.as_str(), target.as_str(), *status)))
}

/// Runs, and holds what it cost against the row of `case`.
#[track_caller]
fn costs<const N: usize>(pair: &Pair, regsync: &Regsync, (args, case): ([&str; N], &str)) {
    pair.clear_logs();
    regsync.run(args).assert_status(0);
    assert_documented(case, Side::Source, &asked(&pair.source));
    assert_documented(case, Side::Target, &asked(&pair.target));
    pair.target.assert_closed();
}

#[test]
fn two_of_eight_platforms() {
    let pair = Pair::start();
    eight("two").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("platforms: [linux/amd64, linux/arm64]")]);
    costs(&pair, &regsync, (["plan", "--sizes", "never"], "plan, no sizes: two of eight platforms"));
    costs(&pair, &regsync, (["apply"], "two of eight platforms, four blobs each"));
    costs(&pair, &regsync, (["apply"], "the same in place, remembered"));
    costs(&pair, &regsync, (["apply", "--cache-dir", "empty"], "the same in place, not remembered"));
}

#[test]
fn one_platform_in_the_place_of_its_index() {
    let pair = Pair::start();
    eight("one").push_to(&pair.source, "app", "1");
    let mirror = pair.mirror("app", &["1"]).with("platforms: [linux/amd64]").with("single: manifest");
    let regsync = pair.regsync(&[mirror]);
    costs(&pair, &regsync, (["apply"], "one of eight platforms, `single: manifest`"));
}

#[test]
fn an_image_that_is_no_index() {
    let pair = Pair::start();
    zoo::single("plain").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("platforms: [linux/amd64]")]);
    costs(&pair, &regsync, (["apply"], "`platforms`, and an image that is no index"));
    costs(&pair, &regsync, (["apply"], "the same in place, remembered"));
}
