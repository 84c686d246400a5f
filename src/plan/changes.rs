//! What the moving of a tag changes, in a plan: noted in its step, and the dangers that follow from it.
//!
//! Owns what counts as a lost platform and as a downgrade, and when neither can be told. Refuses to look: what was not seen
//! is not known, and is no risk by itself; whoever forbids a risk must not take what is not known for safe.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Observed, Reason, Risk, Step};
use crate::config::version_order;
use crate::image::{Change, VersionChange};

/// Notes in the steps of tags that move, or would, what changes.
pub(super) fn note(steps: &mut [Step], observed: &Observed) {
    for step in steps.iter_mut().filter(|step| step.moves_tag()) {
        let before = step.target.as_ref().and_then(|target| target.digest.clone());
        let key = before.zip(step.wanted().cloned());
        step.change = key.and_then(|key| observed.changes.get(&key)).map(Arc::clone);
        step.risk.extend(dangers(&step.reason, step.change.as_deref()));
    }
}

/// The dangers of a step that is done for `reason` and changes this.
pub(super) fn dangers(reason: &Reason, change: Option<&Change>) -> BTreeSet<Risk> {
    let mut dangers = BTreeSet::new();
    if *reason != Reason::TagMoved {
        return dangers;
    }
    dangers.insert(Risk::TagMove);
    if change.is_some_and(|change| !change.platforms.removed.is_empty()) {
        dangers.insert(Risk::PlatformLoss);
    }
    if change.is_some_and(|change| is_downgrade(&change.version)) {
        dangers.insert(Risk::Downgrade);
    }
    dangers
}

fn is_downgrade(version: &VersionChange) -> bool {
    let versions = version.before.as_ref().zip(version.after.as_ref());
    versions.and_then(|(before, after)| version_order(after, before)) == Some(Ordering::Less)
}

impl Step {
    /// Whether the target's tag names another digest and comes to name the wanted one, or would if it might.
    pub fn moves_tag(&self) -> bool {
        matches!(self.reason, Reason::TagMoved | Reason::TagWouldMove(_))
    }

    /// The risks of which it is not known whether the step carries them: the two images were not compared, or not far enough.
    pub fn untold(&self) -> BTreeSet<Risk> {
        let untold: &[Risk] = match (&self.reason, self.change.as_deref()) {
            (Reason::TagMoved, None) => &[Risk::PlatformLoss, Risk::Downgrade],
            (Reason::TagMoved, Some(Change { version, image: None, .. })) => match version {
                VersionChange { before: Some(_), after: Some(_) } => &[],
                _ => &[Risk::Downgrade],
            },
            _ => &[],
        };
        untold.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Place;
    use crate::image::{ImageChange, LayerChange, PlatformChange};

    fn step_without_a_tag() -> Step {
        Step {
            reason: Reason::New,
            risk: BTreeSet::new(),
            source: None,
            target: None,
            digest: None,
            trim: None,
            platforms: Vec::new(),
            referrers: Vec::new(),
            bytes: None,
            at_most: None,
            change: None,
            place: Place { file: "regsync.yaml".into(), line: 1, column: 1 },
            warnings: Vec::new(),
        }
    }

    fn change(removed: &[&str], (before, after): (&str, &str)) -> Change {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let removed = removed.iter().map(|name| (*name).to_owned()).collect();
        Change {
            platforms: PlatformChange { removed, added: Vec::new() },
            version: VersionChange { before: some(before), after: some(after) },
            image: None,
        }
    }

    #[test]
    fn a_tag_that_moves_may_lose_platforms_and_go_back() {
        let of = |removed: &[&str], versions| {
            let dangers = dangers(&Reason::TagMoved, Some(&change(removed, versions)));
            (dangers.contains(&Risk::PlatformLoss), dangers.contains(&Risk::Downgrade))
        };
        assert_eq!(of(&[], ("", "")), (false, false));
        assert_eq!(of(&["linux/arm64"], ("1.2.3", "1.2.4")), (true, false));
        for (before, after, is_back) in [
            ("1.10.0", "1.9.9", true),
            ("v1.2", "1.1", true),
            ("1.2.0", "1.2.0-rc.1", true),
            ("1.2.0-rc.1", "1.2.0", false),
            ("3.20", "3.20-alpine", false),
            ("1.2.3", "", false),
            ("", "1.2.3", false),
            ("stable", "1.0", false),
            ("20260115", "1.2.3", false),
            ("20260115", "20260114", true),
        ] {
            assert_eq!(of(&[], (before, after)), (false, is_back), "{before} to {after}");
        }
        assert_eq!(dangers(&Reason::New, Some(&change(&["linux/arm64"], ("2", "1")))), BTreeSet::new());
        assert_eq!(dangers(&Reason::TagMoved, None), BTreeSet::from([Risk::TagMove]));
    }

    #[test]
    fn what_was_not_compared_is_not_told() {
        let step = |reason, change: Option<Change>| {
            let change = change.map(Arc::new);
            Step { reason, change, ..step_without_a_tag() }.untold().into_iter().collect::<Vec<_>>()
        };
        let (loss, back) = (Risk::PlatformLoss, Risk::Downgrade);
        assert_eq!(step(Reason::TagMoved, None), [loss, back]);
        assert_eq!(step(Reason::TagMoved, Some(change(&[], ("1", "")))), [back]);
        assert_eq!(step(Reason::TagMoved, Some(change(&[], ("1", "2")))), []);
        let image =
            ImageChange { platform: None, layers: LayerChange::default(), diff: String::new(), diff_left_out: 0 };
        let seen = Change { image: Some(image), ..change(&[], ("", "")) };
        assert_eq!(step(Reason::TagMoved, Some(seen)), []);
        assert_eq!(step(Reason::New, None), []);
    }
}
