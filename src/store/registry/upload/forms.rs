//! In which form a blob is sent to which registry. Pure.
//!
//! Owns what is known of registries by their names, and what a host has taught in this run. One streamed PUT is the only
//! form that nearly all registries take, so everything else is an exception with a reason; docs/registries.md has the table.
//! Refuses to try one form after another: a host is given one other chance.

use crate::image::{EcrHost, Registry};
use crate::store::limits::{CHUNK, LARGEST_LEAST_CHUNK};
use crate::store::registry::error::Said;

const MIB: u64 = 1024 * 1024;
/// The largest blob that Azure takes in one PUT: about 20 MB; its own clients cut above 20 * 1000 * 1000.
const AZURE_PUT: u64 = 20_000_000;
/// The smallest part that ECR stores, but for the last.
const AWS_CHUNK: u64 = 5 * MIB;

/// The form of one upload. Each begins with a POST that opens the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// All of it as the body of the PUT that also closes the session.
    Put,
    /// All of it in one PATCH, then a PUT without a body.
    Patch,
    /// A PATCH for each so many bytes, then a PUT without a body.
    Chunks(u64),
}

/// Registries with ways of their own, by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Nothing is known of it.
    Usual,
    /// ECR and ECR Public.
    Aws,
    /// ACR.
    Azure,
    /// GHCR.
    GitHub,
    /// Artifact Registry and Container Registry.
    Google,
}

impl Family {
    /// The family of a registry. Unlike a credential, a form of upload may be chosen by a name that somebody else could take.
    pub(super) fn of(registry: &Registry) -> Self {
        let host = registry.host();
        let below = |domains: &[&str]| {
            domains.iter().any(|domain| host.strip_suffix(domain).is_some_and(|name| name.ends_with('.')))
        };
        match host {
            "ghcr.io" => Self::GitHub,
            "gcr.io" => Self::Google,
            _ if below(&["azurecr.io", "azurecr.cn", "azurecr.us"]) => Self::Azure,
            _ if below(&["pkg.dev", "gcr.io"]) => Self::Google,
            _ if EcrHost::of(registry).is_some() => Self::Aws,
            _ => Self::Usual,
        }
    }

    /// Whether a session that met an error can be gone on with: ACR has lost it, and ECR states another offset than it has.
    pub(super) fn resumes(self) -> bool {
        !matches!(self, Self::Aws | Self::Azure)
    }

    /// Whether several parts make one blob: Google refuses them, and GHCR keeps what fits into 4 MiB.
    fn takes_chunks(self) -> bool {
        !matches!(self, Self::GitHub | Self::Google)
    }
}

/// What is to be sent, and where to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel {
    pub(super) family: Family,
    /// In bytes.
    pub(super) size: u64,
}

/// What a host has taught in this run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store::registry) struct Lessons {
    /// The smallest blob that was too large for one PUT.
    too_large: Option<u64>,
    /// Chunks were refused for their size.
    no_chunks: bool,
    /// Whether one PATCH helps where a PUT is refused; not known before it was tried.
    patch_helps: Option<bool>,
}

/// A refusal, as far as another form may be the answer to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) said: &'a Said,
}

impl Lessons {
    /// The form for a blob.
    pub(super) fn form(&self, Parcel { family, size }: Parcel) -> Form {
        let chunks = family.takes_chunks() && !self.no_chunks;
        let too_large = self.too_large.is_some_and(|known| size >= known);
        match family {
            _ if size == 0 => Form::Put,
            Family::Azure if size > AZURE_PUT => Form::Chunks(CHUNK),
            _ if too_large && chunks => self.chunks(family),
            _ if self.patch_helps == Some(true) => Form::Patch,
            _ => Form::Put,
        }
    }

    /// Chunks that are smaller than what was too large.
    fn chunks(&self, family: Family) -> Form {
        let known = self.too_large.map_or(CHUNK, |size| (size / 2).clamp(1, CHUNK));
        Form::Chunks(if family == Family::Aws { known.max(AWS_CHUNK) } else { known })
    }

    /// Learns from the refusal of `form`, and says which other one is worth a try for this blob.
    pub(super) fn other(&mut self, parcel: Parcel, form: Form, refusal: Refusal<'_>) -> Option<Form> {
        let Parcel { family, size } = parcel;
        match form {
            _ if size == 0 => None,
            Form::Put if refusal.status == 413 => {
                self.too_large = Some(self.too_large.map_or(size, |known| known.min(size)));
                (family.takes_chunks() && !self.no_chunks).then(|| self.chunks(family))
            }
            Form::Put if self.patch_helps.is_none() && family != Family::Google && refusal.is_about_the_form() => {
                Some(Form::Patch)
            }
            Form::Patch => {
                self.patch_helps = Some(false);
                None
            }
            Form::Chunks(_) if refusal.is_about_the_size_of_chunks() => {
                self.no_chunks = true;
                Some(Form::Put)
            }
            _ => None,
        }
    }

