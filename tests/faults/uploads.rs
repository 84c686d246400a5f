//! Uploads whose outcome is not what the answer says, or whose answer is lost.

use crate::support::registry::Options;
use crate::support::server::{Answer, Fault, Match};
use crate::support::ward::{SPECIES, Setup, Species, UPLOADS, Ward};

#[test]
fn a_blob_that_was_stored_in_spite_of_the_answer_is_not_sent_again() {
    let answer = |status| Fault::DoneBut(Answer::error(status, "UNKNOWN", "who knows"));
    for (species, fault) in SPECIES.into_iter().zip([answer(500), answer(504), Fault::DoneButReset]) {
        let ward = Ward::of(species);
        ward.target.fault(Match::new("PUT", UPLOADS).first(2), fault);
        ward.ends_well();
    }
}

#[test]
fn an_upload_that_was_opened_and_lost_is_opened_again() {
    let answer = |status| Fault::DoneBut(Answer::error(status, "UNKNOWN", "who knows"));
    for (species, fault) in SPECIES.into_iter().zip([answer(500), answer(408), Fault::DoneButReset]) {
        let ward = Ward::of(species);
        ward.target.fault(Match::new("POST", UPLOADS).first(2), fault);
        ward.ends_well();
    }
}

#[test]
fn a_success_of_another_number_is_looked_after() {
    for species in SPECIES {
        let ward = Ward::of(species);
        ward.target.fault(Match::new("PUT", UPLOADS), Fault::DoneBut(Answer::status(200)));
        ward.ends_well();
        // A page that says 200 has stored nothing.
        let ward = Ward::of(species);
        ward.target.fault(Match::new("PUT", UPLOADS), Fault::html());
        let error = ward.fails("E_PROTOCOL");
        assert_eq!(error["side"], "target", "{error:#}");
    }
}

#[test]
fn a_blob_that_arrived_damaged_is_sent_once_more() {
    let invalid = || Fault::Reply(Answer::error(400, "DIGEST_INVALID", "content does not match digest"));
    let ward = Ward::of(Species::Single);
    ward.target.fault(Match::new("PUT", UPLOADS).first(1), invalid());
    ward.ends_well();
    let ward = Ward::of(Species::Index);
    ward.target.fault(Match::new("PUT", UPLOADS), invalid());
    let error = ward.fails("E_REFUSED");
    assert_eq!((&error["side"], &error["attempts"]), (&"target".into(), &2.into()), "{error:#}");
}

#[test]
fn a_blob_that_is_too_large_for_the_registry_is_refused_in_its_words() {
    for species in SPECIES {
        let ward = Ward::of(species);
        let large = Answer::status(413).body("client intended to send too large body");
        ward.target.fault(Match::new("PUT", UPLOADS), Fault::Reply(large));
        let error = ward.fails("E_REFUSED");
        assert_eq!((&error["status"], &error["attempts"]), (&413.into(), &1.into()), "{error:#}");
        assert!(error["message"].as_str().unwrap().contains("too large body"), "{error:#}");
    }
}

#[test]
fn places_of_uploads_may_name_their_host() {
    let absolute = || Options { absolute_locations: true, ..Options::default() };
    Ward::begin(Setup { target: absolute(), ..Setup::of(Species::Index) }).ends_well();
    Ward::begin(Setup { target: absolute(), ..Setup::encrypted(Species::Single) }).ends_well();
}

#[test]
fn an_upload_that_goes_on_nowhere_is_an_error() {
    for (species, location) in SPECIES.into_iter().zip(["", "http://[", "ftp://127.0.0.1/upload"]) {
        let ward = Ward::of(species);
        ward.target.fault(Match::new("POST", UPLOADS), Fault::SetHeader("Location", location.to_owned()));
        let error = ward.fails("E_REDIRECT");
        assert_eq!(error["side"], "target", "{error:#}");
    }
}
