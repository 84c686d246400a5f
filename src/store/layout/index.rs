//! `index.json`: which tag names which manifest (image-spec `image-layout.md`, "index.json File").
//!
//! Pure: bytes in, bytes out. An entry that is not understood is kept and stays in nobody's way, unless its tag is asked
//! for; what other tools wrote is written back as it was.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::files::Fault;
use super::members::Members;
use crate::image::{Code, Descriptor, MediaType, Tag};
use crate::store::limits::LAYOUT_INDEX;

/// The name of the file.
pub(super) const NAME: &str = "index.json";

/// The annotation that holds the tag (image-spec `annotations.md`). Only a value that is a tag and nothing else counts:
/// full references, which some tools write there, are names of other things.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const TOP: [&str; 6] = ["schemaVersion", "mediaType", "manifests", "config", "layers", "blobs"];
const ENTRY: [&str; 4] = ["mediaType", "digest", "size", "annotations"];

/// The content of `index.json`.
pub(super) struct Index {
    members: Members,
    entries: Vec<Entry>,
}

/// One element of `manifests`.
struct Entry {
    raw: Box<RawValue>,
    name: Option<String>,
    /// What it describes, or why that cannot be said.
    descriptor: Result<Descriptor, String>,
}

/// An entry as it is written here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewEntry<'a> {
    media_type: &'a str,
    digest: String,
    size: u64,
    annotations: BTreeMap<&'a str, &'a str>,
}

