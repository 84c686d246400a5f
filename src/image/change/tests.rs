//! What a change says, and that it is short and on its lines whatever two images hold.

use proptest::prelude::*;
use serde_json::json;

use super::super::{Manifest, MediaType};
use super::*;

fn platform(text: &str) -> Platform {
    let mut parts = text.split('/').map(str::to_owned);
    let (os, architecture) = (parts.next().unwrap(), parts.next().unwrap());
    Platform { os, architecture, variant: parts.next(), os_version: None }
}

fn manifest(layers: &[(&str, u64)], annotations: &serde_json::Value) -> Manifest {
    let digest = |seed: &str| super::super::Digest::sha256(seed.as_bytes()).to_string();
    let layer = |(seed, size): &(&str, u64)| json!({"mediaType": "a/b", "digest": digest(seed), "size": size});
    let layers: Vec<_> = layers.iter().map(layer).collect();
    let config = json!({"mediaType": "a/b", "digest": digest("config"), "size": 2});
    let text = json!({"schemaVersion": 2, "config": config, "layers": layers, "annotations": annotations}).to_string();
    Manifest::identify(text.into(), &MediaType::oci_manifest()).unwrap()
}

fn index(children: &[serde_json::Value]) -> Manifest {
    let child = |more: &serde_json::Value| {
        let digest = super::super::Digest::sha256(more.to_string().as_bytes()).to_string();
        let mut child = json!({"mediaType": MediaType::oci_manifest().as_str(), "digest": digest, "size": 2});
        child.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        child
    };
    let children: Vec<_> = children.iter().map(child).collect();
    let text = json!({"schemaVersion": 2, "manifests": children}).to_string();
    Manifest::identify(text.into(), &MediaType::oci_index()).unwrap()
}

/// An image with these layers and this configuration, for `linux/amd64` and other platforms.
fn portrait(others: &[&str], layers: &[(&str, u64)], config: &[u8]) -> Portrait {
    let root = manifest(layers, &json!({}));
    let usual = platform("linux/amd64");
    let image = Picture::new(&root, Some(&usual), Some(config));
    let platforms = others.iter().map(|name| platform(name)).chain([usual]).collect();
    Portrait { platforms, stated: None, image }
}

#[test]
fn a_change_tells_platforms_versions_layers_and_settings() {
    let config = |version: &str, user: &str, env: &[&str]| {
        json!({"created": "2026-01-02T03:04:05Z", "architecture": "amd64", "os": "linux", "config": {
            "User": user, "Env": env, "Cmd": ["sh", "-c", "a\nb"], "ExposedPorts": {"80/tcp": {}},
            "Labels": {"org.opencontainers.image.version": version, "b": "2", "a": "1"}, "Volumes": null,
        }, "history": [{"created_by": "not told"}]})
        .to_string()
    };
    let old = portrait(
        &["linux/arm/v7", "linux/arm64"],
        &[("base", 100), ("app", 20)],
        config("1.3.0", "app", &["PATH=/bin", "A=1"]).as_bytes(),
    );
    let new = portrait(
        &["linux/arm64/v8", "linux/riscv64"],
        &[("base", 100), ("more", 7)],
        config("1.2.9", "root", &["A=2", "PATH=/bin"]).as_bytes(),
    );
    let change = Change::between(&old, &new);
    insta::assert_snapshot!("a change", serde_json::to_string_pretty(&change).unwrap());
    insta::assert_snapshot!("its diff", change.image.as_ref().unwrap().diff);
    assert_eq!(change.check(), Ok(()));
    let bare = change.without_diff();
    let image = bare.image.unwrap();
    assert_eq!((image.diff.as_str(), image.diff_left_out), ("", 23));
}

