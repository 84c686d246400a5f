//! The exact shape of a configuration file, as types and as JSON Schema.
//!
//! Owns which keys there are and what kind of value each takes; the doc comments are what editors show. Refuses meaning:
//! whether a reference is one, and whether two mirrors fit together, is for validation to say.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::provider::Provider;
use super::select::{CONSTRAINT_LIMIT, REGEX_LIMIT};
use super::text::{At, Span};
use super::{OnEmpty, OnTagMove, ReferrersCheck};
use crate::image::{ArtifactType, PlatformName, Single};

/// The most requests at once that can be asked for.
pub(crate) const CONCURRENCY_LIMIT: u32 = 256;
/// The most requests in a second that can be asked for.
pub(crate) const RATE_LIMIT: u32 = 10_000;
/// The most pulls that can be kept back.
pub(crate) const KEEP_LIMIT: u32 = 1_000_000;
/// The most tags that `newest` can leave: as many as are listed of a repository.
pub(crate) const NEWEST_LIMIT: u32 = 1_000_000;

/// What became of a key.
#[derive(Clone, Debug, Default)]
pub(crate) enum Field<T> {
    /// It is not there.
    #[default]
    Absent,
    /// It is there, but its value was already reported.
    Broken,
    /// Its value.
    Given(At<T>),
}

impl<T> Field<T> {
    /// The value, where there is one.
    pub(crate) fn given(&self) -> Option<&At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Broken => None,
        }
    }

    /// Notes that the key was meant to be there, although it was not recognised.
    pub(crate) fn not_missing(&mut self) {
        if matches!(self, Self::Absent) {
            *self = Self::Broken;
        }
    }

    /// This key, or the one of the defaults where it is absent.
    pub(crate) fn or<'a>(&'a self, default: &'a Self) -> &'a Self {
        if matches!(self, Self::Absent) { default } else { self }
    }
}

impl<T: Copy> Field<T> {
    /// The value alone.
    pub(crate) fn value(&self) -> Option<T> {
        self.given().map(|at| at.value)
    }
}

/// What to mirror between container registries. A pull request may edit this file: it holds no secrets, no commands and
/// no variables, and paths stay below its directory.
#[derive(Debug, Default, JsonSchema)]
#[schemars(title = "regsync configuration", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("patternProperties" = {"^x-": {"description": "Yours: a place for YAML anchors."}}))]
pub(crate) struct File {
    /// The version of this format.
    #[schemars(with = "u8", extend("const" = 1))]
    pub(crate) version: Field<u32>,
    /// How to reach registries, where that differs from the defaults. Keys are `host` or `host/namespace`; the longest
    /// that matches is used.
    #[schemars(with = "Option<BTreeMap<String, Registry>>")]
    pub(crate) registries: Vec<(At<String>, Registry)>,
    /// Values for the mirrors of this file that do not say otherwise: any key of a mirror except `source`, `target` and
    /// `targets`.
    #[schemars(with = "Option<MirrorRules>")]
    pub(crate) defaults: MirrorRules,
    /// What to mirror.
    #[schemars(with = "Option<Vec<Mirror>>", length(min = 1))]
    pub(crate) mirrors: Field<Vec<Mirror>>,
}

/// How to reach one registry.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Registry {
    /// Certificates, as PEM files.
    #[schemars(with = "Option<Tls>")]
    pub(crate) tls: Field<Tls>,
    /// Speak plain HTTP. Loopback hosts do so without being told.
    #[schemars(with = "Option<bool>")]
    pub(crate) plain_http: Field<bool>,
    /// The most requests under way at once.
    #[schemars(with = "Option<u32>", range(min = 1, max = CONCURRENCY_LIMIT))]
    pub(crate) concurrency: Field<u32>,
    /// The most requests started in a second.
    #[schemars(with = "Option<u32>", range(min = 1, max = RATE_LIMIT))]
    pub(crate) requests_per_second: Field<u32>,
    /// The registry's own quota of pulls, where it keeps one, as Docker Hub does.
    #[schemars(with = "Option<RateLimit>")]
    pub(crate) rate_limit: Field<RateLimit>,
    /// Where credentials come from. Left out: the environment and the machine's credential files. The only key that an
    /// entry for a namespace may have.
    #[schemars(with = "Option<Auth>")]
    pub(crate) auth: Field<Auth>,
    /// Amazon ECR: repositories that are missing are made by `apply`, before the first write into them.
    #[schemars(with = "Option<CreateRepositories>")]
    pub(crate) create_repositories: Field<CreateRepositories>,
}

