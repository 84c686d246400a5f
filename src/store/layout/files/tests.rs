//! Both kinds of directory keep the same promises where links are concerned.

macro_rules! directories {
    ($name:ident, $dir:ty) => {
        mod $name {
            use std::io::{Read, Write};

            use super::super::Kind;

            type Dir = $dir;

            #[test]
            fn files_are_made_moved_and_removed() {
                let root = tempfile::tempdir().unwrap();
                let dir = Dir::open(root.path()).unwrap();
                dir.make_dir("sub").unwrap();
                dir.make_dir("sub").unwrap();
                let sub = dir.dir("sub".as_ref()).unwrap();
                dir.create("draft").unwrap().write_all(b"content").unwrap();
                assert!(dir.create("draft").is_err());
                dir.rename("draft", &sub, "placed").unwrap();
                dir.sync().unwrap();
                let mut content = String::new();
                sub.read("placed").unwrap().read_to_string(&mut content).unwrap();
                assert_eq!(content, "content");
                assert_eq!(sub.read_or_create("placed").unwrap().metadata().unwrap().len(), 7);
                assert_eq!(sub.names().unwrap(), ["placed"]);
                assert_eq!(dir.kind("sub".as_ref()).unwrap(), Kind::Directory);
                assert_eq!(sub.kind("placed".as_ref()).unwrap(), Kind::File);
                sub.remove("placed").unwrap();
                assert!(sub.kind("placed".as_ref()).is_err());
            }

            #[cfg(unix)]
            #[test]
            fn links_are_seen_and_not_followed() {
                use std::os::unix::fs::symlink;
                let root = tempfile::tempdir().unwrap();
                std::fs::create_dir(root.path().join("real")).unwrap();
                std::fs::write(root.path().join("file"), "secret").unwrap();
                for (target, name) in [("real", "linkdir"), ("file", "linkfile"), ("nowhere", "dangling")] {
                    symlink(root.path().join(target), root.path().join(name)).unwrap();
                }
                let dir = Dir::open(root.path()).unwrap();
                assert!(Dir::open(&root.path().join("linkdir")).is_err());
                assert!(Dir::open(&root.path().join("file")).is_err());
                assert!(Dir::trusted(&root.path().join("linkdir")).is_ok());
                assert!(dir.dir("linkdir".as_ref()).is_err());
                assert!(dir.dir("file".as_ref()).is_err());
                for name in ["linkfile", "dangling"] {
                    assert_eq!(dir.kind(name.as_ref()).unwrap(), Kind::Link);
                    assert!(dir.read(name).is_err());
                    assert!(dir.create(name).is_err());
                    assert!(dir.read_or_create(name).is_err());
                }
                assert!(!root.path().join("nowhere").exists());
            }
        }
    };
}

directories!(portable, super::super::portable::Dir);
#[cfg(unix)]
directories!(unix, super::super::unix::Dir);

#[test]
fn a_draft_that_is_given_up_leaves_the_old_content_alone() {
    use std::io::Write;
    use std::sync::Arc;
    let root = tempfile::tempdir().unwrap();
    let dir = Arc::new(super::Dir::open(root.path()).unwrap());
    super::Draft::write(&dir, &dir, "index.json", b"old").unwrap();
    let (draft, mut file) = super::Draft::create(&dir).unwrap();
    file.write_all(b"half of the ne").unwrap();
    assert_eq!(dir.names().unwrap().len(), 2);
    drop(draft);
    assert_eq!(dir.names().unwrap(), ["index.json"]);
    assert_eq!(std::fs::read(root.path().join("index.json")).unwrap(), b"old");
    super::Draft::write(&dir, &dir, "index.json", b"new").unwrap();
    assert_eq!(std::fs::read(root.path().join("index.json")).unwrap(), b"new");
    assert_eq!(dir.names().unwrap(), ["index.json"]);
}

#[cfg(unix)]
#[test]
fn a_path_through_a_dangling_link_is_not_made() {
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root.path().join("nowhere"), root.path().join("link")).unwrap();
    super::make_path(&root.path().join("link/below/it")).unwrap_err();
    super::make_path(&root.path().join("a/b/c")).unwrap();
    super::make_path(&root.path().join("a/b/c")).unwrap();
    assert!(root.path().join("a/b/c").is_dir());
}