    /// Learns that a blob was taken in this form.
    pub(super) fn worked(&mut self, form: Form) {
        if form == Form::Patch {
            self.patch_helps = Some(true);
        }
    }
}

impl Refusal<'_> {
    /// A refusal that is not about who we are, how often we ask, the content, or a session that has ended. Some
    /// installations of Artifactory and Nexus refuse a PUT with a body so, and take a PATCH.
    fn is_about_the_form(self) -> bool {
        const OTHER: [&str; 10] = [
            "UNAUTHORIZED",
            "DENIED",
            "TOOMANYREQUESTS",
            "DIGEST_INVALID",
            "SIZE_INVALID",
            "NAME_INVALID",
            "NAME_UNKNOWN",
            "BLOB_UPLOAD_UNKNOWN",
            "QUOTA_EXCEEDED",
            "TAG_IMMUTABLE",
        ];
        let status = matches!(self.status, 400..=499)
            && !matches!(self.status, 401 | 403 | 404 | 407 | 408 | 413 | 416 | 429 | 499);
        status && !OTHER.iter().any(|code| self.said.has(code))
    }

    /// GHCR: `416 … the request body is too large and exceeds the maximum permissible limit of 4.00MiB`.
    pub(super) fn is_about_the_size_of_chunks(self) -> bool {
        let words = self.said.words.as_deref().unwrap_or_default().to_ascii_lowercase();
        matches!(self.status, 413 | 416) && (words.contains("too large") || words.contains("maximum permissible"))
    }
}

