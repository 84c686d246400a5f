//! What comes along with an image, in words: `2 signatures, 1 sbom`.
//!
//! Owns the short names of well-known types. What has none is a referrer.

use std::collections::BTreeMap;

use super::super::style::FAINT;
use super::clean;
use super::sheet::Sheet;
use crate::plan::{Referrer, Step};

/// Types by what their names hold: the first that fits. Cosign's own, notation's, sigstore bundles, and common documents.
const NAMES: [(&str, &str); 9] = [
    ("vnd.dev.cosign.artifact.sig", "signature"),
    ("vnd.dev.cosign.artifact.att", "attestation"),
    ("vnd.dev.cosign.artifact.sbom", "sbom"),
    ("vnd.cncf.notary.signature", "signature"),
    ("vnd.dev.sigstore.bundle", "sigstore bundle"),
    ("in-toto", "attestation"),
    ("spdx", "sbom"),
    ("cyclonedx", "sbom"),
    ("sbom", "sbom"),
];

/// Below the row of a step, what comes along; each one by its digest where everything is shown.
pub(super) fn show(sheet: &mut Sheet, step: &Step, verbose: bool) {
    if step.referrers.is_empty() {
        return;
    }
    sheet.under(1, ("with", FAINT), &summary(&step.referrers));
    if verbose {
        for referrer in &step.referrers {
            sheet.under(1, (name(referrer), FAINT), &details(referrer));
        }
    }
}

pub(in crate::report) fn summary(referrers: &[Referrer]) -> String {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for referrer in referrers {
        *numbers.entry(name(referrer)).or_default() += 1;
    }
    let words = numbers.into_iter().map(|(name, number)| match number {
        1 => format!("1 {name}"),
        _ => format!("{number} {name}s"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn name(referrer: &Referrer) -> &'static str {
    let artifact_type = referrer.artifact_type.as_ref().map(|found| found.as_str().to_ascii_lowercase());
    let known = NAMES.iter().find(|(part, _)| artifact_type.as_ref().is_some_and(|found| found.contains(part)));
    known.map_or("referrer", |(_, name)| name)
}

/// `sha256:… application/spdx+json`, and the tag where there is one.
fn details(referrer: &Referrer) -> String {
    let artifact_type = referrer.artifact_type.as_ref().map(|found| format!(" {}", clean(found))).unwrap_or_default();
    let tag = referrer.tag.as_ref().map(|tag| format!(" as {}", clean(tag))).unwrap_or_default();
    format!("{}{artifact_type}{tag}", referrer.digest)
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::*;
    use crate::image::{ArtifactType, Digest};
    use crate::plan::{Plan, Reason};
    use crate::report::style::Style;
    use crate::report::tests::NGINX;

    fn referrer(artifact_type: &str, tag: Option<&str>) -> Referrer {
        let tag = tag.map(|tag| tag.parse().unwrap());
        let digest = Digest::sha256(artifact_type.as_bytes());
        Referrer { digest, artifact_type: ArtifactType::new(artifact_type), tag, before: None, bytes: 1 }
    }

    #[test]
    fn types_have_short_names_and_are_counted() {
        let some = [
            referrer("application/vnd.cncf.notary.signature", None),
            referrer("application/vnd.dev.cosign.artifact.sig.v1+json", None),
            referrer("application/spdx+json", None),
            referrer("application/vnd.CycloneDX+json", None),
            referrer("application/vnd.in-toto+json", None),
            referrer("application/vnd.dev.sigstore.bundle.v0.3+json", None),
            referrer("application/vnd.example.note", None),
            Referrer { artifact_type: None, ..referrer("x", None) },
        ];
        assert_eq!(summary(&some), "1 attestation, 2 referrers, 2 sboms, 2 signatures, 1 sigstore bundle");
    }

    #[test]
    fn what_an_image_in_sync_lacks_is_an_update_with_a_list_of_it() {
        let tag = format!("sha256-{}.sig", "ab".repeat(32));
        let step = Step {
            referrers: vec![referrer("application/vnd.dev.cosign.artifact.sig.v1+json", Some(&tag))],
            ..NGINX.step("1.2", Reason::ReferrersMissing, ("aa", "aa"))
        };
        let some = Plan {
            config: Vec::new(),
            scope: crate::plan::Scope::default(),
            warnings: Vec::new(),
            pulls: Vec::new(),
            tallies: Vec::new(),
            steps: vec![step],
        };
        let short = plan(&some, Style::default());
        assert!(short.contains("  ~ 1.2   aa") && short.contains(" lacks referrers"), "{short}");
        assert!(short.contains("with: 1 signature\n") && !short.contains(&tag), "{short}");
        let long = plan(&some, Style { verbose: true, ..Style::default() });
        assert!(long.contains("signature: sha256:") && long.contains(&format!(" as {tag}")), "{long}");
    }
}
