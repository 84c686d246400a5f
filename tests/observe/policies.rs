//! What becomes of a tag that names something else at the target.

use crate::support::images::{Image, Single, media_type, zoo};
use crate::support::stage::{Mirror, Pair, steps};

/// The tag `1` of `app`: new at the source, old at the target.
fn moved() -> Pair {
    let pair = Pair::start();
    zoo::single("new").push_to(&pair.source, "app", "1");
    zoo::single("old").push_to(&pair.target, "app", "1");
    pair
}

#[track_caller]
fn assert_left_alone(pair: &Pair) {
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), zoo::single("old").digest());
    pair.assert_read_only();
}

#[test]
fn a_moved_tag_follows_its_source() {
    let pair = moved();
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    let plan = regsync.run(["plan", "--detailed-exitcode"]);
    insta::assert_snapshot!(plan.assert_status(2).transcript(), @r"
    exit: 2
    --- stdout
    regsync.yaml: 1 tag, 1 mirror

    app   [SOURCE]/app -> [TARGET]/app   regsync.yaml:3
      ~ 1   bc674697b85d -> d1eab091fd54   5.2 kB   RISK tag-move

    Plan: 0 to copy, 1 to update, 0 up to date, 0 blocked, 0 errors. 5.2 kB to transfer.
    --- stderr
    reading sources and targets
    ");
    pair.assert_read_only();
    let applied = regsync.run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(0).json()), ["app:1 updated tag-moved"]);
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), zoo::single("new").digest());
    pair.target.assert_closed();
}

#[test]
fn keep_leaves_it_and_says_so() {
    let pair = moved();
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("on-tag-move: keep")]);
    let plan = regsync.run(["plan", "--format", "json", "--detailed-exitcode"]);
    assert_eq!(steps(&plan.assert_status(0).json()), ["app:1 skip kept"]);
    let applied = regsync.run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(0).json()), ["app:1 skipped kept"]);
    assert_left_alone(&pair);
}

#[test]
fn block_leaves_it_and_exits_5_but_copies_the_others() {
    let pair = moved();
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("on-tag-move: block")]);
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(5);
    let applied = regsync.run(["apply"]);
    insta::assert_snapshot!(applied.assert_status(5).transcript(), @r"
    exit: 5
    --- stdout
    regsync.yaml: 1 tag, 1 mirror

    app   [SOURCE]/app -> [TARGET]/app   regsync.yaml:3
      x 1   E_TAG_WOULD_MOVE target: [TARGET]/app:1 would move from bc674697b85d to d1eab091fd54, and `on-tag-move: block` protects it
            help: set `on-tag-move: update` to let it move

    Plan: 0 to copy, 0 to update, 0 up to date, 1 blocked, 0 errors. Nothing to transfer.
    --- stderr
    reading sources and targets
    ");
    assert_left_alone(&pair);
    zoo::single("other").push_to(&pair.source, "app", "2");
    let both = pair.regsync(&[pair.mirror("app", &["1", "2"]).with("on-tag-move: block")]);
    let applied = both.run(["apply", "--format", "json"]);
    let expected = ["app:1 blocked tag-would-move E_TAG_WOULD_MOVE", "app:2 copied new"];
    assert_eq!(steps(&applied.assert_status(5).json()), expected);
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), zoo::single("old").digest());
}

#[test]
fn an_immutable_tag_is_copied_once_and_never_moves_unless_pinned() {
    let pair = Pair::start();
    zoo::single("old").push_to(&pair.source, "app", "1");
    let immutable = |tags: &[&str]| pair.mirror("app", tags).with("immutable-tags: [\"1*\"]");
    let regsync = pair.regsync(&[immutable(&["1"])]);
    regsync.run(["apply"]).assert_status(0);
    let new = zoo::single("new");
    new.push_to(&pair.source, "app", "1");
    let blocked = regsync.run(["apply", "--format", "json"]);
    assert_eq!(steps(&blocked.assert_status(5).json()), ["app:1 blocked tag-would-move E_TAG_WOULD_MOVE"]);
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), zoo::single("old").digest());
    let pinned = pair.regsync(&[immutable(&[&format!("1@{}", new.digest())])]);
    let applied = pinned.run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(0).json()), ["app:1 updated tag-moved"]);
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), new.digest());
}

#[test]
fn a_pin_copies_its_digest_whatever_the_tag_names_and_shows_the_move() {
    let pair = Pair::start();
    let approved = zoo::index("approved");
    approved.push_to(&pair.source, "app", "1");
    zoo::single("newer").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &[&format!("1@{}", approved.digest())])]);
    let applied = regsync.run(["apply", "--format", "json"]);
    let result = applied.assert_status(0).json();
    assert_eq!(steps(&result), ["app:1 copied new"]);
    let warning = result["steps"][0]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("the pinned digest is used"), "{warning}");
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), approved.digest());
    pair.clear_logs();
    regsync.run(["apply"]).assert_status(0);
    pair.assert_read_only();
}

#[test]
fn a_pin_whose_digest_is_gone_is_an_error() {
    let pair = Pair::start();
    zoo::single("there").push_to(&pair.source, "app", "1");
    let gone = zoo::single("gone");
    let regsync = pair.regsync(&[pair.mirror("app", &[&format!("1@{}", gone.digest())])]);
    let applied = regsync.run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(1).json()), ["app:1 failed source-missing E_NOT_FOUND"]);
    assert!(pair.target.repositories().is_empty());
    pair.assert_read_only();
}

