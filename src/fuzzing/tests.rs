//! The targets on stable: over the seeds in `fuzz/seeds`, and over random mutations of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Check, TARGETS};

/// What mutations put in: the words and marks of the formats.
const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"'",
    b":",
    b",",
    b"=",
    b"\\",
    b"/",
    b"//",
    b"..",
    b"@",
    b"#",
    b"##[x]",
    b"::error::",
    b"<",
    b">",
    b";",
    b"\0",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b"\x1b[31m",
    b"\xff",
    "\u{202e}".as_bytes(),
    "\u{e9}".as_bytes(),
    b"null",
    b"0",
    b"-1",
    b"18446744073709551616",
    b"1e9",
    b"true",
    b"&a",
    b"*a",
    b"<<: ",
    b"- ",
    b"|",
    b"xn--",
    b"[::1]",
    b"169.254.169.254",
    b"http://",
    b"https://",
    b"%2f",
    b"sha256:",
    b"sha512:",
    b"manifests",
    b"layers",
    b"mediaType",
    b"digest",
    b"size",
    b"rel=next",
    b"Bearer ",
    b"Basic ",
    b"realm=",
    b"${TOKEN}",
    b"$TOKEN",
    b"{{ env.TOKEN }}",
    b"auth: ",
    b"exchange: ",
    b"url: ",
    b"registry.example.com",
    b".evil.example",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = root().join("fuzz/seeds").join(target);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    Flip(prop::sample::Index, u8),
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, &'static [u8]),
    Replace(prop::sample::Index, &'static [u8]),
    Repeat(prop::sample::Index, usize),
    /// What follows is another seed's.
    Splice(prop::sample::Index, prop::sample::Index),
}

impl Change {
    fn apply(&self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = |index: &prop::sample::Index, length: usize| index.index(length + 1);
        let length = input.len();
        match self {
            Self::Flip(place, bit) => {
                let place = at(place, length);
                input.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
            }
            Self::Remove(place, count) => {
                let start = at(place, length);
                drop(input.drain(start..(start + count).min(length)));
            }
            Self::Insert(place, piece) => {
                let start = at(place, length);
                drop(input.splice(start..start, piece.iter().copied()));
            }
            Self::Replace(place, piece) => {
                let start = at(place, length);
                drop(input.splice(start..(start + piece.len()).min(length), piece.iter().copied()));
            }
            Self::Repeat(place, count) => {
                let start = at(place, length);
                let part = input[start..(start + count).min(length)].to_vec();
                drop(input.splice(start..start, part));
            }
            Self::Splice(place, other) => {
                input.truncate(at(place, length));
                let other = other.get(seeds);
                input.extend_from_slice(&other[input.len().min(other.len())..]);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    let piece = prop::sample::select(PIECES);
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(place, bit)| Change::Flip(place, bit)),
        (place(), 1..20_usize).prop_map(|(place, count)| Change::Remove(place, count)),
        (place(), piece.clone()).prop_map(|(place, piece)| Change::Insert(place, piece)),
        (place(), piece).prop_map(|(place, piece)| Change::Replace(place, piece)),
        (place(), 1..60_usize).prop_map(|(place, count)| Change::Repeat(place, count)),
        (place(), place()).prop_map(|(place, other)| Change::Splice(place, other)),
    ]
}

/// So many cases, or as many as `PROPTEST_CASES` says.
#[expect(clippy::disallowed_methods, reason = "the variable is for tests alone")]
fn cases(usual: u32) -> Config {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let config = Config::default();
    Config { cases: if asked { config.cases } else { usual }, ..config }
}

/// Runs `check` over the seeds of `target`, and over changed ones.
fn try_out(target: &str) {
    let (_, check): &(&str, Check) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in seeds.iter().chain(&[Vec::new()]) {
        check(seed);
    }
    // Random as they are, mutations shrink well enough, and a seed of theirs would mean nothing after the next new one.
    let config = Config { failure_persistence: None, ..cases(200) };
    let inputs = (any::<prop::sample::Index>(), prop::collection::vec(change(), 1..6));
    let tried = TestRunner::new(config).run(&inputs, |(seed, changes)| {
        let mut input = seed.get(&seeds).clone();
        for change in &changes {
            change.apply(&mut input, &seeds);
        }
        let shown = String::from_utf8_lossy(&input).into_owned();
        let checked = std::panic::catch_unwind(|| check(&input));
        prop_assert!(checked.is_ok(), "{target}: {shown:?}");
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            try_out(stringify!($name));
        })*

        #[test]
        fn every_target_is_tried_here_and_built_there() {
            let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(names, BTreeSet::from([$(stringify!($name).to_owned()),*]));
            let below = |directory: &str| -> BTreeSet<String> {
                let entries = fs::read_dir(root().join("fuzz").join(directory)).unwrap();
                entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
            };
            assert_eq!(below("fuzz_targets"), names);
            assert_eq!(below("seeds"), names);
            let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
            for name in &names {
                assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is not built");
            }
        }
    };
}

targets!(
    configuration,
    content_range,
    credentials,
    docker_config,
    error_body,
    layout,
    link,
    location,
    manifest,
    plan_file,
    reference,
    retry_after,
    www_authenticate,
);
