//! Documents and texts that people write or tools save.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

use super::shown::{assert_harmless, assert_harmless_text, assert_plan_harmless};
use crate::config::{self, Auth, Desired, Rules, SourceFile};
use crate::image::{
    Digest, Index, Location, Manifest, MediaType, Role, Root, Single, Subset, View, Written, trim, with_referrers,
};
use crate::plan::file::{Document, FileError, Stamp};
use crate::plan::{self, Bases, Plan};
use crate::report::json;

/// Where the files of all inputs are said to lie.
const BASE: &str = "/config";

/// `regsync.yaml`: two readings are equal, no path leads out, and what is said about mistakes is harmless.
pub fn configuration(bytes: &[u8]) {
    let file = SourceFile { path: "regsync.yaml".into(), directory: PathBuf::from(BASE), bytes: bytes.to_vec() };
    let files = [file];
    let read = config::parse(&files, &Rules::default());
    assert_eq!(read, config::parse(&files, &Rules::default()), "two readings differ");
    match read {
        Ok(desired) => assert_sound(&desired),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in &problems {
                assert!(problem.place.line >= 1 && problem.place.column >= 1, "{problem}");
                // The end of the text is a place, too.
                let span = &problem.span;
                assert!(
                    span.start <= bytes.len() && span.start <= span.end && span.end <= bytes.len() + 1,
                    "{problem}"
                );
                assert_harmless(&problem.to_string());
            }
            assert_harmless_text(&problems.render(&files, false));
        }
    }
}

fn assert_sound(desired: &Desired) {
    for path in &desired.paths {
        assert!(path.path.starts_with(BASE), "{} leads out", path.path.display());
    }
    for (key, rules) in &desired.registries {
        // Nothing is bound here: who writes the file gets no credential of a host that is not the provider's own.
        if let Auth::Provider(provider) = &rules.auth {
            assert!(provider.kind.is_at(&key.registry), "{} at {}", provider.kind.name(), key.registry);
        }
    }
    for mirror in desired.entries() {
        assert_reads_back(&mirror.source, Role::Source);
        for target in &mirror.targets {
            assert_reads_back(target, Role::Target);
        }
        // What is wanted without any list has sound names, too.
        for wanted in mirror.expand(&[]) {
            assert!(!wanted.targets.is_empty());
        }
    }
}

fn assert_reads_back(location: &Location, role: Role) {
    let read = Written::parse(&location.to_string(), role, Path::new(BASE));
    assert_eq!(read.map(|written| written.location), Ok(location.clone()), "printed and read again");
}

/// A reference: what is accepted prints as something that reads back equal, and a target names registry and no digest.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for role in [Role::Source, Role::Target] {
        match Written::parse(text, role, Path::new(BASE)) {
            Ok(written) => assert_sound_reference(&written, role),
            Err(error) => {
                let said = error.to_string();
                assert!(!said.is_empty());
                if let Some((login, _)) = text.rsplit_once('@').filter(|(login, _)| login.contains("hunter2")) {
                    assert!(!said.contains("hunter2"), "{login}: {said}");
                }
            }
        }
    }
}

fn assert_sound_reference(written: &Written, role: Role) {
    let tag = written.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = written.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    let printed = format!("{}{tag}{digest}", written.location);
    assert_eq!(Written::parse(&printed, role, Path::new(BASE)).as_ref(), Ok(written), "{printed}");
    if let Some(digest) = &written.digest {
        assert!(role == Role::Source, "a target with a digest");
        assert_digest(digest);
    }
    if let Location::Repository(repository) = &written.location {
        let name = repository.name();
        assert!(!name.split('/').any(|part| matches!(part, "" | "." | "..")), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/._-".contains(&b)), "{name}");
        let host = repository.registry().as_str();
        assert_eq!(host.parse().as_ref(), Ok(repository.registry()), "a canonical host is canonical");
    }
}

/// Nothing but its algorithm and hex digits: paths and URLs are made of it.
fn assert_digest(digest: &Digest) {
    let text = digest.to_string();
    let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
    let hex = hex.or_else(|| text.strip_prefix("sha512:").filter(|hex| hex.len() == 128));
    assert!(hex.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))), "{text}");
    assert_eq!(text.parse().as_ref(), Ok(digest));
}