impl Index {
    /// The bytes of an index without entries.
    pub(super) fn empty() -> Vec<u8> {
        let media_type = MediaType::oci_index();
        format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[]}}"#).into_bytes()
    }

    /// Reads the file's bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let read = || {
            let members = Members::read(bytes, &TOP)?;
            if members.get::<u64>("schemaVersion")?.is_some_and(|version| version != 2) {
                return Err("`schemaVersion` is not 2".to_owned());
            }
            let media_type = members.get::<String>("mediaType")?.map(|text| MediaType::new(&text));
            if let Some(other) = media_type.filter(|media_type| !media_type.is_index()) {
                return Err(format!("it says that it is `{other}`"));
            }
            if let Some(name) = ["config", "layers", "blobs"].into_iter().find(|name| members.raw(name).is_some()) {
                return Err(format!("an index has no `{name}`"));
            }
            // `null` is what an empty list of Go becomes.
            members.raw("manifests").ok_or("it has no `manifests`")?;
            let raw: Vec<Box<RawValue>> = members.get("manifests")?.unwrap_or_default();
            let entries = raw.into_iter().map(Entry::read).collect::<Result<_, String>>()?;
            Ok(Self { members, entries })
        };
        read().map_err(|message| Fault::layout(format!("`{NAME}`: {message}")))
    }

    /// All tags, sorted, each once.
    pub(super) fn tags(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.entries.iter().filter_map(|entry| entry.name.as_deref()?.parse().ok()).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    /// What the entries without a name describe, as far as that can be said.
    pub(super) fn nameless(&self) -> impl Iterator<Item = &Descriptor> {
        self.entries.iter().filter(|entry| entry.name.is_none()).filter_map(|entry| entry.descriptor.as_ref().ok())
    }

    /// What `tag` names. Refuses to choose where two entries have that name, which the specification leaves to each
    /// implementation: another one could choose otherwise.
    pub(super) fn find(&self, tag: &Tag) -> Result<Option<&Descriptor>, Fault> {
        let Some(position) = self.position(tag)? else { return Ok(None) };
        match &self.entries[position].descriptor {
            Ok(descriptor) => Ok(Some(descriptor)),
            Err(message) => Err(Fault::layout(format!("`{NAME}`: the entry of `{tag}`: {message}"))),
        }
    }

    fn position(&self, tag: &Tag) -> Result<Option<usize>, Fault> {
        let mut named =
            self.entries.iter().enumerate().filter(|(_, entry)| entry.name.as_deref() == Some(tag.as_str()));
        let first = named.next().map(|(position, _)| position);
        if named.next().is_some() {
            return Err(Fault::layout(format!("`{NAME}` has more than one entry named `{tag}`")));
        }
        Ok(first)
    }

    /// The bytes of this index with `tag` naming `manifest`; `None` where it does already. The tag's entry keeps its
    /// position and nothing else: what its annotations said was said of another image.
    pub(super) fn with(&self, tag: &Tag, manifest: &Descriptor) -> Result<Option<Vec<u8>>, Fault> {
        let position = self.position(tag)?;
        if position.is_some_and(|position| self.entries[position].descriptor.as_ref() == Ok(manifest)) {
            return Ok(None);
        }
        let entry = written(&NewEntry {
            media_type: manifest.media_type.as_str(),
            digest: manifest.digest.to_string(),
            size: manifest.size,
            annotations: [(REF_NAME, tag.as_str())].into(),
        })?;
        let mut entries: Vec<&RawValue> = self.entries.iter().map(|entry| &*entry.raw).collect();
        match position {
            Some(position) => entries[position] = &entry,
            None => entries.push(&entry),
        }
        let manifests = written(&entries)?;
        let bytes = self.to_bytes(&manifests)?;
        if bytes.len() as u64 > LAYOUT_INDEX {
            return Err(Fault::new(Code::Limit, format!("`{NAME}` would become larger than {LAYOUT_INDEX} bytes")));
        }
        Ok(Some(bytes))
    }

    fn to_bytes(&self, manifests: &RawValue) -> Result<Vec<u8>, Fault> {
        let mut text = String::from("{");
        for (name, value) in self.members.iter() {
            let value = if name == "manifests" { manifests } else { value };
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(written(&name)?.get());
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        Ok(text.into_bytes())
    }
}

fn written<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, Fault> {
    to_raw_value(value).map_err(|error| Fault::new(Code::Internal, error.to_string()))
}

impl Entry {
    fn read(raw: Box<RawValue>) -> Result<Self, String> {
        let members = Members::read(raw.get().as_bytes(), &ENTRY)?;
        let annotations = members.raw("annotations").filter(|value| value.get() != "null");
        let name = match annotations {
            Some(value) => Members::read(value.get().as_bytes(), &[])?.get(REF_NAME)?,
            None => None,
        };
        let descriptor = descriptor(&members);
        Ok(Self { raw, name, descriptor })
    }
}

fn descriptor(members: &Members) -> Result<Descriptor, String> {
    let media_type: String = members.get("mediaType")?.unwrap_or_default();
    let digest: String = members.get("digest")?.ok_or("it has no `digest`")?;
    let digest = digest.parse().map_err(|error| format!("`{}`: {error}", digest.escape_debug()))?;
    let size: u64 = members.get("size")?.ok_or("it has no `size`")?;
    if i64::try_from(size).is_err() {
        return Err(format!("the size {size} is out of range"));
    }
    Ok(Descriptor::new(MediaType::new(&media_type), digest, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn entry(name: &str) -> String {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{DIGEST}","size":2,"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#
        )
    }

    fn index(entries: &[&str]) -> Index {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
        Index::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn tags_are_sorted_and_only_tags() {
        let names = ["b", "a", "docker.io/library/x:1", "b", "", "-x"].map(entry);
        let found = index(&names.each_ref().map(String::as_str)).tags();
        assert_eq!(found, [tag("a"), tag("b")]);
    }

    #[test]
    fn a_name_given_twice_is_nobodys() {
        let (one, two) = (entry("x"), entry("y"));
        let index = index(&[&one, &two, &one]);
        assert!(index.find(&tag("x")).unwrap_err().message.contains("`x`"));
        assert!(index.with(&tag("x"), &Descriptor::new(MediaType::oci_index(), Digest::sha256(b""), 0)).is_err());
        assert_eq!(index.find(&tag("y")).unwrap().unwrap().size, 2);
        assert_eq!(index.find(&tag("z")).unwrap(), None);
    }

    #[test]
    fn what_others_wrote_is_written_back() {
        let theirs = r#"{ "digest": "blake3:00", "x": 1.50e+3 }"#;
        let text = format!(
            r#"{{ "z" : {{"k" : 0.10}}, "manifests": [ {theirs}, {}, {} ],"schemaVersion": 2, "annotations":{{"b":"1","a":"2"}} }}"#,
            entry("moved"),
            entry("stays")
        );
        let new = Descriptor::new(MediaType::oci_index(), Digest::sha256(b"new"), 3);
        let moved = Index::parse(text.as_bytes()).unwrap().with(&tag("moved"), &new).unwrap().unwrap();
        let replaced = format!(
            r#"{{"mediaType":"{}","digest":"{}","size":3,"annotations":{{"org.opencontainers.image.ref.name":"moved"}}}}"#,
            new.media_type, new.digest
        );
        let expected = format!(
            r#"{{"z":{{"k" : 0.10}},"manifests":[{theirs},{replaced},{}],"schemaVersion":2,"annotations":{{"b":"1","a":"2"}}}}"#,
            entry("stays")
        );
        assert_eq!(String::from_utf8(moved.clone()).unwrap(), expected);
        assert_eq!(Index::parse(&moved).unwrap().find(&tag("moved")).unwrap(), Some(&new));
        assert_eq!(Index::parse(&moved).unwrap().with(&tag("moved"), &new).unwrap(), None);
    }

    #[test]
    fn an_empty_list_may_be_null() {
        let read = Index::parse(br#"{"schemaVersion":2,"manifests":null}"#).unwrap();
        let new = Descriptor::new(MediaType::oci_index(), Digest::sha256(b"new"), 3);
        let bytes = read.with(&tag("x"), &new).unwrap().unwrap();
        assert_eq!(Index::parse(&bytes).unwrap().tags(), [tag("x")]);
        assert!(Index::parse(&Index::empty()).unwrap().tags().is_empty());
    }

    #[test]
    fn an_entry_that_cannot_be_read_fails_only_its_own_tag() {
        let broken = [
            entry("x").replace("\"size\":2", "\"size\":-1"),
            entry("x").replace("\"size\":2", "\"size\":9223372036854775808"),
            entry("x").replace("sha256:4413", "sha256:../."),
            entry("x").replace("\"digest\"", "\"other\""),
        ];
        for broken in broken {
            let other = entry("y");
            let index = index(&[&broken, &other]);
            assert_eq!(index.find(&tag("x")).unwrap_err().code, Code::Layout, "{broken}");
            assert!(index.find(&tag("y")).unwrap().is_some());
        }
    }

    #[test]
    fn what_is_no_index_or_ambiguous_is_refused() {
        let entry = entry("x");
        for text in [
            String::new(),
            "[]".to_owned(),
            "{}".to_owned(),
            r#"{"schemaVersion":1,"manifests":[]}"#.to_owned(),
            r#"{"manifests":{}}"#.to_owned(),
            r#"{"manifests":[],"manifests":[]}"#.to_owned(),
            r#"{"manifests":[],"Manifests":[]}"#.to_owned(),
            r#"{"manifests":[],"layers":[]}"#.to_owned(),
            r#"{"manifests":[],"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#.to_owned(),
            r#"{"manifests":["x"]}"#.to_owned(),
            format!(r#"{{"manifests":[{}]}}"#, entry.replace("\"size\"", "\"size\":1,\"size\"")),
            format!(r#"{{"manifests":[{}]}}"#, entry.replace("\"digest\"", "\"Digest\"")),
            format!(
                r#"{{"manifests":[{}]}}"#,
                entry.replace(r#""x"}"#, r#""x","org.opencontainers.image.ref.name":"y"}"#)
            ),
        ] {
            assert_eq!(Index::parse(text.as_bytes()).err().map(|fault| fault.code), Some(Code::Layout), "{text}");
        }
    }

    #[test]
    fn it_never_grows_past_what_is_read_again() {
        let filler = "x".repeat(usize::try_from(LAYOUT_INDEX).unwrap() - 100);
        let text = format!(r#"{{"manifests":[],"filler":"{filler}"}}"#);
        let new = Descriptor::new(MediaType::oci_index(), Digest::sha256(b"new"), 3);
        let fault = Index::parse(text.as_bytes()).unwrap().with(&tag("x"), &new).unwrap_err();
        assert_eq!(fault.code, Code::Limit);
    }
}
