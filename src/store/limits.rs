//! Every bound on what registries and layouts may make us read, hold, wait for or repeat.
//!
//! Owns the numbers, their units and their reasons, in one place; `docs/limits.md` repeats them for users, and a test holds
//! the two together. Refuses limits of the configuration and of references, which belong to their formats, and those of a
//! run, which belong to the stages of its work.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// How deep indexes may be nested. Real ones are one or two levels deep; a hostile one could refer to ever more.
pub const NESTING: usize = 8;
/// How many manifests one image may have.
pub const MANIFESTS: usize = 2_000;
/// How many bytes the manifests of one image may have together: they are held in memory while it is copied.
pub const MANIFEST_BYTES_IN_ALL: u64 = 24 * MIB as u64;
/// How many blobs one image may have. 24 MiB of manifests could name ten times as many, and each is held in memory and costs
/// requests.
pub const BLOBS: usize = 20_000;
/// The largest manifest that is read, in bytes: twice what registries must take (distribution-spec, "Pushing Manifests").
pub const MANIFEST_READ: usize = 8 * MIB;
/// The largest configuration of an image that is read for its platform, in bytes; most have a tenth of that.
pub const CONFIG_READ: u64 = 64 * KIB as u64;
/// The largest manifest that is written to a registry, in bytes: what every registry must take.
pub const MANIFEST_WRITTEN: usize = 4 * MIB;
/// How much of what was read of one registry is kept for a second reading, in bytes.
pub const MANIFEST_CACHE: usize = 8 * MIB;
/// How many manifests above [`MANIFEST_LARGE`] one registry may send at a time.
pub const MANIFESTS_LARGE_AT_ONCE: usize = 4;
/// A manifest of more bytes than these is large; almost none is.
pub const MANIFEST_LARGE: u64 = 256 * KIB as u64;

/// The largest `index.json` of a layout, in bytes: room for some fifteen thousand tags.
pub const LAYOUT_INDEX: u64 = 4 * MIB as u64;
/// The largest `oci-layout` file, in bytes; it holds a version.
pub const LAYOUT_MARK: u64 = 64 * KIB as u64;

/// How many tags are asked for in one page: the most that ECR allows.
pub const TAGS_PER_PAGE: usize = 1_000;
/// How many tags are looked up in one request, where there is one: the most that ECR takes (`BatchGetImage`).
pub const TAGS_TOGETHER: usize = 100;
/// The largest page of tags, in bytes. Some registries (GAR) send a map of all manifests with it.
pub const TAG_PAGE_BYTES: usize = 8 * MIB;
/// How many pages of tags a repository may have.
pub const TAG_PAGES: usize = 10_000;
/// How many tags a repository may have.
pub const TAGS: usize = 1_000_000;
/// How many bytes the tags of a repository may have together: they are held in memory. A million of 64 characters each.
pub const TAG_BYTES_IN_ALL: usize = 64 * MIB;
/// How many names the catalog of a registry may have. Its pages are held to the limits of pages of tags.
pub const REPOSITORIES: usize = 100_000;

/// The largest page of referrers, in bytes: as large as a manifest that is read.
pub const REFERRER_PAGE_BYTES: usize = 8 * MIB;
/// How many bytes all pages of referrers of one subject may have together. Annotations make most of them.
pub const REFERRER_BYTES_IN_ALL: usize = 16 * MIB;
/// How many pages of referrers a subject may have.
pub const REFERRER_PAGES: usize = 100;
/// How many referrers a subject, and an image in all, may have: as many signatures as cosign verifies.
pub const REFERRERS: usize = 1_000;
/// How deep referrers may refer to referrers. A signed SBOM is two deep.
pub const REFERRER_DEPTH: usize = 8;