/// What a new repository is like.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct CreateRepositories {
    /// Its tags never move.
    #[schemars(with = "Option<bool>")]
    pub(crate) immutable_tags: Field<bool>,
    /// Each image that is pushed is scanned.
    #[schemars(with = "Option<bool>")]
    pub(crate) scan_on_push: Field<bool>,
    /// How its images are encrypted.
    #[schemars(with = "Option<EncryptionKind>")]
    pub(crate) encryption: Field<EncryptionKind>,
    /// The key for `encryption: kms`: its ARN, id or alias. Left out: the one that AWS manages.
    #[schemars(with = "Option<String>", length(min = 1))]
    pub(crate) kms_key: Field<String>,
    /// The resource tags of the repository.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) tags: Vec<(String, String)>,
}

/// A kind of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub(crate) enum EncryptionKind {
    /// With keys of ECR's own.
    Aes256,
    /// With a key of AWS KMS.
    Kms,
}

/// What is taken of a registry's quota of pulls.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct RateLimit {
    /// Pulls to leave for others: no manifest is read that would leave fewer.
    #[schemars(with = "Option<u32>", range(min = 1, max = KEEP_LIMIT))]
    pub(crate) keep: Field<u32>,
}

/// Certificates for one registry. Paths are relative to the file and stay below its directory.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("dependentRequired" = {"cert": ["key"], "key": ["cert"]}, "minProperties" = 1))]
pub(crate) struct Tls {
    /// Authorities that are trusted beside the system's.
    #[schemars(with = "Option<String>", length(min = 1))]
    pub(crate) ca: Field<String>,
    /// The client certificate, with the chain behind it.
    #[schemars(with = "Option<String>", length(min = 1))]
    pub(crate) cert: Field<String>,
    /// The private key of the client certificate.
    #[schemars(with = "Option<String>", length(min = 1))]
    pub(crate) key: Field<String>,
}

/// Where credentials come from. Its schema is made from the table of providers.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    /// No credential is sent, whatever is configured elsewhere.
    Anonymous,
    /// A provider; where its key stands.
    Provider(At<Provider>),
}

/// One source, its targets, and which tags.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["target"]}, {"required": ["targets"]}]))]
pub(crate) struct Mirror {
    /// Where the entry stands.
    #[schemars(skip)]
    pub(crate) span: Span,
    /// Where images are read: a repository (`docker.io/library/alpine`) or an OCI image layout (`oci:path`). With a tag
    /// or `tag@sha256:…` behind it, `tags` is left out. Or a glob of repositories (`quay.io/prometheus/*`), where the
    /// registry has a catalog.
    #[schemars(with = "String", length(min = 1))]
    pub(crate) source: Field<String>,
    /// Where images are written: a repository with its registry, or an OCI image layout. Tags keep their names, unless
    /// `rename` says otherwise. Where the source is a glob, `{name}` is the last part of a repository's name and
    /// `{repository}` all of it.
    #[schemars(with = "Option<String>", length(min = 1))]
    pub(crate) target: Field<String>,
    /// Several targets: each image is read once and written to all of them.
    #[schemars(with = "Option<Vec<String>>", length(min = 1), inner(length(min = 1)))]
    pub(crate) targets: Field<Vec<At<String>>>,
    /// The keys that can have defaults.
    #[schemars(flatten)]
    pub(crate) rules: MirrorRules,
}

/// The keys of a mirror that can have defaults.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct MirrorRules {
    /// Which tags: a list of exact names, globs (`1.3*`) and pins (`name@sha256:…`), or a mapping of rules. Everything is
    /// `["*"]`. Quote names that look like numbers.
    #[schemars(with = "Option<TagsForm>")]
    pub(crate) tags: Field<Tags>,
    /// The tag at the target; `{tag}` stands for the one at the source.
    #[schemars(with = "Option<String>", length(min = 1))]
    pub(crate) rename: Field<String>,
    /// Which platforms: `all`, or a list. Of a list, the target gets an index cut down to these.
    #[schemars(with = "Option<Platforms>")]
    pub(crate) platforms: Field<Platforms>,
    /// In which form one platform is copied.
    #[schemars(with = "Option<Single>")]
    pub(crate) single: Field<Single>,
    /// Which signatures, attestations, SBOMs and other referrers come along: `all`, `none`, or a list of artifact types.
    #[schemars(with = "Option<Referrers>")]
    pub(crate) referrers: Field<Referrers>,
    /// When an image that is in sync is checked for referrers that its target lacks.
    #[schemars(with = "Option<ReferrersCheck>")]
    pub(crate) referrers_check: Field<ReferrersCheck>,
    /// What happens when the target's tag names another digest than the one wanted.
    #[schemars(with = "Option<OnTagMove>")]
    pub(crate) on_tag_move: Field<OnTagMove>,
    /// Globs of target tags that never move, whatever `on-tag-move` says.
    #[schemars(with = "Option<Vec<String>>", inner(length(min = 1)))]
    pub(crate) immutable_tags: Field<Vec<At<String>>>,
    /// What it means that no tag was selected.
    #[schemars(with = "Option<OnEmpty>")]
    pub(crate) on_empty: Field<OnEmpty>,
}

