//! What the disk says to a configuration: checked before any network use, in the form of its other problems.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::{PathKind, Problem, ProblemCode, WrittenPath};
use crate::image::{LayoutPath, Location, Role};
use crate::plan::{Bases, Plan};
use crate::store::Layout;

/// The problems of `paths` that a configuration names: layouts that are none, links that lead out, unreadable certificates.
pub(super) fn problems<'p>(paths: impl Iterator<Item = &'p WrittenPath>) -> Vec<Problem> {
    paths.filter_map(problem).collect()
}

/// What is wrong with the layouts of a saved plan. The plan is a claim: its paths are looked at like a configuration's, so
/// that no link below the directory of its configuration leads out.
pub(super) fn plan_problem(plan: &Plan, bases: &Bases) -> Option<String> {
    let roots = || bases.directories.values().chain(&bases.allowed);
    let mut inspected = BTreeSet::new();
    let sides = plan.steps.iter().flat_map(|step| {
        let source = step.source.as_ref().map(|source| (&source.reference.location, Role::Source));
        let target = step.target.as_ref().map(|target| (&target.reference.location, Role::Target));
        source.into_iter().chain(target)
    });
    sides.filter(|(location, role)| inspected.insert((*location, *role))).find_map(|(location, role)| {
        let Location::Layout(path) = location else { return None };
        let Some(root) = roots().find(|root| path.is_below(root)) else {
            return Some(format!("{path} lies in none of the directories that it may lie in"));
        };
        Layout::inspect(path, root, role).err().map(|error| error.to_string())
    })
}

fn problem(written: &WrittenPath) -> Option<Problem> {
    let role = match written.kind {
        PathKind::SourceLayout => Role::Source,
        PathKind::TargetLayout => Role::Target,
        PathKind::TlsCa | PathKind::TlsCert | PathKind::TlsKey => return unreadable(written),
    };
    let path = LayoutPath::new(&written.root, &below_root(written).to_string_lossy()).ok()?;
    let error = Layout::inspect(&path, &written.root, role).err()?;
    let problem = Problem::new(ProblemCode::LayoutPath, written.place.clone(), written.span.clone(), error.message);
    Some(problem.with_help(error.hint.unwrap_or_else(|| relative_to(written))))
}

/// How a path was understood, in the words of who named its file: where the directories of this machine lie is not for
/// everybody who reads the log of a job.
fn relative_to(written: &WrittenPath) -> String {
    let file = Path::new(written.place.file.as_ref());
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let below = below_root(written);
    if directory.canonicalize().is_ok_and(|directory| directory == written.root) {
        let leads = parent.map_or_else(|| below.to_owned(), |parent| parent.join(below));
        return format!("it leads to {}: relative paths start where their file is", leads.display());
    }
    format!("it leads to {} below a directory of `--allow-path`", below.display())
}

/// The path below its root.
fn below_root(written: &WrittenPath) -> &Path {
    let below = written.path.strip_prefix(&written.root).unwrap_or(&written.path);
    if below.as_os_str().is_empty() { Path::new(".") } else { below }
}

fn unreadable(written: &WrittenPath) -> Option<Problem> {
    let inside = written.path.canonicalize().and_then(|real| Ok((real, written.root.canonicalize()?)));
    let message = match inside {
        Err(error) => format!("could not read it: {error}"),
        Ok((real, root)) if !real.starts_with(&root) => "it is a link that leads out of its directory".to_owned(),
        Ok((real, _)) if !real.is_file() => "it is not a file".to_owned(),
        Ok((real, _)) => format!("could not read it: {}", std::fs::File::open(real).err()?),
    };
    Some(Problem::new(ProblemCode::File, written.place.clone(), written.span.clone(), message))
}