/// The most of a refusal's body that is read, in bytes.
pub const REFUSAL_BYTES: usize = 64 * KIB;
/// The most of a registry's words that is repeated, in characters.
pub const WORDS: usize = 300;
/// The largest answer of a token realm, in bytes; tokens are short.
pub const TOKEN_BYTES: usize = MIB;
/// How many redirects of a registry are followed.
pub const REDIRECTS: usize = 5;
/// How many redirects of a token realm are followed, all within its origin.
pub const REALM_REDIRECTS: usize = 3;
/// How many different warnings of a registry are passed on.
pub const WARNINGS: usize = 32;
/// The most of the warnings of one answer that is read, in bytes: the specification's own limit.
pub const WARNING_BYTES: usize = 4 * KIB;

/// How often anything is tried in all.
pub const ATTEMPTS: u32 = 5;
/// How often what this machine has no open file for is tried: others must end first.
pub const ATTEMPTS_IN_SHORTAGE: u32 = 20;
/// The longest wait that a registry may ask for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// The ceiling of the first backoff; it doubles.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// The ceiling that no backoff passes.
pub const LAST_BACKOFF: Duration = Duration::from_secs(30);
/// How many retries a host, and a run, always have.
pub const RETRIES: u64 = 100;
/// And beyond those, one for so many requests.
pub const REQUESTS_PER_RETRY: u64 = 5;
/// After so many requests without an answer, each tried as often as may be, a host counts as down.
pub const SILENT_REQUESTS: u32 = 3;
/// How long a host may refuse whatever it is asked, after as many waits as one request keeps, until it counts as down: most
/// limits begin anew every minute.
pub const REFUSING_TIME: Duration = Duration::from_secs(60);
/// How long nothing is asked of a host that is down; then one request finds out whether it still is.
pub const REST_WHEN_DOWN: Duration = Duration::from_secs(30);
/// What GitHub wants left alone where its secondary limit does not say how long
/// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit>).
pub const SECONDARY_WAIT: Duration = Duration::from_secs(60);
/// So many bytes of a blob are an achievement: whoever brings them, and then breaks, is asked again as if for the first time.
pub const GAIN: u64 = 64 * KIB as u64;
/// How often a blob is begun again with a new session, where the old one cannot be gone on with.
pub const RESTARTS: u32 = 2;

/// How long a connection may take, TLS included.
pub const CONNECT_TIME: Duration = Duration::from_secs(10);
/// From a request to the headers of its answer.
pub const HEADERS_TIME: Duration = Duration::from_secs(30);
/// For the next bytes of a body, in either direction; also the time over which [`LEAST_PACE`] is measured.
pub const IDLE_TIME: Duration = Duration::from_secs(60);
/// For the whole body of a manifest or of a page of tags.
pub const DOCUMENT_TIME: Duration = Duration::from_secs(60);
/// For the words of a refusal.
pub const REFUSAL_TIME: Duration = Duration::from_secs(5);
/// From the last byte of an upload to the answer: registries hash and move the blob in between.
pub const COMMIT_TIME: Duration = Duration::from_secs(5 * 60);
/// For a token request in all.
pub const TOKEN_TIME: Duration = Duration::from_secs(30);
/// The least that must flow of a blob in a second, in bytes.
pub const LEAST_PACE: u64 = KIB as u64;

/// How long a session that a mount has left open may wait for its turn: some registries close them early (GHCR), and say so
/// only once the blob has been sent.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// The size of a chunk, where a blob is sent in chunks.
pub const CHUNK: u64 = 16 * MIB as u64;
/// The most that a registry's `OCI-Chunk-Min-Length` is heeded: a chunk of it is lost when its connection breaks.
pub const LARGEST_LEAST_CHUNK: u64 = 1024 * MIB as u64;

/// Requests under way at once at a host whose answers come at once, where nothing is configured.
pub const WIDTH_LEAST: usize = 16;
/// The most then, however far the host is.
pub const WIDTH_MOST: usize = 64;
/// A blob of more bytes than these may take minutes: such blobs leave [`KEPT_FREE`] places to others.
pub const LARGE: u64 = 64 * MIB as u64;
/// So many places of a host are kept from large blobs, where there are more.
pub const KEPT_FREE: usize = 2;
/// How many open files of the limit stand against one idle connection to a host: 16 of 1024. Idle ones must not take what
/// other hosts need.
pub const OPEN_FILES_PER_IDLE_CONNECTION: u64 = 64;
