//! `create-repositories`: where it means something, and what goes together.

use super::Reading;
use super::provider::binding;
use crate::config::ProviderKind;
use crate::config::problem::{ProblemCode, shown};
use crate::config::schema::{Auth, CreateRepositories, EncryptionKind, Registry as Entry};
use crate::config::text::At;
use crate::image::{Creation, Encryption, Registry};

/// What a new repository is like.
pub(super) fn read(written: &At<CreateRepositories>, reading: &mut Reading<'_, '_, '_>) -> Creation {
    let written = &written.value;
    let key = written.kms_key.given();
    let encryption = match written.encryption.value() {
        Some(EncryptionKind::Aes256) => Some(Encryption::Aes256),
        Some(EncryptionKind::Kms) => Some(Encryption::Kms(key.map(|key| key.value.clone()))),
        None => None,
    };
    if let (Some(key), None | Some(EncryptionKind::Aes256)) = (key, written.encryption.value()) {
        let problem = reading.diagnosis.problem(ProblemCode::Exclusive, key.span, "`kms-key` needs `encryption: kms`");
        reading.diagnosis.report(problem);
    }
    if let Some(key) = key.filter(|key| !is_key(&key.value)) {
        let message = format!("`kms-key` cannot be {}", shown(&key.value));
        let problem = reading.diagnosis.problem(ProblemCode::Value, key.span, message);
        let example = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        reading.diagnosis.report(problem.with_help(format!("it looks like `{example}` or `alias/name`")));
    }
    Creation {
        immutable_tags: written.immutable_tags.value().unwrap_or_default(),
        scan_on_push: written.scan_on_push.value().unwrap_or_default(),
        encryption,
        tags: written.tags.iter().cloned().collect(),
    }
}

/// Reports registries that make repositories by themselves, or not by our means, and those where we are nobody.
pub(super) fn check(registry: &Registry, entry: &Entry, reading: &mut Reading<'_, '_, '_>) {
    let Some(written) = entry.create_repositories.given() else { return };
    if let Some(Auth::Anonymous) = entry.auth.given().map(|auth| &auth.value) {
        let message = "`create-repositories` means nothing with `auth: anonymous`";
        let problem = reading.diagnosis.problem(ProblemCode::Exclusive, written.span, message);
        reading.diagnosis.report(problem.with_help("say who makes them: `auth: { aws: { role: … } }`"));
    }
    let is_public = matches!(registry.as_str(), "public.ecr.aws" | "ecr-public.aws.com");
    let is_bound = binding("PROVIDER", registry, reading) == Some(ProviderKind::Aws.name());
    if !is_public && (ProviderKind::Aws.is_at(registry) || is_bound) {
        return;
    }
    let message =
        format!("`create-repositories` is for private registries of Amazon ECR, not for {}", shown(registry.as_str()));
    let problem = reading.diagnosis.problem(ProblemCode::Provider, written.span, message);
    reading.diagnosis.report(problem.with_help("most registries make a repository when it is first pushed to"));
}

fn is_key(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_:/".contains(c);
    !text.is_empty() && text.len() <= 2048 && text.chars().all(fits)
}
