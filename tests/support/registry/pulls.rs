//! A quota of pulls, as Docker Hub keeps it: a GET of a manifest counts, a HEAD does not, and both say what is left.

use super::{Answer, Call, Site};

/// What Docker Hub says when nothing is left.
const USED_UP: &str = "You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: \
                       https://www.docker.com/increase-rate-limit";

impl Site {
    /// The answer, unless it is a pull and none is left; with what is left in its headers.
    pub(super) fn metered(&self, call: &Call, answer: impl FnOnce(&Self) -> Answer) -> Answer {
        let Some(pulls) = self.pulls.as_ref().filter(|_| call.reads()) else { return answer(self) };
        let mut left = pulls.lock().unwrap();
        let answer = match (call.method.as_str(), *left) {
            ("GET", 0) => Answer::error(429, "TOOMANYREQUESTS", USED_UP),
            _ => answer(self),
        };
        if call.method == "GET" && answer.status == 200 {
            *left -= 1;
        }
        answer
            .header("ratelimit-limit", "100;w=21600")
            .header("ratelimit-remaining", format!("{left};w=21600"))
            .header("docker-ratelimit-source", "192.0.2.1")
    }
}
