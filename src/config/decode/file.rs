//! The file, key by key.

use super::creation::creation;
use super::platforms::{platforms, single};
use super::referrers::referrers;
use super::value::{boolean, found, is_missing, list, mapping, number, text, texts, type_problem, word, wrong_type};
use super::{Place, provider, secrets, tags, unknown};
use crate::config::problem::{Diagnosis, ProblemCode, shown};
use crate::config::schema::{
    CONCURRENCY_LIMIT, Field, File, KEEP_LIMIT, Mirror, MirrorRules, RATE_LIMIT, RateLimit, Registry, Tls,
};
use crate::config::suggest::closest;
use crate::config::text::{At, Span};
use crate::config::yaml::{Content, Entry, Node};
use crate::config::{OnEmpty, OnTagMove, ReferrersCheck};

/// The version of the format that this program reads.
const VERSION: u32 = 1;
/// The most mirrors in one file.
const MIRROR_LIMIT: usize = 10_000;

/// Decodes one file. `None` where the rest of it would mean nothing: another format, or another version.
pub(crate) fn file(root: &Node, diagnosis: &mut Diagnosis<'_>) -> Option<File> {
    secrets::sweep(root, diagnosis);
    let Content::Map(entries) = &*root.content else {
        let message = format!("a configuration is a mapping, found {}", found(root));
        let problem = diagnosis.problem(ProblemCode::Type, root.span, message);
        diagnosis.report(problem.with_help("it starts with `version: 1`"));
        return None;
    };
    refuse_foreign(entries, diagnosis)?;
    let version = version(root, entries, diagnosis)?;
    let mut file = File { version, ..File::default() };
    for entry in entries {
        match &*entry.key.value {
            "version" => {}
            "registries" => file.registries = registries(entry, diagnosis),
            "defaults" => file.defaults = defaults(entry, diagnosis),
            "mirrors" => file.mirrors = mirrors(entry, diagnosis),
            key if key.starts_with("x-") => {}
            _ => {
                if unknown::report(entry, Place::File, diagnosis) == Some("mirrors") {
                    file.mirrors.not_missing();
                }
            }
        }
    }
    Some(file)
}

/// Files of regclient's `regsync` share our file name, and nothing else.
fn refuse_foreign(entries: &[Entry], diagnosis: &mut Diagnosis<'_>) -> Option<()> {
    let has = |name: &str| entries.iter().find(|entry| &*entry.key.value == name);
    let Some(sign) = has("sync").or_else(|| has("creds")).filter(|_| has("mirrors").is_none()) else { return Some(()) };
    let message = format!("this is a file of regclient's regsync: `{}` is a key of that tool", sign.key.value);
    let problem = diagnosis.problem(ProblemCode::Foreign, sign.key.span, message);
    let help = "this program shares the name, not the format: each entry of `sync` becomes one of `mirrors` with `source`, \
                `target` and `tags`; credentials come from the environment or from docker's files";
    diagnosis.report(problem.with_help(help));
    None
}

fn version(root: &Node, entries: &[Entry], diagnosis: &mut Diagnosis<'_>) -> Option<Field<u32>> {
    let Some(entry) = entries.iter().find(|entry| &*entry.key.value == "version") else {
        let misspelt = entries.iter().any(|entry| closest(&entry.key.value, &["version"]).is_some());
        if !misspelt {
            let problem = diagnosis.problem(ProblemCode::Missing, first_key(root), "`version` is missing");
            diagnosis.report(problem.with_help("start the file with `version: 1`"));
        }
        return Some(Field::Broken);
    };
    let span = entry.value.met();
    match &*entry.value.content {
        Content::Scalar(scalar) if scalar.plain && scalar.text == "1" => {
            Some(Field::Given(At { value: VERSION, span }))
        }
        Content::Scalar(scalar) if scalar.plain && scalar.text.starts_with(|c: char| c.is_ascii_digit()) => {
            let message = format!("version {} of the format is not known", shown(&scalar.text));
            let problem = diagnosis.problem(ProblemCode::Version, span, message);
            diagnosis.report(problem.with_help("this program reads `version: 1`; a newer one may read more"));
            None
        }
        Content::Scalar(scalar) if scalar.text == "1" => {
            let problem = type_problem(entry, "a number", diagnosis);
            diagnosis.report(problem.with_help("leave out the quotes: `version: 1`"));
            Some(Field::Broken)
        }
        _ => {
            wrong_type(entry, "a number", diagnosis);
            Some(Field::Broken)
        }
    }
}

