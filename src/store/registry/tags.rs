//! Tag lists, page by page.
//!
//! Owns pagination as registries do it. Refuses to return part of a list as the whole.

use std::collections::{BTreeSet, HashSet};

use reqwest::header::LINK;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::answer::Answer;
use super::call::Call;
use super::link;
use super::repository::RegistryRepository;
use super::retry::Fault;
use super::scope::{Access, Scope};
use crate::image::{Code, Tag};
use crate::store::Error;

/// What is asked for in one page; the most that ECR allows.
const PAGE: usize = 1000;
/// The largest page that is read, in bytes. Some registries (GAR) send a map of all manifests with it.
const PAGE_BYTES: usize = 64 * 1024 * 1024;
const PAGES_LIMIT: usize = 10_000;
const TAGS_LIMIT: usize = 1_000_000;

/// One page.
struct Page {
    names: Vec<String>,
    next: Option<Url>,
}

/// What has been read so far.
#[derive(Default)]
struct List {
    tags: BTreeSet<Tag>,
    names: HashSet<String>,
    pages: HashSet<Url>,
}

impl RegistryRepository {
    /// [`crate::store::ImageSource::tags`].
    pub(super) async fn list_tags(&self) -> Result<Vec<Tag>, Error> {
        let request = format!("list the tags of {}", self.repository());
        let request = request.as_str();
        let plain = self.transport().url(&format!("/v2/{}/tags/list", self.repository().name()));
        let mut first = plain.clone();
        first.query_pairs_mut().append_pair("n", &PAGE.to_string());
        match self.read_list(request, first, &plain).await {
            // Some registries refuse a page of this size instead of sending a smaller one (Quay).
            Err(error) if matches!(error.status, Some(400 | 413)) => {
                self.read_list(request, plain.clone(), &plain).await
            }
            outcome => outcome,
        }
    }

    async fn read_list(&self, request: &str, first: Url, plain: &Url) -> Result<Vec<Tag>, Error> {
        let mut list = List::default();
        let mut next = Some(first);
        while let Some(url) = next {
            let asked = asked_for(&url);
            list.enter(request, &url)?;
            let url = &url;
            let page = self.transport().retrying(request, |_| Box::pin(self.get_page(request, url))).await?;
            let (count, newest) = (page.names.len(), page.names.last().cloned());
            let fresh = list.take(request, page.names)?;
            next = match (page.next, newest) {
                (Some(_), _) if fresh == 0 => {
                    return Err(Error::new(Code::Protocol, request, "the pages of the list repeat each other"));
                }
                (Some(url), _) => Some(url),
                // A full page without a link: the end, or a registry that has no links. One more request tells.
                (None, Some(newest)) if asked == Some(count) && fresh > 0 => Some(after(plain, &newest)),
                (None, _) => None,
            };
        }
        Ok(list.tags.into_iter().collect())
    }

    async fn get_page(&self, request: &str, url: &Url) -> Result<Page, Fault> {
        let scope = Scope::new(self.repository(), Access::Pull);
        let answer = self.transport().exchange(Call::new(request, Method::GET, url.clone(), scope)).await?;
        if answer.status() != 200 {
            return Err(answer.refusal().await);
        }
        let next = self.next_page(&answer)?;
        let strange = answer.nonsense("sent something else than a list of tags");
        let body = answer.read(PAGE_BYTES).await?;
        let names = names(&body).ok_or_else(|| Fault::last(strange))?;
        Ok(Page { names, next })
    }

    fn next_page(&self, answer: &Answer) -> Result<Option<Url>, Error> {
        let Some(target) = link::next(answer.headers().get_all(LINK)) else { return Ok(None) };
        let checked = self.transport().clients.boundary.link(&answer.url, &target);
        checked.map(Some).map_err(|breach| breach.error(&answer.request, "link to the next page"))
    }
}

impl List {
    /// Before a page is read.
    fn enter(&mut self, request: &str, url: &Url) -> Result<(), Error> {
        if !self.pages.insert(url.clone()) {
            return Err(Error::new(Code::Protocol, request, "the pages of the list lead in circles"));
        }
        if self.pages.len() > PAGES_LIMIT {
            return Err(Error::new(Code::Limit, request, format!("the list has more than {PAGES_LIMIT} pages")));
        }
        Ok(())
    }

    /// Takes a page's names; how many of them are new. What is no tag (an empty name, a digest) is left out.
    fn take(&mut self, request: &str, names: Vec<String>) -> Result<usize, Error> {
        let before = self.names.len();
        for name in names {
            if let Ok(tag) = name.parse() {
                self.tags.insert(tag);
            }
            self.names.insert(name);
        }
        if self.names.len() > TAGS_LIMIT {
            return Err(Error::new(Code::Limit, request, format!("the list has more than {TAGS_LIMIT} tags")));
        }
        Ok(self.names.len() - before)
    }
}

/// The page size that a URL asks for.
fn asked_for(url: &Url) -> Option<usize> {
    url.query_pairs().find(|(name, _)| name == "n").and_then(|(_, value)| value.parse().ok())
}

/// The page after the tag `last`.
fn after(plain: &Url, last: &str) -> Url {
    let mut url = plain.clone();
    url.query_pairs_mut().append_pair("n", &PAGE.to_string()).append_pair("last", last);
    url
}

/// The names of a page. `tags` may be null, and so may single names (Nexus); but it must be there.
fn names(body: &[u8]) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(deserialize_with = "Option::deserialize")]
        tags: Option<Vec<Option<String>>>,
    }
    let wire: Wire = serde_json::from_slice(body).ok()?;
    Some(wire.tags.unwrap_or_default().into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_as_registries_send_them() {
        let read = |body: &str| names(body.as_bytes());
        assert_eq!(read(r#"{"name":"a","tags":["1","2"],"manifest":{}}"#).unwrap(), ["1", "2"]);
        assert_eq!(read(r#"{"name":"a","tags":null}"#).unwrap(), Vec::<String>::new());
        assert_eq!(read(r#"{"tags":[null,"","1"]}"#).unwrap(), ["", "1"]);
        for no_list in ["", "{}", "[]", r#"{"errors":[]}"#, "<html>", r#"{"tags":"1"}"#, r#"{"tags":[1]}"#] {
            assert_eq!(read(no_list), None, "{no_list}");
        }
    }

    #[test]
    fn what_is_no_tag_is_left_out_and_order_is_ours() {
        let mut list = List::default();
        let names = ["b", "", "a", "sha256:44136fa355b3", "b", "-x"].map(str::to_owned).to_vec();
        assert_eq!(list.take("list", names).unwrap(), 5);
        assert_eq!(list.take("list", vec!["a".to_owned()]).unwrap(), 0);
        assert_eq!(list.tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_page_is_read_once() {
        let mut list = List::default();
        let url: Url = "https://r.io/v2/a/tags/list?n=2".parse().unwrap();
        assert!(list.enter("list", &url).is_ok());
        assert!(list.enter("list", &url).is_err());
        assert_eq!(asked_for(&url), Some(2));
        assert_eq!(after(&"https://r.io/l".parse().unwrap(), "x+y").as_str(), "https://r.io/l?n=1000&last=x%2By");
    }
}
