//! Layouts that were damaged after they were written: an error at a source, written again at a target.

use super::*;

/// Breaks the manifest of `x` with `harm`, and checks both roles.
async fn harmed(expected: Code, harm: impl Fn(&Path)) {
    let place = Place::new();
    let target = place.target();
    let manifest = push_image(&target, "x", Some("x")).await;
    harm(&place.blob(manifest.digest()));

    let error = place.source().resolve(&by_tag("x")).await.unwrap_err();
    assert_eq!(error.code, expected, "{error}");
    assert_eq!(target.resolve(&by_tag("x")).await.unwrap(), None);

    target.push_tag(&manifest, &tag("x"), None).await.unwrap();
    for layout in [target, place.source()] {
        assert_eq!(layout.resolve(&by_tag("x")).await.unwrap(), Some(manifest.descriptor()));
    }
}

#[tokio::test]
async fn a_tag_without_a_sound_manifest_is_repaired_by_writing_it_again() {
    harmed(Code::Layout, |file| std::fs::remove_file(file).unwrap()).await;
    harmed(Code::Layout, |file| std::fs::write(file, "short").unwrap()).await;
    harmed(Code::Digest, |file| {
        let same_size = vec![b' '; std::fs::read(file).unwrap().len()];
        std::fs::write(file, same_size).unwrap();
    })
    .await;
}

#[tokio::test]
async fn wrong_content_is_never_handed_out() {
    let place = Place::new();
    let target = place.target();
    let manifest = push_image(&target, "x", Some("x")).await;
    let blob = push_content(&target, b"content").await;
    std::fs::write(place.blob(&blob.digest), b"CONTENT").unwrap();
    std::fs::write(place.blob(manifest.digest()), vec![b' '; manifest.bytes().len()]).unwrap();
    for layout in [place.source(), place.target()] {
        assert_eq!(read(&layout, &blob).await.unwrap_err().code, Code::Digest);
        assert_eq!(layout.manifest(manifest.digest(), manifest.media_type()).await.unwrap_err().code, Code::Digest);
    }
    let digest = TagOrDigest::Digest(manifest.digest().clone());
    assert_eq!(place.source().resolve(&digest).await.unwrap_err().code, Code::Digest);
    assert_eq!(place.target().resolve(&digest).await.unwrap(), None);

    push(&target, &blob, b"content").await.unwrap();
    assert_eq!(read(&target, &blob).await.unwrap(), b"content");
}

#[tokio::test]
async fn sizes_are_checked_before_anything_is_read() {
    let place = Place::new();
    let target = place.target();
    let blob = push_content(&target, b"content").await;
    let longer = Descriptor { size: 8, ..blob.clone() };
    assert!(!target.has_blob(&longer).await.unwrap());
    assert_eq!(read(&target, &longer).await.unwrap_err().code, Code::Size);
    assert_eq!(read(&target, &described(Algorithm::Sha512, b"content")).await.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn a_manifest_has_a_limit() {
    let place = Place::new();
    let target = place.target();
    let limit = usize::try_from(content::LIMIT).unwrap();
    for (size, expected) in [(limit, None), (limit + 1, Some(Code::Limit))] {
        let text = format!(r#"{{"manifests":[]{}}}"#, " ".repeat(size - r#"{"manifests":[]}"#.len()));
        let blob = push_content(&target, text.as_bytes()).await;
        let descriptor = Descriptor { media_type: MediaType::oci_index(), ..blob };
        assert_eq!(
            target.manifest(&descriptor.digest, &descriptor.media_type).await.err().map(|error| error.code),
            expected
        );
        let digest = TagOrDigest::Digest(descriptor.digest);
        assert_eq!(target.resolve(&digest).await.err().map(|error| error.code), expected);
    }
}

#[tokio::test]
async fn the_type_of_a_digest_is_what_the_content_says() {
    let place = Place::new();
    let target = place.target();
    for (text, expected) in [
        (r#"{"manifests":[]}"#, "application/vnd.oci.image.index.v1+json"),
        (r#"{"mediaType":"application/vnd.example+json"}"#, "application/vnd.example+json"),
        ("{}", OCTETS),
        ("not JSON", OCTETS),
    ] {
        let blob = push_content(&target, text.as_bytes()).await;
        let found = target.resolve(&TagOrDigest::Digest(blob.digest)).await.unwrap().unwrap();
        assert_eq!((found.media_type.as_str(), found.size), (expected, blob.size));
    }
}

#[tokio::test]
async fn two_entries_of_one_name_are_refused() {
    let place = Place::new();
    let target = place.target();
    let manifest = push_image(&target, "x", Some("x")).await;
    let index = place.index();
    let start = index.find('[').unwrap() + 1;
    let entry = &index[start..index.rfind(']').unwrap()];
    std::fs::write(place.file("index.json"), format!("{}{entry},{}", &index[..start], &index[start..])).unwrap();
    for layout in [place.source(), place.target()] {
        let error = layout.resolve(&by_tag("x")).await.unwrap_err();
        assert!(error.code == Code::Layout && error.message.contains("`x`"), "{error}");
        assert_eq!(layout.tags().await.unwrap(), [tag("x")]);
    }
    let error = target.push_tag(&manifest, &tag("x"), None).await.unwrap_err();
    assert_eq!(error.code, Code::Layout);
}
