//! Reads that fail: an error with its side, its words and a way out, and never an absence.

use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::{Auth, Options};
use crate::support::server::{Answer, Fault, Match, refusing_host};
use crate::support::stage::{Mirror, Pair, steps};
use crate::support::tripwire;

#[test]
fn a_target_that_cannot_be_read_is_never_taken_for_one_that_lacks_the_tag() {
    let faults = [
        ("403", Fault::status(403), "E_DENIED"),
        ("418", Fault::status(418), "E_REFUSED"),
        ("redirect to nowhere", Fault::Redirect { status: 307, to: "http://169.254.169.254/".into() }, "E_BOUNDARY"),
    ];
    for (name, fault, code) in faults {
        let pair = Pair::start();
        zoo::single("image").push_to(&pair.source, "app", "1");
        pair.target.fault(Match::new("*", "/manifests/"), fault);
        let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
        let document = regsync.run(["plan", "--format", "json"]).assert_status(1).json();
        assert_eq!(document["steps"][0]["reason"], "target-unreadable", "{name}: {document:#}");
        assert_eq!(document["steps"][0]["error"]["code"], code, "{name}: {document:#}");
        regsync.run(["apply"]).assert_status(1);
        pair.assert_read_only();
    }
}

#[test]
fn messages_name_the_reference_the_side_the_registrys_words_and_a_way_out() {
    let pair = Pair::start();
    zoo::single("image").push_to(&pair.source, "app", "1");
    let denied = Answer::error(403, "DENIED", "installation not allowed to \u{1b}[31mwrite\u{1b}[0m");
    pair.source.fault(Match::new("*", "/v2/private/"), Fault::Reply(denied));
    let mirrors = [pair.mirror("app", &["1"]), pair.mirror("private", &["1"]), pair.mirror("app2", &["2"])];
    let planned = pair.regsync(&mirrors).run(["plan"]);
    insta::assert_snapshot!(planned.assert_status(1).transcript(), @r#"
    exit: 1
    --- stdout
    regsync.yaml: 3 tags, 3 mirrors

    app       [SOURCE]/app -> [TARGET]/app           regsync.yaml:3
      + 1   absent       -> a40c1a3b7349   5.2 kB

    private   [SOURCE]/private -> [TARGET]/private   regsync.yaml:6
      ! 1   E_DENIED source: could not look up [SOURCE]/private:1: [SOURCE] answered 403 Forbidden: "DENIED: installation not allowed to [31mwrite [0m"
            help: either [SOURCE]/private does not exist, or it is not for everybody to read, and no credential was sent; `regsync auth check [SOURCE]` shows which credential is used

    app2      [SOURCE]/app2 -> [TARGET]/app2         regsync.yaml:9
      ! 2   E_NOT_FOUND source: [SOURCE]/app2:2 does not exist at the source
            help: check the spelling; some registries also answer 404 where access is denied

    Plan: 1 to copy, 0 to update, 0 up to date, 0 blocked, 2 errors. 5.2 kB to transfer.
    Incomplete: what is in error is left alone; apply does the rest.
    --- stderr
    reading sources and targets
    "#);
}

#[test]
fn a_host_that_is_not_there_is_an_error_on_its_side_and_stops_no_other() {
    let pair = Pair::start();
    zoo::single("image").push_to(&pair.source, "app", "1");
    let dead = refusing_host();
    let away = Mirror::new(&format!("{dead}/app"), &[&pair.target.reference("away")], &["1"]);
    let regsync = pair.regsync(&[away, pair.mirror("app", &["1"])]);
    let applied = regsync.run(["apply", "--format", "json"]);
    let expected = ["away:1 failed source-unreadable E_CONNECT", "app:1 copied new"];
    let document = applied.assert_status(3).json();
    assert_eq!(steps(&document), expected);
    let failed = &document["steps"][0];
    assert_eq!((&failed["attempts"], failed["attempts"].as_u64()), (&failed["error"]["attempts"], Some(5)));
}

#[test]
fn a_layout_that_is_not_there_is_told_with_where_it_leads() {
    let config =
        "version: 1\nmirrors:\n  - { source: \"oci:upstream/web\", target: \"oci:mirror/web\", tags: [\"1\"] }\n";
    let regsync = Regsync::new().file("ci/regsync.yaml", config);
    let refused = regsync.run(["plan", "-c", "ci/regsync.yaml"]);
    let told = refused.transcript().replace('\\', "/");
    assert!(told.contains("E_LAYOUT_PATH") && told.contains("there is no such directory"), "{told}");
    assert!(told.contains("it leads to ci/upstream/web: relative paths start where their file is"), "{told}");
}

/// The directories of a runner are nobody's business: comments and annotations are public.
#[cfg(unix)]
#[test]
fn no_problem_of_a_layout_names_a_directory_of_this_machine() {
    let mirrors = "version: 1\nmirrors:\n  - { source: \"oci:upstream\", target: \"oci:link/out\", tags: [\"1\"] }\n\
                  \x20 - { source: \"oci:../shared/web\", target: \"oci:file\", tags: [\"1\"] }\n";
    let regsync = Regsync::new().file("ci/regsync.yaml", mirrors).file("ci/file", "no directory");
    std::fs::create_dir(regsync.path("shared")).unwrap();
    std::os::unix::fs::symlink("/", regsync.path("ci/link")).unwrap();
    let machine = regsync.path("").canonicalize().unwrap();
    let machine = machine.to_str().unwrap();
    let run = regsync.run(["plan", "-c", "ci/regsync.yaml", "--allow-path", "shared"]);
    let told = &run.assert_status(65).stderr;
    assert_eq!(told.matches("E_LAYOUT_PATH").count(), 4, "{told}");
    assert!(!told.contains(machine), "{machine} is in {told}");
    assert!(told.contains("it leads to web below a directory of `--allow-path`"), "{told}");
}

/// Two mirrors of ten tags each, of a host where nobody listens.
fn of_a_dead_host(pair: &Pair) -> Regsync {
    let dead = refusing_host();
    let tags: Vec<String> = (0..10).map(|tag| tag.to_string()).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let mirror = |name: &str| Mirror::new(&format!("{dead}/{name}"), &[&pair.target.reference(name)], &tags);
    pair.regsync(&[mirror("app"), mirror("web")]).host(&dead, "DEAD")
}

#[test]
fn the_tags_of_a_host_that_is_not_there_are_one_row() {
    let pair = Pair::start();
    let regsync = of_a_dead_host(&pair);
    let planned = regsync.run(["plan", "-o", "plan.json"]);
    let shown = planned.assert_status(1).stdout.clone();
    assert_eq!(shown.matches("E_CONNECT").count(), 1, "{}", planned.transcript());
    assert!(shown.contains("same: 19 more; -v lists them"), "{}", planned.transcript());
    assert_eq!(planned.stderr.matches("retry in ").count(), 1, "{}", planned.transcript());
    assert!(planned.stderr.contains(" more of the same kind; -v tells each"), "{}", planned.transcript());
    let row = shown.lines().find(|line| line.contains("E_CONNECT")).unwrap();
    assert_eq!(row.matches(" attempts in ").count(), 1, "{row}");
    assert_eq!(regsync.run(["show", "plan.json"]).assert_status(0).stdout.matches("E_CONNECT").count(), 1);
    let applied = regsync.run(["apply", "plan.json"]);
    assert_eq!(applied.stdout.matches("E_CONNECT").count(), 1, "{}", applied.transcript());
}

#[test]
fn no_credential_and_a_wrong_one_are_told_apart_and_neither_is_retried_anonymously() {
    let locked = Options { auth: Auth::basic("mirror", "CANARY-right"), ..Options::default() };
    let pair = Pair::with(locked, Options::default());
    zoo::single("image").push_to(&pair.source, "app", "1");
    let none = pair.regsync(&[pair.mirror("app", &["1"])]);
    let planned = none.run(["plan", "--format", "json"]);
    assert_eq!(steps(&planned.assert_status(1).json()), ["app:1 error no-credentials E_NO_CREDENTIALS"]);
    pair.clear_logs();
    let variable = pair.source.host().replace('.', "_").replace(':', "___");
    let wrong = pair.regsync(&[pair.mirror("app", &["1"])]);
    let wrong = wrong.env(&format!("REGSYNC_AUTH_{variable}"), "mirror:CANARY-wrong");
    tripwire::belongs("CANARY-wrong", &pair.source.host());
    let planned = wrong.run(["plan", "--format", "json"]);
    assert_eq!(steps(&planned.assert_status(1).json()), ["app:1 error source-unreadable E_AUTH"]);
    let after_refusal =
        pair.source.requests().into_iter().skip_while(|request| request.header("authorization").is_none());
    for request in after_refusal {
        assert!(request.header("authorization").is_some(), "asked anonymously after a refusal: {}", request.line());
    }
}

#[test]
fn schema_1_is_refused_with_words() {
    let pair = Pair::start();
    let old = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    pair.source.put_manifest("app", "1", old, r#"{"schemaVersion":1,"name":"app","tag":"1"}"#);
    zoo::single("image").push_to(&pair.source, "app", "2");
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "2"])]);
    let planned = regsync.run(["plan"]);
    insta::assert_snapshot!(planned.assert_status(1).transcript(), @r"
    exit: 1
    --- stdout
    regsync.yaml: 2 tags, 1 mirror

    app   [SOURCE]/app -> [TARGET]/app   regsync.yaml:3
      ! 1   E_UNSUPPORTED source: the image for [TARGET]/app:1 is a docker schema 1 manifest, which cannot be copied by digest
            help: rebuild or re-push it at its source with a current tool
      + 2   absent       -> a40c1a3b7349   5.2 kB

    Plan: 1 to copy, 0 to update, 0 up to date, 0 blocked, 1 error. 5.2 kB to transfer.
    Incomplete: what is in error is left alone; apply does the rest.
    --- stderr
    reading sources and targets
    ");
    let applied = regsync.run(["apply", "--format", "json"]);
    let expected = ["app:1 failed unsupported E_UNSUPPORTED", "app:2 copied new"];
    assert_eq!(steps(&applied.assert_status(3).json()), expected);
}