/// The length of the chunks, where the registry names a least one (distribution-spec, "Pushing a blob in chunks").
pub(super) fn chunk_length(wanted: u64, least: u64) -> u64 {
    wanted.max(least.min(LARGEST_LEAST_CHUNK)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Redactor;

    fn family(host: &str) -> Family {
        Family::of(&host.parse().unwrap())
    }

    fn said(text: &str) -> Said {
        Said::read(text.as_bytes(), &Redactor::default())
    }

    fn parcel(host: &str, size: u64) -> Parcel {
        Parcel { family: family(host), size }
    }

    fn refuse(lessons: &mut Lessons, parcel: Parcel, form: Form, (status, text): (u16, &str)) -> Option<Form> {
        lessons.other(parcel, form, Refusal { status, said: &said(text) })
    }

    #[test]
    fn registries_with_ways_of_their_own_are_known_by_their_names() {
        let table = [
            ("acme.azurecr.io", Family::Azure),
            ("acme.azurecr.cn", Family::Azure),
            ("acme.azurecr.us:443", Family::Azure),
            ("acme.azurecr.de", Family::Usual),
            ("acme.westeurope.data.azurecr.io", Family::Azure),
            ("azurecr.io", Family::Usual),
            ("notazurecr.io", Family::Usual),
            ("acme.azurecr.io.example.com", Family::Usual),
            ("ghcr.io", Family::GitHub),
            ("europe-docker.pkg.dev", Family::Google),
            ("gcr.io", Family::Google),
            ("eu.gcr.io", Family::Google),
            ("public.ecr.aws", Family::Aws),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", Family::Aws),
            ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", Family::Aws),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", Family::Aws),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", Family::Aws),
            ("docker.io", Family::Usual),
            ("quay.io", Family::Usual),
            ("registry.example.com:5000", Family::Usual),
        ];
        for (host, expected) in table {
            assert_eq!(family(host), expected, "{host}");
        }
    }

    #[test]
    fn one_put_but_for_large_blobs_at_azure() {
        let form = |host: &str, size: u64| Lessons::default().form(parcel(host, size));
        for host in ["docker.io", "quay.io", "ghcr.io", "gcr.io", "public.ecr.aws", "127.0.0.1:5000"] {
            assert_eq!([form(host, 0), form(host, 1), form(host, 15_000_000_000)], [Form::Put; 3], "{host}");
        }
        for host in ["acme.azurecr.io", "acme.azurecr.cn", "acme.azurecr.us"] {
            assert_eq!(form(host, 20_000_000), Form::Put);
            assert_eq!(form(host, 20_000_001), Form::Chunks(16 * MIB));
        }
    }

    #[test]
    fn what_is_too_large_for_a_put_is_cut() {
        let mut lessons = Lessons::default();
        let page = (413, "<html><head><title>413 Request Entity Too Large</title></head></html>");
        let other = refuse(&mut lessons, parcel("r.io", 100 * MIB), Form::Put, page);
        assert_eq!(other, Some(Form::Chunks(16 * MIB)));
        let form = |lessons: &Lessons, size: u64| lessons.form(parcel("r.io", size));
        assert_eq!(form(&lessons, 100 * MIB), Form::Chunks(16 * MIB));
        assert_eq!(form(&lessons, 100 * MIB - 1), Form::Put);
        // A smaller one that is too large as well must be cut smaller.
        assert_eq!(refuse(&mut lessons, parcel("r.io", 8 * MIB), Form::Put, page), Some(Form::Chunks(4 * MIB)));
        assert_eq!(form(&lessons, 9 * MIB), Form::Chunks(4 * MIB));
        assert_eq!(refuse(&mut lessons, parcel("r.io", 8 * MIB), Form::Chunks(4 * MIB), (413, "")), None);
        let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        assert_eq!(refuse(&mut Lessons::default(), parcel(ecr, 8 * MIB), Form::Put, page), Some(Form::Chunks(5 * MIB)));
        for host in ["ghcr.io", "europe-docker.pkg.dev"] {
            let mut lessons = Lessons::default();
            assert_eq!(refuse(&mut lessons, parcel(host, 100 * MIB), Form::Put, page), None, "{host}");
            assert_eq!(lessons.form(parcel(host, 100 * MIB)), Form::Put, "{host}");
        }
    }

    #[test]
    fn a_put_that_is_refused_for_no_known_reason_may_be_a_patch() {
        let mut lessons = Lessons::default();
        let invalid = (400, r#"{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}"#);
        assert_eq!(refuse(&mut lessons, parcel("r.io", 5), Form::Put, invalid), Some(Form::Patch));
        assert_eq!(lessons.form(parcel("r.io", 5)), Form::Put, "nothing is learnt before it worked");
        lessons.worked(Form::Patch);
        assert_eq!([lessons.form(parcel("r.io", 5)), lessons.form(parcel("r.io", 0))], [Form::Patch, Form::Put]);
        let mut lessons = Lessons::default();
        assert_eq!(refuse(&mut lessons, parcel("r.io", 5), Form::Patch, invalid), None);
        assert_eq!(refuse(&mut lessons, parcel("r.io", 5), Form::Put, invalid), None, "it is no help there");
        for code in ["DIGEST_INVALID", "DENIED", "BLOB_UPLOAD_UNKNOWN", "NAME_UNKNOWN"] {
            let body = format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#);
            assert_eq!(refuse(&mut Lessons::default(), parcel("r.io", 5), Form::Put, (400, &body)), None, "{code}");
        }
        for status in [401, 403, 404, 408, 416, 429, 500, 503] {
            assert_eq!(refuse(&mut Lessons::default(), parcel("r.io", 5), Form::Put, (status, "")), None, "{status}");
        }
        assert_eq!(refuse(&mut Lessons::default(), parcel("eu.gcr.io", 5), Form::Put, invalid), None);
    }

    #[test]
    fn where_chunks_are_too_large_a_put_is_the_way() {
        let mut lessons = Lessons { too_large: Some(10), ..Lessons::default() };
        let ghcr = "REQUESTED_RANGE_NOT_SATISFIABLE: the request body is too large and exceeds the maximum permissible \
                    limit of 4.00MiB";
        assert_eq!(lessons.form(parcel("r.io", 20)), Form::Chunks(5));
        assert_eq!(refuse(&mut lessons, parcel("r.io", 20), Form::Chunks(5), (416, ghcr)), Some(Form::Put));
        assert_eq!(lessons.form(parcel("r.io", 20)), Form::Put);
        assert_eq!(refuse(&mut lessons, parcel("r.io", 20), Form::Put, (413, "")), None, "there is no third way");
    }

    #[test]
    fn a_least_length_is_heeded_within_reason() {
        assert_eq!(chunk_length(16 * MIB, 0), 16 * MIB);
        assert_eq!(chunk_length(16 * MIB, 5 * MIB), 16 * MIB);
        assert_eq!(chunk_length(4, 5 * MIB), 5 * MIB);
        assert_eq!(chunk_length(4, u64::MAX), 1024 * MIB);
        assert_eq!(chunk_length(0, 0), 1);
    }
}
