//! Any choice of platforms, over any other, with a write that is refused on the way: nothing incomplete is ever named, and
//! the run after has it right.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::{EIGHT, children, eight, manifest, of_eight};
use crate::support::server::{Fault, Match};
use crate::support::stage::{Pair, yaml};

fn choice() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(EIGHT.to_vec(), 1..=EIGHT.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn any_choice_arrives_whole(first in choice(), second in choice(), refused in 0..30_usize) {
        let pair = Pair::start();
        let image = eight("any");
        image.push_to(&pair.source, "app", "1");
        let mirror = |names: &[&str]| pair.mirror("app", &["1"]).with(&format!("platforms: [{}]", names.join(", ")));
        let regsync = pair.regsync(&[mirror(&first)]);
        pair.target.store.watch();
        regsync.run(["apply"]).assert_status(0);
        pair.target.fault(Match::new("PUT", "/app/").nth(refused), Fault::status(403));
        regsync.write("regsync.yaml", yaml(&[mirror(&second)]));
        regsync.run(["apply"]);
        pair.target.assert_closed();
        pair.target.clear_faults();
        regsync.run(["apply"]).assert_status(0);
        pair.target.assert_closed();
        let left = children(&manifest(&pair.target, "app", "1"));
        prop_assert_eq!(&left, &of_eight(&image, &second));
        prop_assert_eq!(left.len() == EIGHT.len(), pair.target.tag_digest("app", "1").as_deref() == Some(image.digest()));
        pair.clear_logs();
        regsync.run(["apply"]).assert_status(0);
        pair.assert_read_only();
        prop_assert_eq!(pair.source.count("GET", ""), 0, "what is in place is remembered");
    }
}
