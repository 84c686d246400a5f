//! Lists of referrers, page by page (distribution-spec "Listing Referrers"), and manifests written as referrers.
//!
//! Owns how a repository without such lists is told from one that lists nothing, and that it is not asked again. Refuses to
//! return part of a list as the whole, to take a page of something else for a list, and to take one repository's word for
//! another's: behind one name may be several registries (Artifactory's repositories, Harbor's proxy projects).

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};

use super::answer::Answer;
use super::call::Call;
use super::error::Said;
use super::repository::RegistryRepository;
use super::retry::Fault;
use super::scope::{Access, Scope};
use crate::image::{Code, Descriptor, Digest, Manifest, MediaType, TagOrDigest, View};
use crate::store::limits::{REFERRER_BYTES_IN_ALL, REFERRER_PAGE_BYTES, REFERRER_PAGES, REFERRERS};
use crate::store::{Error, ReferrerList};

/// What a registry answers for one page.
enum Page {
    /// A page, and where the next one is.
    List(Bytes, MediaType, Option<Url>),
    /// This subject, or this repository, is not known, as some registries say where nothing is listed.
    Unknown,
    /// There are no such lists here.
    NoSuchApi,
}

impl RegistryRepository {
    /// [`crate::store::ImageSource::referrers`]. The first to ask finds out for all whether the repository has such
    /// lists.
    pub(super) async fn list_referrers(&self, subject: &Digest) -> Result<ReferrerList, Error> {
        let mut own = None;
        let found_out = async {
            let read = self.read_referrers(subject).await?;
            let has_lists = !matches!(read, ReferrerList::Unsupported);
            own = Some(read);
            Ok::<bool, Error>(has_lists)
        };
        let has_lists = *self.lists_referrers().get_or_try_init(|| found_out).await?;
        match own {
            Some(read) => Ok(read),
            None if has_lists => self.read_referrers(subject).await,
            None => Ok(ReferrerList::Unsupported),
        }
    }

    async fn read_referrers(&self, subject: &Digest) -> Result<ReferrerList, Error> {
        let request = format!("list the referrers of {}", self.reference(&TagOrDigest::Digest(subject.clone())));
        let request = request.as_str();
        let first = self.transport().url(&format!("/v2/{}/referrers/{subject}", self.repository().name()));
        let (mut next, mut pages, mut list, mut bytes) = (Some(first), HashSet::new(), HashMap::new(), 0);
        while let Some(url) = next {
            if !pages.insert(url.clone()) {
                return Err(Error::new(Code::Protocol, request, "the pages of the list lead in circles"));
            }
            if pages.len() > REFERRER_PAGES {
                let message = format!("the list has more than {REFERRER_PAGES} pages");
                return Err(Error::new(Code::Limit, request, message));
            }
            let url = &url;
            let page = self.transport().retrying(request, |_| Box::pin(self.get_referrers(request, url))).await?;
            let (body, media_type, following) = match page {
                Page::List(body, media_type, following) => (body, media_type, following),
                // Of a list that has begun, every page is there.
                _ if pages.len() > 1 => {
                    return Err(Error::new(Code::Protocol, request, "a page of the list is missing"));
                }
                Page::Unknown => return Ok(ReferrerList::Unknown),
                Page::NoSuchApi => return Ok(ReferrerList::Unsupported),
            };
            bytes += body.len();
            if bytes > REFERRER_BYTES_IN_ALL {
                let message = format!("the list has more than {REFERRER_BYTES_IN_ALL} bytes");
                return Err(Error::new(Code::Limit, request, message));
            }
            let Some(entries) = entries(body, &media_type) else {
                let message = format!("{} sent something else than a list of referrers", self.transport().registry);
                return Err(Error::new(Code::Protocol, request, message));
            };
            list.extend(entries.into_iter().map(|entry| (entry.digest.clone(), entry)));
            if list.len() > REFERRERS {
                return Err(Error::new(Code::Limit, request, format!("the list has more than {REFERRERS} referrers")));
            }
            next = following;
        }
        let mut list: Vec<Descriptor> = list.into_values().collect();
        list.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(ReferrerList::Whole(list))
    }

    async fn get_referrers(&self, request: &str, url: &Url) -> Result<Page, Fault> {
        let scope = Scope::new(self.repository(), Access::Pull);
        let accept = HeaderValue::from_static("application/vnd.oci.image.index.v1+json");
        let call = Call::new(request, Method::GET, url.clone(), scope).header(ACCEPT, accept);
        let answer = self.transport().exchange(call).await?;
        match answer.status() {
            200 => {}
            // Quay answers so for a subject that it does not know.
            400 => return Ok(Page::Unknown),
            404 => {
                let (_, said) = answer.refusal_with_words().await;
                let unknown = said.has("NAME_UNKNOWN") || said.has("MANIFEST_UNKNOWN") || said.has("NOT_FOUND");
                return Ok(if unknown { Page::Unknown } else { Page::NoSuchApi });
            }
            405 | 406 | 501 => {
                let (_, said) = answer.refusal_with_words().await;
                return Ok(if cannot_read_subject(&said) { Page::Unknown } else { Page::NoSuchApi });
            }
            _ => return Err(answer.refusal().await),
        }
        // A web page for everything unknown is no list (GitLab's virtual registries).
        let Some(media_type) = index_type(&answer) else { return Ok(Page::NoSuchApi) };
        let next = self.next_page(&answer)?;
        let body = answer.read(REFERRER_PAGE_BYTES).await?;
        Ok(Page::List(body, media_type, next))
    }

    /// [`crate::store::ImageTarget::push_referrer`].
    pub(super) async fn write_referrer(&self, manifest: &Manifest, subject: &Digest) -> Result<bool, Error> {
        let named = AtomicBool::new(false);
        self.write_linked(manifest, &named).await?;
        if named.load(Ordering::Relaxed) {
            return Ok(true);
        }
        // Not said, or said in an answer that was lost. Where there are lists, they tell.
        let list = self.list_referrers(subject).await?;
        Ok(list.entries().iter().any(|entry| entry.digest == *manifest.digest()))
    }
}

/// ECR lists referrers, and answers 405 `UNSUPPORTED` for a subject whose manifest it cannot read: that is about the one
/// subject.
fn cannot_read_subject(said: &Said) -> bool {
    said.words.as_deref().is_some_and(|words| words.to_ascii_lowercase().contains("invalid json"))
}

/// The type of an answer that may be a list: an index, or a type that says nothing.
fn index_type(answer: &Answer) -> Option<MediaType> {
    let media_type = MediaType::new(&answer.text(CONTENT_TYPE).unwrap_or_default());
    let vague = media_type.is_vague() && media_type.as_str() != "text/plain";
    if vague { Some(MediaType::oci_index()) } else { media_type.is_index().then_some(media_type) }
}

/// The entries of a page, without their annotations, which may be long and are not asked for; `None` where it is no index.
fn entries(page: Bytes, media_type: &MediaType) -> Option<Vec<Descriptor>> {
    let page = Manifest::identify(page, media_type).ok()?;
    match page.view() {
        View::Index(index) => Some(index.manifests.iter().map(Descriptor::bare).collect()),
        View::Image(_) | View::Opaque => None,
    }
}
