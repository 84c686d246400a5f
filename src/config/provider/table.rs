//! The keys of each provider. One constant for each, so that a provider is changed in one place.

use super::ProviderKind;

/// What a provider takes.
#[derive(Debug)]
pub(crate) struct Spec {
    /// What editors show.
    pub(crate) about: &'static str,
    pub(crate) keys: &'static [Key],
}

/// One key of a provider.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What editors show.
    pub(crate) about: &'static str,
    pub(crate) needed: bool,
    pub(crate) shape: Shape,
}

/// What the value of a key looks like.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Text that fits; the example is for those who wrote another.
    Text { fits: fn(&str) -> bool, example: &'static str },
    /// One of these words.
    Word(&'static [&'static str]),
    /// A mapping of text to text.
    Fields,
}

impl Spec {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

const fn needed(name: &'static str, about: &'static str, shape: Shape) -> Key {
    Key { name, about, needed: true, shape }
}

const fn optional(name: &'static str, about: &'static str, shape: Shape) -> Key {
    Key { name, about, needed: false, shape }
}

const fn text(fits: fn(&str) -> bool, example: &'static str) -> Shape {
    Shape::Text { fits, example }
}

pub(super) fn of(kind: ProviderKind) -> &'static Spec {
    match kind {
        ProviderKind::Aws => &AWS,
        ProviderKind::Gcp => &GCP,
        ProviderKind::Azure => &AZURE,
        ProviderKind::Github => &GITHUB,
        ProviderKind::Gitlab => &GITLAB,
        ProviderKind::DockerHub => &DOCKER_HUB,
        ProviderKind::Quay => &QUAY,
        ProviderKind::Jfrog => &JFROG,
        ProviderKind::Chainguard => &CHAINGUARD,
        ProviderKind::Cloudsmith => &CLOUDSMITH,
        ProviderKind::Exchange => &EXCHANGE,
    }
}

const ROLE: &str = "arn:aws:iam::123456789012:role/mirror";
const ACCOUNT: &str = "mirror@project.iam.gserviceaccount.com";
const UUID: &str = "00000000-0000-0000-0000-000000000000";

const AWS: Spec = Spec {
    about: "Amazon ECR: a role that the ID token may assume.",
    keys: &[
        needed("role", "The ARN of the role.", text(is_role, ROLE)),
        optional("plan-role", "The ARN of another role, for `plan`.", text(is_role, ROLE)),
        optional("session-name", "How the session is called in AWS's logs.", text(is_session, "regsync")),
        optional("region", "The region, where the host does not name it.", text(is_word, "eu-west-1")),
    ],
};

const GCP: Spec = Spec {
    about: "Google Artifact Registry: workload identity federation.",
    keys: &[
        needed(
            "workload-identity-provider",
            "The full name of the provider in its pool.",
            text(is_pool, "projects/1/locations/global/workloadIdentityPools/pool/providers/github"),
        ),
        optional("service-account", "A service account to act as.", text(is_account, ACCOUNT)),
        optional("plan-service-account", "Another service account, for `plan`.", text(is_account, ACCOUNT)),
    ],
};

const AZURE: Spec = Spec {
    about: "Azure Container Registry: an application with a federated credential.",
    keys: &[
        needed("tenant-id", "The directory (tenant) of the application.", text(is_word, UUID)),
        needed("client-id", "The application (client).", text(is_uuid, UUID)),
        optional("plan-client-id", "Another application, for `plan`.", text(is_uuid, UUID)),
    ],
};

const GITHUB: Spec = Spec { about: "GitHub's container registry: the token of the job, `GITHUB_TOKEN`.", keys: &[] };

const GITLAB: Spec =
    Spec { about: "GitLab's container registry: the job's `CI_REGISTRY_USER` and its password.", keys: &[] };

const DOCKER_HUB: Spec = Spec {
    about: "Docker Hub: an OIDC connection of the organisation.",
    keys: &[
        needed("organization", "The organisation: the user name at the registry.", text(is_word, "acme")),
        needed("connection-id", "The connection.", text(is_uuid, UUID)),
        optional("plan-connection-id", "Another connection, for `plan`.", text(is_uuid, UUID)),
    ],
};

const QUAY: Spec = Spec {
    about: "Quay: a robot account with a federation.",
    keys: &[
        needed("robot", "The robot: `organisation+name`.", text(is_robot, "acme+mirror")),
        optional("plan-robot", "Another robot, for `plan`.", text(is_robot, "acme+reader")),
    ],
};

const JFROG: Spec = Spec {
    about: "JFrog Artifactory: an OIDC integration.",
    keys: &[
        needed("provider-name", "The name of the integration.", text(is_word, "github")),
        optional("plan-provider-name", "Another integration, for `plan`.", text(is_word, "github-read")),
    ],
};

