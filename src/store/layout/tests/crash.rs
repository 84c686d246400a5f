//! Writers that fail, are killed, or come all at once.

use std::time::{Duration, SystemTime};

use super::*;

/// No draft of a failed write is left.
fn assert_no_drafts(place: &Place) {
    let drafts: Vec<String> = place.names().into_iter().filter(|name| name.contains(".tmp")).collect();
    assert_eq!(drafts, Vec::<String>::new());
}

#[tokio::test]
async fn a_failing_source_leaves_nothing() {
    let place = Place::new();
    let target = place.target();
    let blob = described(Algorithm::Sha256, b"content");
    for wrong in [&b"CONTENT"[..], b"cont", b"content and more"] {
        let error = push(&target, &blob, wrong).await.unwrap_err();
        assert!(matches!(error, PushError::Source(_)), "{error}");
        assert!(!target.has_blob(&blob).await.unwrap());
        assert_no_drafts(&place);
    }
    let closed = |_| futures_util::future::ready(Err(Error::new(Code::Denied, "read it", "no"))).boxed();
    let error = target.push_blob(&blob, &closed, None).await.unwrap_err();
    assert!(matches!(error, PushError::Source(error) if error.code == Code::Denied));
    let other = described(Algorithm::Sha256, b"longer content");
    let mistaken = |_| futures_util::future::ready(Ok(stream(&other, b"longer content"))).boxed();
    assert!(matches!(target.push_blob(&blob, &mistaken, None).await, Err(PushError::Source(_))));
}

#[tokio::test]
async fn a_write_that_is_given_up_leaves_nothing() {
    let place = Place::new();
    let target = place.target();
    let blob = described(Algorithm::Sha256, b"content");
    let open = |_| {
        let first = futures_util::stream::iter([Ok(Bytes::from_static(b"con")), Ok(Bytes::from_static(b"t"))]);
        let stream =
            BlobStream::new(Progress::start(&blob), "read", first.chain(futures_util::stream::pending()).boxed());
        futures_util::future::ready(Ok(stream)).boxed()
    };
    let given_up = tokio::time::timeout(Duration::from_millis(200), target.push_blob(&blob, &open, None)).await;
    assert!(given_up.is_err());
    assert_no_drafts(&place);
    assert!(!target.has_blob(&blob).await.unwrap());
}

