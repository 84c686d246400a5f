//! Realms, challenges and tokens that are not as they should be.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::support::registry::{Auth, Options};
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::{Pair, steps};
use crate::support::token::{Access, IssuerOptions, TokenField, TokenServer};
use crate::support::ward::{Setup, Species, TAG_PATH, UPLOADS, Ward};

/// The source of the faulty image asks with these words.
fn challenged(ward: Ward, challenge: &str) -> Ward {
    ward.source.fault(Match::new("*", "/v2/"), Fault::SetHeader("www-authenticate", challenge.to_owned()));
    ward
}

fn refused(challenge: &str) -> Fault {
    let answer = Answer::error(401, "UNAUTHORIZED", "authentication required");
    Fault::Reply(answer.header("WWW-Authenticate", challenge))
}

#[test]
fn a_realm_that_may_not_have_the_password_does_not_get_it() {
    let thief = TokenServer::start(IssuerOptions::default());
    let realms = [thief.realm(), "http://169.254.169.254/token".to_owned(), "http://plain.example/token".to_owned()];
    for realm in realms {
        let ward = challenged(Ward::begin(Setup::encrypted(Species::Index)), &format!("Bearer realm=\"{realm}\""));
        let error = ward.fails("E_BOUNDARY");
        assert!(error["message"].as_str().unwrap().contains("realm"), "{error:#}");
    }
    assert!(thief.requests().is_empty(), "{}", thief.request_log(&[]));
}

#[test]
fn a_realm_that_sends_us_away_is_not_followed() {
    let thief = TokenServer::start(IssuerOptions::default());
    let ward = Ward::apart(Species::Single);
    ward.tokens.fault(Match::new("*", "/token"), Fault::Redirect { status: 307, to: thief.realm() });
    ward.fails("E_BOUNDARY");
    assert!(thief.requests().is_empty(), "{}", thief.request_log(&[]));
}

#[test]
fn a_realm_may_be_named_by_its_path_alone() {
    challenged(Ward::begin(Setup::encrypted(Species::Single)), "Bearer realm=\"/token\",service=\"s\"").ends_well();
}

#[test]
fn challenges_are_read_however_they_are_written() {
    let challenges = [
        "Negotiate, Bearer realm=\"REALM\",scope=\"repository:faulty:pull,push\"",
        "bearer REALM=REALM",
        "Negotiate abc==, BEARER  Realm = \"REALM\" , service=\"a \\\"b\\\"\"",
        "Bearer realm=\"REALM\", Basic realm=\"registry\"",
        "Bearer realm=\"REALM\"",
    ];
    for challenge in challenges {
        let ward = Ward::apart(Species::Single);
        let challenge = challenge
            .replace("REALM", &ward.tokens.realm())
            .replace(&format!("bearer {}", ward.tokens.realm()), "bearer REALM");
        let ward = challenged(ward, &challenge);
        ward.passes();
        let requests = ward.tokens.issuer().token_requests();
        let asked = requests.iter().all(|request| {
            request
                .scopes
                .iter()
                .any(|scope| scope == "repository:faulty:pull" || scope == "repository:faulty:pull,push")
        });
        assert!(asked, "{challenge}: {requests:?}");
    }
    // In two headers, the other one first.
    let ward = Ward::apart(Species::Single);
    let bearer = format!("Bearer realm=\"{}\"", ward.tokens.realm());
    let ward = challenged(ward, "Negotiate");
    ward.source.fault(Match::new("*", "/v2/"), Fault::AddHeader("www-authenticate", bearer));
    ward.ends_well();
}

#[test]
fn a_challenge_that_nobody_can_meet_is_an_error() {
    for challenge in ["Negotiate", "Digest realm=\"x\"", "\"", "Bearer realm=\"unfinished", ""] {
        let ward = challenged(Ward::apart(Species::Single), challenge);
        let (output, document) = ward.plan();
        output.assert_status(1);
        let error = &crate::support::ward::step(&document, "faulty")["error"];
        assert_eq!(error["code"], "E_AUTH", "{challenge}: {error:#}");
        assert!(ward.tokens.requests().is_empty(), "{challenge}");
        ward.converges();
    }
    let ward = challenged(Ward::apart(Species::Single), "Bearer service=\"x\"");
    ward.fails("E_PROTOCOL");
}

#[test]
fn tokens_that_are_never_good_enough_are_not_asked_for_without_end() {
    let ward = Ward::of(Species::Index);
    let challenge = format!("Bearer realm=\"{}\",error=\"invalid_token\"", ward.tokens.realm());
    ward.source.fault(Match::new("GET", "/v2/faulty/blobs/"), refused(&challenge));
    let error = ward.fails_until("E_DENIED", |ward| {
        let asked = ward.tokens.issuer().token_requests();
        let asked =
            asked.iter().filter(|request| request.scopes.iter().any(|scope| scope.contains(":faulty:"))).count();
        // One for each repository and run, and one more for each blob that was refused.
        assert!(asked <= 2 + ward.image.blobs.len(), "{asked} requests for tokens");
    });
    assert!(error["message"].as_str().unwrap().contains("repository:faulty:pull"), "{error:#}");
}

