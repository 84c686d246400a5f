//! Credentials in our own environment variables: the first source that is asked.
//!
//! | variable | holds |
//! |---|---|
//! | `REGSYNC_AUTH_<HOST>` | `user:password` |
//! | `REGSYNC_TOKEN_<HOST>` | a bearer token of the registry |
//! | `REGSYNC_AUTH` | a YAML or JSON list of `{registry, username, password}`; keys may name a namespace |
//!
//! `<HOST>` is [`crate::image::Registry::in_variable`]. IPv6 addresses have no such name, and go into the list.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use serde::Deserialize;

use super::scope::Scope;
use super::{Consulted, Credential, Environment, Error, Flaw, Found, Origin, Secret, Verdict};
use crate::image::Repository;

const LIST: &str = "REGSYNC_AUTH";

/// Our variables. The list is read once, the others when their host is asked for.
#[derive(Debug)]
pub(super) struct Variables {
    environment: Arc<Environment>,
    list: Result<Option<BTreeMap<Scope, Credential>>, Error>,
}

impl Variables {
    pub(super) fn new(environment: Arc<Environment>) -> Self {
        let list = environment.text(LIST).and_then(|text| text.map(read_list).transpose());
        Self { environment, list }
    }

    /// The credential for `repository`, if one of the variables has it; what was looked at goes to `consulted`.
    pub(super) fn find(&self, repository: &Repository, consulted: &mut Vec<Consulted>) -> Result<Option<Found>, Error> {
        let list = self.list.as_ref().map_err(Error::clone)?;
        let listed = list.iter().find_map(|list| Scope::of(repository).find_map(|scope| list.get_key_value(&scope)));
        let narrower = listed.is_some_and(|(scope, _)| !scope.is_host());
        if let Some(host) = repository.registry().in_variable()
            && let Some(found) = self.of_host(&host, narrower, consulted)?
        {
            return Ok(Some(found));
        }
        let verdict = match (list, listed) {
            (_, Some(_)) => Verdict::Used,
            (Some(_), None) => Verdict::NoEntry,
            (None, None) => Verdict::NotSet,
        };
        let origin = Origin::Variable(LIST.into());
        consulted.push(Consulted { origin: origin.clone(), verdict });
        Ok(listed.map(|(_, credential)| Found::lasting(credential.clone(), origin)))
    }

    /// The two variables of one host; `outranked` if the list has a longer key.
    fn of_host(&self, host: &str, outranked: bool, consulted: &mut Vec<Consulted>) -> Result<Option<Found>, Error> {
        let names: [Arc<str>; 2] = [format!("{LIST}_{host}").into(), format!("REGSYNC_TOKEN_{host}").into()];
        let values = [self.environment.text(&names[0])?, self.environment.text(&names[1])?];
        let [password, token] = &names;
        if values.iter().all(Option::is_some) {
            return Err(Error::Ambiguous { password: password.clone(), token: token.clone() });
        }
        let parsers = [Credential::pair, Credential::bearer];
        for ((name, value), parse) in names.iter().zip(values).zip(parsers) {
            let origin = Origin::Variable(name.clone());
            let mut judge = |verdict| consulted.push(Consulted { origin: origin.clone(), verdict });
            match value {
                None => judge(Verdict::NotSet),
                Some(_) if outranked => judge(Verdict::Outranked),
                Some(value) => {
                    let flawed = |flaw| Error::Variable { name: name.clone(), flaw };
                    let credential = tidy(value).and_then(parse).map_err(flawed)?;
                    judge(Verdict::Used);
                    return Ok(Some(Found::lasting(credential, origin)));
                }
            }
        }
        Ok(None)
    }
}