const CHAINGUARD: Spec = Spec {
    about: "Chainguard: an assumable identity.",
    keys: &[
        needed("identity", "The identity's id.", text(is_path, "720909c9f5279097d847ad02a2f24ba8f59de36a/0e2f9a1b")),
        optional("plan-identity", "Another identity, for `plan`.", text(is_path, "720909c9f5279097d847ad02a2f24ba8")),
    ],
};

const CLOUDSMITH: Spec = Spec {
    about: "Cloudsmith: a service account.",
    keys: &[
        needed("organization", "The organisation.", text(is_word, "acme")),
        needed("service", "The slug of the service account.", text(is_word, "mirror")),
        optional("plan-service", "Another service account, for `plan`.", text(is_word, "mirror-read")),
    ],
};

const EXCHANGE: Spec = Spec {
    about: "Any other token service. Its host is bound to the registry by the environment.",
    keys: &[
        needed("url", "The service. Its URL is the audience of the ID token.", text(is_url, "https://host/token")),
        optional("send", "How the fields are sent; `form` if left out.", Shape::Word(&["form", "json", "query"])),
        optional(
            "id-token-field",
            "The field that the ID token is sent in. Left out: `Authorization: Bearer`.",
            text(is_name, "subject_token"),
        ),
        optional("fields", "Further fields, as they are.", Shape::Fields),
        optional(
            "response-field",
            "The field of the answer that holds the password or token; `access_token` if left out.",
            text(is_name, "access_token"),
        ),
        optional(
            "username",
            "The user name at the registry. Left out: the answer is a bearer token for the registry.",
            text(is_user, "robot"),
        ),
    ],
};

/// The most that any text of a provider is long, in bytes.
const LONGEST: usize = 512;

fn made_of(text: &str, others: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    !text.is_empty() && text.len() <= LONGEST && text.chars().all(fits)
}

fn is_word(text: &str) -> bool {
    made_of(text, "-._") && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The name of a field in a form or in JSON.
fn is_name(text: &str) -> bool {
    made_of(text, "-._")
}

fn is_path(text: &str) -> bool {
    made_of(text, "-._/") && !text.split('/').any(|part| matches!(part, "" | "." | ".."))
}

/// RFC 7617 §2: the first colon ends the user name.
fn is_user(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic() && b != b':')
}

fn is_session(text: &str) -> bool {
    (2..=64).contains(&text.len()) && made_of(text, "_+=,.@-")
}

fn is_role(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, resource) = (next(), next(), next(), next(), next(), next());
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let partition = partition == "aws" || partition.strip_prefix("aws-").is_some_and(is_word);
    let role = resource.strip_prefix("role/").is_some_and(|name| made_of(name, "_+=,.@-/"));
    arn == "arn" && partition && service == "iam" && region.is_empty() && is_account && role
}

fn is_pool(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        ["projects", number, "locations", "global", "workloadIdentityPools", pool, "providers", provider] => {
            number.bytes().all(|b| b.is_ascii_digit()) && [number, pool, provider].into_iter().all(|part| is_word(part))
        }
        _ => false,
    }
}

fn is_account(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, domain)| is_word(name) && is_word(domain) && domain.contains('.'))
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn is_robot(text: &str) -> bool {
    text.split_once('+').is_some_and(|(organisation, name)| is_word(organisation) && is_word(name))
}

/// `https://host[:port]/path`, and nothing that a reader could take for another host.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| made_of(rest, "-._~/:[]") && !rest.starts_with('/') && !rest.contains(".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_fit_what_they_are_examples_of() {
        for kind in ProviderKind::ALL {
            for key in kind.spec().keys {
                if let Shape::Text { fits, example } = key.shape {
                    assert!(fits(example), "{} {}: {example}", kind.name(), key.name);
                    for wrong in ["", " ", "a b", "a\nb", "é"] {
                        assert!(!fits(wrong), "{} {}: {wrong:?}", kind.name(), key.name);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_nearly_right_is_wrong() {
        assert!(!is_role("arn:aws:iam::123456789012:user/mirror") && !is_role("arn:aws:iam::12345:role/mirror"));
        assert!(is_role("arn:aws-us-gov:iam::123456789012:role/path/mirror"));
        assert!(!is_pool("projects/p/locations/global/workloadIdentityPools/a/providers/b"));
        assert!(!is_uuid("00000000-0000-0000-0000-00000000000g") && !is_robot("mirror") && !is_account("mirror"));
        assert!(!is_url("https:///token") && !is_url("https://user@host/") && !is_url("https://host/?a=b"));
        assert!(!is_path("../x") && !is_path("/x") && !is_user("a:b"));
    }
}