#[test]
fn a_token_that_ends_on_the_way_is_replaced() {
    let moments = [("GET", "/manifests/sha256"), ("GET", "/blobs/"), ("HEAD", TAG_PATH)];
    for (method, path) in moments {
        let ward = Ward::of(Species::Index);
        let issuer = Arc::clone(ward.tokens.issuer());
        ward.source.before(Match::new(method, path).first(1), move || issuer.revoke_all());
        ward.ends_well();
    }
}

#[test]
fn a_token_that_ends_during_an_upload_is_replaced() {
    for (method, path) in [("POST", UPLOADS), ("PUT", UPLOADS), ("PUT", "/manifests/sha256"), ("PUT", TAG_PATH)] {
        let ward = Ward::begin(Setup { target_wants_tokens: true, ..Setup::of(Species::Index) });
        let issuer = Arc::clone(&ward.target_issuer);
        ward.target.before(Match::new(method, path).first(1), move || issuer.revoke_all());
        ward.ends_well();
    }
}

#[test]
fn lifetimes_without_sense_cause_no_flood_of_requests() {
    let cases = [
        (None, None),
        (Some(0), Some("1970-01-01T00:00:00Z")),
        (Some(-7), Some("2999-12-31T00:00:00Z")),
        (Some(1_000_000_000_000), Some("yesterday")),
        (Some(i64::MIN), None),
    ];
    for (expires_in, issued_at) in cases {
        let tokens = IssuerOptions { expires_in, issued_at: issued_at.map(str::to_owned), ..IssuerOptions::default() };
        let ward = Ward::begin(Setup { tokens, ..Setup::of(Species::Single) });
        ward.passes();
        let asked = ward.tokens.issuer().token_requests().len();
        // One for each of the six repositories.
        assert!(asked <= 6, "{asked} requests for tokens with {expires_in:?} and {issued_at:?}");
    }
}

#[test]
fn a_token_is_found_under_either_name() {
    for field in [TokenField::Token, TokenField::AccessToken, TokenField::Both] {
        let tokens = IssuerOptions { field, ..IssuerOptions::default() };
        let ward = Ward::begin(Setup { tokens, ..Setup::of(Species::Single) });
        ward.passes();
    }
}

#[test]
fn what_is_no_token_is_an_error_of_bounded_size() {
    let answers = [
        (Fault::html(), "E_AUTH"),
        (Fault::Reply(Answer::status(200).body("{}")), "E_AUTH"),
        (Fault::Reply(Answer::status(200).body("{\"token\":\"\"}")), "E_AUTH"),
        (Fault::Reply(Answer::status(200).body("{\"token\":\"a\\nb\"}")), "E_AUTH"),
        (Fault::ReplaceBody(Bytes::from(vec![b' '; 5 << 20])), "E_LIMIT"),
    ];
    for (fault, code) in answers {
        let ward = Ward::apart(Species::Single);
        ward.tokens.fault(Match::new("*", "/token"), fault);
        let error = ward.is_refused(code);
        assert!(error["message"].as_str().unwrap().contains("token realm"), "{error:#}");
    }
}

#[test]
fn a_repository_that_is_forbidden_is_asked_for_once() {
    let ward = Ward::of(Species::Index);
    let denied = Answer::error(403, "DENIED", "not for you");
    ward.source.fault(Match::new("*", "/v2/faulty/"), Fault::Reply(denied));
    let error = ward.fails_until("E_DENIED", |ward| {
        ward.source.clear_log();
        ward.run(["plan"]);
        for method in ["HEAD", "GET"] {
            let asked = ward.source.count(method, "/v2/faulty/");
            assert!(asked <= 1, "{}", ward.source.request_log(&[]));
        }
    });
    assert_eq!((error["attempts"].clone(), error["status"].clone()), (Value::from(1), Value::from(403)));
    assert!(error["message"].as_str().unwrap().contains("not for you"), "{error:#}");
}

#[test]
fn a_repository_that_is_missing_or_hidden_is_called_both() {
    let tokens = TokenServer::start(IssuerOptions { anonymous: Access::Pull, ..IssuerOptions::default() });
    let pair = Pair::with(Options { auth: Auth::bearer_at(&tokens), ..Options::default() }, Options::default());
    crate::support::images::zoo::single("public").push_to(&pair.source, "app", "1");
    // As Docker Hub does it: nobody is told whether there is such a repository.
    let challenge = format!("Bearer realm=\"{}\",error=\"insufficient_scope\"", tokens.realm());
    pair.source.fault(Match::new("*", "/v2/missing/"), refused(&challenge));
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]), pair.mirror("missing", &["1"])]);
    let document = regsync.run(["apply", "--format", "json"]).assert_status(3).json();
    assert_eq!(steps(&document)[0], "app:1 copied new", "{document:#}");
    let error = &document["steps"][1]["error"];
    let hint = error["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("does not exist") && hint.contains("not for everybody"), "{error:#}");
    let asked = tokens.issuer().token_requests().len();
    assert!(asked <= 4, "{asked} requests for tokens");
}