/// Refuses what an env file or a careless `echo` adds to a value.
fn tidy(value: &str) -> Result<&str, Flaw> {
    let quoted = |quote| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    match () {
        () if value.trim() != value => Err(Flaw::Edge),
        () if quoted('"') || quoted('\'') => Err(Flaw::Quoted),
        () => Ok(value),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    registry: String,
    username: String,
    password: Secret,
}

fn read_list(text: &str) -> Result<BTreeMap<Scope, Credential>, Error> {
    // The parser's own messages quote the text around a problem, which here may be a password: only the place is kept.
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true, reject_unsupported_tags: true };
    let items: Vec<Item> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let position = error.location().map(|location| (location.line(), location.column()));
        Error::List { name: LIST.into(), position: position.filter(|(line, _)| *line > 0) }
    })?;
    let mut list = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let flawed = |flaw| Error::Item { name: LIST.into(), item: index + 1, flaw };
        let scope = Scope::parse(&item.registry).ok_or(Flaw::Registry).map_err(flawed)?;
        let credential = Credential::basic(&item.username, item.password.expose()).map_err(flawed)?;
        match list.entry(scope) {
            Entry::Vacant(entry) => entry.insert(credential),
            Entry::Occupied(_) => return Err(flawed(Flaw::Repeated)),
        };
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::Registry;

    fn find(variables: &[(&str, &str)], repository: &str) -> (Result<Option<Found>, Error>, Vec<Consulted>) {
        let variables = Variables::new(Arc::new(variables.iter().copied().collect()));
        let (host, name) = repository.split_once('/').unwrap();
        let repository = Repository::new(host.parse().unwrap(), name).unwrap();
        let mut consulted = Vec::new();
        (variables.find(&repository, &mut consulted), consulted)
    }

    fn user(variables: &[(&str, &str)], repository: &str) -> Option<String> {
        match find(variables, repository).0.unwrap()?.credential {
            Credential::Basic { username, .. } => Some(username),
            other => panic!("{other:?}"),
        }
    }

    fn error(variables: &[(&str, &str)]) -> Error {
        find(variables, "ghcr.io/acme/app").0.unwrap_err()
    }

    #[test]
    fn a_host_has_its_own_variables() {
        assert_eq!(user(&[("REGSYNC_AUTH_GHCR_IO", "me:a:b")], "ghcr.io/acme/app").as_deref(), Some("me"));
        assert_eq!(user(&[("REGSYNC_AUTH_DOCKER_IO", "me:pw")], "index.docker.io/library/app").as_deref(), Some("me"));
        assert_eq!(user(&[("REGSYNC_AUTH_MY__REG_LAN___5000", "me:pw")], "my-reg.lan:5000/x").as_deref(), Some("me"));
        assert_eq!(user(&[("REGSYNC_AUTH_GHCR_IO", "me:pw")], "ghcr.io.evil.tld/acme/app"), None);
        let (found, _) = find(&[("REGSYNC_TOKEN_GHCR_IO", "ey.J")], "ghcr.io/acme/app");
        assert_eq!(found.unwrap().unwrap().credential, Credential::Bearer(Secret::new("ey.J")));
    }

    #[test]
    fn set_but_empty_is_unset() {
        assert_eq!(user(&[("REGSYNC_AUTH_GHCR_IO", ""), ("REGSYNC_AUTH", "")], "ghcr.io/acme/app"), None);
        let both = [("REGSYNC_AUTH_GHCR_IO", "me:pw"), ("REGSYNC_TOKEN_GHCR_IO", "")];
        assert_eq!(user(&both, "ghcr.io/acme/app").as_deref(), Some("me"));
    }

    #[test]
    fn careless_values_are_errors_that_name_the_variable_only() {
        let cases = [
            ("me:canary\n", "start or end"),
            (" me:canary", "start or end"),
            ("\"me:canary\"", "quotes"),
            ("'me:canary'", "quotes"),
            ("canary", "no colon"),
            (":canary", "no user name"),
            ("canary:", "no password"),
        ];
        for (value, said) in cases {
            let error = error(&[("REGSYNC_AUTH_GHCR_IO", value)]);
            let text = format!("{error} {error:?} {:?}", error.hint());
            assert!(text.starts_with("`REGSYNC_AUTH_GHCR_IO` ") && text.contains(said), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
        assert!(error(&[("REGSYNC_AUTH_GHCR_IO", "me:x\r\n")]).hint().unwrap().contains("line break"));
        assert!(error(&[("REGSYNC_AUTH_GHCR_IO", "x")]).hint().unwrap().contains("REGSYNC_TOKEN_GHCR_IO"));
    }

    #[test]
    fn two_variables_for_one_host_are_an_error() {
        let error = error(&[("REGSYNC_AUTH_GHCR_IO", "me:canary"), ("REGSYNC_TOKEN_GHCR_IO", "canary")]);
        assert!(error.to_string().contains("`REGSYNC_AUTH_GHCR_IO` and `REGSYNC_TOKEN_GHCR_IO` are both set"));
        assert!(!format!("{error:?}").contains("canary"));
    }

    const YAML: &str = "
- {registry: ghcr.io, username: host, password: 0123}
- registry: ghcr.io/acme
  username: namespace
  password: b
- {registry: 'https://index.docker.io/v1/', username: hub, password: c}
- {registry: '[::1]:5000', username: six, password: d}
";

    #[test]
    fn the_longest_key_of_the_list_wins() {
        let list = [("REGSYNC_AUTH", YAML)];
        assert_eq!(user(&list, "ghcr.io/acme/app").as_deref(), Some("namespace"));
        assert_eq!(user(&list, "ghcr.io/acme").as_deref(), Some("namespace"));
        assert_eq!(user(&list, "ghcr.io/acme-corp/app").as_deref(), Some("host"));
        assert_eq!(user(&list, "docker.io/library/alpine").as_deref(), Some("hub"));
        assert_eq!(user(&list, "[::1]:5000/x").as_deref(), Some("six"));
        assert_eq!(user(&list, "quay.io/x/y"), None);
        let json = r#"[{"registry": "ghcr.io", "username": "me", "password": "pw"}]"#;
        assert_eq!(user(&[("REGSYNC_AUTH", json)], "ghcr.io/x").as_deref(), Some("me"));
    }

    #[test]
    fn a_namespace_outranks_the_variable_of_the_host_and_the_host_does_not() {
        let variables = [("REGSYNC_AUTH", YAML), ("REGSYNC_AUTH_GHCR_IO", "own:pw")];
        assert_eq!(user(&variables, "ghcr.io/other/app").as_deref(), Some("own"));
        assert_eq!(user(&variables, "ghcr.io/acme/app").as_deref(), Some("namespace"));
        let (_, consulted) = find(&variables, "ghcr.io/acme/app");
        let told: Vec<_> = consulted.iter().map(|one| format!("{}: {}", one.origin, one.verdict)).collect();
        let expected =
            ["REGSYNC_AUTH_GHCR_IO: a longer key fits better", "REGSYNC_TOKEN_GHCR_IO: not set", "REGSYNC_AUTH: used"];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_broken_list_is_an_error_for_every_host_and_repeats_nothing() {
        let cases = [
            ("canary", "is not a list"),
            ("- {registry: ghcr.io, username: me, password: canary, email: canary}", "(line 1, column "),
            ("- {registry: ghcr.io, username: canary}", "is not a list"),
            ("- {registry: ghcr.io, username: me, password: [canary]}", "is not a list"),
            ("- {registry: ghcr.io, username: me, password: \"canary}", "is not a list"),
            ("- {registry: 'me:canary@ghcr.io', username: me, password: canary}", "item 1 of `REGSYNC_AUTH` does not"),
            ("- {registry: ghcr.io, username: 'canary:', password: canary}", "item 1 of `REGSYNC_AUTH` has a colon"),
            ("- {registry: quay.io, username: me, password: \"canary\\n\"}", "line break"),
            (
                "- {registry: docker.io, username: me, password: canary}\n- {registry: index.docker.io, username: me, \
                 password: canary}",
                "item 2",
            ),
        ];
        for (value, said) in cases {
            let error = error(&[("REGSYNC_AUTH", value)]);
            let text = format!("{error} {error:?} {:?}", error.hint());
            assert!(text.contains("REGSYNC_AUTH") && text.contains(said), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_two_hosts_share_a_variable(
            one in "[a-z0-9]([-.:]{0,4}[a-z0-9]){0,5}(:[1-9][0-9]{0,3})?",
            other in "[a-z0-9]([-.:]{0,4}[a-z0-9]){0,5}(:[1-9][0-9]{0,3})?",
            swap in proptest::collection::vec(proptest::sample::select(vec![".", "-", "--", ":"]), 3),
        ) {
            // Beside unrelated hosts, ones that differ only in their separators.
            let mut hosts = vec![one.clone(), other];
            hosts.extend(swap.iter().map(|separator| one.replace(['.', '-', ':'], separator)));
            hosts.push(format!("a{}b{}c", swap[0], swap[1]));
            hosts.push(format!("a{}b{}c", swap[1], swap[2]));
            let registries: Vec<Registry> = hosts.iter().filter_map(|host| host.parse().ok()).collect();
            for a in &registries {
                for b in &registries {
                    prop_assert_eq!(a == b, a.in_variable() == b.in_variable(), "{} {}", a, b);
                }
            }
        }
    }
}
