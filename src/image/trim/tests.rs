//! The bytes of parts, and which children stay.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::image::MediaType;

const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn subset(names: &[&str], single: Single) -> Subset {
    Subset::new(names.iter().map(|name| name.parse().expect(name)).collect(), single).expect("a subset")
}

fn index_of(names: &[&str]) -> Subset {
    subset(names, Single::Index)
}

fn digest(seed: &str) -> Digest {
    Digest::sha256(seed.as_bytes())
}

/// A child for `os/architecture[/variant]`.
fn child(name: &str) -> String {
    let mut parts = name.split('/');
    let mut part = |key: &str| parts.next().map(|value| format!(r#""{key}":"{value}""#));
    let platform =
        [part("os"), part("architecture"), part("variant")].into_iter().flatten().collect::<Vec<_>>().join(",");
    format!(r#"{{"mediaType":"{MANIFEST}","digest":"{}","size":7,"platform":{{{platform}}}}}"#, digest(name))
}

/// An attestation of the child for `name`, as BuildKit writes them.
fn attestation(name: &str) -> String {
    format!(
        r#"{{"mediaType":"{MANIFEST}","digest":"{}","size":7,"annotations":{{"vnd.docker.reference.digest":"{}","vnd.docker.reference.type":"attestation-manifest"}},"platform":{{"architecture":"unknown","os":"unknown"}}}}"#,
        digest(&format!("attestation of {name}")),
        digest(name)
    )
}

fn index(children: &[String]) -> Manifest {
    read(&format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#, children.join(",")), INDEX)
}

fn read(text: &str, media_type: &str) -> Manifest {
    Manifest::identify(Bytes::copy_from_slice(text.as_bytes()), &MediaType::new(media_type)).expect("a manifest")
}

fn text(manifest: &Manifest) -> String {
    String::from_utf8(manifest.bytes().to_vec()).expect("UTF-8")
}

fn trimmed_index(index: &Manifest, wanted: &Subset) -> Manifest {
    match trim(index, wanted).expect("a subset").root {
        Root::Index(index) => index,
        other => panic!("{other:?} is no trimmed index"),
    }
}

/// The digests of the children that are left.
fn left(root: &Root, whole: &Manifest) -> Vec<Digest> {
    let of = |manifest: &Manifest| match manifest.view() {
        View::Index(index) => index.manifests.iter().map(|child| child.digest.clone()).collect(),
        _ => Vec::new(),
    };
    match root {
        Root::Whole => of(whole),
        Root::Index(index) => of(index),
        Root::Child(child) => vec![child.digest.clone()],
    }
}

/// As a registry may hold it: indented, in no order, with members of a later specification, odd escapes and numbers.
const GOLDEN: &str = r#"{
   "schemaVersion": 2,
   "annotations": { "org.opencontainers.image.url": "https:\/\/example.com/\u00fc \"x\\" },
   "manifests": [
      {
         "size": 7143, "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
         "x-later": [ 1.0, 1E+2, null, { "b" : true, "a" : false } ],
         "mediaType": "application/vnd.oci.image.manifest.v1+json",
         "platform": { "os": "linux", "architecture": "amd64", "os.features": [ "sse4" ] }
      },
      {
         "mediaType": "application/vnd.oci.image.manifest.v1+json",
         "digest": "sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0",
         "size": 7682,
         "platform": { "architecture": "arm64", "os": "linux", "variant": "v8" }
      },
      {
         "mediaType": "application/vnd.oci.image.manifest.v1+json",
         "digest": "sha256:3e744b9dc39389baf0c5a0660589b8402f3dbb49b89b3e75f2c9355852a3c677",
         "size": 566,
         "annotations": {
            "vnd.docker.reference.digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "vnd.docker.reference.type": "attestation-manifest"
         },
         "platform": { "architecture": "unknown", "os": "unknown" }
      }
   ],
   "artifactType": "application/vnd.example.set",
   "mediaType": "application/vnd.oci.image.index.v1+json",
   "subject": { "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
                "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" }
}
"#;

const GOLDEN_AMD64: &str = r#"{"schemaVersion":2,"annotations":{"org.opencontainers.image.url":"https:\/\/example.com/\u00fc \"x\\"},"manifests":[{"size":7143,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","x-later":[1.0,1E+2,null,{"b":true,"a":false}],"mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"os":"linux","architecture":"amd64","os.features":["sse4"]}},{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:3e744b9dc39389baf0c5a0660589b8402f3dbb49b89b3e75f2c9355852a3c677","size":566,"annotations":{"vnd.docker.reference.digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","vnd.docker.reference.type":"attestation-manifest"},"platform":{"architecture":"unknown","os":"unknown"}}],"artifactType":"application/vnd.example.set","mediaType":"application/vnd.oci.image.index.v1+json","subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}"#;

const GOLDEN_ARM64: &str = r#"{"schemaVersion":2,"annotations":{"org.opencontainers.image.url":"https:\/\/example.com/\u00fc \"x\\"},"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0","size":7682,"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}],"artifactType":"application/vnd.example.set","mediaType":"application/vnd.oci.image.index.v1+json","subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}"#;

/// These bytes are part of the interface: to change them is a major version.
#[test]
fn the_bytes_of_a_subset() {
    let whole = read(GOLDEN, INDEX);
    for (platform, bytes, digest) in [
        ("linux/amd64", GOLDEN_AMD64, "sha256:a42121f5255f1a9f915b53bc4b79deeebac8e1c99b67e11d35bf87d35dd65acf"),
        ("linux/arm64", GOLDEN_ARM64, "sha256:46a083ed8fa39094005d120d6af9b1b1240d93d0ed458174a2151b3443693e5a"),
    ] {
        let trimmed = trimmed_index(&whole, &index_of(&[platform]));
        assert_eq!(text(&trimmed), bytes);
        assert_eq!(trimmed.digest().to_string(), digest);
        assert_eq!(trimmed.media_type(), &MediaType::oci_index());
    }
}

#[test]
fn what_is_left_of_an_index_is_counted_and_what_is_missing_named() {
    let whole = index(&[child("linux/amd64"), child("linux/arm/v6"), child("linux/s390x"), attestation("linux/amd64")]);
    let some = trim(&whole, &index_of(&["linux/amd64", "linux/arm64", "linux/s390x"])).unwrap();
    let names: Vec<String> = some.platforms.iter().map(ToString::to_string).collect();
    assert_eq!((names, some.of), (vec!["linux/amd64".to_owned(), "linux/s390x".to_owned()], 3));
    assert_eq!(some.absent, ["linux/arm64".parse().unwrap()]);
    assert_eq!(
        left(&some.root, &whole),
        [digest("linux/amd64"), digest("linux/s390x"), digest("attestation of linux/amd64")]
    );
}

#[test]
fn an_index_of_which_everything_stays_is_left_as_it_is() {
    let whole = index(&[child("linux/amd64"), attestation("linux/amd64")]);
    assert_eq!(trim(&whole, &index_of(&["linux/amd64", "linux/arm64"])).unwrap().root, Root::Whole);
    let golden = read(GOLDEN, INDEX);
    assert_eq!(trim(&golden, &index_of(&["linux/amd64", "linux/arm64"])).unwrap().root, Root::Whole);
}

#[test]
fn attestations_follow_what_they_describe_and_nothing_else() {
    let astray = attestation("somewhere else");
    let whole = index(&[
        attestation("linux/arm64"),
        child("linux/amd64"),
        child("linux/arm64"),
        attestation("linux/amd64"),
        astray,
    ]);
    let wanted = index_of(&["linux/arm64"]);
    assert_eq!(
        left(&trim(&whole, &wanted).unwrap().root, &whole),
        [digest("attestation of linux/arm64"), digest("linux/arm64")]
    );
    // One that says it is for a platform is still no image.
    let posing = attestation("linux/amd64")
        .replace("\"unknown\"", "\"linux\"")
        .replace("\"architecture\":\"linux\"", "\"architecture\":\"arm64\"");
    let whole = index(&[child("linux/amd64"), posing]);
    assert!(matches!(trim(&whole, &wanted), Err(TrimError::NoPlatform { .. })));
}

#[test]
fn one_manifest_in_place_of_the_index() {
    let whole =
        index(&[attestation("linux/amd64"), child("linux/arm64"), child("linux/amd64"), child("linux/amd64/v1")]);
    let one = trim(&whole, &subset(&["linux/amd64"], Single::Manifest)).unwrap();
    assert_eq!(left(&one.root, &whole), [digest("linux/amd64")], "the first that fits");
    assert_eq!((one.platforms.len(), one.of), (1, 3));
    // An index of one is not what is asked for either.
    let whole = index(&[child("linux/amd64")]);
    let one = trim(&whole, &subset(&["linux/amd64"], Single::Manifest)).unwrap();
    assert!(matches!(one.root, Root::Child(_)));
}

#[test]
fn a_docker_list_stays_one() {
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{DOCKER_LIST}","manifests":[{},{}]}}"#,
        child("linux/amd64"),
        child("linux/arm64")
    );
    let trimmed = trimmed_index(&read(&text, DOCKER_LIST), &index_of(&["linux/amd64"]));
    assert_eq!(trimmed.media_type().as_str(), DOCKER_LIST);
}

#[test]
fn nothing_that_fits_is_an_error_that_says_what_is_there() {
    let windows = child("windows/amd64").replace(r#""os":"windows""#, r#""os":"windows","os.version":"10.0.20348.1""#);
    let whole = index(&[child("linux/s390x"), windows, attestation("linux/s390x"), child("linux/s390x")]);
    let error = trim(&whole, &index_of(&["linux/amd64", "linux/arm"])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "none of its platforms is linux/amd64, linux/arm/v7: it has linux/s390x, windows/amd64:10.0.20348.1"
    );
    let many: Vec<String> = (0..30).map(|n| child(&format!("linux/arm64/v8.{n}{}", "x".repeat(1000)))).collect();
    let error = trim(&index(&many), &index_of(&["linux/amd64"])).unwrap_err().to_string();
    assert!(error.ends_with(", and more") && error.len() < 2_000, "{error}");
    let bare = format!(r#"{{"mediaType":"{MANIFEST}","digest":"{}","size":7}}"#, digest("bare"));
    let error = trim(&index(&[bare]), &index_of(&["linux/amd64"])).unwrap_err();
    assert_eq!(error.to_string(), "none of its platforms is linux/amd64: it names none");
    assert!(matches!(
        trim(&read(r#"{"manifests":null}"#, INDEX), &index_of(&["linux/amd64"])),
        Err(TrimError::NoPlatform { .. })
    ));
}

#[test]
fn an_index_below_is_taken_as_a_whole_or_not_understood() {
    let below = |name: &str| child(name).replace(MANIFEST, INDEX);
    let whole = index(&[below("linux/amd64"), below("linux/arm64")]);
    assert_eq!(left(&trim(&whole, &index_of(&["linux/arm64"])).unwrap().root, &whole), [digest("linux/arm64")]);
    // One manifest was asked for.
    let one = trim(&whole, &subset(&["linux/arm64"], Single::Manifest));
    assert_eq!(one, Err(TrimError::Deeper(digest("linux/arm64"))));
    let open = format!(r#"{{"mediaType":"{INDEX}","digest":"{}","size":7}}"#, digest("open"));
    let whole = index(&[child("linux/amd64"), open]);
    assert_eq!(trim(&whole, &index_of(&["linux/amd64"])), Err(TrimError::Nested(digest("open"))));
}

#[test]
fn what_is_no_index_has_no_subset() {
    let config = format!(r#"{{"mediaType":"a/b","digest":"{}","size":2}}"#, digest("config"));
    let image = read(&format!(r#"{{"config":{config},"layers":[]}}"#), MANIFEST);
    assert_eq!(trim(&image, &index_of(&["linux/amd64"])), Err(TrimError::NotAnIndex));
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let mut bytes = text(&index(&[child("linux/amd64"), child("linux/arm64")])).into_bytes();
    bytes.splice(1..1, *b"\"x\":\"\xff\",");
    let odd = Manifest::identify(bytes.into(), &MediaType::oci_index());
    // Whether it is read as a manifest at all is not this function's to say.
    if let Ok(odd) = odd {
        assert!(matches!(trim(&odd, &index_of(&["linux/amd64"])), Err(TrimError::Syntax(_))));
    }
}

const POOL: [&str; 6] =
    ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "windows/amd64", "linux/amd64/v3"];

/// Children of an index: platforms with or without attestations, in any order, and as much white space as there may be.
fn indexes() -> impl Strategy<Value = Manifest> {
    let children = (subsequence(POOL.to_vec(), 1..=POOL.len()), any::<bool>()).prop_flat_map(|(names, attested)| {
        let mut children: Vec<String> = names.iter().map(|name| child(name)).collect();
        children.extend(names.iter().filter(|_| attested).map(|name| attestation(name)));
        Just(children).prop_shuffle()
    });
    (children, "[ \\t\\r\\n]{0,3}", "[\"\\\\{}:, a\u{fc}]{0,8}").prop_map(|(children, space, note)| {
        let note = serde_json::to_string(&note).unwrap();
        let separator = format!("{space},{space}");
        let children = children.join(&separator);
        read(
            &format!("{space}{{{space}\"note\"{space}:{space}{note},\"manifests\":[{space}{children}{space}]}}{space}"),
            INDEX,
        )
    })
}

fn asked() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(POOL.to_vec(), 1..=POOL.len()).prop_shuffle()
}

proptest! {
    #[test]
    fn a_subset_is_a_part_of_its_source_and_its_own_subset(whole in indexes(), names in asked()) {
        let wanted = index_of(&names);
        let Ok(trimmed) = trim(&whole, &wanted) else { return Ok(()) };
        let all = left(&Root::Whole, &whole);
        let kept = left(&trimmed.root, &whole);
        let mut rest = all.iter();
        prop_assert!(kept.iter().all(|digest| rest.any(|other| other == digest)), "in the order of the source");
        for name in POOL {
            let (image, described) = (digest(name), digest(&format!("attestation of {name}")));
            prop_assert_eq!(kept.contains(&image), all.contains(&image) && names.contains(&name));
            prop_assert_eq!(kept.contains(&described), all.contains(&described) && kept.contains(&image));
        }
        let mut reversed = names.clone();
        reversed.reverse();
        prop_assert_eq!(&trim(&whole, &index_of(&reversed)).unwrap(), &trimmed, "order has no part in it");
        if let Root::Index(index) = &trimmed.root {
            prop_assert_eq!(trim(index, &wanted).unwrap().root, Root::Whole, "nothing is left to trim");
            prop_assert!(index.bytes().len() < whole.bytes().len());
        }
    }

    /// What JSON means is left as it was, and its text alone decides the bytes.
    #[test]
    fn white_space_has_no_part_in_the_bytes(whole in indexes(), names in asked()) {
        let Ok(Trimmed { root: Root::Index(index), .. }) = trim(&whole, &index_of(&names)) else { return Ok(()) };
        let mut expected: serde_json::Value = serde_json::from_slice(whole.bytes()).unwrap();
        let kept: Vec<String> = left(&Root::Whole, &index).iter().map(ToString::to_string).collect();
        let children = expected["manifests"].as_array_mut().unwrap();
        children.retain(|child| kept.contains(&child["digest"].as_str().unwrap().to_owned()));
        let found: serde_json::Value = serde_json::from_slice(index.bytes()).unwrap();
        prop_assert_eq!(found, expected);
        let indented = serde_json::from_slice::<Pretty>(whole.bytes()).unwrap().0;
        let other = trim(&read(&indented, INDEX), &index_of(&names)).unwrap();
        prop_assert_eq!(other.root, Root::Index(index));
    }
}

/// The same document with a line break after each token that allows one.
struct Pretty(String);

impl<'de> Deserialize<'de> for Pretty {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let (mut text, mut in_string, mut escaped) = (String::new(), false, false);
        for c in raw.get().chars() {
            in_string ^= c == '"' && !escaped;
            escaped = in_string && c == '\\' && !escaped;
            text.push(c);
            if !in_string && matches!(c, ',' | ':' | '{' | '[') {
                text.push_str("\n\t ");
            }
        }
        Ok(Self(text))
    }
}
