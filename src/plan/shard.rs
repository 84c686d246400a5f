//! Shards: a configuration spread over several runs, each of which does the targets that are its own.
//!
//! Owns which target belongs to which shard. Refuses to balance: a repository stays in its shard whatever else there is, so
//! that what two runs do never overlaps, and what writes one repository is one run.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::{Plan, Step};
use crate::image::{Digest, Location, normalize};

/// The most shards: GitHub starts so many jobs of a matrix.
pub const SHARDS: u16 = 256;
/// So many steps are worth a run of their own.
const STEPS: usize = 100;

/// One of several runs: `K/N`, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    number: u16,
    of: u16,
}

impl Shard {
    /// Whether the images at `target` are this shard's. It follows from the name alone: the remainder of its SHA-256 (its
    /// first 64 bits), so that every machine and every version of this program says the same.
    pub fn holds(self, target: &Location) -> bool {
        number_of(target, self.of) == self.number
    }

    /// How many shards there are.
    pub fn of(self) -> u16 {
        self.of
    }

    /// All shards of so many.
    pub fn all(of: u16) -> impl Iterator<Item = Self> {
        (1..=of).map(move |number| Self { number, of })
    }
}

/// The shard of `target` among so many, from 1.
fn number_of(target: &Location, of: u16) -> u16 {
    let name = match target {
        Location::Repository(repository) => repository.to_string(),
        // However the path to it is spelled.
        Location::Layout(path) => {
            let path = normalize(Path::new(path.written()));
            let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            format!("oci:{}", parts.join("/"))
        }
    };
    let hash = u64::from_str_radix(&Digest::sha256(name.as_bytes()).hex()[..16], 16).unwrap_or_default();
    u16::try_from(hash % u64::from(of.max(1))).unwrap_or_default() + 1
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let pair = text.split_once('/').and_then(|(number_text, of)| Some((number(number_text)?, number(of)?)));
        let (number, of) = pair.ok_or("write K/N, such as 1/4")?;
        if !(1..=SHARDS).contains(&of) {
            return Err(format!("there are 1 to {SHARDS} shards"));
        }
        if !(1..=of).contains(&number) {
            return Err(format!("shards are counted from 1 to {of}"));
        }
        Ok(Self { number, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// Some shards of one number, as the output `shards` lists them: JSON, or separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shards(pub BTreeSet<Shard>);

impl FromStr for Shards {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = if text.trim_start().starts_with('[') {
            serde_json::from_str(text).map_err(|_| r#"write a list, such as ["1/3","3/3"] or 1/3,3/3"#)?
        } else {
            text.split(',').map(|name| name.trim().to_owned()).collect()
        };
        let shard = |name: &String| name.parse().map_err(|problem| format!("`{name}`: {problem}"));
        let shards: BTreeSet<Shard> = names.iter().map(shard).collect::<Result<_, _>>()?;
        let first = shards.first().map(|shard| shard.of);
        if shards.iter().any(|shard| Some(shard.of) != first) {
            return Err("they are shards of different numbers".to_owned());
        }
        Ok(Self(shards))
    }
}

impl Plan {
    /// The shards to apply the plan in: as many as its steps are worth, and of those the ones that have something to do.
    /// What is a shard already is not divided again.
    pub fn shards(&self) -> Vec<String> {
        let writing = || self.steps.iter().filter(|step| step.action().writes());
        if let Some(own) = &self.scope.shard {
            return writing().next().map(|_| own.clone()).into_iter().collect();
        }
        let of = writing().count().div_ceil(STEPS).clamp(1, usize::from(SHARDS));
        let of = u16::try_from(of).unwrap_or(SHARDS);
        let targets: BTreeSet<&Location> =
            writing().filter_map(Step::target_reference).map(|target| &target.location).collect();
        let numbers: BTreeSet<u16> = targets.into_iter().map(|target| number_of(target, of)).collect();
        numbers.into_iter().map(|number| Shard { number, of }.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::{Role, Written};

    fn location(text: &str) -> Location {
        Written::parse(text, Role::Source, Path::new("/base")).unwrap().location
    }

    #[test]
    fn a_shard_is_written_as_it_is_read() {
        for text in ["1/1", "2/3", "256/256"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        for text in ["", "1", "0/3", "4/3", "1/0", "1/257", "a/b", "+1/2", "-1/2", "1/2/3", " 1/2", "99999/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_is_json_or_has_commas() {
        let list = |text: &str| text.parse::<Shards>().map(|Shards(all)| all.iter().map(Shard::to_string).collect());
        let both: Result<Vec<String>, String> = Ok(vec!["1/3".to_owned(), "3/3".to_owned()]);
        for text in [r#"["1/3","3/3"]"#, " [ \"3/3\", \"1/3\" ]\n", "1/3,3/3", "3/3, 1/3\n", "1/3,3/3,1/3"] {
            assert_eq!(list(text), both, "{text}");
        }
        assert_eq!(list("[]"), Ok(Vec::new()));
        for text in ["", ",", "1/3,", "[1]", "[\"1/3\"", "[\"4/3\"]", "1/3,1/2", "all"] {
            assert!(list(text).is_err(), "{text}");
        }
    }

    /// These never change: a run of another version would take up another one's targets.
    #[test]
    fn the_shard_of_a_target_is_for_good() {
        for (name, of, number) in [
            ("ghcr.io/acme/app", 2, 1),
            ("ghcr.io/acme/app", 7, 1),
            ("registry.acme.io:5000/mirror/alpine", 256, 120),
            ("oci:mirror/web", 7, 6),
            ("oci:./mirror//web", 7, 6),
        ] {
            assert_eq!(number_of(&location(name), of), number, "{name} of {of}");
        }
    }

    proptest! {
        #[test]
        fn each_target_is_in_one_shard(name in "[a-z]{1,8}/[a-z]{1,8}", of in 1_u16..=SHARDS) {
            let target = location(&format!("ghcr.io/{name}"));
            prop_assert_eq!(Shard::all(of).filter(|shard| shard.holds(&target)).count(), 1);
        }
    }
}
