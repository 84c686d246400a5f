//! `registries`: keys, certificates, and one entry for each host or namespace.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use super::{Reading, creation, provider, reference};
use crate::config::paths::{join, root_of};
use crate::config::problem::{ProblemCode, shown};
use crate::config::schema::{Auth as WrittenAuth, Field, RateLimit, Registry as Entry, Tls as WrittenTls};
use crate::config::text::{At, Span};
use crate::config::{Auth, PathKind, RegistryKey, RegistryRules, Tls, WrittenPath};
use crate::image::{ReferenceError, Registry, Repository};

/// The entries of all files, by their canonical key.
#[derive(Default)]
pub(super) struct Entries(BTreeMap<RegistryKey, (RegistryRules, Span)>);

impl Entries {
    /// Adds an entry. An equal one from another file is no mistake, for files may share a registry.
    pub(super) fn add(&mut self, key: &At<String>, entry: &Entry, reading: &mut Reading<'_, '_, '_>) {
        let rules = rules(key, entry, reading);
        let Some(parsed) = read_key(key, reading) else { return };
        if let Some(WrittenAuth::Provider(written)) = entry.auth.given().map(|auth| &auth.value) {
            provider::check(&parsed.registry, written, reading);
        }
        creation::check(&parsed.registry, entry, reading);
        let Some((first, span)) = self.0.get(&parsed) else {
            self.0.insert(parsed, (rules, key.span));
            return;
        };
        let equal = RegistryRules { place: first.place.clone(), ..rules } == *first;
        if equal && span.file != key.span.file {
            return;
        }
        let message = match (span.file == key.span.file, key.value.as_str() == parsed.registry.as_str()) {
            (false, _) => format!("{} has another entry, and they differ", shown(&key.value)),
            (true, true) => format!("{} has two entries", shown(&key.value)),
            (true, false) => {
                format!("{} is {}, which has an entry already", shown(&key.value), shown(parsed.registry.as_str()))
            }
        };
        let first = reading.diagnosis.related(*span, "the first entry");
        let problem = reading.diagnosis.problem(ProblemCode::Duplicate, key.span, message);
        reading.diagnosis.report(problem.with_related(first).with_help("make them one entry"));
    }

    pub(super) fn into_rules(self) -> BTreeMap<RegistryKey, RegistryRules> {
        self.0.into_iter().map(|(key, (rules, _))| (key, rules)).collect()
    }
}

fn read_key(key: &At<String>, reading: &mut Reading<'_, '_, '_>) -> Option<RegistryKey> {
    let problem = match parse_key(&key.value) {
        // The first component of a reference is a host only then; any other entry would be for nothing.
        Ok(parsed) if parsed.registry.as_str().contains(['.', ':']) || parsed.registry.host() == "localhost" => {
            return Some(parsed);
        }
        Ok(_) => {
            let message = format!("{} can match no reference", shown(&key.value));
            let problem = reading.diagnosis.problem(ProblemCode::RefHost, key.span, message);
            problem.with_help("a key is a host (it has a `.` or a port, or is `localhost`) or `host/namespace`")
        }
        Err(error) => reference::problem(&error, key, reading),
    };
    reading.diagnosis.report(problem);
    None
}

fn parse_key(text: &str) -> Result<RegistryKey, ReferenceError> {
    if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(ReferenceError::Character(c.escape_unicode().to_string()));
    }
    if let Some((_, rest)) = text.split_once("://") {
        return Err(ReferenceError::Scheme(rest.rsplit('@').next().unwrap_or_default().to_owned()));
    }
    if text.contains('@') {
        return Err(ReferenceError::UserInfo);
    }
    let (host, namespace) = text.split_once('/').map_or((text, None), |(host, namespace)| (host, Some(namespace)));
    let registry: Registry = host.parse()?;
    if let Some(namespace) = namespace {
        Repository::new(registry.clone(), namespace)?;
    }
    Ok(RegistryKey { registry, namespace: namespace.map(Into::into) })
}

