//! The shape of docker's `config.json`, shared by containers' `auth.json` and `DOCKER_AUTH_CONFIG`, and the look-up in it.
//!
//! Reads `auths`, `credHelpers` and `credsStore`; leaves everything else to its owners. Within one file the longest key
//! wins, and for a whole registry docker's own order holds: its helper, else the store for all, else its entry. What a
//! helper does not have, the entries of that file do not have either: beside a helper they only say that someone logged in.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::scope::Scope;
use super::{Credential, Flaw, Secret};
use crate::image::{Registry, Repository};

/// The credentials of one file.
#[derive(Debug, Default)]
pub(super) struct CredentialFile {
    entries: BTreeMap<Scope, Entry>,
    /// By registry: helpers are for whole registries (containers-auth.json(5), "credHelpers").
    helpers: BTreeMap<Registry, Program>,
    store: Program,
}

/// The program that a helper's name stands for.
#[derive(Debug, Default)]
enum Program {
    /// An empty name: no helper.
    #[default]
    Off,
    Named(Arc<str>),
    /// A name that is not a word, such as a path. Not kept: it may be anything.
    Refused,
}

/// What one key of `auths` stands for: nothing at all, where it only marks that a helper has it.
#[derive(Debug)]
struct Entry {
    credential: Result<Option<Credential>, Flaw>,
    /// Whether the key is spelled as docker spells it; other spellings of the same scope give way.
    spelled: bool,
}

/// What a file says about a repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// This is the credential.
    Credential(&'a Credential),
    /// A helper is to be asked.
    Helper(Helper<'a>),
    /// There is an entry for this key, and it is broken.
    Flawed(Scope, Flaw),
    /// Nothing.
    Nothing,
}

/// A credential helper as a file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Helper<'a> {
    /// The program, `docker-credential-…`; `None` where the name is not one that may be run.
    pub(super) program: Option<&'a Arc<str>>,
    /// The field that names it.
    pub(super) field: &'static str,
    /// Whether the file says that it holds this registry, rather than that it holds whatever there is.
    pub(super) certain: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(borrow, default)]
    auths: Option<BTreeMap<String, &'a RawValue>>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Fields {
    auth: Option<Secret>,
    username: Option<Secret>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
    registrytoken: Option<Secret>,
}

impl CredentialFile {
    /// Reads the text of a file; an empty one holds nothing. The error is the line and column, from 1, of what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, usize)> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let file: File<'_> = object(text)?;
        let store = file.creds_store.as_deref().map(Program::new).unwrap_or_default();
        let mut parsed = Self { store, ..Self::default() };
        for (key, value) in file.auths.unwrap_or_default() {
            if let Some(scope) = Scope::parse(&key) {
                let entry = Entry { credential: credential(value), spelled: scope.is_spelled(&key) };
                parsed.add(scope, entry);
            }
        }
        for (key, name) in file.cred_helpers.unwrap_or_default() {
            if let Some(scope) = Scope::parse(&key).filter(Scope::is_host)
                && (scope.is_spelled(&key) || !parsed.helpers.contains_key(scope.registry()))
            {
                parsed.helpers.insert(scope.registry().clone(), Program::new(&name));
            }
        }
        Ok(parsed)
    }

    /// Of two spellings of one key, the one that is more than a marker counts, then docker's own.
    fn add(&mut self, scope: Scope, entry: Entry) {
        let rank = |entry: &Entry| (!matches!(entry.credential, Ok(None)), entry.spelled);
        if self.entries.get(&scope).is_none_or(|present| rank(present) < rank(&entry)) {
            self.entries.insert(scope, entry);
        }
    }

    /// What the file says about `repository`.
    pub(super) fn look_up(&self, repository: &Repository) -> Answer<'_> {
        for scope in Scope::of(repository) {
            if scope.is_host()
                && let Some(helper) = self.helper(scope.registry())
            {
                return Answer::Helper(helper);
            }
            match self.entries.get(&scope).map(|entry| &entry.credential) {
                Some(Ok(Some(credential))) => return Answer::Credential(credential),
                Some(Err(flaw)) => return Answer::Flawed(scope, *flaw),
                Some(Ok(None)) | None => {}
            }
        }
        Answer::Nothing
    }

    fn helper(&self, registry: &Registry) -> Option<Helper<'_>> {
        let (program, field, certain) = match self.helpers.get(registry) {
            Some(program) => (program, "credHelpers", true),
            None => (&self.store, "credsStore", self.entries.keys().any(|scope| scope.registry() == registry)),
        };
        match program {
            Program::Off => None,
            Program::Named(program) => Some(Helper { program: Some(program), field, certain }),
            Program::Refused => Some(Helper { program: None, field, certain }),
        }
    }
}

impl Program {
    fn new(name: &str) -> Self {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match name {
            "" => Self::Off,
            _ if name.bytes().all(plain) && !name.contains("..") => {
                Self::Named(format!("docker-credential-{name}").into())
            }
            _ => Self::Refused,
        }
    }
}

