//! JSON objects as a layout's files hold them: in their order, each value as it was written.
//!
//! So a file can be written again with one thing changed and the rest untouched, whatever other tools keep in it.
//! Refuses objects that two readers could understand differently.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of one JSON object.
pub(super) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// Reads an object. Of `decisive` names no variant in other case is accepted, which some readers take for the name
    /// itself (CVE-2021-41190 was of this family); of no name a repetition.
    pub(super) fn read(json: &[u8], decisive: &[&str]) -> Result<Self, String> {
        let members: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut names: Vec<&str> = members.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("`{}` occurs more than once", twice[0].escape_debug()));
        }
        for decisive in decisive {
            let variant = names.iter().find(|name| *name != decisive && name.eq_ignore_ascii_case(decisive));
            if let Some(variant) = variant {
                return Err(format!("`{variant}` is not `{decisive}`"));
            }
        }
        Ok(members)
    }

    /// The value of `name`, as it was written.
    pub(super) fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    /// The value of `name`; `null` counts as absent.
    pub(super) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(value.get()).map_err(|error| format!("`{name}`: {error}"))
    }

    /// The members, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_as_they_were_written() {
        let members = Members::read(br#"{"b": 1.50, "a" : [ 1 ], "n": null}"#, &[]).unwrap();
        let read: Vec<_> = members.iter().map(|(name, value)| (name, value.get())).collect();
        assert_eq!(read, [("b", "1.50"), ("a", "[ 1 ]"), ("n", "null")]);
        assert_eq!(members.get::<Vec<u64>>("a"), Ok(Some(vec![1])));
        assert_eq!(members.get::<String>("n"), Ok(None));
        assert!(members.get::<String>("a").is_err());
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for json in [r#"{"size":1,"size":2}"#, r#"{"Size":1}"#, r#"{"x":1,"\u0078":2}"#, "[]", "{} {}", "", "{"] {
            assert!(Members::read(json.as_bytes(), &["size"]).is_err(), "{json}");
        }
    }
}
