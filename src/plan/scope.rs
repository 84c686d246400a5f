//! Which part of the configuration a run is about: `--only`, `--exclude` and `--shard`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Shard;
use crate::config::TagGlob;
use crate::image::{Location, Reference};

/// The part of the configuration that was planned, as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// Globs of target references that were planned; all where empty.
    #[serde(default)]
    pub only: Vec<String>,
    /// Globs of target references that were left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// `K/N`, where the run was one of several.
    #[serde(default)]
    pub shard: Option<String>,
    /// Shards that should be part of a joined report, and are not; only where there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// A scope, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    only: Vec<TagGlob>,
    exclude: Vec<TagGlob>,
    shard: Option<Shard>,
}

impl Scope {
    /// Compiles the globs; the error names the one that is none, or the shard.
    pub fn filter(&self) -> Result<Filter, String> {
        let compile = |globs: &[String]| -> Result<Vec<TagGlob>, String> {
            globs.iter().map(|text| TagGlob::new(text).map_err(|error| format!("`{text}`: {error}"))).collect()
        };
        let shard = |text: &String| text.parse().map_err(|error| format!("`{text}`: {error}"));
        let shard = self.shard.as_ref().map(shard).transpose()?;
        Ok(Filter { only: compile(&self.only)?, exclude: compile(&self.exclude)?, shard })
    }
}

impl Filter {
    /// Whether the target `reference` is in the scope. A glob may match the whole reference or its location alone.
    pub fn selects(&self, reference: &Reference) -> bool {
        if !self.holds(&reference.location) {
            return false;
        }
        let (whole, location) = (reference.to_string(), reference.location.to_string());
        let hit = |globs: &[TagGlob]| globs.iter().any(|glob| glob.matches(&whole) || glob.matches(&location));
        (self.only.is_empty() || hit(&self.only)) && !hit(&self.exclude)
    }

    /// Whether some tag at the target `location` may be in the scope, as far as can be told before its tags are known.
    pub fn may_select(&self, location: &Location) -> bool {
        if !self.holds(location) {
            return false;
        }
        let text = location.to_string();
        let excluded = self.exclude.iter().any(|glob| glob.matches(&text));
        (self.only.is_empty() || self.only.iter().any(|glob| may_hit(glob, &text))) && !excluded
    }

    fn holds(&self, location: &Location) -> bool {
        self.shard.is_none_or(|shard| shard.holds(location))
    }

    /// Whether some target that begins with `prefix` may be in the scope; a doubt is a yes.
    pub fn may_select_below(&self, prefix: &str) -> bool {
        let excluded = self.exclude.iter().any(|glob| {
            let text = glob.as_str();
            text.strip_suffix("**").is_some_and(|start| literal(start) == start && prefix.starts_with(start))
        });
        (self.only.is_empty() || self.only.iter().any(|glob| may_begin(glob.as_str(), prefix))) && !excluded
    }

    /// The globs of `--only` that match none of the target `references`, and no tag that there could be at the locations
    /// `open`, whose tags are not known.
    pub(super) fn idle(&self, references: &BTreeSet<&Reference>, open: &BTreeSet<&Location>) -> Vec<&str> {
        let locations: BTreeSet<&Location> = references.iter().map(|reference| &reference.location).collect();
        let known = references.iter().map(ToString::to_string).chain(locations.iter().map(ToString::to_string));
        let (known, open): (Vec<_>, Vec<_>) = (known.collect(), open.iter().map(ToString::to_string).collect());
        let hits = |glob: &TagGlob| {
            known.iter().any(|text| glob.matches(text)) || open.iter().any(|text: &String| may_hit(glob, text))
        };
        self.only.iter().filter(|glob| !hits(glob)).map(TagGlob::as_str).collect()
    }
}

/// What `glob` begins with before anything in it that is not literal.
fn literal(glob: &str) -> &str {
    glob.split(['*', '?', '[', '{']).next().unwrap_or_default()
}

/// Whether `glob` may match something that begins with `prefix`.
pub(super) fn may_begin(glob: &str, prefix: &str) -> bool {
    let start = literal(glob);
    start.starts_with(prefix) || prefix.starts_with(start)
}

/// Whether `glob` may match some tag at the location that is written `text`.
fn may_hit(glob: &TagGlob, text: &str) -> bool {
    let written = glob.as_str();
    let tag = written.rfind('/').map_or(0, |slash| slash + 1);
    match written[tag..].rfind(':') {
        Some(colon) => TagGlob::new(&written[..tag + colon]).is_ok_and(|glob| glob.matches(text)),
        None => glob.matches(text) || written.contains("**"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::image::{Role, Written};

    fn reference(text: &str) -> Reference {
        let written = Written::parse(text, Role::Source, Path::new("/")).unwrap();
        Reference::tagged(written.location, written.tag.unwrap())
    }

    fn filter(only: &[&str], exclude: &[&str]) -> Filter {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Scope { only: owned(only), exclude: owned(exclude), ..Scope::default() }.filter().unwrap()
    }

    #[test]
    fn globs_match_the_reference_or_its_location() {
        let app = reference("ghcr.io/acme/app:1.2");
        for only in ["ghcr.io/acme/app", "ghcr.io/acme/*", "ghcr.io/acme/app:1.*", "**/*:1.2", "**/app", "**/*1.2"] {
            assert!(filter(&[only], &[]).selects(&app), "{only}");
            assert!(filter(&[only], &[]).may_select(&app.location), "{only}");
            assert!(!filter(&[], &[only]).selects(&app), "{only}");
        }
        for only in ["ghcr.io/*", "ghcr.io/acme/app:2.*", "app", "quay.io/**"] {
            assert!(!filter(&[only], &[]).selects(&app), "{only}");
        }
        assert!(!filter(&["ghcr.io/other/*"], &[]).may_select(&app.location));
        assert!(filter(&[], &["ghcr.io/acme/app:1.2"]).may_select(&app.location));
        assert!(!filter(&[], &["ghcr.io/acme/app"]).may_select(&app.location));
    }

    #[test]
    fn a_shard_holds_what_is_its_own_and_the_globs_let_pass() {
        let app = reference("ghcr.io/acme/app:1.2");
        let filter = |shard: &str, only: &str| {
            let only = vec![only.to_owned()];
            Scope { only, shard: Some(shard.to_owned()), ..Scope::default() }.filter().unwrap()
        };
        for (shard, only, is_own) in [("1/2", "**", true), ("2/2", "**", false), ("1/2", "quay.io/acme/app", false)] {
            assert_eq!(filter(shard, only).selects(&app), is_own, "{shard} {only}");
            assert_eq!(filter(shard, only).may_select(&app.location), is_own, "{shard} {only}");
        }
        let wrong = Scope { shard: Some("3/2".to_owned()), ..Scope::default() };
        assert!(wrong.filter().unwrap_err().contains("3/2"));
    }

    #[test]
    fn a_glob_that_is_none_is_named() {
        let scope = Scope { only: vec!["a[".to_owned()], ..Scope::default() };
        assert!(scope.filter().unwrap_err().contains("a["));
    }
}
