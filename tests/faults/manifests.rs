//! Manifests that a registry does not store as it was told, does not serve as it should, or that no one should trust.

use serde_json::{Value, json};

use crate::support::images::{Content, media_type};
use crate::support::server::{Answer, Fault, Match};
use crate::support::ward::{FAULTY, SPECIES, Species, TAG, TAG_PATH, Ward};

/// How often the tag of the faulty image was written, in all runs.
fn tag_writes(ward: &Ward) -> usize {
    ward.target.store.tag_writes().iter().filter(|(repository, ..)| repository == FAULTY).count()
}

#[test]
fn a_tag_that_was_written_in_spite_of_the_answer_is_not_written_again() {
    let answers = [Answer::error(500, "UNKNOWN", "try again"), Answer::error(502, "UNKNOWN", "bad gateway")];
    for (species, fault) in
        SPECIES.into_iter().zip(answers.map(Fault::DoneBut).into_iter().chain([Fault::DoneButReset]))
    {
        let ward = Ward::of(species);
        ward.target.fault(Match::new("PUT", TAG_PATH).first(1), fault);
        ward.ends_well();
        assert_eq!(tag_writes(&ward), 1, "{species:?}");
    }
}

#[test]
fn a_tag_that_was_not_written_is_written_again() {
    for (species, fault) in SPECIES.into_iter().zip([Fault::status(500), Fault::status(503), Fault::Reset]) {
        let ward = Ward::of(species);
        ward.target.fault(Match::new("PUT", TAG_PATH).first(1), fault);
        ward.ends_well();
        assert_eq!(tag_writes(&ward), 1, "{species:?}");
    }
}

#[test]
fn a_success_of_another_number_is_looked_after() {
    for (species, status) in [(Species::Index, 200), (Species::Single, 204)] {
        let ward = Ward::of(species);
        ward.target.fault(Match::new("PUT", "/v2/faulty/manifests/"), Fault::DoneBut(Answer::status(status)));
        ward.ends_well();
        assert_eq!(tag_writes(&ward), 1, "{species:?}");
    }
}

#[test]
fn a_registry_that_stores_another_digest_gets_no_tag() {
    for species in SPECIES {
        let ward = Ward::apart(species);
        ward.target.fault(Match::new("PUT", "/v2/faulty/manifests/sha256:"), Fault::lying_digest());
        let error = ward.fails("E_DIGEST");
        assert_eq!(error["side"], "target", "{error:#}");
        assert_eq!(tag_writes(&ward), 1, "{species:?}: once, by the run that converged");
    }
}

#[test]
fn a_registry_that_silently_stores_other_bytes_gets_no_tag() {
    for species in SPECIES {
        let silent = |ward: &Ward| {
            let unnamed = Fault::DropHeader("docker-content-digest");
            ward.target.fault(Match::new("PUT", "/v2/faulty/manifests/"), unnamed);
        };
        let ward = Ward::apart(species);
        silent(&ward);
        ward.ends_well();
        let ward = Ward::apart(species);
        silent(&ward);
        ward.target.fault(Match::new("GET", &ward.root_path()), Fault::FlipBit { at: 10 });
        let error = ward.fails("E_DIGEST");
        assert_eq!(error["side"], "target", "{error:#}");
        assert_eq!(tag_writes(&ward), 1, "{species:?}: once, by the run that converged");
    }
}

#[test]
fn a_manifest_that_can_be_read_only_later_is_waited_for() {
    let ward = Ward::apart(Species::Single);
    ward.target.fault(Match::new("PUT", "/v2/faulty/manifests/"), Fault::DropHeader("docker-content-digest"));
    ward.target.fault(Match::new("GET", &ward.root_path()).first(2), Fault::status(404));
    ward.ends_well();
}

#[test]
fn what_has_vanished_from_the_target_is_sent_once_more() {
    for species in SPECIES {
        let ward = Ward::of(species);
        let (layer, child) = (ward.layer().digest.clone(), ward.image.children.first().cloned());
        let at = child.as_ref().map_or(TAG_PATH.to_owned(), |child| format!("/manifests/{}", child.digest));
        ward.target.before_with_store(Match::new("PUT", &at).first(1), move |store| store.delete_blob(FAULTY, &layer));
        if let Some(child) = child {
            let phantom = Match::new("PUT", TAG_PATH).first(1);
            ward.target.before_with_store(phantom, move |store| store.delete_manifest(FAULTY, &child.digest));
        }
        ward.ends_well();
    }
}

