//! What must hold of docker's `config.json`, whatever is in it. For `crate::fuzzing`.

use super::Credential;
use super::docker::{Answer, CredentialFile};
use crate::image::Repository;

/// Names of helpers are words, and no secret is shown.
pub(crate) fn docker_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = match CredentialFile::parse(text) {
        Ok(file) => file,
        Err((line, column)) => {
            // serde_json says line 0 of what is wrong as a whole.
            assert!(line <= text.lines().count().max(1) + 1, "{line}:{column}");
            return;
        }
    };
    for (host, name) in [
        ("docker.io", "library/alpine"),
        ("ghcr.io", "acme/app"),
        ("registry.example:5000", "team/app"),
        ("localhost", "a"),
    ] {
        let Ok(Ok(repository)) = host.parse().map(|registry| Repository::new(registry, name)) else { continue };
        let answer = file.look_up(&repository);
        assert_eq!(answer, file.look_up(&repository), "two look-ups differ");
        match &answer {
            Answer::Credential(credential) => assert_unshown(credential, &format!("{answer:?}")),
            Answer::Helper(helper) => {
                if let Some(program) = helper.program {
                    let name = program.strip_prefix("docker-credential-").unwrap_or_default();
                    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
                    assert!(!name.is_empty() && name.bytes().all(is_word) && !name.contains(".."), "{program}");
                }
            }
            Answer::Flawed(scope, _) => assert!(scope.registry() == repository.registry()),
            Answer::Nothing => {}
        }
    }
}

fn assert_unshown(credential: &Credential, shown: &str) {
    let (known, secret) = match credential {
        Credential::Anonymous => return,
        Credential::Basic { username, password } => (username.as_str(), password),
        Credential::Identity(token) | Credential::Bearer(token) => ("", token),
    };
    let secret = secret.expose();
    assert!(!secret.is_empty(), "an empty secret is none");
    // A short one may be a part of our own words, and of the user's name.
    let escaped = format!("{secret:?}");
    if secret.len() >= 12 && !format!("{known:?}").contains(escaped.trim_matches('"')) {
        assert!(!shown.contains(secret), "shown: {shown}");
    }
}