/// Where a mapping begins, as far as a caret should reach: its first key.
fn first_key(node: &Node) -> Span {
    match &*node.content {
        Content::Map(entries) if node.alias.is_none() => {
            let own = entries.iter().map(|entry| entry.key.span).filter(|key| key.start >= node.span.start);
            own.min_by_key(|key| key.start).unwrap_or(node.span)
        }
        _ => node.met(),
    }
}

fn registries(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Vec<(At<String>, Registry)> {
    let mut registries = Vec::new();
    for entry in mapping(entry, diagnosis).unwrap_or_default() {
        let key = At { value: entry.key.value.to_string(), span: entry.key.span };
        let registry = registry(entry, diagnosis);
        registries.push((key, registry));
    }
    registries
}

fn registry(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Registry {
    let mut registry = Registry::default();
    let namespace = entry.key.value.contains('/') && !entry.key.value.contains("://");
    let place = if namespace { Place::Namespace } else { Place::Registry };
    for entry in mapping(entry, diagnosis).unwrap_or_default() {
        match &*entry.key.value {
            "auth" => registry.auth = provider::auth(entry, diagnosis),
            _ if namespace => drop(unknown::report(entry, place, diagnosis)),
            "tls" => registry.tls = tls(entry, diagnosis),
            "create-repositories" => registry.create_repositories = creation(entry, diagnosis),
            "plain-http" => registry.plain_http = boolean(entry, diagnosis),
            "concurrency" => registry.concurrency = number(entry, CONCURRENCY_LIMIT, diagnosis),
            "rate-limit" => registry.rate_limit = rate_limit(entry, diagnosis),
            "requests-per-second" => registry.requests_per_second = number(entry, RATE_LIMIT, diagnosis),
            _ => drop(unknown::report(entry, place, diagnosis)),
        }
    }
    registry
}

fn rate_limit(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<RateLimit> {
    if let Content::Scalar(scalar) = &*entry.value.content
        && scalar.text.parse::<u32>().is_ok()
    {
        let problem = type_problem(entry, "a mapping", diagnosis);
        diagnosis.report(problem.with_help(
            "write `rate-limit: { keep: N }` to leave N pulls to others; for a pace there is `requests-per-second`",
        ));
        return Field::Broken;
    }
    let Some(entries) = mapping(entry, diagnosis) else { return Field::Broken };
    let mut limit = RateLimit::default();
    for entry in entries {
        if &*entry.key.value == "keep" {
            limit.keep = number(entry, KEEP_LIMIT, diagnosis);
        } else {
            unknown::report(entry, Place::RateLimit, diagnosis);
            limit.keep.not_missing();
        }
    }
    Field::Given(At { value: limit, span: entry.key.span })
}

fn tls(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<Tls> {
    let Some(entries) = mapping(entry, diagnosis) else { return Field::Broken };
    let mut tls = Tls::default();
    for entry in entries {
        match &*entry.key.value {
            "ca" => tls.ca = text(entry, diagnosis),
            "cert" => tls.cert = text(entry, diagnosis),
            "key" => tls.key = text(entry, diagnosis),
            _ => drop(unknown::report(entry, Place::Tls, diagnosis)),
        }
    }
    Field::Given(At { value: tls, span: entry.key.span })
}

fn defaults(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> MirrorRules {
    let mut rules = MirrorRules::default();
    for entry in mapping(entry, diagnosis).unwrap_or_default() {
        if !rule(&mut rules, entry, diagnosis) {
            unknown::report(entry, Place::Defaults, diagnosis);
        }
    }
    rules
}

fn mirrors(entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> Field<Vec<Mirror>> {
    let empty = matches!(&*entry.value.content, Content::List(items) if items.is_empty());
    if empty || is_missing(&entry.value) {
        let problem = diagnosis.problem(ProblemCode::Empty, entry.key.span, "`mirrors` is empty");
        diagnosis.report(problem.with_help("each item has a `source`, a `target` and `tags`"));
        return Field::Broken;
    }
    let Some(items) = list(entry, diagnosis) else { return Field::Broken };
    if items.len() > MIRROR_LIMIT {
        let message = format!("{} mirrors, more than the limit of {MIRROR_LIMIT} in one file", items.len());
        let problem = diagnosis.problem(ProblemCode::TooLarge, entry.key.span, message);
        diagnosis.report(problem.with_help("several files are joined: `-c a.yaml -c b.yaml`"));
        return Field::Broken;
    }
    let value = items.iter().filter_map(|item| mirror(item, diagnosis)).collect();
    Field::Given(At { value, span: entry.value.met() })
}

fn mirror(item: &Node, diagnosis: &mut Diagnosis<'_>) -> Option<Mirror> {
    let entries = match &*item.content {
        Content::Map(entries) => entries,
        Content::Broken => return None,
        _ if diagnosis.is_full() => return None,
        _ => {
            let message = format!("a mirror is a mapping, found {}", found(item));
            let problem = diagnosis.problem(ProblemCode::Type, item.met(), message);
            diagnosis.report(problem.with_help("write `- source: …` and below it `target: …` and `tags: […]`"));
            return None;
        }
    };
    let mut mirror = Mirror { span: first_key(item), ..Mirror::default() };
    for entry in entries {
        match &*entry.key.value {
            "source" => mirror.source = text(entry, diagnosis),
            "target" => mirror.target = text(entry, diagnosis),
            "targets" => mirror.targets = texts(entry, diagnosis),
            _ if rule(&mut mirror.rules, entry, diagnosis) => {}
            _ => match unknown::report(entry, Place::Mirror, diagnosis) {
                Some("source") => mirror.source.not_missing(),
                Some("target" | "targets") => mirror.target.not_missing(),
                Some("tags") => mirror.rules.tags.not_missing(),
                _ => {}
            },
        }
    }
    Some(mirror)
}

/// One of the keys that mirrors share with `defaults`; `false` where it is none of them.
fn rule(rules: &mut MirrorRules, entry: &Entry, diagnosis: &mut Diagnosis<'_>) -> bool {
    match &*entry.key.value {
        "tags" => rules.tags = tags::tags(entry, diagnosis),
        "rename" => rules.rename = tags::rename(entry, diagnosis),
        "platforms" => rules.platforms = platforms(entry, diagnosis),
        "single" => rules.single = single(entry, diagnosis),
        "referrers" => rules.referrers = referrers(entry, diagnosis),
        "referrers-check" => {
            let words = [
                ("changed", ReferrersCheck::Changed),
                ("always", ReferrersCheck::Always),
                ("never", ReferrersCheck::Never),
            ];
            rules.referrers_check = word(entry, &words, diagnosis);
        }
        "immutable-tags" => rules.immutable_tags = texts(entry, diagnosis),
        "on-tag-move" => {
            let words = [("update", OnTagMove::Update), ("keep", OnTagMove::Keep), ("block", OnTagMove::Block)];
            rules.on_tag_move = word(entry, &words, diagnosis);
        }
        "on-empty" => {
            rules.on_empty = word(entry, &[("error", OnEmpty::Error), ("warn", OnEmpty::Warn)], diagnosis);
        }
        _ => return false,
    }
    true
}
