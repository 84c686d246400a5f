//! What an ID token says of itself, for messages. Refuses to be believed: nothing is checked, nothing depends on it.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

/// What a person must match in a trust policy. Text from outside: shown through the escaper only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `iss`: who made the token.
    pub issuer: Option<String>,
    /// `sub`: whom it is about.
    pub subject: Option<String>,
    /// `aud`: for whom it was made.
    pub audience: Vec<String>,
    /// `exp`: when it ends, in seconds since 1970.
    pub expires: Option<i64>,
    /// `ref_protected`, of GitHub and GitLab: whether the branch or tag that the job runs for is protected.
    pub ref_protected: Option<bool>,
}

/// Longer ones are cut: they are for reading.
const LONGEST: usize = 512;
/// More audiences than any token has.
const MOST: usize = 16;

#[derive(Deserialize)]
struct Wire {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    #[serde(default)]
    ref_protected: Value,
}

/// RFC 7519 §4.1.3: one text, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Claims {
    /// The subject where it may stand in a command that a person is told to run; a placeholder where it could do more there
    /// than name somebody: whoever may push a branch chooses a part of it.
    pub(in crate::auth) fn subject_in_command(&self) -> &str {
        in_command(self.subject.as_deref(), "SUBJECT")
    }

    /// The same for the issuer.
    pub(in crate::auth) fn issuer_in_command(&self) -> &str {
        in_command(self.issuer.as_deref(), "ISSUER")
    }

    /// Why nothing that writes may trust the subject: whoever can open a pull request, or push a branch, has it. `None` where
    /// nothing is known against it. Both forms of GitHub's subject are understood, `repo:o/r:…` and `repo:o@1/r@2:…`
    /// (<https://docs.github.com/en/actions/reference/security/oidc>).
    pub(in crate::auth) fn caution(&self) -> Option<&'static str> {
        let has = |wanted: &str| self.subject.iter().flat_map(|subject| subject.split(':')).any(|part| part == wanted);
        if has("pull_request") {
            return Some(
                "each pull request has this subject: let nothing trust it but an identity that can only read, named by \
                 `plan-…` beside the one that writes",
            );
        }
        // An environment says itself which branches it lets in.
        let is_open = self.ref_protected == Some(false) && !has("environment");
        is_open.then_some(
            "whoever may push has this subject, as the branch is not protected: let nothing trust it but an identity that \
             can only read, named by `plan-…` beside the one that writes; and to write, run the job in an `environment:` \
             or for a protected branch",
        )
    }

    /// Reads them from a JWT; `None` where the text is none.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let wire: Wire = serde_json::from_slice(&bytes).ok()?;
        let cut = |text: String| text.chars().take(LONGEST).collect::<String>();
        let audience = match wire.aud {
            None => Vec::new(),
            Some(Audience::One(one)) => vec![cut(one)],
            Some(Audience::Many(many)) => many.into_iter().take(MOST).map(cut).collect(),
        };
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and is only compared")]
        let expires = wire.exp.map(|seconds| seconds as i64);
        let ref_protected = match wire.ref_protected {
            Value::Bool(is) => Some(is),
            // Both systems write it as a text.
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        Some(Self { issuer: wire.iss.map(cut), subject: wire.sub.map(cut), audience, expires, ref_protected })
    }
}

/// `text` where it may stand in a command that a person is told to run, between quotes or not; `placeholder` elsewhere.
pub(in crate::auth) fn in_command<'t>(text: Option<&'t str>, placeholder: &'static str) -> &'t str {
    let is_plain = |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/@+=,".contains(c));
    text.filter(is_plain).unwrap_or(placeholder)
}

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "(none)".to_owned());
        let audience = if self.audience.is_empty() { "(none)".to_owned() } else { self.audience.join(", ") };
        write!(f, "issuer {}, subject {}, audience {audience}", shown(&self.issuer), shown(&self.subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn what_a_token_says_of_itself() {
        let claims = Claims::of(&token(r#"{"iss":"i","sub":"repo:a/b:ref:x","aud":["a","b"],"exp":17.5}"#)).unwrap();
        assert_eq!(claims.to_string(), "issuer i, subject repo:a/b:ref:x, audience a, b");
        assert_eq!(claims.expires, Some(17));
        let one = Claims::of(&token(r#"{"aud":"a"}"#)).unwrap();
        assert_eq!(one.to_string(), "issuer (none), subject (none), audience a");
    }

    #[test]
    fn a_branch_is_no_part_of_a_command() {
        let named = |subject: &str| Claims { subject: Some(subject.to_owned()), ..Claims::default() };
        let plain = "repo:acme@1234/mirror@5678:ref:refs/heads/main";
        assert_eq!(named(plain).subject_in_command(), plain);
        for hostile in ["ref:refs/heads/$(id)", "ref:refs/heads/`id`", "a'b", "a\"b", "a b", "a;b", "a\\b"] {
            assert_eq!(named(hostile).subject_in_command(), "SUBJECT", "{hostile}");
        }
        assert_eq!(Claims::default().issuer_in_command(), "ISSUER");
    }

    #[test]
    fn subjects_that_anybody_has() {
        let claims = |subject: &str, is_protected: &str| {
            Claims::of(&token(&format!(r#"{{"sub":"{subject}","ref_protected":{is_protected}}}"#))).unwrap()
        };
        for repository in ["repo:acme/mirror", "repo:acme@1234/mirror@5678"] {
            let caution = |rest: &str, is_protected| claims(&format!("{repository}:{rest}"), is_protected).caution();
            for of_pull_request in ["pull_request", "pull_request:actor:eve"] {
                let words = caution(of_pull_request, "\"true\"").expect(of_pull_request);
                assert!(words.starts_with("each pull request has this subject"), "{words}");
            }
            for no in ["false", "\"false\""] {
                let words = caution("ref:refs/heads/wip", no).expect(no);
                assert!(words.starts_with("whoever may push has this subject"), "{words}");
                assert_eq!(caution("environment:production", no), None);
            }
            for yes_or_unknown in ["true", "\"true\"", "null", "7"] {
                assert_eq!(caution("ref:refs/heads/main", yes_or_unknown), None);
            }
            assert_eq!(caution("ref:refs/heads/pull_request", "true"), None);
        }
        assert_eq!(Claims::default().caution(), None);
    }

    #[test]
    fn what_is_no_token_says_nothing() {
        for text in ["", "opaque", "a.b.c", "e30.e30", &token("[]"), &token(r#"{"aud":7}"#)] {
            assert_eq!(Claims::of(text), None, "{text}");
        }
        let long = token(&format!(r#"{{"sub":"{}"}}"#, "x".repeat(5000)));
        assert_eq!(Claims::of(&long).unwrap().subject.unwrap().len(), LONGEST);
    }
}
