//! What a person reads when something went wrong, as a whole.

use crate::support::images::zoo;
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::Pair;

fn pair() -> Pair {
    let pair = Pair::start();
    for tag in ["1", "2"] {
        zoo::index(tag).push_to(&pair.source, "app", tag);
    }
    pair
}

#[test]
fn a_refused_push() {
    let pair = pair();
    let denied = Answer::error(403, "DENIED", "installation not allowed to Write organization package");
    pair.target.fault(Match::new("PUT", "/manifests/2"), Fault::Reply(denied));
    let applied = pair.regsync(&[pair.mirror("app", &["*"])]).run(["apply", "--concurrency", "1"]);
    insta::assert_snapshot!(applied.assert_status(3).transcript(), @r#"
    exit: 3
    --- stdout
    regsync.yaml: 2 tags, 1 mirror

    app   [SOURCE]/app -> [TARGET]/app   regsync.yaml:3
      + 1   absent       -> 6f32f5ae8abe   2 platforms   13.7 kB
      + 2   absent       -> e9e22ccb5763   2 platforms   13.7 kB

    Plan: 2 to copy, 0 to update, 0 up to date, 0 blocked, 0 errors. 27.3 kB to transfer.

      + app:1   copied   13.7 kB   [time]   6f32f5ae8abe
      + app:2   FAILED   E_DENIED target: could not write the manifest [TARGET]/app:2: [TARGET] answered 403 Forbidden: "DENIED: installation not allowed to Write organization package"
                help: either [TARGET]/app does not exist, or it is not for everybody to write to, and no credential was sent; `regsync auth check [TARGET]` shows which credential is used

    Apply incomplete: 1 of 2 done, 1 failed. 26.7 kB sent, [time].
    No tag points at a partial image. Run it again: what is done is skipped.
    --- stderr
    reading sources and targets
    copying 2 images, 27.3 kB
    + [TARGET]/app:1  copied  13.7 kB  [time]
    + [TARGET]/app:2  FAILED  E_DENIED target: could not write the manifest [TARGET]/app:2: [TARGET] answered 403 Forbidden: "DENIED: installation not allowed to Write organization package"
    "#);
}

#[test]
fn wrong_bytes_at_the_source() {
    let pair = pair();
    let digest = zoo::index("1").blobs[1].digest.clone();
    pair.source.fault(Match::new("GET", &format!("/blobs/{digest}")), Fault::FlipBit { at: 9 });
    let applied = pair.regsync(&[pair.mirror("app", &["1"])]).run(["apply"]);
    insta::assert_snapshot!(applied.assert_status(1).transcript(), @r"
    exit: 1
    --- stdout
    regsync.yaml: 1 tag, 1 mirror

    app   [SOURCE]/app -> [TARGET]/app   regsync.yaml:3
      + 1   absent       -> 6f32f5ae8abe   2 platforms   13.7 kB

    Plan: 1 to copy, 0 to update, 0 up to date, 0 blocked, 0 errors. 13.7 kB to transfer.

      + app:1   FAILED   E_DIGEST source: could not read the blob sha256:[digest] of [SOURCE]/app: the content has the digest sha256:[digest] (2 attempts in [time])
                help: what is served there is not what was pushed: push the image anew, or look for a proxy that alters it

    Apply incomplete: 0 of 1 done, 1 failed. 0 B sent, [time].
    No tag points at a partial image. Run it again: what is done is skipped.
    --- stderr
    reading sources and targets
    copying 1 image, 13.7 kB
    retry in [time]: E_DIGEST could not read the blob sha256:[digest] of [SOURCE]/app: the content has the digest sha256:[digest]
    + [TARGET]/app:1  FAILED  E_DIGEST source: could not read the blob sha256:[digest] of [SOURCE]/app: the content has the digest sha256:[digest] (2 attempts in [time])
    ");
}

#[test]
fn a_stale_target() {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    zoo::single("theirs").push_to(&pair.target, "app", "1");
    insta::assert_snapshot!(regsync.run(["apply", "plan.json"]).assert_status(4).transcript(), @r"
    exit: 4
    --- stdout
      + app:1   STALE   E_STALE target: [TARGET]/app:1 is 780cf6e50df3 now, and the plan saw absent; it was left alone
                help: someone else changed it: make a new plan

    Apply incomplete: 0 of 1 done, 1 stale. 0 B sent, [time].
    Plan again: what is stale gets a new look.
    --- stderr
    copying 1 image, 13.7 kB
    + [TARGET]/app:1  STALE  E_STALE target: [TARGET]/app:1 is 780cf6e50df3 now, and the plan saw absent; it was left alone
    ");
}
