//! The closing oracle for OCI layouts on disk: what they hold is what its name says, and what they name is all there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::registry::{is_true, references};

/// All files below a directory with their bytes, by their path in it. Empty where there is no such directory.
pub fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().replace('\\', "/");
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The digests of the blobs of a layout, manifests among them, sorted.
pub fn blobs(dir: &Path) -> Vec<String> {
    let digest = |(name, _): (String, Vec<u8>)| Some(name.strip_prefix("blobs/")?.replace('/', ":"));
    files(dir).into_iter().filter_map(digest).collect()
}

/// The digest that a tag of a layout names.
pub fn tag_digest(dir: &Path, tag: &str) -> Option<String> {
    let entry = entries(dir).into_iter().find(|entry| name(entry) == tag)?;
    entry["digest"].as_str().map(str::to_owned)
}

/// Panics when a blob is not what its name says, or a tag names an image that is not all there. A layout that does not
/// exist yet lacks nothing.
#[track_caller]
pub fn assert_closed(dir: &Path) {
    let wrong = wrong(dir);
    assert!(wrong.is_empty(), "{} is not sound:\n{}", dir.display(), wrong.join("\n"));
}

fn wrong(dir: &Path) -> Vec<String> {
    let mut wrong: Vec<_> = files(dir)
        .into_iter()
        .filter_map(|(name, bytes)| {
            let digest = name.strip_prefix("blobs/")?.replace('/', ":");
            (!is_true(&digest, None, &bytes)).then(|| format!("{digest} has other content"))
        })
        .collect();
    for entry in entries(dir) {
        let lacks = missing_of(dir, &entry).into_iter();
        wrong.extend(lacks.map(|lack| format!("{}: {lack}", name(&entry))));
    }
    wrong
}

fn name(entry: &Value) -> &str {
    entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap_or("(no name)")
}

fn entries(dir: &Path) -> Vec<Value> {
    let Ok(bytes) = fs::read(dir.join("index.json")) else { return Vec::new() };
    let index: Value = serde_json::from_slice(&bytes).expect("`index.json` is whole at any time");
    index["manifests"].as_array().cloned().unwrap_or_default()
}

fn missing_of(dir: &Path, entry: &Value) -> Vec<String> {
    let (mut missing, mut seen) = (Vec::new(), BTreeSet::new());
    let mut open = references(&serde_json::json!({"manifests": [entry]}));
    while let Some(reference) = open.pop() {
        if !seen.insert(reference.digest.clone()) {
            continue;
        }
        match fs::read(dir.join("blobs").join(reference.digest.replace(':', "/"))) {
            Err(_) if reference.is_foreign => {}
            Err(error) => missing.push(format!("{}: {error}", reference.digest)),
            Ok(bytes) if !is_true(&reference.digest, reference.size, &bytes) => {
                missing.push(format!("{} has {} bytes, and not the right ones", reference.digest, bytes.len()));
            }
            Ok(bytes) if reference.is_child => {
                open.extend(serde_json::from_slice(&bytes).as_ref().map(references).unwrap_or_default());
            }
            Ok(_) => {}
        }
    }
    missing
}
