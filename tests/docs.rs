//! What the documentation says of the program, held against the program; and its links, against the files.
#![expect(clippy::unwrap_used, reason = "a test reports a broken assumption by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regsync::store::limits::*;

/// Every code of [`regsync::image::Code`], as its schema lists them.
fn codes() -> Vec<String> {
    let schema = schemars::schema_for!(regsync::image::Code).to_value();
    let variants = schema["oneOf"].as_array().expect("a schema with one entry for each code");
    variants.iter().map(|variant| variant["const"].as_str().expect("a constant").to_owned()).collect()
}

#[test]
fn every_error_code_is_explained_and_none_is_invented() {
    let page = include_str!("../docs/errors.md");
    let explained: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `E_")).filter_map(|rest| rest.split('`').next()).collect();
    let codes = codes();
    for code in &codes {
        assert!(explained.contains(&&code[2..]), "{code} is missing from docs/errors.md");
    }
    assert_eq!(explained.len(), codes.len(), "docs/errors.md explains codes that do not exist");
}

/// Each part of `docs/commands.md` that has the heading of a command, by that command.
fn commands_page() -> (String, Vec<(String, String)>) {
    let page = read("docs/commands.md");
    let parts = page.split("\n## ").map(|part| part.split_once('\n').unwrap_or((part, "")));
    let commands = parts.filter(|(heading, _)| heading.starts_with("`regsync "));
    let commands = commands.map(|(heading, part)| (heading.trim_matches('`').to_owned(), part.to_owned())).collect();
    (page, commands)
}

/// The commands that do something, each with its arguments, those for all commands apart.
fn leaves(name: &str, command: &clap::Command) -> Vec<(String, Vec<clap::Arg>)> {
    if command.has_subcommands() {
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        return below.flat_map(|below| leaves(&format!("{name} {}", below.get_name()), below)).collect();
    }
    vec![(name.to_owned(), command.get_arguments().filter(|arg| !arg.is_global_set()).cloned().collect())]
}

fn names(arg: &clap::Arg) -> (Option<String>, Option<String>) {
    let variable = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy()));
    (arg.get_long().map(|long| format!("--{long}")), variable)
}

/// The whole words of `text` that begin with `start`.
fn words<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.split(move |c| !is_part(c)).filter(move |word| word.len() > start.len() && word.starts_with(start))
}

#[test]
fn every_flag_and_variable_is_documented_with_its_command() {
    let root = regsync::cli::command();
    let (page, parts) = commands_page();
    let leaves = leaves("regsync", &root);
    let known: Vec<&String> = leaves.iter().map(|(name, _)| name).collect();
    assert_eq!(parts.iter().map(|(name, _)| name).collect::<Vec<_>>(), known, "the commands, in the order of the help");
    let global: Vec<clap::Arg> = root.get_arguments().cloned().collect();
    for (name, arg) in leaves.iter().flat_map(|(name, args)| args.iter().map(move |arg| (name, arg))) {
        let (_, part) = parts.iter().find(|(heading, _)| heading == name).unwrap();
        let (flag, variable) = names(arg);
        for text in flag.iter().chain(&variable) {
            assert!(part.contains(text.as_str()), "docs/commands.md lacks {text} of {name}");
        }
        for flag in words(part, "--").filter(|word| !word.ends_with('-')) {
            let own = leaves.iter().find(|(leaf, _)| leaf == name).unwrap().1.iter().chain(&global);
            assert!(own.filter_map(clap::Arg::get_long).any(|long| flag[2..] == *long), "{name} has no {flag}");
        }
    }
    let all: Vec<_> = leaves.iter().flat_map(|(_, args)| args).chain(&global).map(names).collect();
    for (flag, variable) in global.iter().map(names) {
        assert!(flag.iter().chain(&variable).all(|text| page.contains(text.as_str())), "{flag:?} is missing");
    }
    let flagless = [
        "REGSYNC_AUTH",
        "REGSYNC_AUTH_",
        "REGSYNC_TOKEN_",
        "REGSYNC_PROVIDER_",
        "REGSYNC_ENDPOINT_",
        "REGSYNC_ID_TOKEN",
        "REGSYNC_ID_TOKEN_",
        "REGSYNC_ID_TOKEN_FILE",
        "REGSYNC_INSECURE_HOSTS",
        "REGSYNC_TRUSTED_REALMS",
    ];
    for word in words(&page, "REGSYNC_") {
        let is_known = all.iter().any(|(_, variable)| variable.as_deref() == Some(&format!("`{word}`")));
        assert!(is_known || flagless.contains(&word), "docs/commands.md invents {word}");
    }
    assert!(flagless.iter().all(|name| page.contains(name)));
}

