//! Plan and apply over random target states and policies: one apply is enough, and a second one does nothing.

use proptest::prelude::*;

use super::cases;
use super::faults::check;
use super::worlds::world;

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn what_is_applied_needs_no_plan_and_no_second_apply(world in world()) {
        let built = world.build();
        let first = built.run(|_| built.pair.assert_read_only());
        check(&built, &first);
        built.assert_reached(&world);
        let planned: usize = first.plan.steps.iter().filter(|step| step.action().writes()).count();
        prop_assert_eq!(first.written.len(), planned, "each tag that was to be written was written once");

        built.pair.clear_logs();
        let again = built.apply_again(&first.plan);
        built.pair.assert_read_only();
        for (before, after) in first.outcomes.iter().zip(&again.outcomes) {
            let expected = if before.ending.wrote() { "skipped" } else { before.ending.as_str() };
            prop_assert_eq!(after.ending.as_str(), expected);
        }

        let next = built.run(|_| {});
        built.pair.assert_read_only();
        prop_assert!(!next.plan.has_changes());
        prop_assert_eq!(next.plan.summary().blocked, first.plan.summary().blocked);
    }
}
