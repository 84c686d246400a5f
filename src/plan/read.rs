//! The way back from JSON to a plan, trusting nothing in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::changes::dangers;
use super::file::{
    ConfigDocument, Document, FORMAT_VERSION, FileError, KIND, PlaceDocument, QuotaDocument, ReferrerDocument,
    StepDocument, Trim, WarningDocument,
};
use super::{Plan, Pulls, Reason, Referrer, SourceState, Step, StepTrim, Tallied, TargetState, Warning};
use crate::config::{ConfigFile, Place};
use crate::image::{
    ArtifactType, Code, CosignKind, Digest, Failure, Location, MediaType, Platform, PlatformName, Quota, Reference,
    Role, Subset, Written,
};

/// Where relative layout paths of a plan lead.
#[derive(Clone, Debug, Default)]
pub struct Bases {
    /// For each configuration file that the plan names, the directory it lies in.
    pub directories: BTreeMap<String, PathBuf>,
    /// Further directories in which layouts may lie: `--allow-path`.
    pub allowed: Vec<PathBuf>,
}

/// Reads the plan document in `text`: its kind and version first, then its shape.
pub fn document(text: &str) -> Result<Document, FileError> {
    document_of(KIND, text)
}

/// Reads the document of `kind` in `text`. All kinds share their versions.
pub(crate) fn document_of<T: DeserializeOwned>(kind: &str, text: &str) -> Result<T, FileError> {
    #[derive(Deserialize)]
    struct Head {
        format_version: String,
        kind: String,
    }
    let syntax = |error: serde_json::Error| FileError::Syntax(error.to_string());
    let head: Head = serde_json::from_str(text).map_err(syntax)?;
    if head.kind != kind {
        return Err(FileError::Kind(head.kind));
    }
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(&head.format_version) != major(FORMAT_VERSION) {
        return Err(FileError::Version { found: head.format_version });
    }
    serde_json::from_str(text).map_err(syntax)
}

impl Document {
    /// The plan that the document states; its layouts are looked for where `bases` says. Fails where a value is not
    /// what its field holds, where a layout leads out of its place, or where the id is not that of the steps.
    pub fn plan(&self, bases: &Bases) -> Result<Plan, FileError> {
        let steps = self.steps.iter().enumerate().map(|(index, document)| {
            step(document, bases).map_err(|problem| FileError::Step { step: index + 1, problem })
        });
        let plan = Plan {
            config: self.config.iter().map(config_file).collect::<Result<_, _>>()?,
            scope: self.scope.clone(),
            warnings: self.warnings.iter().map(warning).collect(),
            pulls: self.quotas.iter().map(pulls).collect::<Result<_, _>>()?,
            tallies: self.selections.iter().map(Tallied::from).collect(),
            steps: steps.collect::<Result<_, _>>()?,
        };
        let computed = plan.id().to_string();
        if computed != self.plan_id {
            return Err(FileError::Id { computed, stated: self.plan_id.clone() });
        }
        Ok(plan)
    }
}

fn config_file(document: &ConfigDocument) -> Result<ConfigFile, FileError> {
    let sha256 = format!("sha256:{}", document.sha256).parse();
    let sha256 = sha256.map_err(|error| FileError::Syntax(format!("the sha256 of `{}`: {error}", document.path)))?;
    Ok(ConfigFile { path: document.path.as_str().into(), sha256 })
}

fn warning(document: &WarningDocument) -> Warning {
    Warning { message: document.message.clone(), place: document.location.as_ref().map(Place::from) }
}

fn pulls(document: &QuotaDocument) -> Result<Pulls, FileError> {
    let registry = document.registry.parse();
    let registry =
        registry.map_err(|error| FileError::Syntax(format!("a quota of `{}`: {error}", document.registry)))?;
    let quota = Quota { limit: document.limit, remaining: document.remaining, window: document.window_seconds };
    Ok(Pulls { registry, needed: document.needed, at_least: document.at_least, quota, keep: document.keep })
}

impl From<&PlaceDocument> for Place {
    fn from(document: &PlaceDocument) -> Self {
        Self { file: document.file.as_str().into(), line: document.line, column: document.column }
    }
}

fn step(document: &StepDocument, bases: &Bases) -> Result<Step, String> {
    let reason = reason(document)?;
    if reason.action() != document.action {
        return Err(format!("`{}` is not a reason for `{:?}`", document.reason, document.action));
    }
    let read = |text: &str| reference(text, &document.location.file, bases);
    let source = match &document.source {
        Some(source) => Some(SourceState {
            reference: read(&source.reference)?,
            digest: digest(source.digest.as_deref())?,
            media_type: source.media_type.as_deref().map(MediaType::new),
        }),
        None => None,
    };
    let target = match &document.target {
        Some(target) => {
            Some(TargetState { reference: read(&target.reference)?, digest: digest(target.digest.as_deref())? })
        }
        None => None,
    };
    let change = document.change.clone().map(Arc::new);
    change.as_ref().map_or(Ok(()), |change| change.check())?;
    let step = Step {
        // What follows from the rest of the step stands, whatever the list says.
        risk: document.risk.iter().copied().chain(dangers(&reason, change.as_deref())).collect(),
        reason,
        source,
        target,
        digest: digest(document.digest.as_deref())?,
        trim: document.trim.as_ref().map(trim).transpose()?,
        platforms: document.platforms.iter().map(|text| platform(text)).collect(),
        referrers: document.referrers.iter().map(referrer).collect::<Result<_, _>>()?,
        bytes: document.bytes,
        at_most: None,
        change,
        place: Place::from(&document.location),
        warnings: document.warnings.iter().map(|text| Arc::from(text.as_str())).collect(),
    };
    check_writable(&step)?;
    Ok(step)
}