fn rules(key: &At<String>, entry: &Entry, reading: &mut Reading<'_, '_, '_>) -> RegistryRules {
    let plain_http = entry.plain_http.value().unwrap_or_default();
    if let (true, Field::Given(tls)) = (plain_http, &entry.tls) {
        let problem =
            reading.diagnosis.problem(ProblemCode::Exclusive, tls.span, "`tls` means nothing with `plain-http: true`");
        reading.diagnosis.report(problem.with_help("leave out one of them"));
    }
    RegistryRules {
        place: reading.diagnosis.place(key.span),
        concurrency: entry.concurrency.value().and_then(|value| NonZeroUsize::new(usize::try_from(value).ok()?)),
        requests_per_second: entry.requests_per_second.value().and_then(NonZeroU32::new),
        keep_pulls: entry.rate_limit.given().and_then(|given| keep(given, reading)),
        plain_http,
        tls: entry.tls.given().map(|given| tls(given, reading)).unwrap_or_default(),
        auth: match entry.auth.given().map(|auth| &auth.value) {
            Some(WrittenAuth::Anonymous) => Auth::Anonymous,
            Some(WrittenAuth::Provider(written)) => Auth::Provider(written.value.clone()),
            None => Auth::Keychain,
        },
        creation: entry.create_repositories.given().map(|written| creation::read(written, reading)),
    }
}

fn keep(written: &At<RateLimit>, reading: &mut Reading<'_, '_, '_>) -> Option<u32> {
    if let Field::Absent = written.value.keep {
        let problem = reading.diagnosis.problem(ProblemCode::Empty, written.span, "`rate-limit` is empty");
        reading.diagnosis.report(problem.with_help("write `rate-limit: { keep: N }` to leave N pulls to others"));
    }
    written.value.keep.value()
}

fn tls(written: &At<WrittenTls>, reading: &mut Reading<'_, '_, '_>) -> Tls {
    let WrittenTls { ca, cert, key } = &written.value;
    if let (Field::Absent, Field::Absent, Field::Absent) = (ca, cert, key) {
        let problem = reading.diagnosis.problem(ProblemCode::Tls, written.span, "`tls` is empty");
        reading.diagnosis.report(problem.with_help("its keys are `ca`, `cert` and `key`"));
    }
    let alone = match (cert, key) {
        (Field::Given(cert), Field::Absent) => Some((cert.span, "`cert` needs its `key`")),
        (Field::Absent, Field::Given(key)) => Some((key.span, "`key` needs its `cert`")),
        _ => None,
    };
    if let Some((span, message)) = alone {
        let problem = reading.diagnosis.problem(ProblemCode::Tls, span, message);
        reading.diagnosis.report(problem.with_help("a client certificate is both: `tls: { cert: …, key: … }`"));
    }
    let ca = pem(ca, PathKind::TlsCa, reading);
    let (cert, key) = (pem(cert, PathKind::TlsCert, reading), pem(key, PathKind::TlsKey, reading));
    Tls { ca, client: cert.zip(key) }
}

fn pem(written: &Field<String>, kind: PathKind, reading: &mut Reading<'_, '_, '_>) -> Option<PathBuf> {
    let written = written.given()?;
    let text = &written.value;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        let message = if text.is_empty() {
            "an empty text is not a path".to_owned()
        } else {
            format!("{} is not a path", shown(text))
        };
        let problem = reading.diagnosis.problem(ProblemCode::Path, written.span, message);
        reading.diagnosis.report(problem.with_help("`tls` takes paths of PEM files, not their contents"));
        return None;
    }
    let root = match root_of(Path::new(text), reading.directory, &reading.rules.allowed_paths) {
        Ok(root) => root.to_path_buf(),
        Err(outside) => {
            let problem = reference::outside_problem(ProblemCode::Path, outside, (text, written.span), reading);
            reading.diagnosis.report(problem);
            return None;
        }
    };
    let path = join(reading.directory, text);
    let (place, span) = (reading.diagnosis.place(written.span), written.span.range());
    reading.paths.push(WrittenPath { kind, path: path.clone(), root, place, span });
    Some(path)
}
