//! The JSON form of a plan: versioned, for reviewers, scripts and a later `apply`.
//!
//! Owns the document's shape and the way back from it. A plan file is a claim, not a truth: everything in it is parsed as
//! strictly as the configuration, and its id is computed again.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

use super::{
    Action, Bytes, Plan, Pulls, Reason, Referrer, Risk, Scope, SelectionDocument, Step, StepTrim, Summary, Warning, id,
};
use crate::config::{ConfigFile, Place};
use crate::image::{Change, Digest, Failure, Single};

/// The version written. Readers refuse another major version and ignore fields they do not know.
pub const FORMAT_VERSION: &str = "1.0";

/// The `kind` of a plan.
pub const KIND: &str = "regsync.plan";

/// What a digest looks like in a document: a regular expression for schemas.
pub const DIGEST_PATTERN: &str = "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$";

/// The versions that [`document`](super::document) reads: a regular expression for schemas.
pub const VERSION_PATTERN: &str = r"^1\.[0-9]+$";

/// When and by what a document was made: the only part of it that two equal plans do not share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The version of the tool.
    pub tool_version: String,
    /// RFC 3339.
    pub created_at: String,
}

/// A plan as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "regsync plan")]
pub struct Document {
    /// `MAJOR.MINOR` of this format.
    #[schemars(extend("pattern" = VERSION_PATTERN))]
    pub format_version: String,
    /// `regsync.plan`.
    #[schemars(extend("const" = KIND))]
    pub kind: String,
    /// The version of the tool that made it.
    pub tool_version: String,
    /// When it was made: RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub created_at: String,
    /// The SHA-256 of what it intends: equal intent, equal id.
    #[schemars(extend("pattern" = DIGEST_PATTERN))]
    pub plan_id: String,
    /// The configuration files it was made from.
    pub config: Vec<ConfigDocument>,
    /// Which part of them.
    pub scope: Scope,
    /// Whether nothing was left unread, and no shard is missing.
    pub complete: bool,
    /// The number of steps of each kind.
    pub summary: Summary,
    /// What all steps move, in bytes; null where that was not asked.
    pub bytes: Option<Bytes>,
    /// Remarks.
    pub warnings: Vec<WarningDocument>,
    /// What the plan takes of the quotas of pulls that registries keep; only where a registry spoke of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<QuotaDocument>,
    /// What became of the tags that sources list; only where a list was needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selections: Vec<SelectionDocument>,
    /// The steps, in order.
    pub steps: Vec<StepDocument>,
}

/// One configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigDocument {
    /// Its path, as named on the command line.
    pub path: String,
    /// The digest of its bytes, in hex.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub sha256: String,
}

/// One remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WarningDocument {
    /// What it says.
    pub message: String,
    /// The mirror it is about.
    pub location: Option<PlaceDocument>,
}

/// What a plan takes of a registry's quota of pulls. A pull is the reading of one manifest; looking one up is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuotaDocument {
    /// The registry.
    pub registry: String,
    /// How many pulls apply needs.
    pub needed: u64,
    /// Whether it may be more: how many images an index has was not asked.
    pub at_least: bool,
    /// How many pulls a window allows; null where the registry did not say.
    pub limit: Option<u64>,
    /// How many were left when the plan was made; null where the registry did not say.
    pub remaining: Option<u64>,
    /// The length of the window, in seconds; null where the registry did not say.
    pub window_seconds: Option<u64>,
    /// How many the configuration keeps back; null where it keeps none.
    pub keep: Option<u64>,
}

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceDocument {
    /// The file, as named on the command line.
    pub file: String,
    /// The line, from 1.
    #[schemars(range(min = 1))]
    pub line: u32,
    /// The column, from 1.
    #[schemars(range(min = 1))]
    pub column: u32,
}

