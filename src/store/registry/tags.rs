//! Tag lists, page by page.
//!
//! Owns pagination as registries do it. Refuses to return part of a list as the whole, and to keep of a list more than its
//! tags: of names that are none, and of the addresses of pages, only whether they came before.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use reqwest::header::LINK;
use reqwest::{Method, Url};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::answer::Answer;
use super::call::Call;
use super::link;
use super::repository::RegistryRepository;
use super::retry::Fault;
use super::scope::{Access, Scope};
use crate::image::{Code, Tag};
use crate::store::Error;
use crate::store::limits::{TAG_BYTES_IN_ALL, TAG_PAGE_BYTES, TAG_PAGES, TAGS, TAGS_PER_PAGE};

/// One page.
struct Page {
    body: Bytes,
    next: Option<Url>,
}

/// What a page has brought.
#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    count: usize,
    /// How many of its names are new.
    fresh: usize,
    newest: Option<String>,
}

/// What has been read so far.
#[derive(Default)]
struct List {
    tags: BTreeSet<Tag>,
    /// How many bytes the tags have together.
    bytes: usize,
    /// Hashes of the other names.
    others: HashSet<u64>,
    /// Hashes of the addresses of the pages.
    pages: HashSet<u64>,
    hash: RandomState,
}

impl RegistryRepository {
    /// [`crate::store::ImageSource::tags`].
    pub(super) async fn list_tags(&self) -> Result<Vec<Tag>, Error> {
        let request = format!("list the tags of {}", self.repository());
        let request = request.as_str();
        let plain = self.transport().url(&format!("/v2/{}/tags/list", self.repository().name()));
        let mut first = plain.clone();
        first.query_pairs_mut().append_pair("n", &TAGS_PER_PAGE.to_string());
        match self.read_list(request, first, &plain).await {
            // Some registries refuse a page of this size instead of sending a smaller one (Quay).
            Err(error) if matches!(error.status, Some(400 | 413)) => {
                self.read_list(request, plain.clone(), &plain).await
            }
            outcome => outcome,
        }
    }

    /// [`crate::store::ImageTarget::is_missing`]. One request for the shortest list there is, once in a run: not a list's
    /// silence is the proof, but the registry's word that it knows no such name. It may say so of a repository that has
    /// blobs and no tag yet (distribution does).
    pub(super) async fn prove_missing(&self) -> bool {
        let missing = self.missing();
        *missing.get_or_init(|| self.has_no_name()).await
    }

    /// Whether that was found out already.
    pub(super) fn is_known_missing(&self) -> bool {
        self.missing().get() == Some(&true)
    }

    /// Asked without repetition: without an answer, there is no proof, and nothing is lost.
    async fn has_no_name(&self) -> bool {
        let request = format!("look for {}", self.repository());
        let mut url = self.transport().url(&format!("/v2/{}/tags/list", self.repository().name()));
        url.query_pairs_mut().append_pair("n", "1");
        let call = Call::new(&request, Method::GET, url, Scope::new(self.repository(), Access::Pull));
        match self.transport().exchange(call).await {
            Ok(answer) if answer.status() == 404 => {
                let (_, said) = answer.refusal_with_words().await;
                // Harbor has a code of its own. A registry without tag lists answers 404, too, in other words.
                said.has("NAME_UNKNOWN") || said.has("NOT_FOUND")
            }
            _ => false,
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
            let taken = list.take(request, &page.body)?;
            let Taken { count, fresh, newest } = taken.ok_or_else(|| self.no_list(request))?;
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
        let body = answer.read(TAG_PAGE_BYTES).await?;
        Ok(Page { body, next })
    }

    fn no_list(&self, request: &str) -> Error {
        let message = format!("{} sent something else than a list of tags", self.transport().registry);
        Error::new(Code::Protocol, request, message)
    }

    pub(super) fn next_page(&self, answer: &Answer) -> Result<Option<Url>, Error> {
        let Some(target) = link::next(answer.headers().get_all(LINK)) else { return Ok(None) };
        let checked = self.transport().clients.boundary.link(&answer.url, &target);
        checked.map(Some).map_err(|breach| breach.error(&answer.request, "link to the next page"))
    }
}

impl List {
    /// Before a page is read.
    fn enter(&mut self, request: &str, url: &Url) -> Result<(), Error> {
        if !self.pages.insert(self.hash.hash_one(url)) {
            return Err(Error::new(Code::Protocol, request, "the pages of the list lead in circles"));
        }
        if self.pages.len() > TAG_PAGES {
            return Err(Error::new(Code::Limit, request, format!("the list has more than {TAG_PAGES} pages")));
        }
        Ok(())
    }

    /// Takes a page's names, one by one; `None` where it is no page. What is no tag (an empty name, a digest) is left out.
    fn take(&mut self, request: &str, page: &[u8]) -> Result<Option<Taken>, Error> {
        let mut taken = Taken::default();
        let is_page = each_name(page, "tags", &mut |name| {
            taken.count += 1;
            taken.fresh += usize::from(self.note(name));
            taken.newest = Some(name.to_owned());
        });
        if self.tags.len() + self.others.len() > TAGS {
            return Err(Error::new(Code::Limit, request, format!("the list has more than {TAGS} tags")));
        }
        if self.bytes > TAG_BYTES_IN_ALL {
            let message = format!("the tags of the list have more than {TAG_BYTES_IN_ALL} bytes");
            return Err(Error::new(Code::Limit, request, message));
        }
        Ok(is_page.then_some(taken))
    }

