//! The comments of pull and merge requests, as the APIs of GitHub and GitLab keep them, strict about every request.
//!
//! GitHub's API lies below `/api`, as on a server of one's own, so that a client that makes up paths is found out.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::canary::canary;
use super::harness::Regsync;
use super::server::{Answer, Bound, Call, Handler, Server};
use super::tripwire;

/// Who the token is.
pub const BOT: &str = "regsync-bot[bot]";

/// One comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub id: u64,
    pub login: String,
    pub body: String,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    GitHub,
    GitLab,
}

/// The API, with one request, number 7, of `acme/mirrors` (GitLab: project 42).
pub struct Forge {
    server: Server,
    desk: Arc<Desk>,
}

struct Desk {
    kind: Kind,
    url: String,
    page_size: usize,
    comments: Mutex<Vec<Comment>>,
}

impl Desk {
    fn token(&self) -> String {
        canary(if self.kind == Kind::GitHub { "github-token" } else { "gitlab-token" })
    }

    fn list_path(&self) -> &'static str {
        match self.kind {
            Kind::GitHub => "/api/v3/repos/acme/mirrors/issues/7/comments",
            Kind::GitLab => "/api/v4/projects/42/merge_requests/7/notes",
        }
    }

    fn single_path(&self) -> &'static str {
        if self.kind == Kind::GitHub { "/api/v3/repos/acme/mirrors/issues/comments" } else { self.list_path() }
    }

    fn shown(&self, comment: &Comment) -> Value {
        let Comment { id, login, body } = comment;
        match self.kind {
            Kind::GitHub => json!({
                "id": id, "body": body, "user": {"login": login, "type": "Bot"}, "author_association": "NONE",
                "html_url": format!("https://github.example/acme/mirrors/pull/7#issuecomment-{id}"),
            }),
            Kind::GitLab => {
                json!({"id": id, "body": body, "system": false, "author": {"id": 3, "username": login, "name": "A B"}})
            }
        }
    }

    fn list(&self, call: &Call) -> Answer {
        assert_eq!(call.parameter("per_page").as_deref(), Some("100"), "{}", call.query);
        let page: usize = call.parameter("page").map_or(1, |page| page.parse().unwrap());
        let comments = self.comments.lock().unwrap();
        let shown = comments.iter().skip((page - 1) * self.page_size).take(self.page_size);
        let answer = Answer::status(200).json(&shown.map(|comment| self.shown(comment)).collect());
        if comments.len() <= page * self.page_size {
            return answer;
        }
        let at = |page: usize| format!("{}{}?per_page=100&page={page}", self.url, self.list_path());
        let last = comments.len().div_ceil(self.page_size);
        answer.header("Link", format!(r#"<{}>; rel="last", <{}>; rel="next""#, at(last), at(page + 1)))
    }

    fn create(&self, body: String) -> Answer {
        let mut comments = self.comments.lock().unwrap();
        let id = 1001 + comments.len() as u64;
        comments.push(Comment { id, login: BOT.to_owned(), body });
        Answer::status(201).json(&self.shown(comments.last().unwrap()))
    }

    fn update(&self, id: &str, body: String) -> Answer {
        let mut comments = self.comments.lock().unwrap();
        let Some(comment) = comments.iter_mut().find(|comment| comment.id.to_string() == id) else {
            return Answer::status(404).json(&json!({"message": "Not Found"}));
        };
        comment.body = body;
        Answer::status(200).json(&self.shown(comment))
    }
}

/// The text of a comment that is sent.
fn body(call: &Call) -> String {
    assert_eq!(call.header("content-type"), Some("application/json"));
    let value: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 1, "{value}");
    let body = value["body"].as_str().unwrap().to_owned();
    assert!(body.chars().count() <= 65_536, "GitHub takes no more");
    body
}

struct Answers(Arc<Desk>);