/// One target tag and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepDocument {
    /// What happens.
    pub action: Action,
    /// Why: `new`, `tag-moved`, `in-sync`, …
    #[schemars(extend("enum" = Reason::NAMES))]
    pub reason: String,
    /// Dangers.
    pub risk: Vec<Risk>,
    /// What is read; null where a whole mirror failed.
    pub source: Option<SourceDocument>,
    /// What is written; null where a whole mirror failed.
    pub target: Option<TargetDocument>,
    /// The digest of the target's tag after apply.
    #[schemars(extend("pattern" = DIGEST_PATTERN))]
    pub digest: Option<String>,
    /// How the source is cut down to some platforms; null where it is copied whole.
    #[serde(default)]
    pub trim: Option<Trim>,
    /// The platforms in the image.
    pub platforms: Vec<String>,
    /// Artifacts that come along with the image, of what the target lacks.
    #[serde(default)]
    pub referrers: Vec<ReferrerDocument>,
    /// What the step moves, in bytes; null where that was not asked.
    pub bytes: Option<Bytes>,
    /// What changes in the image where a tag moves, or would; only where it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// The mirror it comes from.
    pub location: PlaceDocument,
    /// What is wrong, in words.
    pub message: Option<String>,
    /// What is wrong, for scripts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Remarks.
    pub warnings: Vec<String>,
}

/// The source of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceDocument {
    /// The reference by tag.
    pub reference: String,
    /// The digest to copy.
    #[schemars(extend("pattern" = DIGEST_PATTERN))]
    pub digest: Option<String>,
    /// Its media type.
    pub media_type: Option<String>,
}

/// The target of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetDocument {
    /// The reference by tag.
    pub reference: String,
    /// The digest that the tag names now; null where there is no such tag.
    #[schemars(extend("pattern" = DIGEST_PATTERN))]
    pub digest: Option<String>,
}

/// A platform subset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trim {
    /// The platforms asked for, sorted.
    #[schemars(length(min = 1))]
    pub platforms: Vec<String>,
    /// `index` or `manifest`.
    pub single: Single,
    /// The digest of what is left of the source.
    #[schemars(extend("pattern" = DIGEST_PATTERN))]
    pub digest: String,
    /// How many platforms the source has; null where nothing is written.
    #[serde(default)]
    pub of: Option<u64>,
}

/// An artifact that refers to the image: a signature, an attestation, an SBOM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReferrerDocument {
    /// Its digest.
    #[schemars(extend("pattern" = DIGEST_PATTERN))]
    pub digest: String,
    /// Its type; null where it says none.
    pub artifact_type: Option<String>,
    /// The tag that it goes under; null where it is found by what it refers to.
    pub tag: Option<String>,
    /// The digest that this tag names at the target now; null where there is no such tag.
    #[serde(default)]
    #[schemars(extend("pattern" = DIGEST_PATTERN))]
    pub target_digest: Option<String>,
}

/// Why a text is not a plan that can be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Not JSON, or JSON of another shape.
    #[error("not a regsync plan: {0}")]
    Syntax(String),
    /// A document of ours, of another kind.
    #[error("a `{0}` document, not a `regsync.plan`")]
    Kind(String),
    /// Made by a tool that speaks another language.
    #[error("plan format {found} cannot be read; this version reads {FORMAT_VERSION} and later minor versions")]
    Version {
        /// The version found.
        found: String,
    },
    /// A value that is not what its field holds.
    #[error("step {step}: {problem}")]
    Step {
        /// Its number, from 1.
        step: usize,
        /// What is wrong.
        problem: String,
    },
    /// The id is not that of the steps.
    #[error("the plan was changed after it was made: its steps have the id {computed}, but it says {stated}")]
    Id {
        /// What the steps say.
        computed: String,
        /// What the file says.
        stated: String,
    },
}

/// The JSON Schema of a plan document, as it is written: every field is there.
pub fn json_schema() -> serde_json::Value {
    schema_of::<Document>()
}

