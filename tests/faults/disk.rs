//! Disks that are full or may not be written to: the image fails, its tag stays, and no half file is left behind.

use std::fs;
use std::path::Path;

use crate::support::harness::{Output, Regsync};
use crate::support::images::{Single, zoo};
use crate::support::layout::{self, files};
use crate::support::server::Match;
use crate::support::stage::{Mirror, Pair, steps};

/// Five images that are small, and one whose layer is not: `large`.
fn pair() -> Pair {
    let pair = Pair::start();
    for tag in ["a", "b", "c", "x", "y"] {
        zoo::single(tag).push_to(&pair.source, "app", tag);
    }
    large().push_to(&pair.source, "app", "large");
    pair
}

fn large() -> crate::support::images::Image {
    Single::new("large").layers(1, 300_000).build()
}

/// Applies where no file may become larger than 64 KiB: a write beyond that fails as on a full disk.
fn apply_with_little_room(regsync: &Regsync) -> Output {
    let binary = env!("CARGO_BIN_EXE_regsync");
    let script = format!("trap '' XFSZ; ulimit -f 128; exec {binary:?} apply --format json");
    regsync.spawn_program(Path::new("/bin/sh"), &["-c", &script]).wait()
}

#[test]
fn a_full_disk_fails_what_does_not_fit_and_nothing_else() {
    let pair = pair();
    let mirror = Mirror::new(&pair.source.reference("app"), &["oci:out"], &["*"]);
    let regsync = pair.regsync(&[mirror]);
    let older = zoo::index("older");
    let out = regsync.path("out");
    fs::create_dir(&out).unwrap();
    crate::support::images::write_layout(&out, &[(&older, "large")]);
    let output = apply_with_little_room(&regsync);
    let copied = |tag: &str| format!("oci:out:{tag} copied new");
    let failed = "oci:out:large failed tag-moved E_IO".to_owned();
    let expected = [copied("a"), copied("b"), copied("c"), failed, copied("x"), copied("y")];
    assert_eq!(steps(&output.assert_status(3).json()), expected, "{}", output.transcript());
    layout::assert_closed(&out);
    assert_eq!(layout::tag_digest(&out, "large").as_deref(), Some(older.digest()));
    let drafts: Vec<_> = files(&out).into_iter().filter(|(name, _)| name.contains(".tmp")).collect();
    assert!(drafts.is_empty(), "left behind: {drafts:?}");
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(layout::tag_digest(&out, "large").as_deref(), Some(large().digest()));
    layout::assert_closed(&out);
}

#[test]
fn an_index_that_cannot_be_replaced_keeps_its_bytes() {
    let pair = Pair::start();
    zoo::single("new").push_to(&pair.source, "app", "new");
    let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &["oci:out"], &["new"])]);
    let out = regsync.path("out");
    fs::create_dir(&out).unwrap();
    // The index alone has no room: hundreds of tags.
    let older = zoo::single("older");
    let tags: Vec<_> = (0..600).map(|n| format!("tag-{n}")).collect();
    crate::support::images::write_layout(&out, &tags.iter().map(|tag| (&older, tag.as_str())).collect::<Vec<_>>());
    let before = fs::read(out.join("index.json")).unwrap();
    assert!(before.len() > 70_000);
    let output = apply_with_little_room(&regsync);
    assert_eq!(steps(&output.assert_status(1).json()), ["oci:out:new failed new E_IO"], "{}", output.transcript());
    assert!(fs::read(out.join("index.json")).unwrap() == before, "the index was changed");
    layout::assert_closed(&out);
    assert!(!files(&out).iter().any(|(name, _)| name.contains(".tmp")));
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(layout::tag_digest(&out, "new").as_deref(), Some(zoo::single("new").digest()));
}

#[test]
fn a_place_that_may_not_be_written_to_fails_and_is_left_as_it_is() {
    let pair = Pair::start();
    zoo::single("new").push_to(&pair.source, "app", "new");
    zoo::single("other").push_to(&pair.source, "app", "other");
    let blocked = Mirror::new(&pair.source.reference("app"), &["oci:out"], &["new"]);
    let regsync = pair.regsync(&[blocked, pair.mirror("app", &["other"])]);
    let out = regsync.path("out");
    fs::create_dir(&out).unwrap();
    crate::support::images::write_layout(&out, &[(&zoo::single("older"), "old")]);
    // Stands for a directory without permission, which is none for the superuser: nothing can be made below a file.
    let blobs = out.join("blobs").join("sha256");
    let mut once = Some(blobs.clone());
    pair.source.before(Match::new("GET", "/blobs/"), move || {
        if let Some(blobs) = once.take() {
            fs::remove_dir_all(&blobs).unwrap();
            fs::write(&blobs, "in the way").unwrap();
        }
    });
    let index = fs::read(out.join("index.json")).unwrap();
    let output = regsync.run(["apply", "--format", "json"]);
    let ended = steps(&output.assert_status(3).json());
    assert_eq!(ended, ["oci:out:new failed new E_LAYOUT", "app:other copied new"], "{}", output.transcript());
    assert!(fs::read(out.join("index.json")).unwrap() == index, "the index was changed");
    assert_eq!(fs::read(&blobs).unwrap(), b"in the way");
    assert!(!files(&out).iter().any(|(name, _)| name.contains(".tmp")), "a draft was left behind");
}