/// What the documentation links to: `[text](path#anchor)`, outside of code, within the repository.
fn links(page: &str) -> Vec<&str> {
    let mut in_code = false;
    let prose = page.lines().filter(|line| {
        in_code ^= line.starts_with("```");
        !in_code
    });
    let targets = prose.flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

/// The pages of the repository.
fn pages() -> Vec<PathBuf> {
    let listed = ["", "docs"].into_iter().flat_map(|directory| fs::read_dir(root().join(directory)).unwrap());
    let pages = listed.map(|entry| entry.unwrap().path());
    pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 8, "{pages:?}");
    for page in pages {
        for link in links(&read(&page)) {
            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(target.exists(), "{} links to {link}, which is not there", page.display());
            if !wanted.is_empty() {
                let text = read(&target);
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let is_there = headings.any(|line| anchor(line.trim_start_matches('#').trim()) == wanted);
                assert!(is_there, "{} links to {link}, and there is no such heading", page.display());
            }
        }
    }
}

#[test]
fn the_index_lists_every_page() {
    let index = read("docs/README.md");
    let links = links(&index);
    for page in pages().into_iter().filter(|page| page.parent().is_some_and(|parent| parent.ends_with("docs"))) {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || links.contains(&name), "docs/README.md does not list {name}");
    }
}

fn bytes(number: impl TryInto<u64>) -> String {
    let number = number.try_into().unwrap_or_default();
    match (number % (1 << 20), number % (1 << 10)) {
        (0, _) => format!("{} MiB", number >> 20),
        (_, 0) => format!("{} KiB", number >> 10),
        _ => format!("{number} bytes"),
    }
}