/// Reads a JSON object; derived code alone would take an array for one. The parser's messages quote values: only the line
/// and column are kept.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, (usize, usize)> {
    let value: T = serde_json::from_str(text).map_err(|error| (error.line(), error.column()))?;
    if text.trim_start().starts_with('{') { Ok(value) } else { Err((1, 1)) }
}

/// One entry of `auths`. `auth` is stronger than `username` and `password`, and tokens are stronger than both (docker/cli,
/// `configfile`).
fn credential(value: &RawValue) -> Result<Option<Credential>, Flaw> {
    let marker = value.get() == "null";
    let fields: Fields = if marker { Fields::default() } else { object(value.get()).map_err(|_| Flaw::Shape)? };
    if let Some(token) = set(fields.registrytoken.as_ref()) {
        return Credential::bearer(token).map(Some);
    }
    if let Some(token) = set(fields.identitytoken.as_ref()) {
        return Credential::identity(token).map(Some);
    }
    if let Some(auth) = set(fields.auth.as_ref()) {
        return decoded(auth).map(Some);
    }
    match (set(fields.username.as_ref()), set(fields.password.as_ref())) {
        (None, None) => Ok(None),
        (username, password) => {
            Credential::docker(username.unwrap_or_default(), password.unwrap_or_default()).map(Some)
        }
    }
}

/// An empty text is no text: docker leaves such fields behind on logout.
fn set(field: Option<&Secret>) -> Option<&str> {
    field.map(Secret::expose).filter(|text| !text.is_empty())
}

