//! What some platforms of an image cost, request by request, as `docs/requests.md` has it.

use super::eight;
use crate::support::costs::costs;
use crate::support::images::zoo;
use crate::support::stage::Pair;

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
