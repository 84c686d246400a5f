//! The comments of one pull or merge request: where they are, in the words of either service.
//!
//! Owns the addresses, all of them below the API that the runner names, over https or on this machine. Refuses pages that
//! lead elsewhere, and lists that do not end.

use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Ask, Caller};
use super::{Error, Marker, Run, link};
use crate::auth::Way;
use crate::image::Registry;

/// A hundred comments each.
const PAGES: usize = 50;

const LIST: &str = "the list of comments";
const LOGIN: &str = "the token's login";
const NEW: &str = "a new comment";
const CHANGE: &str = "a change of the comment";

/// Where a pull or merge request is talked about.
#[derive(Clone, Debug)]
pub struct Thread {
    service: Service,
    api: Url,
    /// The comments, all of them; those that are written go there too.
    comments: Url,
    way: Way,
}

#[derive(Clone, Debug)]
enum Service {
    GitHub {
        /// What a single comment stands below.
        single: Url,
    },
    GitLab {
        /// The page of the merge request.
        page: String,
    },
}

/// A comment as the services send it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    #[serde(default, deserialize_with = "text")]
    pub(super) body: String,
    html_url: Option<String>,
    #[serde(alias = "author")]
    user: Option<Author>,
}

#[derive(Debug, Deserialize)]
struct Author {
    #[serde(alias = "username")]
    login: String,
}

fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Comment {
    /// Whether this account wrote it. Neither service tells logins apart by case.
    pub(super) fn is_by(&self, login: &str) -> bool {
        self.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(login))
    }
}

impl Thread {
    /// A pull request of `repository` (`owner/name`) at the API with this address.
    /// <https://docs.github.com/en/rest/issues/comments>
    pub fn github(api: &str, repository: &str, number: u64) -> Result<Self, Error> {
        let (api, way) = read("GITHUB_API_URL", api)?;
        let Some((owner, name)) = repository.split_once('/') else {
            return Err(Error::Setting("GITHUB_REPOSITORY is not of the form owner/name".to_owned()));
        };
        let issues = ["repos", owner, name, "issues"];
        let single = below(&api, issues.into_iter().chain(["comments"]));
        let comments = below(&api, issues.into_iter().chain([number.to_string().as_str(), "comments"]));
        Ok(Self { service: Service::GitHub { single }, api, comments, way })
    }

    /// A merge request of the project with this id or path, whose web page has the address `page`.
    /// <https://docs.gitlab.com/api/notes/#merge-requests>
    pub fn gitlab(api: &str, project: &str, (number, page): (u64, String)) -> Result<Self, Error> {
        let (api, way) = read("CI_API_V4_URL", api)?;
        let number = number.to_string();
        let comments = below(&api, ["projects", project, "merge_requests", &number, "notes"]);
        Ok(Self { service: Service::GitLab { page }, api, comments, way })
    }

    pub(super) fn way(&self) -> Way {
        self.way
    }

    pub(super) fn who(&self) -> String {
        self.api.origin().ascii_serialization()
    }

    /// The comments that begin with `marker`, whoever wrote them, each with the run that it names.
    pub(super) async fn marked(&self, caller: &Caller, marker: &Marker) -> Result<Vec<(Run, Comment)>, Error> {
        let nonsense = |problem| Error::Nonsense { who: self.who(), what: LIST, problem };
        let mut url = self.comments.clone();
        url.query_pairs_mut().append_pair("per_page", "100");
        let mut marked = Vec::new();
        for _ in 0..PAGES {
            let (page, link): (Vec<Comment>, _) = caller.ask(Ask::get(LIST, &url)).await?;
            marked.extend(page.into_iter().filter_map(|comment| Some((marker.run_of(&comment.body)?, comment))));
            match link::next(&url, &link) {
                Ok(Some(next)) => url = next,
                Ok(None) => return Ok(marked),
                Err(link::Elsewhere) => return Err(nonsense("names another origin for the next page")),
            }
        }
        Err(nonsense("there are more pages than are read"))
    }