/// A step that writes must say all that writing needs, and what it writes must be what it read.
fn check_writable(step: &Step) -> Result<(), String> {
    if !step.action().writes() {
        return Ok(());
    }
    let source = step.source.as_ref().ok_or("a step that writes needs a source")?;
    step.target.as_ref().ok_or("a step that writes needs a target")?;
    if source.digest.is_none() || source.media_type.is_none() || step.wanted() != step.digest.as_ref() {
        return Err("a step that writes needs the digest and media type of its source".to_owned());
    }
    let before = step.target.as_ref().and_then(|target| target.digest.as_ref());
    match (&step.reason, before) {
        (Reason::New, Some(_)) => Err("a new tag has no digest before".to_owned()),
        (Reason::TagMoved, None) => Err("a tag that moves has a digest before".to_owned()),
        (Reason::TagMoved, before) if before == step.digest.as_ref() => {
            Err("a tag that moves has another digest before".to_owned())
        }
        (Reason::ReferrersMissing, before) if before != step.digest.as_ref() => {
            Err("a tag that only lacks referrers keeps its digest".to_owned())
        }
        (Reason::ReferrersMissing, _) if step.referrers.is_empty() => {
            Err("no referrer is listed that would be missing".to_owned())
        }
        _ => Ok(()),
    }
}

fn trim(document: &Trim) -> Result<StepTrim, String> {
    let name = |text: &String| text.parse::<PlatformName>().map_err(|error| format!("`{text}`: {error}"));
    let platforms = document.platforms.iter().map(name).collect::<Result<BTreeSet<_>, _>>()?;
    let subset =
        Subset::new(platforms, document.single).ok_or("a trim to no platform, or to several as one manifest")?;
    let digest = digest(Some(&document.digest))?.ok_or("a trim without a digest")?;
    Ok(StepTrim { subset: Arc::new(subset), digest, of: document.of })
}

/// A referrer is written under no tag but one of cosign's: any other might name an image.
fn referrer(document: &ReferrerDocument) -> Result<Referrer, String> {
    let wrong = |text: &str, what: &str| format!("`{text}` is not {what}");
    let artifact_type = match &document.artifact_type {
        Some(text) => Some(ArtifactType::new(text).ok_or_else(|| wrong(text, "an artifact type"))?),
        None => None,
    };
    let tag = match &document.tag {
        Some(text) => {
            let tag = text.parse().ok().filter(|tag| CosignKind::of(tag).is_some());
            Some(tag.ok_or_else(|| wrong(text, "a tag for a referrer"))?)
        }
        None => None,
    };
    let text = &document.digest;
    let digest = text.parse().map_err(|error| format!("`{text}`: {error}"))?;
    // A plan that does not say it has seen no such tag: what is there by now is not moved.
    let before = self::digest(document.target_digest.as_deref())?;
    if before.is_some() && tag.is_none() {
        return Err(format!("the referrer `{text}` has no tag that could name anything"));
    }
    Ok(Referrer { digest, artifact_type, tag, before, bytes: 0 })
}

fn digest(text: Option<&str>) -> Result<Option<Digest>, String> {
    text.map(|text| text.parse().map_err(|error| format!("`{text}`: {error}"))).transpose()
}

fn reference(text: &str, file: &str, bases: &Bases) -> Result<Reference, String> {
    let base = bases.directories.get(file);
    let written = Written::parse(text, Role::Source, base.map_or(Path::new(""), PathBuf::as_path));
    let written = written.map_err(|error| error.to_string())?;
    if let Location::Layout(path) = &written.location {
        let base = base.ok_or_else(|| format!("`{file}` is not one of the plan's configuration files"))?;
        if !path.is_below(base) && !bases.allowed.iter().any(|root| path.is_below(root)) {
            return Err(format!("the layout `{path}` leads out of the directory of `{file}`; see --allow-path"));
        }
    }
    match (written.tag, written.digest) {
        (Some(tag), None) => Ok(Reference::tagged(written.location, tag)),
        _ => Err(format!("`{text}` is not a reference by tag")),
    }
}

fn platform(text: &str) -> Platform {
    let mut parts = text.splitn(3, '/').map(str::to_owned);
    Platform {
        os: parts.next().unwrap_or_default(),
        architecture: parts.next().unwrap_or_default(),
        variant: parts.next(),
        os_version: None,
    }
}

fn reason(document: &StepDocument) -> Result<Reason, String> {
    let failure = || {
        let words = document.message.clone().unwrap_or_default();
        document.error.clone().unwrap_or_else(|| Failure::new(Code::Internal, words))
    };
    Ok(match document.reason.as_str() {
        "new" => Reason::New,
        "tag-moved" => Reason::TagMoved,
        "in-sync" => Reason::InSync,
        "referrers-missing" => Reason::ReferrersMissing,
        "kept" => Reason::Kept,
        "tag-would-move" => Reason::TagWouldMove(failure()),
        "conflict" => Reason::Conflict(failure()),
        "source-unreadable" => Reason::SourceUnreadable(failure()),
        "target-unreadable" => Reason::TargetUnreadable(failure()),
        "no-credentials" => Reason::NoCredentials(failure()),
        "source-missing" => Reason::SourceMissing(failure()),
        "nothing-selected" => Reason::NothingSelected(failure()),
        "list-failed" => Reason::ListFailed(failure()),
        "no-platform" => Reason::NoPlatform(failure()),
        "unsupported" => Reason::Unsupported(failure()),
        other => return Err(format!("the reason `{other}` is not known to this version")),
    })
}