    /// Notes a name, and says whether it is new.
    fn note(&mut self, name: &str) -> bool {
        let Ok(tag) = name.parse() else { return self.others.insert(self.hash.hash_one(name)) };
        let is_new = self.tags.insert(tag);
        self.bytes += if is_new { name.len() } else { 0 };
        is_new
    }
}

/// The page size that a URL asks for.
pub(super) fn asked_for(url: &Url) -> Option<usize> {
    url.query_pairs().find(|(name, _)| name == "n").and_then(|(_, value)| value.parse().ok())
}

/// The page after the tag `last`.
fn after(plain: &Url, last: &str) -> Url {
    let mut url = plain.clone();
    url.query_pairs_mut().append_pair("n", &TAGS_PER_PAGE.to_string()).append_pair("last", last);
    url
}

/// Calls `take` with each name of a page below `key`; `false` where it is none. `tags` may be null, and so may single names
/// (Nexus); but it must be there. Only one name at a time is held.
pub(super) fn each_name(page: &[u8], key: &'static str, take: &mut dyn FnMut(&str)) -> bool {
    let mut found = false;
    let outcome = serde_json::Deserializer::from_slice(page).deserialize_map(Fields { key, take, found: &mut found });
    outcome.is_ok() && found
}

/// The fields of a page.
struct Fields<'a> {
    key: &'static str,
    take: &'a mut dyn FnMut(&str),
    found: &'a mut bool,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of tags")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<String>()? {
            if name == self.key {
                fields.next_value_seed(Names(self.take))?;
                *self.found = true;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The names in `tags`.
struct Names<'a>(&'a mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<(), A::Error> {
        while let Some(name) = names.next_element::<Option<String>>()? {
            if let Some(name) = name {
                (self.0)(&name);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_as_registries_send_them() {
        let read = |body: &str| {
            let mut names = Vec::new();
            each_name(body.as_bytes(), "tags", &mut |name| names.push(name.to_owned())).then_some(names)
        };
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
        let page = br#"{"tags":["b","","a","sha256:44136fa355b3","b",null,"-x"]}"#;
        let taken = |count, fresh, newest: &str| Some(Taken { count, fresh, newest: Some(newest.to_owned()) });
        assert_eq!(list.take("list", page).unwrap(), taken(6, 5, "-x"));
        assert_eq!(list.take("list", br#"{"tags":["a"]}"#).unwrap(), taken(1, 0, "a"));
        assert_eq!(list.take("list", b"{}").unwrap(), None);
        assert_eq!(list.tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_list_without_end_is_an_error() {
        let url = |n: usize| format!("https://r.io/v2/a/tags/list?n=1&last={n}").parse().unwrap();
        let mut list = List::default();
        assert!((0..TAG_PAGES).all(|n| list.enter("list", &url(n)).is_ok()));
        let error = list.enter("list", &url(TAG_PAGES)).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (Code::Limit, "the list has more than 10000 pages"));
        // What is no tag counts, too.
        let names = |from: usize, number: usize| (from..from + number).map(|n| format!("\"/{n}\"")).collect::<Vec<_>>();
        let page = |from, number| format!(r#"{{"tags":[{}]}}"#, names(from, number).join(","));
        let mut list = List::default();
        let quarter = TAGS / 4;
        assert!((0..4).all(|n| list.take("list", page(n * quarter, quarter).as_bytes()).is_ok()));
        let error = list.take("list", page(TAGS, 1).as_bytes()).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (Code::Limit, "the list has more than 1000000 tags"));
    }

    #[test]
    fn what_is_kept_of_a_list_has_a_bound() {
        // Only the tags are kept, each once.
        let mut list = List::default();
        let junk = "/".repeat(1 << 20);
        let page = format!(r#"{{"tags":["{junk}","{junk}1","{junk}","1.0","1.0"]}}"#);
        assert_eq!(list.take("list", page.as_bytes()).unwrap().unwrap().fresh, 3);
        assert_eq!((list.bytes, list.tags.len(), list.others.len()), (3, 1, 2));
        assert_eq!(list.take("list", page.as_bytes()).unwrap().unwrap().fresh, 0);
        // And of tags, so many bytes.
        list = List::default();
        let name = |number: usize| format!("{}{number:08}", "a".repeat(120));
        let mut page = |from: usize, to: usize| {
            let names: Vec<String> = (from..to).map(|number| format!("\"{}\"", name(number))).collect();
            list.take("list", format!(r#"{{"tags":[{}]}}"#, names.join(",")).as_bytes()).map_err(|error| error.code)
        };
        let most = TAG_BYTES_IN_ALL / 128;
        assert!(most < TAGS && page(0, most).is_ok() && page(0, 1).is_ok());
        assert_eq!(page(most, most + 1), Err(Code::Limit));
    }

    #[test]
    fn names_that_are_no_tags_count_as_well() {
        let mut list = List::default();
        let names: Vec<String> = (0..TAGS).map(|number| format!("\"/{number}\"")).collect();
        assert!(list.take("list", format!(r#"{{"tags":[{}]}}"#, names.join(",")).as_bytes()).is_ok());
        assert_eq!(list.take("list", br#"{"tags":["1.0"]}"#).unwrap_err().code, Code::Limit);
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
