//! Mirrors that feed each other through globs of repositories: what one writes, another reads, and back.
//!
//! Owns the search, once globs are resolved. What the file alone shows is a problem of the file, found before
//! (`validate`); here it is an error of the mirrors concerned, and the others go on. Refuses to wait for a second run: a
//! repository that is yet to be written is looked for in globs like one that is listed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Desired, Mirror, MirrorGlob, Place};
use crate::image::{Location, Tag};

/// How many mirrors in a row are thought of beyond those that are there: a glob may read what a glob has written, and make
/// a longer name of it each time.
const DEPTH: usize = 8;

/// A mirror that is part of a circle, with the one target that makes it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// How many of [`Desired::mirrors`] stand before it.
    pub at: usize,
    /// The mirror, with that target alone.
    pub mirror: Mirror,
    /// The next mirror of the circle, which takes from there, and where it writes; `None` where the target is the source.
    pub next: Option<(Place, Location)>,
}

/// One way from a location to another.
#[derive(Clone, Copy)]
struct Edge<'e> {
    from: usize,
    to: usize,
    place: &'e Place,
    /// Which mirror it is; `None` of one that a glob will stand for once its source is there.
    mirror: Option<usize>,
}

/// Locations by numbers, and the ways between them.
#[derive(Default)]
struct Graph<'e> {
    numbers: BTreeMap<Location, usize>,
    edges: Vec<Edge<'e>>,
}

impl Desired {
    /// The same without what goes in circles, which is named in [`Desired::circles`]. A mirror keeps its other targets.
    #[must_use]
    pub fn without_circles(self) -> Self {
        if self.globs.is_empty() {
            return self;
        }
        let graph = Graph::of(&self);
        let circling = graph.circling();
        let locations: BTreeMap<usize, &Location> = graph.numbers.iter().map(|(location, n)| (*n, location)).collect();
        let name = |edge: &Edge<'_>| (edge.place.clone(), (*locations[&edge.to]).clone());
        let next = |edge: &Edge<'_>| circling.iter().find(|next| next.from == edge.to).map(name);
        // By mirror and target: who takes from there.
        let mut cut: BTreeMap<(usize, Location), Option<(Place, Location)>> = BTreeMap::new();
        for edge in &circling {
            let Some(mirror) = edge.mirror else { continue };
            let after = if edge.from == edge.to { None } else { next(edge) };
            cut.insert((mirror, (*locations[&edge.to]).clone()), after);
        }
        if cut.is_empty() {
            return self;
        }
        self.without(&cut)
    }

    fn without(self, cut: &BTreeMap<(usize, Location), Option<(Place, Location)>>) -> Self {
        let (mut mirrors, mut circles, mut globs) = (Vec::new(), Vec::new(), self.globs);
        let mut ahead = globs.iter_mut().peekable();
        for (number, mirror) in self.mirrors.into_iter().enumerate() {
            while let Some(glob) = ahead.next_if(|glob| glob.at <= number) {
                glob.at = mirrors.len();
            }
            let (lost, kept): (Vec<Location>, Vec<Location>) =
                mirror.targets.iter().cloned().partition(|target| cut.contains_key(&(number, target.clone())));
            for target in lost {
                let next = cut.get(&(number, target.clone())).cloned().flatten();
                let mirror = Mirror { targets: vec![target], ..mirror.clone() };
                circles.push(Circle { at: mirrors.len(), mirror, next });
            }
            if !kept.is_empty() {
                mirrors.push(Mirror { targets: kept, ..mirror });
            }
        }
        for glob in ahead {
            glob.at = mirrors.len();
        }
        Self { mirrors, globs, circles, ..self }
    }
}

impl<'e> Graph<'e> {
    fn of(desired: &'e Desired) -> Self {
        let mut graph = Self::default();
        let mut sources = BTreeSet::new();
        let mut written = VecDeque::new();
        for (number, mirror) in desired.mirrors.iter().enumerate() {
            sources.insert(&mirror.source);
            for target in &mirror.targets {
                if *target != mirror.source || !mirror.gives_other_names() {
                    graph.add((&mirror.source, target), &mirror.place, Some(number));
                    written.push_back((target.clone(), 0));
                }
            }
        }
        let mut looked_at = BTreeSet::new();
        while let Some((location, depth)) = written.pop_front() {
            // What is listed has its mirrors.
            if depth >= DEPTH || sources.contains(&location) || !looked_at.insert(location.clone()) {
                continue;
            }
            let matching = desired.globs.iter().filter_map(|glob| Some((glob, would_write(glob, &location)?)));
            for (glob, targets) in matching.collect::<Vec<_>>() {
                for target in targets {
                    graph.add((&location, &target), &glob.like.place, None);
                    written.push_back((target, depth + 1));
                }
            }
        }
        graph
    }

    fn add(&mut self, (from, to): (&Location, &Location), place: &'e Place, mirror: Option<usize>) {
        let (from, to) = (self.number(from), self.number(to));
        self.edges.push(Edge { from, to, place, mirror });
    }

    fn number(&mut self, location: &Location) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(location.clone()).or_insert(next)
    }

    /// The edges that are part of a circle: both ends are in one strongly connected component.
    fn circling(&self) -> Vec<Edge<'e>> {
        let (mut out, mut back) = (vec![Vec::new(); self.numbers.len()], vec![Vec::new(); self.numbers.len()]);
        for edge in &self.edges {
            out[edge.from].push(edge.to);
            back[edge.to].push(edge.from);
        }
        let mut component = vec![usize::MAX; self.numbers.len()];
        for start in finished(&out).into_iter().rev() {
            let mut open = vec![start];
            while let Some(node) = open.pop() {
                if component[node] == usize::MAX {
                    component[node] = start;
                    open.extend(back[node].iter().filter(|other| component[**other] == usize::MAX));
                }
            }
        }
        self.edges.iter().filter(|edge| component[edge.from] == component[edge.to]).copied().collect()
    }
}

/// The nodes in the order in which a search in depth is done with them. With its own stack: a chain may be long.
fn finished(out: &[Vec<usize>]) -> Vec<usize> {
    let (mut seen, mut order) = (vec![false; out.len()], Vec::with_capacity(out.len()));
    for start in 0..out.len() {
        let mut stack = if seen[start] { vec![] } else { vec![(start, 0)] };
        seen[start] = true;
        while let Some((node, next)) = stack.last_mut() {
            let Some(child) = out[*node].get(*next).copied() else {
                order.push(*node);
                stack.pop();
                continue;
            };
            *next += 1;
            if !seen[child] {
                seen[child] = true;
                stack.push((child, 0));
            }
        }
    }
    order
}

/// Where a glob would write a repository, were it listed.
fn would_write(glob: &MirrorGlob, location: &Location) -> Option<Vec<Location>> {
    let Location::Repository(repository) = location else { return None };
    if !glob.source.matches(repository) {
        return None;
    }
    glob.targets.iter().map(|target| target.fill(repository)).collect()
}

impl Mirror {
    /// Whether it writes only tags that it does not read: then its target may be its source.
    pub(super) fn gives_other_names(&self) -> bool {
        let names: BTreeSet<&Tag> = self.tags.names().filter_map(|rule| rule.value.name()).collect();
        let is_other = |name: &Tag| self.rename.apply(name).is_some_and(|renamed| !names.contains(&renamed));
        !self.needs_tag_list() && names.iter().all(|name| is_other(name))
    }
}
