//! The tag list, in pages.

use serde_json::json;

use super::{Answer, Call, Site, method_not_allowed, name_unknown};

impl Site {
    pub(super) fn tags(&self, call: &Call, repository: &str) -> Answer {
        if call.method != "GET" {
            return method_not_allowed();
        }
        let contents = self.store.lock();
        let Some(found) = contents.repositories.get(repository) else {
            return name_unknown();
        };
        let wanted = match call.parameter("n").map(|n| n.parse::<usize>()) {
            None => self.options.page_size,
            Some(Ok(n)) => n.min(self.options.page_size),
            Some(Err(_)) => {
                return Answer::error(400, "PAGINATION_NUMBER_INVALID", "invalid number of results");
            }
        };
        let last = call.parameter("last").unwrap_or_default();
        let mut rest = found.tags.keys().filter(|tag| **tag > last);
        let page: Vec<_> = rest.by_ref().take(wanted).collect();
        let answer = Answer::status(200).json(&json!({"name": repository, "tags": page}));
        match (page.last(), rest.next()) {
            (Some(last), Some(_)) => {
                let next = format!("{}/v2/{repository}/tags/list?last={last}&n={wanted}", self.base);
                answer.header("Link", format!("<{next}>; rel=\"next\""))
            }
            _ => answer,
        }
    }
}