/// Which tags, by rules: (`include` and `regex`; every tag where neither is given), of these the versions in `semver`, without
/// what is in `exclude`, and of what is left the `newest`.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, extend("minProperties" = 1))]
pub(crate) struct Tags {
    /// Exact names, globs (`1.3*`), and pins (`name@sha256:…`). Names and pins are wanted whatever the other rules say.
    #[schemars(with = "Option<Vec<String>>", length(min = 1), inner(length(min = 1)))]
    pub(crate) include: Field<Vec<At<String>>>,
    /// Regular expressions that match a tag as a whole; in addition to `include`.
    #[schemars(with = "Option<Vec<String>>", length(min = 1), inner(length(min = 1, max = REGEX_LIMIT)))]
    pub(crate) regex: Field<Vec<At<String>>>,
    /// Which versions: `>=1.29, <2`; a comma means and, `||` means or. Pre-releases take part where it names one.
    #[schemars(with = "Option<String>", length(min = 1, max = CONSTRAINT_LIMIT))]
    pub(crate) semver: Field<String>,
    /// Globs of tags that are not wanted.
    #[schemars(with = "Option<Vec<String>>", inner(length(min = 1)))]
    pub(crate) exclude: Field<Vec<At<String>>>,
    /// How many of what is left: the newest, by version.
    #[schemars(with = "Option<u32>", range(min = 1, max = NEWEST_LIMIT))]
    pub(crate) newest: Field<u32>,
}

/// The two forms of `tags`, for the schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum TagsForm {
    /// Exact names, globs and pins.
    List(#[schemars(length(min = 1), inner(length(min = 1)))] Vec<String>),
    Rules(Box<Tags>),
}

/// Which platforms.
#[derive(Clone, Debug)]
pub(crate) enum Platforms {
    /// Images are copied whole.
    All,
    /// These alone.
    These(Vec<At<String>>),
}

impl JsonSchema for Platforms {
    fn schema_name() -> Cow<'static, str> {
        "Platforms".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (systems, architectures) = (PlatformName::systems().join("|"), PlatformName::architectures().join("|"));
        let pattern = format!("^({systems})/({architectures})(/[a-z0-9.]+)?(:[0-9][0-9A-Za-z.-]*)?$");
        let name = "`os/architecture`, `os/architecture/variant`, and a version of the operating system behind a colon: \
                    `windows/amd64:10.0.17763`.";
        json_schema!({
            "oneOf": [
                {"const": "all", "description": "Images are copied whole."},
                {
                    "type": "array",
                    "description": "These alone.",
                    "items": {"type": "string", "description": name, "pattern": pattern},
                    "minItems": 1,
                    "uniqueItems": true,
                },
            ]
        })
    }
}

/// Which referrers come along.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Referrers {
    /// All or none.
    Word(ReferrersWord),
    /// Those of these artifact types.
    Types(#[schemars(with = "Vec<String>", length(min = 1), inner(length(min = 1)))] Vec<ArtifactType>),
}

/// All referrers or none.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(crate) enum ReferrersWord {
    /// All of them, whatever their type.
    All,
    /// They stay where they are.
    None,
}

/// The JSON Schema (draft 2020-12) of a configuration file.
pub fn json_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(refuse_null));
    let mut schema = settings.into_generator().into_root_schema_for::<File>();
    RecursiveTransform(drop_formats).transform(&mut schema);
    schema.to_value()
}

/// A key without a value is a mistake here: what may be left out may not be null.
fn refuse_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [single] = types.as_slice() {
            let single = single.clone();
            schema.insert("type".to_owned(), single);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({"type": "null"}));
        if let [Value::Object(single)] = choices.as_slice() {
            let single = single.clone();
            schema.remove("anyOf");
            for (key, value) in single {
                schema.insert(key, value);
            }
        }
    }
}

/// `uint32` and the like are Rust's, not JSON Schema's.
fn drop_formats(schema: &mut Schema) {
    schema.remove("format");
}
