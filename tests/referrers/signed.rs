//! Signatures verify on the copy as they do on the original: by digest, with the key they were made with. No key is
//! involved in copying; these are the steps of a verifier, taken by hand from the target alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::{REPOSITORY, attached, pair};
use crate::support::digest::sha256;
use crate::support::images::attached::{fallback_tag, kind};
use crate::support::images::{Content, Image, media_type, zoo};
use crate::support::registry::FakeRegistry;

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// A signature of `image` as cosign makes it; `subject` where it is attached as a referrer.
fn sign(image: &Content, key: &KeyPair, subject: Option<&Content>) -> Image {
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": "registry.example.com/app"},
            "image": {"docker-manifest-digest": image.digest},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let layer = Content::new(SIMPLE_SIGNING, payload.to_string());
    let proof = json!({"annotations": {ANNOTATION: STANDARD.encode(key.sign(&layer.bytes).unwrap())}});
    let config = Content::new(media_type::OCI_CONFIG, "{}");
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor_with(&proof)],
    });
    if let Some(subject) = subject {
        manifest["subject"] = subject.descriptor();
        manifest["artifactType"] = kind::SIGNATURE.into();
    }
    let root = Content::manifest(media_type::OCI_MANIFEST, &manifest);
    Image { blobs: vec![config, layer], children: Vec::new(), root, platform: None }
}

/// Verifies the signature in the manifest with this digest for the image with that one, from what `registry` holds.
fn verify(registry: &FakeRegistry, signature: &str, image: &str, key: &KeyPair) -> Result<(), &'static str> {
    let bytes = registry.manifest_bytes(REPOSITORY, signature).ok_or("no signature")?;
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    let layer = &manifest["layers"][0];
    let digest = layer["digest"].as_str().unwrap();
    let payload = registry.store.blob(REPOSITORY, digest).ok_or("no payload")?;
    if sha256(&payload) != digest {
        return Err("another payload");
    }
    let proof = STANDARD.decode(layer["annotations"][ANNOTATION].as_str().unwrap()).unwrap();
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let good = algorithms.iter().any(|one| one.verify_signature(key.public_key_raw(), &payload, &proof).is_ok());
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    match (good, claims["critical"]["image"]["docker-manifest-digest"] == image) {
        (true, true) => Ok(()),
        (false, _) => Err("not of this key"),
        (true, false) => Err("of another image"),
    }
}

#[test]
fn signatures_verify_on_the_copy() {
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    for (source, target) in [(true, true), (true, false), (false, true), (false, false)] {
        let pair = pair(source, target);
        let image = zoo::index("verified");
        let child = image.children[0].clone();
        image.push_to(&pair.source, REPOSITORY, "1");
        // The index under cosign's tag, one of its images as a referrer.
        let tagged = sign(&image.root, &key, None);
        tagged.push_to(&pair.source, REPOSITORY, &image.signature_tag());
        let listed = sign(&child, &key, Some(&child));
        listed.push_to(&pair.source, REPOSITORY, listed.digest());
        if !source {
            let index = crate::support::images::attached::fallback_index(&[&listed]);
            pair.source.put_manifest(REPOSITORY, &fallback_tag(&child), &index.media_type, index.bytes);
        }
        pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply"]).assert_status(0);
        let copy = pair.target.tag_digest(REPOSITORY, "1").unwrap();
        let tag = format!("{}.sig", copy.replace(':', "-"));
        assert_eq!(verify(&pair.target, &tag, &copy, &key), Ok(()), "{source} {target}");
        assert_eq!(verify(&pair.target, listed.digest(), &child.digest, &key), Ok(()), "{source} {target}");
        // The steps can fail.
        assert_eq!(verify(&pair.target, &tag, &copy, &other), Err("not of this key"));
        assert_eq!(verify(&pair.target, &tag, &child.digest, &key), Err("of another image"));
    }
}

#[test]
fn the_target_lists_what_the_source_does() {
    let pair = pair(false, true);
    let all = attached("listed");
    all.push_to(&pair.source, "1", false);
    pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply"]).assert_status(0);
    for (subject, _) in &all.referrers {
        let url = format!("{}/v2/{REPOSITORY}/referrers/{}", pair.target.url(), subject.digest);
        let reply = crate::support::http::send("GET", &url, &[], &[]).unwrap();
        super::assert_lists(&reply.body, &all.of(subject));
    }
}
