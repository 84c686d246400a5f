//! The identity of a plan: a hash of what it intends and of nothing else.

use serde::Serialize;

use super::{Referrer, Step};
use crate::image::{Digest, Reference};

/// What one step intends. The fields stand in the order of RFC 8785 (by UTF-16 code units of their names), and hold
/// nothing but strings, lists of them, and nulls: the compact text that serde writes of it is its canonical form.
#[derive(Serialize)]
struct Intent {
    action: super::Action,
    digest: Option<String>,
    referrers: Vec<Attached>,
    source: Option<Source>,
    target: Option<Target>,
    trim: Option<Trim>,
}

#[derive(Serialize)]
struct Trim {
    platforms: Vec<String>,
    single: &'static str,
}

#[derive(Serialize)]
struct Attached {
    artifact_type: Option<String>,
    digest: String,
    tag: Option<String>,
    /// Left out where the target has no such tag: plans that could not say it keep their ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_digest: Option<String>,
}

#[derive(Serialize)]
struct Source {
    digest: Option<String>,
    repository: String,
}

#[derive(Serialize)]
struct Target {
    digest: Option<String>,
    reference: String,
}

/// The SHA-256 over the canonical JSON of the steps that write, in their order.
pub(super) fn of(steps: &[Step]) -> Digest {
    let intents: Vec<Intent> = steps.iter().filter(|step| step.action().writes()).map(intent).collect();
    // Nothing here can fail to serialise.
    Digest::sha256(&serde_json::to_vec(&intents).unwrap_or_default())
}

fn text(digest: Option<&Digest>) -> Option<String> {
    digest.map(ToString::to_string)
}

fn intent(step: &Step) -> Intent {
    let location = |reference: &Reference| reference.location.to_string();
    Intent {
        action: step.action(),
        digest: text(step.digest.as_ref()),
        referrers: step.referrers.iter().map(attached).collect(),
        source: step
            .source
            .as_ref()
            .map(|source| Source { digest: text(source.digest.as_ref()), repository: location(&source.reference) }),
        target: step
            .target
            .as_ref()
            .map(|target| Target { digest: text(target.digest.as_ref()), reference: target.reference.to_string() }),
        trim: step.trim.as_ref().map(|trim| Trim {
            platforms: trim.subset.platforms().map(ToString::to_string).collect(),
            single: trim.subset.single().as_str(),
        }),
    }
}

fn attached(referrer: &Referrer) -> Attached {
    Attached {
        artifact_type: referrer.artifact_type.as_ref().map(ToString::to_string),
        digest: referrer.digest.to_string(),
        tag: referrer.tag.as_ref().map(ToString::to_string),
        target_digest: text(referrer.before.as_ref()),
    }
}