/// A manifest, under each type it may be announced as: kept byte for byte, and understood as a plain JSON reader does.
pub fn manifest(bytes: &[u8]) {
    let announced = [
        "",
        "application/octet-stream",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.example+json",
    ];
    for announced in announced.map(MediaType::new) {
        match Manifest::identify(Bytes::copy_from_slice(bytes), &announced) {
            Ok(manifest) => {
                assert_sound_manifest(bytes, &manifest);
                assert_sound_referrer(bytes, &manifest);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn assert_sound_manifest(bytes: &[u8], manifest: &Manifest) {
    assert_eq!(manifest.bytes(), bytes);
    assert!(manifest.digest().matches(bytes));
    assert_eq!(manifest.descriptor().size, bytes.len() as u64);
    assert!(!manifest.media_type().is_schema1());
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let listed = |key: &str| value[key].as_array().map_or(0, Vec::len);
    match manifest.view() {
        View::Index(index) => {
            assert_eq!(index.manifests.len(), listed("manifests"), "children are lost or invented");
            assert_eq!((listed("layers"), listed("blobs")), (0, 0), "two readers could differ");
            index.manifests.iter().for_each(|child| assert_digest(&child.digest));
            assert_sound_part(manifest, index);
        }
        View::Image(image) => {
            assert_eq!(image.layers.len(), listed("layers") + listed("blobs"), "layers are lost or invented");
            assert_eq!(image.config.is_some(), value["config"].is_object());
            assert_eq!(listed("manifests"), 0, "two readers could differ");
            image.blobs().for_each(|blob| assert_digest(&blob.digest));
        }
        View::Opaque => {
            let is_known = manifest.media_type().is_index() || manifest.media_type().is_image();
            assert!(!is_known, "a known type whose references are not looked at");
        }
    }
}

/// A part of an index has children of it in their order, and is its own part.
fn assert_sound_part(whole: &Manifest, children: &Index) {
    let name = "linux/amd64".parse().into_iter().collect();
    let Some(subset) = Subset::new(name, Single::Index) else { return };
    match trim(whole, &subset).map(|trimmed| trimmed.root) {
        Ok(Root::Index(part)) => {
            let View::Index(kept) = part.view() else { panic!("a part of an index is one") };
            let mut rest = children.manifests.iter();
            assert!(kept.manifests.iter().all(|child| rest.any(|other| other == child)), "children are invented");
            assert!(kept.manifests.len() < children.manifests.len() && part.bytes().len() < whole.bytes().len());
            assert_eq!(trim(&part, &subset).map(|trimmed| trimmed.root), Ok(Root::Whole));
        }
        Ok(root) => assert_eq!(root, Root::Whole),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What it says of itself as a referrer is what a plain reader sees, and an index of referrers lists it once.
fn assert_sound_referrer(bytes: &[u8], manifest: &Manifest) {
    let Ok(referring) = manifest.referring() else { return };
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let subject = referring.subject.as_ref().map(|subject| subject.digest.to_string());
    assert_eq!(subject.as_deref(), value["subject"]["digest"].as_str(), "the subject is another one");
    let one = [(manifest.clone(), referring)];
    let Ok(Some(index)) = with_referrers(None, &one) else { panic!("it can be listed in no index") };
    assert!(matches!(index.view(), View::Index(index) if index.manifests.len() == 1));
    assert_eq!(with_referrers(Some(&index), &one), Ok(None), "it is listed twice");
}

/// A saved plan or result: what is accepted is written and read back as it was, stays in its place, and shows harmlessly.
pub fn plan_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let names: Vec<String> = serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|value| value["config"].as_array().cloned())
        .map(|files| files.iter().filter_map(|file| file["path"].as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    let directories = names.into_iter().map(|name| (name, PathBuf::from(BASE))).collect();
    let bases = Bases { directories, allowed: Vec::new() };
    match plan::document(text) {
        Ok(document) => {
            if let Some(plan) = with_right_id(document, &bases) {
                assert_sound_plan(&plan, &bases);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(document) = json::read(text)
        && let Ok(saved) = document.saved(&bases)
    {
        let again = json::result(&saved.applied(), &stamp());
        let again = json::read(&again).and_then(|document| document.saved(&bases));
        assert_eq!(again.as_ref(), Ok(&saved), "a result written and read again");
    }
}

/// The plan of a document. A mutated one hardly ever has the right id; what lies behind that check is to be met, too.
fn with_right_id(document: Document, bases: &Bases) -> Option<Plan> {
    match document.plan(bases) {
        Ok(plan) => Some(plan),
        Err(FileError::Id { computed, .. }) => Document { plan_id: computed, ..document }.plan(bases).ok(),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

fn assert_sound_plan(plan: &Plan, bases: &Bases) {
    let written = plan.to_json(&stamp());
    let read = plan::document(&written).and_then(|document| document.plan(bases));
    assert_eq!(read.as_ref(), Ok(plan), "a plan written and read again");
    for step in &plan.steps {
        let places = step.source.iter().map(|source| &source.reference).chain(step.target_reference());
        for place in places {
            if let Location::Layout(path) = &place.location {
                assert!(path.directory().starts_with(BASE), "{path} leads out");
            }
        }
        if step.action().writes() {
            assert!(step.digest.is_some() && step.source.is_some() && step.target.is_some(), "{step:?}");
            assert_eq!(step.wanted(), step.digest.as_ref());
        }
        step.digest.iter().for_each(assert_digest);
    }
    assert_plan_harmless(plan);
}

fn stamp() -> Stamp {
    Stamp { tool_version: "0".to_owned(), created_at: "2026-01-02T03:04:05Z".to_owned() }
}