#[tokio::test]
async fn a_stop_while_the_layout_is_made_is_made_good() {
    for left in [&[][..], &[".regsync.lock"], &[".regsync.lock", ".regsync-00.tmp"], &["oci-layout"]] {
        let place = Place::new();
        std::fs::create_dir(place.file("")).unwrap();
        for name in left {
            let content = if *name == "oci-layout" { r#"{"imageLayoutVersion":"1.0.0"}"# } else { "" };
            std::fs::write(place.file(name), content).unwrap();
        }
        place.inspect(Role::Target).unwrap();
        assert_eq!(place.inspect(Role::Source).unwrap_err().code, Code::Layout);
        let target = place.target();
        assert_eq!(target.resolve(&by_tag("x")).await.unwrap(), None);
        let manifest = push_image(&target, "x", Some("x")).await;
        place.inspect(Role::Source).unwrap();
        assert_eq!(place.source().resolve(&by_tag("x")).await.unwrap(), Some(manifest.descriptor()));
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a file is made to look old")]
async fn drafts_of_killed_writers_are_swept_up_once_they_are_old() {
    let place = Place::new();
    let target = place.target();
    push_image(&target, "x", Some("x")).await;
    let index = place.index();
    let old = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    for name in [".regsync-0.tmp", ".regsync-1.tmp", "theirs.tmp"] {
        std::fs::write(place.file(name), r#"{"manifests":["#).unwrap();
        if name != ".regsync-1.tmp" {
            std::fs::File::options().write(true).open(place.file(name)).unwrap().set_modified(old).unwrap();
        }
    }
    assert_eq!(place.index(), index);
    assert_eq!(target.tags().await.unwrap(), [tag("x")]);
    push_image(&target, "y", Some("y")).await;
    let expected = [".regsync-1.tmp", ".regsync.lock", "blobs", "index.json", "oci-layout", "theirs.tmp"];
    assert_eq!(place.names(), expected.map(String::from));
}

#[tokio::test]
async fn a_blob_that_cannot_get_its_place_leaves_nothing() {
    let place = Place::new();
    let target = place.target();
    push_image(&target, "x", Some("x")).await;
    let blob = described(Algorithm::Sha256, b"blocked");
    std::fs::create_dir(place.blob(&blob.digest)).unwrap();
    let error = push(&target, &blob, b"blocked").await.unwrap_err();
    assert!(matches!(error, PushError::Target(error) if error.code == Code::Io));
    assert_no_drafts(&place);
}

/// Stands for a full disk as well: the draft of the new index cannot be made.
#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_may_not_be_written_is_an_error_and_no_loss() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let target = place.target();
    let image = push_image(&target, "x", Some("x")).await;
    let before = place.index();
    std::fs::set_permissions(place.file(""), std::fs::Permissions::from_mode(0o555)).unwrap();
    let allowed_anyway = std::fs::write(place.file("probe"), "").is_ok();
    let done = target.push_tag(&image, &tag("y"), None).await;
    std::fs::set_permissions(place.file(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    // The superuser may write everywhere.
    if !allowed_anyway {
        assert_eq!(done.unwrap_err().code, Code::Io);
        assert_eq!(place.index(), before);
        assert_no_drafts(&place);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_tag_is_lost_when_many_are_written_at_once() {
    let place = Place::new();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        // Each with a layout of its own: nothing is shared but the directory, as between processes.
        let target = place.target();
        writers.spawn(async move {
            for round in 0..5 {
                let name = format!("{writer}-{round}");
                let manifest = push_image(&target, &name, Some(&name)).await;
                let contended = put(&target, &manifest, Some("contended")).await;
                if let Err(error) = contended {
                    assert_eq!(error.code, Code::Stale, "{error}");
                }
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let source = place.source();
    let tags = source.tags().await.unwrap();
    assert_eq!(tags.len(), 8 * 5 + 1);
    for tag in tags {
        assert!(source.resolve(&TagOrDigest::Tag(tag)).await.unwrap().is_some());
    }
    assert_no_drafts(&place);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_blob_written_many_times_at_once() {
    let place = Place::new();
    let content: Arc<Vec<u8>> = Arc::new((0..100_000_u32).flat_map(u32::to_le_bytes).collect());
    let blob = described(Algorithm::Sha256, &content);
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (target, blob, content) = (place.target(), blob.clone(), Arc::clone(&content));
        writers.spawn(async move { push(&target, &blob, &content).await });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap().unwrap();
    }
    assert!(read(&place.target(), &blob).await.unwrap() == **content);
    assert_no_drafts(&place);
}

#[tokio::test]
async fn a_held_lock_keeps_writers_waiting_and_the_runtime_running() {
    let place = Place::new();
    let target = place.target();
    let image = push_image(&target, "x", Some("x")).await;
    let held = std::fs::File::open(place.file(".regsync.lock")).unwrap();
    held.lock().unwrap();
    let name = tag("y");
    let mut write = target.push_tag(&image, &name, None);
    // On a runtime of one thread this timer only fires if the wait is elsewhere.
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut write).await.is_err());
    assert_eq!(target.tags().await.unwrap(), [tag("x")]);
    drop(held);
    write.await.unwrap();
    assert_eq!(target.tags().await.unwrap(), ["x", "y"].map(tag));
}

/// Somebody else makes the directory while it is looked for: it is there or it is not, and neither is a failure.
#[cfg(unix)]
#[test]
fn a_directory_that_appears_is_no_failure() {
    let place = Place::new();
    let directory = Directory::new(place.path(), Role::Target);
    let path = place.root.path().join("store");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::create_dir(&path).unwrap();
                std::fs::remove_dir(&path).unwrap();
            }
        });
        let looks: Vec<_> = (0..20_000).map(|_| directory.read()).collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for look in looks {
            assert!(look.is_ok(), "{:?}", look.err().map(|fault| fault.during("look")));
        }
    });
}
