//! The catalog: the names of a registry's repositories, page by page (distribution's `GET /v2/_catalog`; no part of the OCI
//! specification, so that many registries have none).
//!
//! Owns what is said where there is none. Refuses to return part of a catalog as the whole, and names that are none.

use std::collections::{BTreeSet, HashSet};

use reqwest::header::LINK;
use reqwest::{Method, Url};

use super::RegistryClient;
use super::call::Call;
use super::link;
use super::retry::Fault;
use super::scope::{Access, Scope};
use super::tags::{asked_for, each_name};
use crate::image::{Catalog, Code, Repository};
use crate::store::Error;
use crate::store::limits::{REPOSITORIES, TAG_PAGE_BYTES, TAG_PAGES, TAGS_PER_PAGE};

/// What helps where a catalog is refused.
const ALTERNATIVE: &str = "not every registry shows a catalog: name the repositories, a mirror for each";
/// How many characters are kept of a name that is none.
const NAME_KEPT: usize = 64;

/// What has been read so far.
#[derive(Default)]
struct List {
    repositories: BTreeSet<Repository>,
    others: BTreeSet<String>,
    pages: HashSet<String>,
}

/// One page.
struct Page {
    body: bytes::Bytes,
    next: Option<Url>,
}

impl RegistryClient {
    /// The repositories that the registry shows to the credential of the host. Fails where it has no catalog, shows it to
    /// nobody like us, or does not show all of it; never a short list.
    pub async fn catalog(&self) -> Result<Catalog, Error> {
        let request = format!("list the repositories of {}", self.transport.registry);
        let request = request.as_str();
        let plain = self.transport.url("/v2/_catalog");
        let mut first = plain.clone();
        first.query_pairs_mut().append_pair("n", &TAGS_PER_PAGE.to_string());
        let read = match self.read_catalog(request, first).await {
            // Smaller limits are refused by some instead of kept to (distribution, `catalog.maxentries`).
            Err(error) if matches!(error.status, Some(400 | 413)) => self.read_catalog(request, plain).await,
            read => read,
        };
        read.map_err(|error| match error.status {
            Some(400..=499) if error.code != Code::RateLimited => {
                let hint =
                    error.hint.as_deref().map_or(ALTERNATIVE.to_owned(), |hint| format!("{ALTERNATIVE}; {hint}"));
                error.hint(hint)
            }
            _ => error,
        })
    }

    async fn read_catalog(&self, request: &str, first: Url) -> Result<Catalog, Error> {
        let scope = Scope::new(&self.any_repository(request)?, Access::Catalog);
        let (mut list, mut next) = (List::default(), Some(first));
        while let Some(url) = next {
            list.enter(request, &url)?;
            let (at, scope) = (&url, &scope);
            let page =
                self.transport.retrying(request, |_| Box::pin(self.get_catalog_page(request, at, scope))).await?;
            let before = list.len();
            let (count, last) = list.take(self, request, &page.body)?;
            let is_full = asked_for(&url) == Some(count);
            next = match (page.next, last) {
                (Some(_), _) if list.len() == before => {
                    return Err(Error::new(Code::Protocol, request, "the pages of the catalog repeat each other"));
                }
                (Some(next), _) => Some(next),
                // A full page without a link: the end, or a registry that has no links. One more request tells.
                (None, Some(last)) if is_full && list.len() > before => Some(self.after(&last)),
                (None, _) => None,
            };
        }
        Ok(Catalog { repositories: list.repositories.into_iter().collect(), unusable: list.others.len() })
    }

    async fn get_catalog_page(&self, request: &str, url: &Url, scope: &Scope) -> Result<Page, Fault> {
        let call = Call::new(request, Method::GET, url.clone(), scope.clone());
        let answer = self.transport.exchange(call).await?;
        if answer.status() != 200 {
            return Err(answer.refusal().await);
        }
        let next = match link::next(answer.headers().get_all(LINK)) {
            Some(target) => {
                let checked = self.transport.clients.boundary.link(&answer.url, &target);
                Some(checked.map_err(|breach| breach.error(request, "link to the next page"))?)
            }
            None => None,
        };
        Ok(Page { body: answer.read(TAG_PAGE_BYTES).await?, next })
    }

    /// The page after the repository `last`.
    fn after(&self, last: &str) -> Url {
        let mut url = self.transport.url("/v2/_catalog");
        url.query_pairs_mut().append_pair("n", &TAGS_PER_PAGE.to_string()).append_pair("last", last);
        url
    }
}

impl List {
    fn len(&self) -> usize {
        self.repositories.len() + self.others.len()
    }

    /// Before a page is read.
    fn enter(&mut self, request: &str, url: &Url) -> Result<(), Error> {
        if !self.pages.insert(url.to_string()) {
            return Err(Error::new(Code::Protocol, request, "the pages of the catalog lead in circles"));
        }
        if self.pages.len() > TAG_PAGES {
            return Err(Error::new(Code::Limit, request, format!("the catalog has more than {TAG_PAGES} pages")));
        }
        Ok(())
    }

    /// Takes a page's names, one by one: how many there were, and the last of them.
    fn take(&mut self, client: &RegistryClient, request: &str, page: &[u8]) -> Result<(usize, Option<String>), Error> {
        let registry = &client.transport.registry;
        let (mut count, mut last) = (0, None);
        let is_page = each_name(page, "repositories", &mut |name| {
            count += 1;
            last = Some(name.to_owned());
            match Repository::new(registry.clone(), name) {
                Ok(repository) => self.repositories.insert(repository),
                // No more of it is kept than tells it from others.
                Err(_) => self.others.insert(name.chars().take(NAME_KEPT).collect()),
            };
        });
        if !is_page {
            let message = format!("{registry} sent something else than a list of repositories");
            return Err(Error::new(Code::Protocol, request, message));
        }
        if self.len() > REPOSITORIES {
            let message = format!("the catalog has more than {REPOSITORIES} repositories");
            return Err(Error::new(Code::Limit, request, message));
        }
        Ok((count, last))
    }
}
