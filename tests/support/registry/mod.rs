//! `FakeRegistry`: an in-process registry true to the OCI distribution specification, with direct access to its state.
//!
//! Where registries differ it takes the strict side, after Docker's distribution: `Accept` must name the type of the
//! manifest, references of a pushed manifest must exist, upload locations must be used exactly as given.
//! It has a catalog. It has no referrers API unless that is asked for: a client sees 404 and turns to the fallback tag.

mod access;
mod blobs;
mod catalog;
mod closure;
mod manifests;
mod pulls;
mod referrers;
mod store;
mod tags;
mod uploads;

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio_rustls::rustls::ServerConfig;

pub use access::Auth;
pub use blobs::blob_answer;
pub use closure::digests_in;
pub(in crate::support) use closure::references;
pub(in crate::support) use store::is_true;
pub use store::{Store, StoredManifest};

use super::server::{Answer, Bound, Call, Handler, Match, Room, Server};
use access::Gatekeeper;

/// How a registry behaves.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a way of its own")]
pub struct Options {
    pub auth: Auth,
    pub tls: Option<Arc<ServerConfig>>,
    /// The most tags on one page, whatever `n` asks for.
    pub page_size: usize,
    /// `Location` headers name scheme and host.
    pub absolute_locations: bool,
    /// Mounts answer 201; otherwise 202.
    pub mounts: bool,
    /// A pushed manifest may only refer to what is there.
    pub checks_references: bool,
    /// `OCI-Chunk-Min-Length`, enforced.
    pub chunk_min_length: Option<usize>,
    /// A PUT of a blob with a longer body is refused with 413 and a web page, as proxies do it.
    pub longest_put: Option<usize>,
    /// What a taken chunk is answered with: 202 by the specification.
    pub chunk_status: u16,
    /// How many GETs of manifests are left of a hundred in six hours, said and kept as Docker Hub does it.
    pub pulls_left: Option<u64>,
    /// `Range` is honoured at blobs; otherwise all of it is sent.
    pub ranges: bool,
    /// It lists referrers (distribution-spec 1.1).
    pub referrers: bool,
    pub room: Room,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            auth: Auth::Open,
            tls: None,
            page_size: 100,
            absolute_locations: false,
            mounts: true,
            checks_references: true,
            chunk_min_length: None,
            longest_put: None,
            chunk_status: 202,
            pulls_left: None,
            ranges: true,
            referrers: false,
            room: Room::default(),
        }
    }
}

/// A running registry on 127.0.0.1. Stops when dropped.
pub struct FakeRegistry {
    server: Server,
    pub store: Store,
}

/// For log and faults.
impl Deref for FakeRegistry {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl FakeRegistry {
    /// One that lets anybody in, over plain HTTP.
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    /// One with these ways.
    pub fn with(options: Options) -> Self {
        let bound = Bound::new(options.tls.clone()).room(options.room);
        let store = Store::default();
        let gatekeeper = Gatekeeper::new(options.auth.clone(), &bound.url());
        let base = if options.absolute_locations { bound.url() } else { String::new() };
        let pulls = options.pulls_left.map(Mutex::new);
        let server = bound.serve(Site { store: store.clone(), options, gatekeeper, base, pulls });
        Self { server, store }
    }

    /// `127.0.0.1:<port>/<repository>`, to be followed by `:tag` or `@digest`.
    pub fn reference(&self, repository: &str) -> String {
        format!("{}/{repository}", self.host())
    }

    /// Runs `hook` on the registry's state before a fitting request is answered.
    pub fn before_with_store(&self, matching: Match, mut hook: impl FnMut(&Store) + Send + 'static) {
        let store = self.store.clone();
        self.server.before(matching, move || hook(&store));
    }

    /// See [`Store::put_blob`].
    pub fn put_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> String {
        self.store.put_blob(repository, bytes)
    }

    /// See [`Store::put_manifest`].
    pub fn put_manifest(&self, repository: &str, reference: &str, media_type: &str, bytes: impl Into<Bytes>) -> String {
        self.store.put_manifest(repository, reference, media_type, bytes)
    }

    /// See [`Store::tag_digest`].
    pub fn tag_digest(&self, repository: &str, tag: &str) -> Option<String> {
        self.store.tag_digest(repository, tag)
    }

