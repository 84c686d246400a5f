//! Several mirrors of one target tag: what any of them asks for comes along, in whatever order they stand.

use super::{REPOSITORY, attached, pair};
use crate::support::stage::{Mirror, steps};

#[test]
fn what_any_of_them_asks_for_comes_along() {
    for (sources, tags) in
        [(["none", "all"], ["1*", "*1"]), ([REPOSITORY; 2], ["1*", "1"]), ([REPOSITORY; 2], ["1*", "*1"])]
    {
        for turned in [false, true] {
            let pair = pair(true, true);
            let all = attached("overlapping");
            for source in sources {
                all.image.push_to(&pair.source, source, "1");
            }
            let mirror = |source: &str, tag: &str, rule: &str| -> Mirror {
                pair.mirror_to(source, REPOSITORY, &[tag])
                    .with(&format!("referrers: {rule}"))
                    .with("referrers-check: always")
            };
            let mut mirrors = [mirror(sources[0], tags[0], "none"), mirror(sources[1], tags[1], "all")];
            if turned {
                mirrors.reverse();
            }
            let regsync = pair.regsync(&mirrors);
            regsync.run(["apply"]).assert_status(0);
            for (_, referrer) in &all.referrers {
                referrer.push_to(&pair.source, sources[1], referrer.digest());
            }
            all.cosign.push_to(&pair.source, sources[1], &all.image.signature_tag());
            let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
            assert_eq!(steps(&result), ["app:1 updated referrers-missing"], "{sources:?} {tags:?} {turned}");
            all.assert_at(&pair.target, "1", true);
            regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
        }
    }
}
