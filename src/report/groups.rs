//! Steps as people look at them: by mirror and route.
//!
//! Owns where one group ends and the next begins. Refuses to sort: steps come in the order of the mirrors.

use crate::image::Location;
use crate::plan::{Plan, Step};

/// The steps of one mirror that lead from one location to another.
pub(super) struct Group<'a> {
    /// The first of them.
    pub(super) first: &'a Step,
    /// From where to where; `None` for a mirror that failed as a whole.
    pub(super) route: Option<(&'a Location, &'a Location)>,
    /// All of them.
    pub(super) steps: Vec<&'a Step>,
}

/// The steps, cut where mirror, source or target change. They come in the order of the mirrors, and what is about a whole
/// mirror after its tags, under the last heading of them.
pub(super) fn groups(plan: &Plan) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for step in &plan.steps {
        let route = match (&step.source, &step.target) {
            (Some(source), Some(target)) => Some((&source.reference.location, &target.reference.location)),
            _ => None,
        };
        match groups.last_mut() {
            Some(group) if group.first.place == step.place && (group.route == route || route.is_none()) => {
                group.steps.push(step);
            }
            _ => groups.push(Group { first: step, route, steps: vec![step] }),
        }
    }
    groups
}
