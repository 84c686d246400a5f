//! How a registry is treated that has too much.

use crate::support::images::zoo;
use crate::support::server::{Crowd, Fault, Match};
use crate::support::stage::Pair;

/// How many requests the target bears at once.
const BEARS: usize = 3;
/// How many are sent at once, without being told.
const SENT: usize = 8;

#[test]
fn a_host_that_has_too_much_is_asked_less_until_all_is_copied() {
    let pair = Pair::start();
    let names: Vec<String> = (0..40).map(|number| format!("image-{number:02}")).collect();
    for name in &names {
        zoo::single(name).push_to(&pair.source, name, "1");
    }
    let crowd = Crowd::of(BEARS);
    pair.target.fault(Match::new("*", ""), Fault::Crowd(crowd.clone()));
    let mirrors: Vec<_> = names.iter().map(|name| pair.mirror(name, &["1"])).collect();
    let regsync = pair.regsync_with_concurrency(&mirrors, SENT);
    let output = regsync.run(["apply", "--sizes", "never"]);
    output.assert_status(0);
    for name in &names {
        assert_eq!(pair.target.tag_digest(name, "1").unwrap(), zoo::single(name).digest(), "{name}");
    }
    pair.target.assert_closed();
    let requests = pair.target.requests();
    let refused = requests.iter().filter(|request| request.status == Some(429)).count();
    assert_eq!(refused, crowd.refused());
    // Eight at once would be refused more often than not. What remains is how it finds the limit, and that it looks now
    // and then whether more is borne by now.
    assert!(refused >= 1 && refused * 10 < requests.len(), "{refused} of {} were refused", requests.len());
    // Other hosts are asked as before.
    assert!(pair.source.requests().iter().all(|request| request.status != Some(429)));
}