#[test]
fn values_of_the_environment_are_left_out_and_that_they_change_is_not() {
    let long = "N".repeat(300);
    let config = |token: &str| {
        let env = [format!("TOKEN={token}"), "PATH=/a=b".to_owned(), format!("{long}={token}"), format!("odd {token}")];
        json!({"config": {"Env": env, "Cmd": ["Env: A=kept"], "Labels": {"a": "kept"}}}).to_string()
    };
    let change = Change::between(
        &portrait(&[], &[], config("first secret").as_bytes()),
        &portrait(&[], &[], config("second secret").as_bytes()),
    );
    let whole = change.image.clone().unwrap().diff;
    assert!(whole.contains("-Env: TOKEN=first secret\n") && whole.contains("sha256:"), "{whole}");
    let change = change.without_values();
    let diff = &change.image.as_ref().unwrap().diff;
    for gone in ["secret", "/a=b", "sha256:"] {
        assert!(!diff.contains(gone), "{gone} is in {diff}");
    }
    assert!(diff.contains("-Env: TOKEN=***\n") && diff.contains("+Env: TOKEN=*** (changed)\n"), "{diff}");
    assert!(diff.contains("-Env: ***\n") && diff.contains(" Env: PATH=***\n"), "{diff}");
    assert_eq!(diff.lines().count(), whole.lines().count());
    assert_eq!(change.check(), Ok(()));
    let fieldless = Change::between(
        &portrait(&[], &[], b"{}"),
        &portrait(&[], &[], br#"{"config":{"Env":{"A":"b"},"Cmd":["Env: A=kept"]}}"#),
    );
    let diff = fieldless.without_values().image.unwrap().diff;
    assert!(diff.contains("+Env: A=***\n") && diff.contains("+Cmd: [\"Env: A=kept\"]\n"), "{diff}");
}

#[test]
fn a_diff_that_grows_without_values_keeps_its_limits() {
    let environment = |value: &str| {
        let variables: Vec<String> = (10..38).map(|n| format!("{}{n}={value}", "A".repeat(55))).collect();
        json!({"config": {"Env": variables}}).to_string()
    };
    let (old, new) = (environment("1"), environment("2"));
    let change = Change::between(&portrait(&[], &[], old.as_bytes()), &portrait(&[], &[], new.as_bytes()));
    assert_eq!(change.image.as_ref().unwrap().diff_left_out, 0, "{change:?}");
    let change = change.without_values();
    assert_eq!(change.check(), Ok(()));
    assert!(change.image.unwrap().diff_left_out > 0);
}

#[test]
fn an_annotation_says_the_version_before_a_label_does() {
    let config = json!({"config": {"Labels": {"org.opencontainers.image.version": "3"}}}).to_string();
    let annotated = manifest(&[], &json!({"org.opencontainers.image.version": "2"}));
    let picture = Picture::new(&annotated, None, Some(config.as_bytes()));
    let version = |stated: Option<&str>, image| {
        Portrait { stated: stated.map(str::to_owned), image, ..Portrait::default() }.version()
    };
    assert_eq!(version(Some("1"), picture.clone()).as_deref(), Some("1"));
    assert_eq!(version(None, picture).as_deref(), Some("2"));
    let plain = Picture::new(&manifest(&[], &json!({})), None, Some(config.as_bytes()));
    assert_eq!(version(None, plain).as_deref(), Some("3"));
}

#[test]
fn what_is_no_configuration_is_not_compared() {
    for wrong in ["", "[]", "{", "\u{fffd}", "null"] {
        assert_eq!(Picture::new(&manifest(&[], &json!({})), None, Some(wrong.as_bytes())), None, "{wrong}");
    }
    let odd = br#"{"config":{"Env":3,"Labels":["x"],"Cmd":"run","Volumes":true},"os":{"a":1}}"#;
    let change = Change::between(&portrait(&[], &[], b"{}"), &portrait(&[], &[], odd));
    let diff = change.image.unwrap().diff;
    for line in ["+os: {\"a\":1}\n", "+Cmd: run\n", "+Env: 3\n", "+Volumes: true\n", "+Labels: x\n"] {
        assert!(diff.contains(line), "{line:?} in {diff}");
    }
}

#[test]
fn an_index_offers_what_its_children_say() {
    let amd64 = json!({"platform": {"os": "linux", "architecture": "amd64"}});
    let unknown = json!({"platform": {"os": "unknown", "architecture": "unknown"}});
    let note = json!({"artifactType": "application/vnd.example.note"});
    let Offers::Children(offers) = Offers::of(&index(&[amd64.clone(), unknown, note])) else { panic!("an index") };
    assert_eq!(
        offers.iter().map(|offer| offer.platform.clone().unwrap().to_string()).collect::<Vec<_>>(),
        ["linux/amd64"]
    );
    assert_eq!(Offers::of(&index(&[amd64, json!({})])), Offers::Unknown);
    assert_eq!(Offers::of(&manifest(&[], &json!({}))), Offers::Plain, "its configuration is not an image's");
}

#[test]
fn the_usual_platform_is_compared_first() {
    let offers = |names: &[&str]| -> Vec<Offer> {
        names.iter().map(|name| Offer { platform: Some(platform(name)), child: None }).collect()
    };
    let chosen = |old: &[&str], new: &[&str]| {
        let (old, new) = (offers(old), offers(new));
        common(&old, &new)
            .map(|(old, new)| (old.platform.clone().unwrap().to_string(), new.platform.clone().unwrap().to_string()))
    };
    let both = |old: &str, new: &str| Some((old.to_owned(), new.to_owned()));
    assert_eq!(
        chosen(&["linux/arm64", "linux/amd64"], &["linux/arm64", "linux/amd64"]),
        both("linux/amd64", "linux/amd64")
    );
    assert_eq!(chosen(&["linux/arm64/v8"], &["linux/amd64", "linux/arm64"]), both("linux/arm64/v8", "linux/arm64"));
    assert_eq!(chosen(&["linux/arm64"], &["linux/amd64"]), None);
    assert!(common(&[Offer::plain()], &[Offer::plain()]).is_some());
    assert_eq!(common(&[Offer::plain()], &offers(&["linux/amd64"])), None);
}

/// A diff is cut where it is long, and says so; and what differs in what is cut still differs.
#[test]
fn long_settings_are_cut_and_still_differ() {
    let env = |number: usize, value: &str| {
        let env: Vec<String> = (0..number).map(|n| format!("N{n:05}={value}")).collect();
        json!({"config": {"Env": env}}).to_string()
    };
    let between = |old: &str, new: &str| {
        let change = Change::between(&portrait(&[], &[], old.as_bytes()), &portrait(&[], &[], new.as_bytes()));
        assert_eq!(change.check(), Ok(()));
        change.image.unwrap()
    };
    let many = between(&env(5_000, "a"), &env(5_000, "b"));
    assert!(many.diff.len() <= DIFF_BYTES && many.diff.lines().count() <= DIFF_LINES);
    assert!(many.diff_left_out > 1_000);
    let long = "x".repeat(10_000);
    let one = between(&env(1, &(long.clone() + "a")), &env(1, &(long + "b")));
    assert!(one.diff.contains("-Env: N00000=xxx") && one.diff.contains("+Env: N00000=xxx"), "{}", one.diff);
    let mut most: Vec<String> = (0..2_000).map(|n| format!("N{n:05}=")).collect();
    let first = json!({"config": {"Env": most}}).to_string();
    most.push("Z=1".to_owned());
    let beyond = between(&first, &json!({"config": {"Env": most}}).to_string());
    assert!(beyond.diff.contains("+… 1002 more lines"), "{}", beyond.diff);
}

#[test]
fn a_change_of_a_document_is_no_longer_than_one_that_is_made() {
    let some = Change::between(&portrait(&["linux/arm64"], &[], b"{}"), &portrait(&[], &[("a", 1)], b"{}"));
    let with = |change: fn(&mut Change)| {
        let mut other = some.clone();
        change(&mut other);
        other.check()
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert!(with(|change| change.platforms.added = vec!["a/b".into(); 101]).is_err());
    assert!(with(|change| change.platforms.removed[0].push_str(&"x".repeat(100))).is_err());
    assert!(with(|change| change.version.after = Some("1\n2".into())).is_err());
    assert!(with(|change| change.image.as_mut().unwrap().diff = "x\n".repeat(61)).is_err());
    assert!(with(|change| change.image.as_mut().unwrap().diff = "x".repeat(DIFF_BYTES + 1)).is_err());
}

fn hostile_config() -> impl Strategy<Value = Vec<u8>> {
    let value = any::<String>();
    let settings =
        (prop::collection::vec(value, 0..6), any::<String>(), any::<String>()).prop_map(|(env, name, value)| {
            json!({"created": value, "config": {"Env": env, "Labels": {name: value}, "User": value, "Cmd": [value]}})
                .to_string()
                .into_bytes()
        });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), settings]
}

proptest! {
    #[test]
    fn any_two_configurations_have_a_change_within_limits(
        old in hostile_config(),
        new in hostile_config(),
        names in prop::collection::vec((any::<String>(), any::<String>()), 0..4),
    ) {
        let named = |(os, architecture): &(String, String)| Platform {
            os: os.clone(),
            architecture: architecture.clone(),
            variant: None,
            os_version: None,
        };
        let mut before = portrait(&[], &[("a", 1)], &old);
        before.platforms.extend(names.iter().map(named));
        before.stated = names.first().map(|(name, _)| name.clone());
        let change = Change::between(&before, &portrait(&[], &[("b", i64::MAX.cast_unsigned())], &new));
        prop_assert_eq!(change.check(), Ok(()));
        if let Some(image) = &change.image {
            prop_assert!(image.diff.lines().all(|line| line.starts_with([' ', '+', '-', '@'])), "{}", image.diff);
            prop_assert!(!image.diff.chars().any(|c| c.is_control() && c != '\n'), "{}", image.diff);
        }
        let text = serde_json::to_string(&change).unwrap();
        prop_assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change);
    }
}