#[test]
fn two_mirrors_that_want_one_tag_with_two_digests_are_both_blocked() {
    let pair = Pair::start();
    zoo::single("a").push_to(&pair.source, "a", "1");
    zoo::single("b").push_to(&pair.source, "b", "1");
    zoo::single("c").push_to(&pair.source, "a", "2");
    // Globs: the file alone does not show it.
    let mirrors = [pair.mirror_to("a", "app", &["*"]), pair.mirror_to("b", "app", &["1*"])];
    let regsync = pair.regsync(&mirrors);
    let applied = regsync.run(["apply", "--format", "json"]);
    let expected = ["app:1 blocked conflict E_CONFLICT", "app:2 copied new", "app:1 blocked conflict E_CONFLICT"];
    assert_eq!(steps(&applied.assert_status(5).json()), expected);
    assert_eq!(pair.target.store.tags("app"), ["2"]);
    // Once they agree, it is done once.
    zoo::single("a").push_to(&pair.source, "b", "1");
    let agreed = regsync.run(["apply", "--format", "json"]);
    assert_eq!(steps(&agreed.assert_status(0).json()), ["app:1 copied new", "app:2 skipped in-sync"]);
    assert_eq!(pair.target.count("PUT", "/manifests/1"), 1);
}

#[test]
fn an_overlap_that_the_file_shows_is_an_error_before_any_request() {
    let pair = Pair::start();
    let mirrors = [pair.mirror_to("a", "app", &["1"]), pair.mirror_to("b", "app", &["1"])];
    let refused = pair.regsync(&mirrors).run(["plan"]);
    refused.assert_status(65);
    insta::assert_snapshot!(refused.transcript(), @r"
    exit: 65
    --- stdout
    --- stderr
    error[E_CFG_TARGET_CONFLICT]: two mirrors write `[TARGET]/app:1`
     --> regsync.yaml:7:15
      |
    4 |     targets: [[TARGET]/app]
      |               ------------------- the other mirror writes here
    ...
    7 |     targets: [[TARGET]/app]
      |               ^^^^^^^^^^^^^^^^^^^
      |
      = help: each tag of a target comes from one source; narrow `tags`, or choose another target

    1 problem; nothing was done
    ");
    assert!(pair.source.requests().is_empty() && pair.target.requests().is_empty());
}

#[test]
fn many_targets_each_have_their_own_decision() {
    let pair = Pair::start();
    let (new, old) = (zoo::single("new"), zoo::single("old"));
    new.push_to(&pair.source, "app", "1");
    new.push_to(&pair.target, "same", "1");
    old.push_to(&pair.target, "older", "1");
    let targets = ["same", "older", "absent"].map(|name| pair.target.reference(name));
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &targets, &["1"])]);
    let applied = regsync.run(["apply", "--format", "json"]);
    let expected = ["absent:1 copied new", "older:1 updated tag-moved", "same:1 skipped in-sync"];
    assert_eq!(steps(&applied.assert_status(0).json()), expected);
    assert_eq!(pair.source.count("HEAD", "/manifests/1"), 1, "one read, many writes");
}

#[test]
fn a_tag_may_get_another_name_where_it_is() {
    let pair = Pair::start();
    zoo::single("app").push_to(&pair.source, "app", "1");
    let place = pair.source.reference("app");
    let regsync = pair.regsync(&[Mirror::new(&place, &[&place], &["1"]).with("rename: \"approved-{tag}\"")]);
    let applied = regsync.run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(0).json()), ["app:approved-1 copied new"]);
    assert_eq!(pair.source.tag_digest("app", "approved-1").unwrap(), zoo::single("app").digest());
    pair.clear_logs();
    regsync.run(["apply"]).assert_status(0);
    pair.assert_read_only();
}

#[test]
fn the_pin_that_a_blocked_move_proposes_is_one_that_works() {
    let pair = Pair::start();
    let image = |seed: &str| {
        let one = |platform| Single::new(seed).platform(platform).build();
        Image::index(media_type::OCI_INDEX, &[one("linux/amd64"), one("linux/arm64")])
    };
    image("old").push_to(&pair.source, "app", "1.0");
    let mirror = |tag: &str| {
        let mirror = pair.mirror("app", &[tag]).with("platforms: [linux/amd64]");
        mirror.with("rename: \"up-{tag}\"").with("immutable-tags: [\"up-*\"]")
    };
    let regsync = pair.regsync(&[mirror("1.0")]);
    regsync.run(["apply"]).assert_status(0);
    let new = image("new");
    new.push_to(&pair.source, "app", "1.0");
    let blocked = regsync.run(["plan", "--format", "json"]).assert_status(5).json();
    let hint = blocked["steps"][0]["error"]["hint"].as_str().unwrap();
    let pin = format!("1.0@{}", new.digest());
    assert_eq!(hint, format!("to approve this one move, pin it: `{pin}`"));
    let applied = pair.regsync(&[mirror(&pin)]).run(["apply", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&applied), ["app:up-1.0 updated tag-moved"]);
}