/// The JSON Schema of a document that is written.
pub fn schema_of<T: JsonSchema>() -> serde_json::Value {
    SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

impl Plan {
    /// The SHA-256 over the canonical JSON (RFC 8785) of the steps that write. Equal intent, equal id.
    pub fn id(&self) -> Digest {
        id::of(&self.steps)
    }

    /// The plan as a document.
    pub fn document(&self, stamp: &Stamp) -> Document {
        Document {
            format_version: FORMAT_VERSION.to_owned(),
            kind: KIND.to_owned(),
            tool_version: stamp.tool_version.clone(),
            created_at: stamp.created_at.clone(),
            plan_id: self.id().to_string(),
            config: self.config.iter().map(ConfigDocument::from).collect(),
            scope: self.scope.clone(),
            complete: self.is_complete(),
            summary: self.summary(),
            bytes: self.bytes(),
            warnings: self.warnings.iter().map(WarningDocument::from).collect(),
            quotas: self.pulls.iter().map(QuotaDocument::from).collect(),
            selections: self.tallies.iter().map(SelectionDocument::from).collect(),
            steps: self.steps.iter().map(StepDocument::from).collect(),
        }
    }

    /// The plan as JSON text, indented, ending in a line feed.
    pub fn to_json(&self, stamp: &Stamp) -> String {
        // Strings, numbers and lists of them: nothing here can fail to serialise.
        serde_json::to_string_pretty(&self.document(stamp)).map(|text| text + "\n").unwrap_or_default()
    }
}

impl From<&ConfigFile> for ConfigDocument {
    fn from(file: &ConfigFile) -> Self {
        Self { path: file.path.to_string(), sha256: file.sha256.hex().to_owned() }
    }
}

impl From<&Warning> for WarningDocument {
    fn from(warning: &Warning) -> Self {
        Self { message: warning.message.clone(), location: warning.place.as_ref().map(PlaceDocument::from) }
    }
}

impl From<&Pulls> for QuotaDocument {
    fn from(pulls: &Pulls) -> Self {
        Self {
            registry: pulls.registry.to_string(),
            needed: pulls.needed,
            at_least: pulls.at_least,
            limit: pulls.quota.limit,
            remaining: pulls.quota.remaining,
            window_seconds: pulls.quota.window,
            keep: pulls.keep,
        }
    }
}

impl From<&Place> for PlaceDocument {
    fn from(place: &Place) -> Self {
        Self { file: place.file.to_string(), line: place.line, column: place.column }
    }
}

impl From<&StepTrim> for Trim {
    fn from(trim: &StepTrim) -> Self {
        Self {
            platforms: trim.subset.platforms().map(ToString::to_string).collect(),
            single: trim.subset.single(),
            digest: trim.digest.to_string(),
            of: trim.of,
        }
    }
}

impl From<&Referrer> for ReferrerDocument {
    fn from(referrer: &Referrer) -> Self {
        Self {
            digest: referrer.digest.to_string(),
            artifact_type: referrer.artifact_type.as_ref().map(ToString::to_string),
            tag: referrer.tag.as_ref().map(ToString::to_string),
            target_digest: referrer.before.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&Step> for StepDocument {
    fn from(step: &Step) -> Self {
        let failure = step.reason.failure();
        Self {
            action: step.action(),
            reason: step.reason.as_str().to_owned(),
            risk: step.risk.iter().copied().collect(),
            source: step.source.as_ref().map(|source| SourceDocument {
                reference: source.reference.to_string(),
                digest: source.digest.as_ref().map(ToString::to_string),
                media_type: source.media_type.as_ref().map(ToString::to_string),
            }),
            target: step.target.as_ref().map(|target| TargetDocument {
                reference: target.reference.to_string(),
                digest: target.digest.as_ref().map(ToString::to_string),
            }),
            digest: step.digest.as_ref().map(ToString::to_string),
            trim: step.trim.as_ref().map(Trim::from),
            platforms: step.platforms.iter().map(ToString::to_string).collect(),
            referrers: step.referrers.iter().map(ReferrerDocument::from).collect(),
            bytes: step.bytes,
            change: step.change.as_deref().cloned(),
            location: PlaceDocument::from(&step.place),
            message: failure.map(|failure| failure.message.clone()),
            error: failure.cloned(),
            warnings: step.warnings.iter().map(ToString::to_string).collect(),
        }
    }
}