/// Base64 of `user:password`, with or without padding; docker writes NULs after it at times.
fn decoded(auth: &str) -> Result<Credential, Flaw> {
    let bytes = Zeroizing::new(STANDARD_PAD_INDIFFERENT.decode(auth).map_err(|_| Flaw::Base64)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Flaw::NotText)?;
    let (username, password) = text.trim_end_matches('\0').split_once(':').ok_or(Flaw::NoColon)?;
    Credential::docker(username, password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(text: &str) -> Repository {
        let (host, name) = text.split_once('/').unwrap();
        Repository::new(host.parse().unwrap(), name).unwrap()
    }

    fn basic(username: &str, password: &str) -> Credential {
        Credential::Basic { username: username.into(), password: Secret::new(password) }
    }

    fn entry(json: &str) -> Result<Option<Credential>, Flaw> {
        credential(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn entries_hold_credentials_in_several_forms() {
        // base64 of `me:a:b`, with and without padding, and of `me:pw` and two NULs.
        assert_eq!(entry(r#"{"auth": "bWU6YTpi"}"#), Ok(Some(basic("me", "a:b"))));
        assert_eq!(entry(r#"{"auth": "bWU6cHdk"}"#), Ok(Some(basic("me", "pwd"))));
        assert_eq!(entry(r#"{"auth": "bWU6cHc="}"#), Ok(Some(basic("me", "pw"))));
        assert_eq!(entry(r#"{"auth": "bWU6cHc"}"#), Ok(Some(basic("me", "pw"))));
        assert_eq!(entry(r#"{"auth": "bWU6cHcAAA=="}"#), Ok(Some(basic("me", "pw"))));
        assert_eq!(entry(r#"{"username": "me", "password": "pw", "email": 7}"#), Ok(Some(basic("me", "pw"))));
        let identity = r#"{"auth": "MDAwMDAwMDA6", "identitytoken": "id"}"#;
        assert_eq!(entry(identity), Ok(Some(Credential::Identity(Secret::new("id")))));
        let token = r#"{"auth": "bWU6cHc=", "identitytoken": "id", "registrytoken": "rt"}"#;
        assert_eq!(entry(token), Ok(Some(Credential::Bearer(Secret::new("rt")))));
        let marked = r#"{"username": "<token>", "password": "id"}"#;
        assert_eq!(entry(marked), Ok(Some(Credential::Identity(Secret::new("id")))));
    }

    #[test]
    fn markers_are_no_credentials_and_broken_entries_are_not_markers() {
        for marker in ["{}", "null", r#"{"auth": ""}"#, r#"{"auth": null, "username": ""}"#] {
            assert_eq!(entry(marker), Ok(None), "{marker}");
        }
        let broken = [
            (r#"{"auth": "not base64"}"#, Flaw::Base64),
            (r#"{"auth": "bWU"}"#, Flaw::NoColon),
            (r#"{"auth": "Og=="}"#, Flaw::NoUser),
            (r#"{"auth": "bWU6"}"#, Flaw::NoPassword),
            (r#"{"auth": "bWU6cHcK"}"#, Flaw::Edge),
            (r#"{"auth": "//8="}"#, Flaw::NotText),
            (r#"{"auth": 7}"#, Flaw::Shape),
            (r#""bWU6cHc=""#, Flaw::Shape),
            (r#"["bWU6cHc="]"#, Flaw::Shape),
            (r#"{"username": "me"}"#, Flaw::NoPassword),
        ];
        for (json, flaw) in broken {
            assert_eq!(entry(json), Err(flaw), "{json}");
        }
    }

    #[test]
    fn the_longest_key_wins_and_hosts_are_equal_or_not() {
        let json = r#"{"auths": {
            "https://ghcr.io": {"username": "host", "password": "pw"},
            "ghcr.io/acme": {"username": "namespace", "password": "pw"},
            "ghcr.io/acme/app": {"username": "repository", "password": "pw"},
            "ghcr.io/marked": {}, "ghcr.io/broken": {"auth": "!"}, "https://": {}}}"#;
        let file = CredentialFile::parse(json).unwrap();
        let user = |text: &str| match file.look_up(&repository(text)) {
            Answer::Credential(Credential::Basic { username, .. }) => username.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!(user("ghcr.io/acme/app"), "repository");
        assert_eq!(user("ghcr.io/acme/app/sub"), "repository");
        assert_eq!(user("ghcr.io/acme/apple"), "namespace");
        assert_eq!(user("ghcr.io/marked/app"), "host");
        assert_eq!(user("GHCR.IO/acmecorp/app"), "host");
        assert_eq!(user("ghcr.io/broken/app"), "Flawed(Scope(ghcr.io/broken), Base64)");
        for other in ["ghcr.io.evil.tld/acme/app", "evilghcr.io/acme/app", "ghcr.io:444/acme/app", "io/acme/app"] {
            assert_eq!(user(other), "Nothing", "{other}");
        }
    }

    #[test]
    fn every_spelling_of_docker_hub_is_read_and_dockers_own_is_strongest() {
        let hub = repository("docker.io/library/alpine");
        for key in ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"] {
            let json = format!(r#"{{"auths": {{"{key}": {{"username": "me", "password": "pw"}}}}}}"#);
            let file = CredentialFile::parse(&json).unwrap();
            assert_eq!(file.look_up(&hub), Answer::Credential(&basic("me", "pw")), "{key}");
        }
        let json = r#"{"auths": {
            "docker.io": {"username": "other", "password": "pw"},
            "https://index.docker.io/v1/": {"username": "me", "password": "pw"},
            "https://index.docker.io/v1/access-token": {"username": "website", "password": "pw"},
            "https://index.docker.io/v1/refresh-token": {"username": "website", "password": "pw"},
            "registry-1.docker.io": {}}}"#;
        assert_eq!(CredentialFile::parse(json).unwrap().look_up(&hub), Answer::Credential(&basic("me", "pw")));
    }

    #[test]
    fn helpers_come_before_the_entries_of_a_registry() {
        let json = r#"{"credHelpers": {"ghcr.io": "one", "quay.io": "", "https://index.docker.io/v1/": "hub"},
            "credsStore": "all",
            "auths": {"ghcr.io": {"username": "me", "password": "pw"}, "quay.io": {"username": "me", "password": "pw"},
                      "marked.io/x": {}, "ghcr.io/acme": {"username": "me", "password": "pw"}}}"#;
        let file = CredentialFile::parse(json).unwrap();
        let asked = |text: &str, name: &str, field, certain| {
            let program: Arc<str> = format!("docker-credential-{name}").into();
            let expected = Helper { program: Some(&program), field, certain };
            assert_eq!(file.look_up(&repository(text)), Answer::Helper(expected), "{text}");
        };
        asked("ghcr.io/x", "one", "credHelpers", true);
        asked("docker.io/library/x", "hub", "credHelpers", true);
        asked("marked.io/y", "all", "credsStore", true);
        asked("other.io/y", "all", "credsStore", false);
        assert_eq!(file.look_up(&repository("quay.io/y")), Answer::Credential(&basic("me", "pw")));
        assert_eq!(file.look_up(&repository("ghcr.io/acme/x")), Answer::Credential(&basic("me", "pw")));
    }

    #[test]
    fn names_of_helpers_are_words() {
        assert!(
            matches!(Program::new("ecr-login"), Program::Named(program) if &*program == "docker-credential-ecr-login")
        );
        for name in ["../x", "a/b", "/bin/sh", "..", "a..b", "a b", "a\\b", "a\nb", "ä"] {
            assert!(matches!(Program::new(name), Program::Refused), "{name}");
        }
        let file = CredentialFile::parse(r#"{"credHelpers": {"ghcr.io": "../x"}}"#).unwrap();
        let refused = Helper { program: None, field: "credHelpers", certain: true };
        assert_eq!(file.look_up(&repository("ghcr.io/x")), Answer::Helper(refused));
    }

    #[test]
    fn files_are_read_leniently_where_they_are_not_ours_and_strictly_where_they_are() {
        let nothing = ["", " \n", "{}", r#"{"auths": null, "credHelpers": null, "credsStore": null, "proxies": []}"#];
        for text in nothing.into_iter().chain([r#"{"auths": {"a b": 1}, "credsStore": ""}"#]) {
            let file = CredentialFile::parse(text).expect(text);
            assert_eq!(file.look_up(&repository("ghcr.io/x")), Answer::Nothing, "{text}");
        }
        for text in ["[]", "{", "{} {}", r#"{"auths": []}"#, r#"{"credsStore": {}}"#, r#"{"credHelpers": {"a.io": 1}}"#]
        {
            CredentialFile::parse(text).expect_err(text);
        }
        assert_eq!(CredentialFile::parse("{\n  \"auths\": canary}").unwrap_err(), (2, 12));
    }
}
