//! Mirrors that feed each other: A → B → A. Each run would copy back what the other wrote.

use std::collections::BTreeMap;

use super::Checked;
use crate::config::problem::{Diagnosis, ProblemCode, shown};
use crate::config::text::Span;
use crate::image::Location;

/// One mirror's way from its source to one of its targets.
#[derive(Clone, Copy)]
struct Edge<'e> {
    from: &'e Location,
    to: &'e Location,
    target: Span,
}

/// How far the search from a location has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    OnTheWay,
    Done,
}

pub(super) fn check(mirrors: &[Checked], diagnosis: &mut Diagnosis<'_>) {
    let mut edges: BTreeMap<&Location, Vec<Edge<'_>>> = BTreeMap::new();
    for checked in mirrors {
        for (to, target) in checked.mirror.targets.iter().zip(&checked.targets) {
            let edge = Edge { from: &checked.mirror.source, to, target: *target };
            if edge.from == edge.to {
                if !checked.mirror.gives_other_names() {
                    report_self(edge, checked.source, diagnosis);
                }
            } else {
                edges.entry(edge.from).or_default().push(edge);
            }
        }
    }
    let mut seen: BTreeMap<&Location, Seen> = BTreeMap::new();
    for start in edges.keys() {
        search(start, &edges, &mut seen, diagnosis);
    }
}

/// Depth first, with its own stack: a chain of mirrors may be as long as the file.
fn search<'e>(
    start: &'e Location,
    edges: &BTreeMap<&'e Location, Vec<Edge<'e>>>,
    seen: &mut BTreeMap<&'e Location, Seen>,
    diagnosis: &mut Diagnosis<'_>,
) {
    let out = |location: &Location| edges.get(location).map_or(&[][..], Vec::as_slice);
    if seen.contains_key(start) {
        return;
    }
    seen.insert(start, Seen::OnTheWay);
    let mut stack = vec![(start, out(start).iter())];
    let mut path: Vec<Edge<'e>> = Vec::new();
    while let Some((location, rest)) = stack.last_mut().filter(|_| !diagnosis.is_full()) {
        let Some(edge) = rest.next() else {
            seen.insert(location, Seen::Done);
            stack.pop();
            path.pop();
            continue;
        };
        match seen.get(edge.to) {
            None => {
                seen.insert(edge.to, Seen::OnTheWay);
                path.push(*edge);
                stack.push((edge.to, out(edge.to).iter()));
            }
            Some(Seen::OnTheWay) => {
                let begin = path.iter().position(|step| step.from == edge.to).unwrap_or(path.len());
                report(&path[begin..], *edge, diagnosis);
            }
            Some(Seen::Done) => {}
        }
    }
}

fn report_self(edge: Edge<'_>, source: Span, diagnosis: &mut Diagnosis<'_>) {
    let message = format!("the target {} is also the source", shown(&edge.to.to_string()));
    let source = diagnosis.related(source, "the same place");
    let problem = diagnosis.problem(ProblemCode::Cycle, edge.target, message);
    diagnosis.report(problem.with_related(source));
}

fn report(path: &[Edge<'_>], last: Edge<'_>, diagnosis: &mut Diagnosis<'_>) {
    const STEPS: usize = 4;
    let message =
        format!("images go in a circle: this mirror writes {}, where they came from", shown(&last.to.to_string()));
    let mut problem = diagnosis.problem(ProblemCode::Cycle, last.target, message);
    for step in path.iter().take(STEPS) {
        problem
            .related
            .push(diagnosis.related(step.target, format!("copied here from {}", shown(&step.from.to_string()))));
    }
    diagnosis.report(problem.with_help("leave out one of these mirrors"));
}
