//! What must hold of a layout's files, whatever is in them. For `crate::fuzzing`.

use std::fs;
use std::path::Path;

use super::Layout;
use super::index::Index;
use crate::image::{Descriptor, Digest, LayoutPath, MediaType, Role, Tag, TagOrDigest};
use crate::store::ImageSource;

/// `index.json`: a tag that is written names what was written, and every other tag what it did.
pub(crate) fn index(bytes: &[u8]) {
    let Ok(index) = Index::parse(bytes) else { return };
    let tags = index.tags();
    assert!(tags.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
    let named: Option<Tag> = "fuzzed".parse().ok();
    for tag in tags.first().into_iter().chain(&named) {
        let new = Descriptor::new(MediaType::oci_index(), Digest::sha256(b"new"), 3);
        let Ok(written) = index.with(tag, &new) else { continue };
        let Some(written) = written else {
            assert_eq!(index.find(tag).ok().flatten(), Some(&new), "nothing to do, and it is not so");
            continue;
        };
        let Ok(read) = Index::parse(&written) else { panic!("not read again: {}", String::from_utf8_lossy(&written)) };
        assert_eq!(read.find(tag).ok().flatten(), Some(&new));
        assert!(read.with(tag, &new).is_ok_and(|again| again.is_none()), "the same again is nothing to do");
        for other in tags.iter().filter(|other| *other != tag) {
            assert_eq!(read.find(other).ok(), index.find(other).ok(), "{other} was touched");
        }
    }
}

/// A directory with `oci-layout`, `index.json` and a blob, divided by NULs in the input: reading it changes nothing, and
/// what is read is what its digest says.
pub(crate) fn directory(bytes: &[u8]) {
    let Ok(place) = tempfile::tempdir() else { return };
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (first, second, blob) = (part(), part(), part());
    // A single part is an index.
    let (marker, index) =
        if second.is_empty() { (&br#"{"imageLayoutVersion":"1.0.0"}"#[..], first) } else { (first, second) };
    let digest = Digest::sha256(blob);
    if fill(place.path(), (marker, index), (&digest, blob)).is_err() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let (Ok(path), Ok(runtime)) = (LayoutPath::new(place.path(), "."), runtime) else { return };
    for role in [Role::Source, Role::Target] {
        let layout = Layout::new(path.clone(), role);
        runtime.block_on(async {
            for tag in layout.tags().await.unwrap_or_default().into_iter().take(20) {
                let Ok(Some(found)) = layout.resolve(&TagOrDigest::Tag(tag)).await else { continue };
                if let Ok(Some(manifest)) = layout.manifest(&found.digest, &found.media_type).await {
                    assert!(found.digest.matches(manifest.bytes()));
                    assert!(manifest.bytes() == blob, "bytes from elsewhere");
                }
            }
        });
    }
    let kept = fs::read(place.path().join("index.json")).unwrap_or_default();
    assert_eq!(kept, index, "reading changed the index");
}

fn fill(place: &Path, (marker, index): (&[u8], &[u8]), (digest, blob): (&Digest, &[u8])) -> std::io::Result<()> {
    let blobs = place.join("blobs").join(digest.algorithm().as_str());
    fs::create_dir_all(&blobs)?;
    fs::write(blobs.join(digest.hex()), blob)?;
    fs::write(place.join("oci-layout"), marker)?;
    fs::write(place.join("index.json"), index)
}
