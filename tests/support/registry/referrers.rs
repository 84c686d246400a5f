//! The list of referrers, in pages, and the word that a pushed manifest is on it.

use serde_json::{Value, json};

use super::store::{Repository, StoredManifest};
use super::{Answer, Call, Site, method_not_allowed, name_unknown, not_found};
use crate::support::images::media_type::OCI_INDEX;

impl Site {
    /// `GET …/referrers/<digest>`, where the registry has it.
    pub(super) fn referrers(&self, call: &Call, repository: &str, subject: &str) -> Answer {
        if !self.options.referrers {
            return not_found();
        }
        if call.method != "GET" {
            return method_not_allowed();
        }
        let contents = self.store.lock();
        let Some(found) = contents.repositories.get(repository) else {
            return name_unknown();
        };
        let last = call.parameter("last").unwrap_or_default();
        let mut rest = found.referrers(subject).into_iter().filter(|entry| entry["digest"].as_str() > Some(&last));
        let page: Vec<Value> = rest.by_ref().take(self.options.page_size).collect();
        let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page});
        let answer = Answer::status(200).header("Content-Type", OCI_INDEX).body(list.to_string());
        match (page.last().and_then(|entry| entry["digest"].as_str()), rest.next()) {
            (Some(last), Some(_)) => {
                let next = format!("{}/v2/{repository}/referrers/{subject}?last={last}", self.base);
                answer.header("Link", format!("<{next}>; rel=\"next\""))
            }
            _ => answer,
        }
    }

    /// The header that says that a pushed manifest is on the list of its subject.
    pub(super) fn subject_of(&self, manifest: &[u8]) -> Option<String> {
        let manifest = serde_json::from_slice::<Value>(manifest).ok()?;
        manifest["subject"]["digest"].as_str().filter(|_| self.options.referrers).map(str::to_owned)
    }
}

impl Repository {
    fn referrers(&self, subject: &str) -> Vec<Value> {
        let entry = |(digest, stored): (&String, &StoredManifest)| {
            let manifest = serde_json::from_slice::<Value>(&stored.bytes).ok()?;
            (manifest["subject"]["digest"] == subject).then(|| descriptor(digest, stored, &manifest))
        };
        self.manifests.iter().filter_map(entry).collect()
    }
}

fn descriptor(digest: &str, stored: &StoredManifest, manifest: &Value) -> Value {
    let mut entry = json!({"mediaType": stored.media_type, "digest": digest, "size": stored.bytes.len()});
    let kinds = [&manifest["artifactType"], &manifest["config"]["mediaType"]];
    if let Some(kind) = kinds.into_iter().find(|kind| kind.is_string()) {
        entry["artifactType"] = kind.clone();
    }
    if manifest["annotations"].is_object() {
        entry["annotations"] = manifest["annotations"].clone();
    }
    entry
}