    /// Who the token is. The REST API of GitHub does not tell that to the token of a job; its other API does.
    /// <https://docs.github.com/en/graphql/reference/queries#user>
    pub(super) async fn login(&self, caller: &Caller) -> Result<String, Error> {
        let found = match self.service {
            Service::GitHub { .. } => {
                // An own server has both below `/api`.
                let path = self.api.path().trim_end_matches('/');
                let path = path.strip_suffix("/v3").unwrap_or(path);
                let mut url = self.api.clone();
                url.set_path(&format!("{path}/graphql"));
                let body = Some(json!({"query": "query { viewer { login } }"}));
                let (answer, _): (Value, _) =
                    caller.ask(Ask { what: LOGIN, method: Method::POST, url: &url, body }).await?;
                answer["data"]["viewer"]["login"].as_str().map(str::to_owned)
            }
            Service::GitLab { .. } => {
                let url = below(&self.api, ["user"]);
                let (answer, _): (Value, _) = caller.ask(Ask::get(LOGIN, &url)).await?;
                answer["username"].as_str().map(str::to_owned)
            }
        };
        let missing = || Error::Nonsense { who: self.who(), what: LOGIN, problem: "did not tell it" };
        found.filter(|login| !login.is_empty()).ok_or_else(missing)
    }

    pub(super) async fn create(&self, caller: &Caller, body: &str) -> Result<Comment, Error> {
        let body = Some(json!({"body": body}));
        let ask = Ask { what: NEW, method: Method::POST, url: &self.comments, body };
        caller.ask(ask).await.map(|(comment, _)| comment)
    }

    pub(super) async fn update(&self, caller: &Caller, id: u64, body: &str) -> Result<Comment, Error> {
        let (method, parent) = match &self.service {
            Service::GitHub { single } => (Method::PATCH, single),
            Service::GitLab { .. } => (Method::PUT, &self.comments),
        };
        let url = below(parent, [id.to_string().as_str()]);
        let body = Some(json!({"body": body}));
        caller.ask(Ask { what: CHANGE, method, url: &url, body }).await.map(|(comment, _)| comment)
    }

    /// Where a comment is seen.
    pub(super) fn address(&self, comment: &Comment) -> Option<String> {
        let address = match &self.service {
            Service::GitHub { .. } => comment.html_url.clone()?,
            Service::GitLab { page } => format!("{page}#note_{}", comment.id),
        };
        let url = Url::parse(&address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        Some(url.into())
    }
}

/// The address of an API: https, or on this machine.
fn read(name: &str, text: &str) -> Result<(Url, Way), Error> {
    let wrong = |problem: &str| Error::Setting(format!("{name} {problem}"));
    let url = Url::parse(text).map_err(|_| wrong("is not a URL"))?;
    let host = url.host_str().ok_or_else(|| wrong("names no host"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has a user name or password in it"));
    }
    let is_local = host.parse::<Registry>().is_ok_and(|host| host.is_loopback());
    match (url.scheme(), is_local) {
        ("http" | "https", true) => Ok((url, Way::Local)),
        ("https", false) => Ok((url, Way::Open)),
        _ => Err(wrong("is not https: no token is sent there")),
    }
}

/// The address with further segments, each of them encoded.
fn below<'a>(url: &Url, segments: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_nowhere_but_over_https_or_to_this_machine() {
        for api in ["https://api.github.com", "https://ghes.example/api/v3/", "http://127.0.0.1:1", "http://[::1]:1/x"]
        {
            assert!(Thread::github(api, "o/r", 1).is_ok(), "{api}");
        }
        for api in
            ["http://api.github.com", "ftp://127.0.0.1/", "x", "https://me:pw@api.github.com", "http://127.0.0.1.a/"]
        {
            let error = Thread::github(api, "o/r", 1).unwrap_err().to_string();
            assert!(error.starts_with("GITHUB_API_URL ") && !error.contains("pw"), "{error}");
        }
        assert!(Thread::github("https://api.github.com", "o", 1).is_err());
    }

    #[test]
    fn names_stay_in_their_segments() {
        let thread = Thread::github("https://ghes.example/api/v3", "o/../r?x#y", 7).unwrap();
        assert_eq!(thread.comments.as_str(), "https://ghes.example/api/v3/repos/o/..%2Fr%3Fx%23y/issues/7/comments");
        let thread = Thread::gitlab("https://gitlab.example/api/v4", "group/a", (7, String::new())).unwrap();
        let notes = "https://gitlab.example/api/v4/projects/group%2Fa/merge_requests/7/notes";
        assert_eq!(thread.comments.as_str(), notes);
    }

    #[test]
    fn both_services_name_an_author() {
        let read = |text: &str| serde_json::from_str::<Comment>(text).unwrap();
        assert!(
            read(r#"{"id": 1, "body": null, "user": {"login": "github-actions[bot]"}}"#).is_by("GitHub-actions[bot]")
        );
        assert!(read(r#"{"id": 1, "body": "x", "author": {"id": 2, "username": "bot"}}"#).is_by("bot"));
        assert!(!read(r#"{"id": 1, "user": null}"#).is_by("bot"));
    }
}