impl Handler for Answers {
    fn answer(&self, call: &Call) -> Answer {
        let desk = &self.0;
        assert_eq!(call.header("authorization"), Some(format!("Bearer {}", desk.token()).as_str()));
        assert!(call.header("user-agent").is_some_and(|agent| agent.starts_with("regsync/")), "GitHub refuses others");
        let own = if desk.kind == Kind::GitHub { "/api/graphql" } else { "/api/v4/user" };
        let change = if desk.kind == Kind::GitHub { "PATCH" } else { "PUT" };
        let single = call.path.strip_prefix(desk.single_path()).and_then(|rest| rest.strip_prefix('/'));
        match (call.method.as_str(), call.path.as_str()) {
            ("GET", path) if path == desk.list_path() => desk.list(call),
            ("POST", path) if path == desk.list_path() => desk.create(body(call)),
            ("POST", "/api/graphql") if own == "/api/graphql" => {
                let query: Value = serde_json::from_slice(&call.body).unwrap();
                assert_eq!(query["query"], "query { viewer { login } }");
                Answer::status(200).json(&json!({"data": {"viewer": {"login": BOT}}}))
            }
            ("GET", path) if path == own => Answer::status(200).json(&json!({"id": 3, "username": BOT})),
            (method, path) => match single {
                Some(id) if method == change => desk.update(id, body(call)),
                _ => panic!("no such request: {method} {path}"),
            },
        }
    }
}

impl Forge {
    /// GitHub, with all comments on one page.
    pub fn github() -> Self {
        Self::start(Kind::GitHub, 100)
    }

    /// GitLab, likewise.
    pub fn gitlab() -> Self {
        Self::start(Kind::GitLab, 100)
    }

    /// With so many comments on a page, whatever is asked for.
    pub fn start(kind: Kind, page_size: usize) -> Self {
        let bound = Bound::new(None);
        let desk = Arc::new(Desk { kind, url: bound.url(), page_size, comments: Mutex::default() });
        let server = bound.serve(Answers(Arc::clone(&desk)));
        tripwire::belongs(&desk.token(), &server.host());
        Self { server, desk }
    }

    /// A job for the request: run 812, the first attempt.
    pub fn job(&self, regsync: Regsync) -> Regsync {
        let url = self.server.url();
        match self.desk.kind {
            Kind::GitHub => regsync
                .env("GITHUB_ACTIONS", "true")
                .env("GITHUB_API_URL", &format!("{url}/api/v3"))
                .env("GITHUB_REPOSITORY", "acme/mirrors")
                .env("GITHUB_REF", "refs/pull/7/merge")
                .env("GITHUB_RUN_ID", "812")
                .env("GITHUB_RUN_NUMBER", "12")
                .env("GITHUB_RUN_ATTEMPT", "1")
                .env("GITHUB_TOKEN", &self.desk.token()),
            Kind::GitLab => regsync
                .env("GITLAB_CI", "true")
                .env("CI_API_V4_URL", &format!("{url}/api/v4"))
                .env("CI_PROJECT_ID", "42")
                .env("CI_PROJECT_URL", "https://gitlab.example/acme/mirrors")
                .env("CI_MERGE_REQUEST_IID", "7")
                .env("CI_PIPELINE_ID", "812")
                .env("CI_JOB_ID", "1")
                .env("GITLAB_TOKEN", &self.desk.token()),
        }
    }

    /// Somebody comments.
    pub fn comment(&self, login: &str, body: &str) {
        let mut comments = self.desk.comments.lock().unwrap();
        let id = 1001 + comments.len() as u64;
        comments.push(Comment { id, login: login.to_owned(), body: body.to_owned() });
    }

    /// All comments, the oldest first.
    pub fn comments(&self) -> Vec<Comment> {
        self.desk.comments.lock().unwrap().clone()
    }

    /// The only comment that this token wrote. Panics where it wrote none, or several.
    #[track_caller]
    pub fn own(&self) -> Comment {
        let own: Vec<Comment> = self.comments().into_iter().filter(|comment| comment.login == BOT).collect();
        let [comment] = own.as_slice() else { panic!("not one comment: {own:#?}") };
        comment.clone()
    }
}

/// For log and faults.
impl Deref for Forge {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}
