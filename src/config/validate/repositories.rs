//! Sources that are globs, and the placeholders of their targets.
//!
//! Owns what is wrong with either. An example stands for the repositories: what is wrong with it is wrong with all of them.

use super::{CheckedGlob, Reading, reference};
use crate::config::problem::{Diagnosis, ProblemCode, shown};
use crate::config::repositories::{NAME, REPOSITORY, RepositoryGlob, TargetTemplate, filled};
use crate::config::text::At;
use crate::config::{MirrorGlob, TagGlob};
use crate::image::{Location, Repository, Role, Written};

/// What a glob's star stands for in the example.
const EXAMPLE: &str = "name";

/// Whether a source is a glob. Brackets make none: hosts have them, and no name of a repository needs them.
pub(super) fn is_glob(source: &str) -> bool {
    source.contains('*') || source.split_once('/').is_some_and(|(_, path)| path.contains('?'))
}

/// The glob, and a source that it may stand for; what is wrong with it is reported.
pub(super) fn source(text: &At<String>, reading: &mut Reading<'_, '_, '_>) -> Option<(RepositoryGlob, Written)> {
    if text.value.starts_with("oci:") {
        let message = format!("{} is a glob of layouts, and only registries have a catalog", shown(&text.value));
        let help = "write a mirror for each layout";
        return report((ProblemCode::Unsupported, message, help), text, reading);
    }
    let host = text.value.split('/').next().unwrap_or_default();
    let pattern = text.value.get(host.len() + 1..);
    if pattern.is_some() && host.contains('*') {
        let message = format!("{} names no registry: a host is no glob", shown(&text.value));
        let help = "write the host: `registry.example.com/team/*`";
        return report((ProblemCode::Glob, message, help), text, reading);
    }
    let example = text.value.replace("**", EXAMPLE).replace('*', EXAMPLE).replace('?', "x");
    let written = reference::read(&At { value: example, span: text.span }, Role::Source, reading)?;
    let Location::Repository(repository) = &written.location else { return None };
    if written.tag.is_some() || written.digest.is_some() {
        let message = "a glob of repositories has no tag and no digest";
        let help = "choose tags with `tags`, by name, glob or rule";
        return report((ProblemCode::Glob, message.to_owned(), help), text, reading);
    }
    if repository.registry().is_docker_hub() {
        let message = format!("{} needs a catalog, and Docker Hub has none", shown(&text.value));
        let help = "list the repositories: a mirror for each, `source: docker.io/library/alpine`";
        return report((ProblemCode::Unsupported, message, help), text, reading);
    }
    if pattern.unwrap_or_default().split('/').any(|part| part.contains("**") && part != "**") {
        let message = format!("{} has `**` within a component", shown(&text.value));
        let help = "`*` is any text within a component; `**` alone is any number of components";
        return report((ProblemCode::Glob, message, help), text, reading);
    }
    let glob = match TagGlob::new(pattern.unwrap_or_default()) {
        Ok(glob) => RepositoryGlob::new(repository.registry().clone(), glob),
        Err(error) => {
            let message = format!("{} is not a glob: {error}", shown(&text.value));
            return report((ProblemCode::Glob, message, "`*` is any text within a component"), text, reading);
        }
    };
    if !glob.matches(repository) {
        let message = format!("{} can match no repository", shown(&text.value));
        let help = "`*` and `?` stay within a component; `**` is a component of its own";
        return report((ProblemCode::EmptySelector, message, help), text, reading);
    }
    Some((glob, written))
}

/// A target of a mirror whose source is not a glob: a placeholder would stand for nothing.
pub(super) fn refuse_placeholders(text: &At<String>, reading: &mut Reading<'_, '_, '_>) -> Option<()> {
    let Some(found) = [NAME, REPOSITORY].into_iter().find(|placeholder| text.value.contains(placeholder)) else {
        return Some(());
    };
    let message = format!("{} stands for what a glob matches, and `source` is none", shown(found));
    report((ProblemCode::Template, message, "write the name out"), text, reading)
}

/// A target of a glob, and the location that the example gives.
pub(super) fn target(
    text: &At<String>,
    example: &Repository,
    reading: &mut Reading<'_, '_, '_>,
) -> Option<(TargetTemplate, Location)> {
    let rest = text.value.replace(NAME, "").replace(REPOSITORY, "");
    if rest.len() == text.value.len() {
        let message = format!("all repositories of the glob would be mirrored to {}", shown(&text.value));
        let help = "write `{name}` where the last part of a repository's name belongs, or `{repository}` for all of it";
        return report((ProblemCode::Template, message, help), text, reading);
    }
    if rest.contains(['{', '}']) {
        let message = format!("{} has a placeholder that does not exist", shown(&text.value));
        let help = "there are `{name}`, the last part of a repository's name, and `{repository}`, all of it";
        return report((ProblemCode::Template, message, help), text, reading);
    }
    let host = text.value.split('/').next().unwrap_or_default();
    if host.contains('{') && !host.starts_with("oci:") {
        let message = format!("{} would choose the registry by what is found at the source", shown(&text.value));
        let help = "write the host: `ghcr.io/acme/{name}`";
        return report((ProblemCode::Template, message, help), text, reading);
    }
    let paths = reading.paths.len();
    let value = filled(&text.value, example.name());
    let location = super::mirror::target(&At { value, span: text.span }, reading)?;
    // The path of an example is none that is used.
    let path = reading.paths.drain(paths..).next();
    // As its locations are printed, whatever the spelling of the host.
    let canonical = match (&location, text.value.split_once('/')) {
        (Location::Repository(repository), Some((_, rest))) => format!("{}/{rest}", repository.registry()),
        _ => text.value.clone(),
    };
    Some((TargetTemplate::new(&canonical, reading.directory, path), location))
}

/// What a glob writes must not be among what it reads: each run would copy the copies of the one before.
pub(super) fn check_cycles(globs: &[CheckedGlob], diagnosis: &mut Diagnosis<'_>) {
    for CheckedGlob { glob: MirrorGlob { source, targets, like, .. }, source_span, target_spans } in globs {
        let examples = like.targets.iter().zip(targets).zip(target_spans);
        for ((example, template), span) in examples {
            let Location::Repository(repository) = example else { continue };
            if source.matches(repository) {
                let message = format!("{} is among what the source matches", shown(&template.to_string()));
                let related = diagnosis.related(*source_span, "each run would copy what the last one wrote");
                let problem = diagnosis.problem(ProblemCode::Cycle, *span, message).with_related(related);
                diagnosis.report(problem.with_help("choose a target outside, or a narrower glob"));
            }
        }
    }
}

/// The kind of a mistake, what is wrong, what to do.
type Wrong = (ProblemCode, String, &'static str);

fn report<T>((code, message, help): Wrong, text: &At<String>, reading: &mut Reading<'_, '_, '_>) -> Option<T> {
    let problem = reading.diagnosis.problem(code, text.span, message);
    reading.diagnosis.report(problem.with_help(help));
    None
}