fn time(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

/// What `docs/limits.md` must say of the stores, in its order.
fn limits_of_stores() -> Vec<(String, String)> {
    let row = |name: &str, value: String| (name.to_owned(), value);
    let large = format!("manifests above {} read at a time, for each registry", bytes(MANIFEST_LARGE));
    vec![
        row("indexes nested in each other", NESTING.to_string()),
        row("manifests of one image", MANIFESTS.to_string()),
        row("bytes of the manifests of one image", bytes(MANIFEST_BYTES_IN_ALL)),
        row("blobs of one image", BLOBS.to_string()),
        row("a manifest that is read", bytes(MANIFEST_READ)),
        row("a configuration that is read for its platform", bytes(CONFIG_READ)),
        row("a manifest that is written to a registry", bytes(MANIFEST_WRITTEN)),
        row("manifests kept for a second reading, for each registry", bytes(MANIFEST_CACHE)),
        row(&large, MANIFESTS_LARGE_AT_ONCE.to_string()),
        row("`index.json` of a layout", bytes(LAYOUT_INDEX)),
        row("`oci-layout` of a layout", bytes(LAYOUT_MARK)),
        row("tags asked for in one page", TAGS_PER_PAGE.to_string()),
        row("tags looked up in one request, where a cloud takes many", TAGS_TOGETHER.to_string()),
        row("a page of tags", bytes(TAG_PAGE_BYTES)),
        row("pages of tags of one repository", TAG_PAGES.to_string()),
        row("tags of one repository", TAGS.to_string()),
        row("bytes of the tags of one repository", bytes(TAG_BYTES_IN_ALL)),
        row("a page of referrers", bytes(REFERRER_PAGE_BYTES)),
        row("all pages of referrers of one image together", bytes(REFERRER_BYTES_IN_ALL)),
        row("pages of referrers of one image", REFERRER_PAGES.to_string()),
        row("referrers of one image", REFERRERS.to_string()),
        row("referrers of referrers, nested in each other", REFERRER_DEPTH.to_string()),
        row("repositories in a catalog", REPOSITORIES.to_string()),
        row("the body of a refusal", bytes(REFUSAL_BYTES)),
        row("words of a registry that are repeated", format!("{WORDS} characters")),
        row("the answer of a token realm", bytes(TOKEN_BYTES)),
        row("redirects of a registry", REDIRECTS.to_string()),
        row("redirects of a token realm", REALM_REDIRECTS.to_string()),
        row("different warnings of a registry", WARNINGS.to_string()),
        row("the warnings of one answer", bytes(WARNING_BYTES)),
        row("attempts at anything", ATTEMPTS.to_string()),
        row("attempts where no file can be opened for a connection", ATTEMPTS_IN_SHORTAGE.to_string()),
        row("a wait that a registry asks for", time(LONGEST_WAIT)),
        row("the ceiling of the first backoff", time(FIRST_BACKOFF)),
        row("the ceiling of any backoff", time(LAST_BACKOFF)),
        row("retries that a host, and a run, always have", RETRIES.to_string()),
        row("requests that earn one more", REQUESTS_PER_RETRY.to_string()),
        row("requests without an answer until a host counts as down", SILENT_REQUESTS.to_string()),
        row("time of nothing but refusals until a host counts as down", time(REFUSING_TIME)),
        row("rest of a host that is down", time(REST_WHEN_DOWN)),
        row("rest of GHCR after a \"secondary rate limit\" that names no time", time(SECONDARY_WAIT)),
        row("bytes of a blob after which its attempts begin anew", bytes(GAIN)),
        row("new sessions for an upload whose old one is lost", RESTARTS.to_string()),
        row("a connection, TLS included", time(CONNECT_TIME)),
        row("the headers of an answer", time(HEADERS_TIME)),
        row("the next bytes of a body, either way", time(IDLE_TIME)),
        row("the whole of a manifest or page of tags", time(DOCUMENT_TIME)),
        row("the words of a refusal", time(REFUSAL_TIME)),
        row("the answer to an upload, after its last byte", time(COMMIT_TIME)),
        row("a token", time(TOKEN_TIME)),
        row("the least that flows of a blob in a second", bytes(LEAST_PACE)),
        row("the wait of an upload that a declined mount has left open", time(LONGEST_PAUSE)),
        row("a chunk", bytes(CHUNK)),
        row("a least length of chunks that a registry asks for", bytes(LARGEST_LEAST_CHUNK)),
        row("requests at once at a near host, without `concurrency`", WIDTH_LEAST.to_string()),
        row("requests at once at a far host, without `concurrency`", WIDTH_MOST.to_string()),
        row("a blob from which on places are kept for others", bytes(LARGE)),
        row("places that are kept for others", KEPT_FREE.to_string()),
        row("open files for each idle connection", OPEN_FILES_PER_IDLE_CONNECTION.to_string()),
    ]
}

/// What it must say of a run, and the constants that say so in the sources: they are private to the stages of the work.
const LIMITS_OF_RUNS: [(&str, &str, &str, &str); 15] = [
    ("tags asked for at once at a host", "80", "src/observe/mod.rs", "READS_AT_ONCE: usize = 80;"),
    ("requests for many tags at once at a host", "16", "src/observe/targets.rs", "JOINED_AT_ONCE: usize = 16;"),
    ("blobs of one image on their way at once", "6", "src/copy/mod.rs", "BLOBS_AT_ONCE: usize = 6;"),
    ("manifests of one image written at once", "8", "src/copy/mod.rs", "MANIFESTS_AT_ONCE: usize = 8;"),
    ("blobs on their way at once, over all hosts", "64", "src/copy/berths.rs", "IN_ALL: usize = 64;"),
    ("a blob that counts as two of them", "512 KiB", "src/copy/berths.rs", "SMALL: u64 = 512 << 10;"),
    ("further blobs for each target host", "2", "src/copy/berths.rs", "OF_EACH_HOST: usize = 2;"),
    (
        "what a target is handed of a common read before it takes it",
        "256 KiB",
        "src/copy/relay.rs",
        "AHEAD: u32 = 256 * 1024;",
    ),
    (
        "how long a target may hold up the others",
        "2 s",
        "src/copy/patience.rs",
        "MOST: Duration = Duration::from_secs(2);",
    ),
    (
        "the least of that, for one that often does",
        "62.5 ms",
        "src/copy/patience.rs",
        "LEAST: Duration = Duration::from_micros(62_500);",
    ),
    (
        "how long copies may go on after a signal or a deadline",
        "4 s",
        "src/apply/mod.rs",
        "GRACE: Duration = Duration::from_secs(4);",
    ),
    (
        "how much longer the writing of a tag may",
        "700 ms",
        "src/apply/mod.rs",
        "TAG_GRACE: Duration = Duration::from_millis(700);",
    ),
    ("moved tags of which it is shown what changes", "50", "src/observe/changes.rs", "SHOWN: usize = 50;"),
    ("lines of a diff", "60", "src/image/change/mod.rs", "DIFF_LINES: usize = 60;"),
    ("bytes of a diff", "4 KiB", "src/image/change/mod.rs", "DIFF_BYTES: usize = 4 << 10;"),
];

/// What it must say of files, and the constants that say so in the sources: they are private to their formats.
const LIMITS_OF_FILES: [(&str, &str, &str, &str); 33] = [
    ("a configuration file", "1 MiB", "src/config/text.rs", "FILE_LIMIT: usize = 1 << 20;"),
    ("levels of nesting in it", "32", "src/config/yaml/mod.rs", "DEPTH_LIMIT: usize = 32;"),
    ("values in it, aliases followed", "100000", "src/config/yaml/mod.rs", "NODE_LIMIT: usize = 100_000;"),
    ("mirrors in it", "10000", "src/config/decode/file.rs", "MIRROR_LIMIT: usize = 10_000;"),
    ("problems reported of it", "500", "src/config/problem/diagnosis.rs", "PROBLEM_LIMIT: usize = 500;"),
    ("a glob", "2048 bytes", "src/config/glob.rs", "GLOB_LIMIT: usize = 2048;"),
    ("a regular expression", "512 characters", "src/config/select/pattern.rs", "REGEX_LIMIT: usize = 512;"),
    ("groups nested in it", "32", "src/config/select/pattern.rs", "REGEX_NESTING: u32 = 32;"),
    ("memory of it, and of its cache", "1 MiB", "src/config/select/pattern.rs", "REGEX_BYTES: usize = 1 << 20;"),
    ("different regular expressions in all files", "1000", "src/config/validate/patterns.rs", "REGEXES: usize = 1000;"),
    ("a constraint on versions", "512 characters", "src/config/select/constraint.rs", "CONSTRAINT_LIMIT: usize = 512;"),
    ("`newest`", "1000000", "src/config/schema.rs", "NEWEST_LIMIT: u32 = 1_000_000;"),
    ("`concurrency`", "256", "src/config/schema.rs", "CONCURRENCY_LIMIT: u32 = 256;"),
    ("`requests-per-second`", "10000", "src/config/schema.rs", "RATE_LIMIT: u32 = 10_000;"),
    ("`rate-limit.keep`", "1000000", "src/config/schema.rs", "KEEP_LIMIT: u32 = 1_000_000;"),
    ("a saved plan or result", "256 MiB", "src/command/load.rs", "DOCUMENT_LIMIT: u64 = 256 << 20;"),
    ("a credential file", "1 MiB", "src/auth/documents.rs", "SIZE_LIMIT: u64 = 1 << 20;"),
    ("the answer of a credential helper", "64 KiB", "src/auth/helper.rs", "ANSWER_LIMIT: u64 = 64 << 10;"),
    (
        "the time that a credential helper may take",
        "30 s",
        "src/auth/helper.rs",
        "TIME_LIMIT: Duration = Duration::from_secs(30);",
    ),
    ("an ID token in a file", "64 KiB", "src/auth/identity/mod.rs", "LONGEST: u64 = 64 * 1024;"),
    ("fields of an `exchange`", "64", "src/config/decode/provider.rs", "FIELD_LIMIT: usize = 64;"),
    ("the answer of a token service", "256 KiB", "src/auth/exchange/mod.rs", "BODY_BYTES: usize = 256 * 1024;"),
    (
        "what Amazon ECR says of many tags",
        "4 MiB",
        "src/auth/provider/aws/read.rs",
        "ANSWER_BYTES: usize = 4 * 1024 * 1024;",
    ),
    (
        "the time that a token service may take",
        "30 s",
        "src/auth/exchange/mod.rs",
        "\nconst LIMIT: Duration = Duration::from_secs(30);",
    ),
    (
        "the time that a metadata service may take",
        "1 s",
        "src/auth/exchange/mod.rs",
        "METADATA_LIMIT: Duration = Duration::from_secs(1);",
    ),
    (
        "a wait that a token service asks for",
        "30 s",
        "src/auth/exchange/mod.rs",
        "LONGEST_WAIT: Duration = Duration::from_secs(30);",
    ),
    (
        "how long a provider's failure is not repeated",
        "30 s",
        "src/auth/renewals.rs",
        "FAILURE_MEMORY: Duration = Duration::from_secs(30);",
    ),
    ("a comment", "60000 bytes", "src/report/markdown/page.rs", "COMMENT: Self = Self(60_000);"),
    ("a page of comments that is read", "32 MiB", "src/comment/api.rs", "BODY_BYTES: usize = 32 << 20;"),
    ("pages of comments", "50", "src/comment/thread.rs", "PAGES: usize = 50;"),
    (
        "the time that a request about comments may take",
        "10 s",
        "src/comment/api.rs",
        "LIMIT: Duration = Duration::from_secs(10);",
    ),
    (
        "the time that a comment may take",
        "30 s",
        "src/comment/mod.rs",
        "\nconst TIME: Duration = Duration::from_secs(30);",
    ),
    (
        "a wait that is made for a comment",
        "10 s",
        "src/comment/mod.rs",
        "LONGEST_WAIT: Duration = Duration::from_secs(10);",
    ),
];

#[test]
fn every_limit_is_on_its_page_as_it_is() {
    let page = read("docs/limits.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    let rows: Vec<_> = rows.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let told: Vec<_> = rows.into_iter().filter(|(name, _)| name != "limit").collect();
    let private = || LIMITS_OF_RUNS.iter().chain(&LIMITS_OF_FILES);
    let others = private().map(|(name, value, ..)| ((*name).to_owned(), (*value).to_owned()));
    assert_eq!(told, limits_of_stores().into_iter().chain(others).collect::<Vec<_>>());
    for (name, _, source, constant) in private() {
        assert!(read(source).contains(constant), "{name}: {source} has no `{constant}`");
    }
    // A constant that is new must come here, too.
    let constants = read("src/store/limits.rs").lines().filter(|line| line.starts_with("pub const ")).count();
    assert_eq!(constants, limits_of_stores().len() + 1, "`MANIFEST_LARGE` shares its row");
}