#[test]
fn what_vanishes_again_and_again_is_an_error_and_no_tag() {
    for species in SPECIES {
        let ward = Ward::of(species);
        let layer = ward.layer().digest.clone();
        let child = ward.image.children.last().map(|child| child.digest.clone());
        ward.target.before_with_store(Match::new("PUT", TAG_PATH), move |store| match &child {
            Some(child) => store.delete_manifest(FAULTY, child),
            None => store.delete_blob(FAULTY, &layer),
        });
        let error = ward.fails("E_REFUSED");
        assert_eq!((&error["side"], &error["status"]), (&"target".into(), &400.into()), "{error:#}");
    }
}

#[test]
fn a_digest_that_is_missing_from_a_header_or_is_none_is_found_in_the_bytes() {
    let junk = |value: &str| Fault::SetHeader("Docker-Content-Digest", value.to_owned());
    let two = Fault::AddHeader("Docker-Content-Digest", format!("sha256:{}", "0".repeat(64)));
    let faults = [Fault::DropHeader("docker-content-digest"), junk("sha256:ABCDEF"), two];
    for (species, fault) in SPECIES.into_iter().zip(faults) {
        let ward = Ward::of(species);
        for side in [&ward.source, &ward.target] {
            side.fault(Match::new("HEAD", "/manifests/"), fault.clone());
        }
        ward.ends_well();
    }
}

#[test]
fn where_a_target_offers_no_look_its_manifest_is_read() {
    for status in [405, 501, 403] {
        let ward = Ward::of(Species::Index);
        ward.target.fault(Match::new("HEAD", TAG_PATH), Fault::status(status));
        ward.ends_well();
    }
}

#[test]
fn a_source_that_serves_other_bytes_than_it_names_is_an_error() {
    for species in SPECIES {
        let ward = Ward::of(species);
        ward.source.fault(Match::new("GET", &ward.root_path()), Fault::FlipBit { at: 20 });
        let error = ward.fails("E_DIGEST");
        assert_eq!(error["side"], "source", "{error:#}");
    }
}

#[test]
fn a_manifest_whose_type_is_unsaid_says_it_itself() {
    for species in SPECIES {
        let ward = Ward::of(species);
        ward.source.fault(Match::new("*", "/v2/faulty/manifests/"), Fault::DropHeader("content-type"));
        ward.ends_well();
    }
}

#[test]
fn a_manifest_that_two_readers_could_read_differently_is_refused() {
    for more in [r#""manifests": []"#, r#""layers": []"#, r#""Layers": []"#] {
        let ward = Ward::of(Species::Single);
        let sound = String::from_utf8(ward.image.root.bytes.clone()).unwrap();
        ward.serve_instead(&Content::new(media_type::OCI_MANIFEST, sound.replacen('{', &format!("{{{more},"), 1)));
        let error = ward.fails("E_MANIFEST");
        assert_eq!(error["side"], "source", "{error:#}");
    }
}

/// The manifest of an image with an annotation that makes it so many bytes long.
fn padded(root: &Content, length: usize) -> Content {
    let padded = |padding: usize| {
        let mut manifest: Value = serde_json::from_slice(&root.bytes).unwrap();
        manifest["annotations"] = json!({"padding": "x".repeat(padding)});
        Content::manifest(&root.media_type, &manifest)
    };
    padded(length - padded(0).bytes.len())
}

#[test]
fn a_manifest_may_be_four_mebibytes_large_and_no_larger() {
    const LARGEST: usize = 4 << 20;
    let ward = Ward::of(Species::Single);
    ward.serve_instead(&padded(&ward.image.root, LARGEST + 1));
    let error = ward.fails("E_LIMIT");
    assert_eq!(error["side"], "target", "{error:#}");
    let mut ward = Ward::of(Species::Single);
    ward.image.root = padded(&ward.image.root, LARGEST);
    ward.image.push_to(&ward.source, FAULTY, TAG);
    ward.ends_well();
}

#[test]
fn every_way_of_refusing_to_move_a_tag_is_told_as_one() {
    let refusals = [
        (409, "TAG_IMMUTABLE", "tag exists"),
        (400, "TAG_INVALID", "The image tag '1' cannot be overwritten because the tag is immutable."),
        (412, "PRECONDITION", "'faulty:1' configured as immutable"),
    ];
    for (species, (status, code, message)) in SPECIES.into_iter().zip(refusals) {
        let ward = Ward::of(species);
        ward.target.fault(Match::new("PUT", TAG_PATH), Fault::Reply(Answer::error(status, code, message)));
        // Where there is no other digest, there is no conflict.
        let outcome = if ward.older.is_some() { "blocked" } else { "failed" };
        let error = ward.ends_as(outcome, "E_IMMUTABLE", |_| ());
        assert_eq!((&error["side"], &error["attempts"]), (&"target".into(), &1.into()), "{error:#}");
    }
}
