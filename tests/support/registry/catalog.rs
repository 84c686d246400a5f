//! The catalog, in pages.

use serde_json::json;

use super::{Answer, Call, Site, method_not_allowed};

pub(super) const PATH: &str = "/v2/_catalog";

impl Site {
    pub(super) fn catalog(&self, call: &Call) -> Answer {
        if call.method != "GET" {
            return method_not_allowed();
        }
        let names = self.store.repositories();
        let asked = call.parameter("n").and_then(|n| n.parse::<usize>().ok());
        let wanted = asked.unwrap_or(self.options.page_size).min(self.options.page_size);
        let last = call.parameter("last").unwrap_or_default();
        let mut rest = names.iter().filter(|name| **name > last);
        let page: Vec<_> = rest.by_ref().take(wanted).collect();
        let answer = Answer::status(200).json(&json!({"repositories": page}));
        match (page.last(), rest.next()) {
            (Some(last), Some(_)) => {
                let next = format!("{}{PATH}?last={last}&n={wanted}", self.base);
                answer.header("Link", format!("<{next}>; rel=\"next\""))
            }
            _ => answer,
        }
    }
}
