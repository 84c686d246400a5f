//! Directories made to lead somewhere else, or to be taken for what they are not.

use super::*;

/// A layout with the tag `x`, spoilt by `spoil`.
async fn spoilt(spoil: impl Fn(&Place, &Manifest)) -> (Place, Manifest) {
    let place = Place::new();
    let manifest = push_image(&place.target(), "x", Some("x")).await;
    spoil(&place, &manifest);
    (place, manifest)
}

/// Both roles refuse the layout with `code`, before and while it is used.
async fn refused(code: Code, spoil: impl Fn(&Place, &Manifest)) {
    let (place, manifest) = spoilt(spoil).await;
    for role in [Role::Source, Role::Target] {
        let layout = place.open(role);
        assert_eq!(place.inspect(role).unwrap_err().code, code);
        assert_eq!(layout.resolve(&by_tag("x")).await.unwrap_err().code, code);
        assert_eq!(layout.tags().await.unwrap_err().code, code);
    }
    let error = place.target().push_tag(&manifest, &tag("y"), None).await.unwrap_err();
    assert_eq!(error.code, code, "{error}");
}

fn mark(place: &Place, content: &str) {
    std::fs::write(place.file("oci-layout"), content).unwrap();
}

#[tokio::test]
async fn marks_of_other_kinds_and_versions() {
    for content in [
        r#"{"imageLayoutVersion":"2.0.0"}"#,
        r#"{"imageLayoutVersion":"1.0.0","imageLayoutVersion":"2.0.0"}"#,
        r#"{"ImageLayoutVersion":"1.0.0"}"#,
        r#"{"imageLayoutVersion":1}"#,
        "{}",
        "",
    ] {
        refused(Code::Layout, |place, _| mark(place, content)).await;
    }
    refused(Code::Limit, |place, _| mark(place, &" ".repeat(70_000))).await;
    refused(Code::Layout, |place, _| std::fs::remove_file(place.file("oci-layout")).unwrap()).await;
    refused(Code::Layout, |place, _| {
        std::fs::remove_file(place.file("oci-layout")).unwrap();
        std::fs::create_dir(place.file("oci-layout")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn indexes_that_are_none() {
    let index = |place: &Place, content: &str| std::fs::write(place.file("index.json"), content).unwrap();
    refused(Code::Layout, |place, _| index(place, "")).await;
    refused(Code::Layout, |place, _| index(place, r#"{"manifests":[],"manifests":[]}"#)).await;
    refused(Code::Layout, |place, _| index(place, &"[".repeat(1_000_000))).await;
    refused(Code::Layout, |place, _| index(place, &format!(r#"{{"manifests":[{}"#, "[".repeat(1_000_000)))).await;
    refused(Code::Limit, |place, _| index(place, &" ".repeat(5_000_000))).await;
    refused(Code::Layout, |place, _| {
        std::fs::remove_file(place.file("index.json")).unwrap();
        std::fs::create_dir(place.file("index.json")).unwrap();
    })
    .await;
}

/// Who reads the entry that says little of it would not look for its layers.
#[tokio::test]
async fn an_index_that_lists_an_image_as_something_else_too() {
    let place = Place::new();
    let target = place.target();
    let config = push_content(&target, b"{}").await;
    let missing = described(Algorithm::Sha256, b"a layer that is not there");
    let incomplete = image_of(&config, &[&missing]);
    target.push_manifest(&incomplete).await.unwrap();
    let plain = incomplete.descriptor();
    let other = Descriptor { media_type: MediaType::new("application/x"), ..plain.clone() };
    for children in [[&plain, &other], [&other, &plain]] {
        let error = put(&target, &index_of(&children), Some("x")).await.unwrap_err();
        assert_eq!(error.code, Code::Manifest, "{error}");
        assert_eq!(target.resolve(&by_tag("x")).await.unwrap(), None);
    }
    let complete = push_image(&target, "complete", None).await.descriptor();
    put(&target, &index_of(&[&complete, &complete]), Some("x")).await.unwrap();
}

#[test]
fn a_directory_of_something_else_is_no_target() {
    let place = Place::new();
    std::fs::create_dir(place.file("")).unwrap();
    place.inspect(Role::Target).unwrap();
    std::fs::write(place.file("notes.txt"), "mine").unwrap();
    assert_eq!(place.inspect(Role::Target).unwrap_err().code, Code::Layout);
}

#[tokio::test]
async fn nothing_is_written_into_a_directory_of_something_else() {
    let place = Place::new();
    std::fs::create_dir(place.file("")).unwrap();
    std::fs::write(place.file("notes.txt"), "mine").unwrap();
    let error = push(&place.target(), &described(Algorithm::Sha256, b"x"), b"x").await.unwrap_err();
    assert!(matches!(error, PushError::Target(error) if error.code == Code::Layout));
    assert_eq!(place.names(), ["notes.txt".to_owned()]);
}

#[test]
fn paths_that_are_no_directories_or_lead_out() {
    let place = Place::new();
    let root = place.root.path().join("allowed");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("file"), "").unwrap();
    for written in ["file", "file/below", "../outside", "..", "/dev/null", "a/../../outside"] {
        let path = LayoutPath::new(&root, written).unwrap();
        for role in [Role::Source, Role::Target] {
            assert_eq!(Layout::inspect(&path, &root, role).unwrap_err().code, Code::Layout, "{written}");
        }
    }
    let below = LayoutPath::new(&root, "./a/../b").unwrap();
    Layout::inspect(&below, &root.join("../allowed"), Role::Target).unwrap();
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Moves what is at `name` out of the layout and puts a link to it in its place.
    fn divert(place: &Place, name: &Path) {
        let outside = place.root.path().join("outside");
        std::fs::rename(name, &outside).unwrap();
        symlink(&outside, name).unwrap();
    }

    #[tokio::test]
    async fn no_file_or_directory_of_a_layout_is_reached_through_a_link() {
        for name in ["oci-layout", "index.json"] {
            refused(Code::Layout, |place, _| divert(place, &place.file(name))).await;
        }
        for name in ["blobs", "blobs/sha256"] {
            let (place, manifest) = spoilt(|place, _| divert(place, &place.file(name))).await;
            let before = std::fs::read_dir(place.root.path().join("outside")).unwrap().count();
            for role in [Role::Source, Role::Target] {
                let layout = place.open(role);
                assert_eq!(place.inspect(role).unwrap_err().code, Code::Layout);
                assert_eq!(layout.resolve(&by_tag("x")).await.unwrap_err().code, Code::Layout);
                assert_eq!(layout.has_blob(&manifest.descriptor()).await.unwrap_err().code, Code::Layout);
            }
            let blob = described(Algorithm::Sha256, b"new");
            let error = push(&place.target(), &blob, b"new").await.unwrap_err();
            assert!(matches!(error, PushError::Target(error) if error.code == Code::Layout));
            assert_eq!(std::fs::read_dir(place.root.path().join("outside")).unwrap().count(), before);
        }
    }

    #[tokio::test]
    async fn a_blob_that_is_a_link_is_refused_and_replaced_without_touching_what_it_leads_to() {
        let (place, manifest) = spoilt(|place, manifest| divert(place, &place.blob(manifest.digest()))).await;
        let blob = manifest.descriptor();
        for layout in [place.source(), place.target()] {
            assert_eq!(layout.resolve(&by_tag("x")).await.unwrap_err().code, Code::Layout);
            assert_eq!(layout.manifest(&blob.digest, &blob.media_type).await.unwrap_err().code, Code::Layout);
            assert_eq!(read(&layout, &blob).await.unwrap_err().code, Code::Layout);
            assert_eq!(layout.has_blob(&blob).await.unwrap_err().code, Code::Layout);
        }
        let outside = place.root.path().join("outside");
        std::fs::write(&outside, "canary").unwrap();
        push(&place.target(), &blob, manifest.bytes()).await.unwrap();
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "canary");
        assert!(place.blob(manifest.digest()).symlink_metadata().unwrap().is_file());
    }

    #[tokio::test]
    async fn a_lock_that_is_a_link_is_not_followed() {
        let (place, manifest) = spoilt(|place, _| {
            std::fs::remove_file(place.file(".regsync.lock")).unwrap();
            symlink(place.root.path().join("canary"), place.file(".regsync.lock")).unwrap();
        })
        .await;
        place.target().push_tag(&manifest, &tag("y"), None).await.unwrap_err();
        assert!(!place.root.path().join("canary").exists());
    }

    #[tokio::test]
    async fn the_layout_and_the_directories_above_it_are_no_links() {
        let place = Place::new();
        push_image(&place.target(), "x", Some("x")).await;
        symlink(place.file(""), place.root.path().join("link")).unwrap();
        symlink(place.root.path(), place.root.path().join("above")).unwrap();
        for written in ["link", "above/store"] {
            let path = LayoutPath::new(place.root.path(), written).unwrap();
            for role in [Role::Source, Role::Target] {
                let error = Layout::inspect(&path, place.root.path(), role).unwrap_err();
                assert_eq!(error.code, Code::Layout, "{error}");
            }
        }
        let linked = Layout::new(LayoutPath::new(place.root.path(), "link").unwrap(), Role::Target);
        assert_eq!(linked.tags().await.unwrap_err().code, Code::Layout);
        // The allowed directory itself may be reached through a link: that is its owner's choice.
        let root = place.root.path().join("above");
        Layout::inspect(&LayoutPath::new(&root, "store").unwrap(), &root, Role::Source).unwrap();
    }

    #[tokio::test]
    async fn a_socket_where_a_file_belongs_is_refused() {
        let (place, manifest) = spoilt(|place, manifest| {
            std::fs::remove_file(place.blob(manifest.digest())).unwrap();
        })
        .await;
        let short = place.root.path().join("s");
        let _socket = std::os::unix::net::UnixListener::bind(&short).unwrap();
        std::fs::rename(&short, place.blob(manifest.digest())).unwrap();
        assert_eq!(place.source().resolve(&by_tag("x")).await.unwrap_err().code, Code::Layout);
    }

    #[tokio::test]
    async fn hard_links_are_never_written_through() {
        let place = Place::new();
        let target = place.target();
        push_image(&target, "x", Some("x")).await;
        let outside = place.root.path().join("outside");
        std::fs::hard_link(place.file("index.json"), &outside).unwrap();
        let before = std::fs::read(&outside).unwrap();
        push_image(&target, "y", Some("y")).await;
        assert_eq!(std::fs::read(&outside).unwrap(), before);
        assert_eq!(target.tags().await.unwrap(), ["x", "y"].map(tag));
    }
}