    /// See [`Store::has_blob`].
    pub fn has_blob(&self, repository: &str, digest: &str) -> bool {
        self.store.has_blob(repository, digest)
    }

    /// See [`Store::manifest_bytes`].
    pub fn manifest_bytes(&self, repository: &str, reference: &str) -> Option<Bytes> {
        self.store.manifest_bytes(repository, reference)
    }

    /// See [`Store::repositories`].
    pub fn repositories(&self) -> Vec<String> {
        self.store.repositories()
    }

    /// See [`Store::delete_tag`].
    pub fn delete_tag(&self, repository: &str, tag: &str) {
        self.store.delete_tag(repository, tag);
    }

    /// Panics when a tag names an image that is not complete, or did so at the moment it was pushed.
    #[track_caller]
    pub fn assert_closed(&self) {
        let missing = self.store.incomplete();
        assert!(missing.is_empty(), "{} has tags of incomplete images:\n{}", self.host(), missing.join("\n"));
    }
}

/// What the handler of one registry knows.
struct Site {
    store: Store,
    options: Options,
    gatekeeper: Gatekeeper,
    /// What `Location` headers begin with.
    base: String,
    /// How many pulls are left.
    pulls: Option<Mutex<u64>>,
}

/// A request's place in a repository.
enum Route<'a> {
    Manifest(&'a str),
    Blob(&'a str),
    Uploads,
    Upload(&'a str),
    Tags,
    Referrers(&'a str),
}

impl Handler for Site {
    fn answer(&self, call: &Call) -> Answer {
        if let Some(answer) = self.gatekeeper.token_endpoint(call) {
            return answer;
        }
        let routed = route(&call.path);
        if let Err(refusal) = self.gatekeeper.admit(call, routed.as_ref().map(|(repository, _)| *repository)) {
            return refusal;
        }
        if call.path == catalog::PATH {
            return self.catalog(call);
        }
        let Some((repository, route)) = routed else {
            let is_base = matches!(call.path.as_str(), "/v2" | "/v2/");
            return if is_base { Answer::status(200).json(&serde_json::json!({})) } else { not_found() };
        };
        if !is_name(repository) {
            return Answer::error(400, "NAME_INVALID", "invalid repository name");
        }
        let answer = match route {
            Route::Manifest(reference) => self.metered(call, |site| site.manifests(call, repository, reference)),
            Route::Blob(digest) => self.blobs(call, repository, digest),
            Route::Uploads => self.uploads(call, repository),
            Route::Upload(session) => self.upload(call, repository, session),
            Route::Tags => self.tags(call, repository),
            Route::Referrers(subject) => self.referrers(call, repository, subject),
        };
        if !call.reads() {
            self.store.look_after(&format!("{} {}", call.method, call.path));
        }
        answer.header("Docker-Distribution-Api-Version", "registry/2.0")
    }
}

fn route(path: &str) -> Option<(&str, Route<'_>)> {
    let path = path.strip_prefix("/v2/")?;
    if let Some(repository) = path.strip_suffix("/tags/list") {
        return Some((repository, Route::Tags));
    }
    if let Some((repository, session)) = path.split_once("/blobs/uploads/") {
        return Some((repository, if session.is_empty() { Route::Uploads } else { Route::Upload(session) }));
    }
    if let Some((repository, digest)) = path.rsplit_once("/blobs/") {
        return Some((repository, Route::Blob(digest)));
    }
    if let Some((repository, subject)) = path.rsplit_once("/referrers/") {
        return Some((repository, Route::Referrers(subject)));
    }
    path.rsplit_once("/manifests/").map(|(repository, reference)| (repository, Route::Manifest(reference)))
}

fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        edge(part.bytes().next()) && edge(part.bytes().last()) && part.bytes().all(inner)
    };
    name.split('/').all(part)
}

fn not_found() -> Answer {
    Answer::error(404, "UNSUPPORTED", "no such endpoint")
}

fn method_not_allowed() -> Answer {
    Answer::error(405, "UNSUPPORTED", "the operation is unsupported")
}

fn name_unknown() -> Answer {
    Answer::error(404, "NAME_UNKNOWN", "repository name not known to registry")
}
