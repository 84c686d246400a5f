//! The shape of the files → what they mean, as one configuration.
//!
//! Owns everything that is a mistake although each key has the right kind of value. Refuses what can only be known by
//! looking: at a registry, at the disk.

mod creation;
mod cycle;
mod item;
mod mirror;
mod overlap;
mod patterns;
mod platforms;
mod provider;
mod reference;
mod registry;
mod rename;
mod repositories;
mod tags;

use std::path::Path;

use super::problem::{Diagnosis, ProblemCode};
use super::schema::{Field, File};
use super::text::Span;
use super::{ConfigFile, Desired, Mirror, MirrorGlob, Rules, SourceFile, WrittenPath};
use crate::image::Digest;
use patterns::Patterns;

/// One mirror that was understood, and where its parts are written.
struct Checked {
    mirror: Mirror,
    /// The entry.
    span: Span,
    source: Span,
    /// In the order of the targets.
    targets: Vec<Span>,
}

/// One mirror of a glob that was understood, and where its parts are written.
struct CheckedGlob {
    glob: MirrorGlob,
    source_span: Span,
    /// In the order of the targets.
    target_spans: Vec<Span>,
}

/// One entry of `mirrors`.
enum Entry {
    Mirror(Box<Checked>),
    Glob(Box<CheckedGlob>),
}

/// What the parts of one file are read with.
struct Reading<'r, 'd, 't> {
    directory: &'r Path,
    rules: &'r Rules,
    diagnosis: &'d mut Diagnosis<'t>,
    paths: &'d mut Vec<WrittenPath>,
    patterns: &'d mut Patterns,
}

/// Joins all files. What is returned is of use only where nothing was reported.
pub(super) fn desired(
    files: &[SourceFile],
    decoded: &[Option<File>],
    rules: &Rules,
    diagnosis: &mut Diagnosis<'_>,
) -> Desired {
    let mut desired = Desired::default();
    let (mut checked, mut globs, mut entries) = (Vec::new(), Vec::new(), registry::Entries::default());
    let (mut complete, mut patterns) = (true, Patterns::default());
    for (source, file) in files.iter().zip(decoded) {
        desired.files.push(ConfigFile { path: source.path.clone(), sha256: Digest::sha256(&source.bytes) });
        complete &= file.as_ref().is_some_and(|file| !matches!(file.mirrors, Field::Broken));
        let Some(file) = file else { continue };
        let (paths, patterns) = (&mut desired.paths, &mut patterns);
        let mut reading = Reading { directory: &source.directory, rules, diagnosis, paths, patterns };
        for (key, registry) in &file.registries {
            entries.add(key, registry, &mut reading);
        }
        for mirror in file.mirrors.given().map_or(&[][..], |mirrors| &mirrors.value) {
            if reading.diagnosis.is_full() {
                break;
            }
            match mirror::check(mirror, &file.defaults, &mut reading) {
                Some(Entry::Mirror(mirror)) => checked.push(*mirror),
                Some(Entry::Glob(mut found)) => {
                    found.glob.at = checked.len();
                    globs.push(*found);
                }
                None => {}
            }
        }
    }
    let none = decoded.iter().flatten().all(|file| matches!(file.mirrors, Field::Absent));
    if complete && none && !files.is_empty() {
        report_no_mirrors(decoded, diagnosis);
    }
    overlap::check(&checked, diagnosis);
    cycle::check(&checked, diagnosis);
    repositories::check_cycles(&globs, diagnosis);
    desired.registries = entries.into_rules();
    desired.mirrors = checked.into_iter().map(|checked| checked.mirror).collect();
    desired.globs = globs.into_iter().map(|checked| checked.glob).collect();
    desired
}

fn report_no_mirrors(decoded: &[Option<File>], diagnosis: &mut Diagnosis<'_>) {
    let version = decoded.iter().flatten().find_map(|file| file.version.given());
    let span = version.map_or_else(Span::default, |version| version.span);
    let message = if decoded.len() == 1 { "there are no `mirrors`" } else { "there are no `mirrors` in any file" };
    let problem = diagnosis.problem(ProblemCode::Empty, span, message);
    diagnosis.report(problem.with_help("add `mirrors:` and an item with `source`, `target` and `tags`"));
}
