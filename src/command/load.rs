//! Reading what the user names: configuration files and saved plans.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::in_words;
use super::output::Refusal;
use super::session::Session;
use super::{Exit, disk, github, mirrored};
use crate::cli::ConfigArgs;
use crate::config::{self, Desired, Rules, SourceFile};
use crate::image::Digest;
use crate::observe::{self, Catalogs};
use crate::plan::file::ConfigDocument;
use crate::plan::{self, Bases, Plan};

/// The configuration that is read where none is named.
const DEFAULT_CONFIG: &str = "regsync.yaml";
/// Plans and results of tens of thousands of tags stay far below this many bytes.
const DOCUMENT_LIMIT: u64 = 256 << 20;

/// A valid configuration.
pub(super) struct Loaded {
    /// What it asks for.
    pub(super) desired: Desired,
}

/// Reads and checks the configuration that `args` name. Nothing but files is touched.
pub(super) fn load(args: &ConfigArgs, session: &Session) -> Result<Loaded, Refusal> {
    let files = read_configs(&config_paths(args))?;
    let rules = Rules { allowed_paths: allowed_paths(args)?, bindings: session.bindings() };
    let desired = check(&files, &rules, session)?;
    Ok(Loaded { desired })
}

/// Reads a saved plan, and the configuration files it was made from for their connection settings. Refuses files that
/// are not, byte for byte, those the plan names, and steps that are none of their mirrors'.
pub(super) fn load_for_plan(file: &Path, args: &ConfigArgs, session: &Session) -> Result<(Loaded, Plan), Refusal> {
    let text = read_text(file)?;
    let invalid = |error: plan::file::FileError| {
        let message = format!("{}: {error}", file.display());
        Refusal::new(Exit::Invalid, message).hint("make a new plan with `regsync plan -o FILE`")
    };
    let document = plan::document(&text).map_err(invalid)?;
    if document.config.is_empty() {
        // Without them, what they say of connections and credentials would be left out without a word.
        return Err(invalid(plan::file::FileError::Syntax("it names no configuration".to_owned())));
    }
    let named = args.files();
    let paths = match named.as_slice() {
        [] => document.config.iter().map(|config| Path::new(&config.path)).collect(),
        named => named.to_vec(),
    };
    let files = read_configs(&paths)?;
    let mut bases = Bases { allowed: allowed_paths(args)?, ..Bases::default() };
    for config in &document.config {
        let file = same_file(config, &files)?;
        bases.directories.insert(config.path.clone(), file.directory.clone());
    }
    files.iter().try_for_each(|file| is_of_plan(file, &document.config))?;
    let plan = document.plan(&bases).map_err(invalid)?;
    if let Some(problem) = disk::plan_problem(&plan, &bases) {
        return Err(Refusal::new(Exit::Invalid, format!("{}: {problem}", file.display())));
    }
    let rules = Rules { allowed_paths: bases.allowed, bindings: session.bindings() };
    let desired = check(&files, &rules, session)?;
    if let Some((index, problem)) = mirrored::stray(&plan, &desired) {
        return Err(invalid(plan::file::FileError::Step { step: index + 1, problem }));
    }
    Ok((Loaded { desired }, plan))
}

/// The file among `files` that `config` was: told by its bytes, not by its name.
fn same_file<'a>(config: &ConfigDocument, files: &'a [SourceFile]) -> Result<&'a SourceFile, Refusal> {
    let found = files.iter().find(|file| Digest::sha256(&file.bytes).hex() == config.sha256);
    found.ok_or_else(|| {
        let message = format!("the plan was made from another version of {}; nothing was written", config.path);
        Refusal::new(Exit::Stale, message).hint("make a new plan, or check out the commit the plan was made at")
    })
}

/// The other way round: a further file would bring connection settings that nobody has reviewed.
fn is_of_plan(file: &SourceFile, configs: &[ConfigDocument]) -> Result<(), Refusal> {
    let sha256 = Digest::sha256(&file.bytes);
    if configs.iter().any(|config| config.sha256 == sha256.hex()) {
        return Ok(());
    }
    let message = format!("the plan was made without {}; nothing was written", file.path);
    Err(Refusal::new(Exit::Stale, message).hint("make a new plan, or leave it out"))
}

/// The configuration with the mirrors that its globs of repositories stand for. What came of them is looked at like what
/// is written: a link where a layout would be leads nowhere else.
pub(super) fn resolve(desired: &Desired, catalogs: &Catalogs) -> Result<Desired, Refusal> {
    let resolved = observe::resolve(desired, catalogs).without_circles();
    let known: BTreeSet<&Path> = desired.paths().map(|path| path.path.as_path()).collect();
    let fresh = resolved.paths().filter(|path| !known.contains(path.path.as_path()));
    match disk::problems(fresh).as_slice() {
        [] => Ok(resolved),
        [first, ..] => Err(Refusal::new(Exit::Invalid, format!("{first}; nothing was done"))),
    }
}

fn check(files: &[SourceFile], rules: &Rules, session: &Session) -> Result<Desired, Refusal> {
    let parsed = config::parse(files, rules).and_then(|desired| {
        let problems = disk::problems(desired.paths());
        if problems.is_empty() { Ok(desired) } else { Err(problems.into()) }
    });
    parsed.map_err(|problems| {
        let noun = if problems.len() == 1 { "problem" } else { "problems" };
        let text =
            format!("{}\n{} {noun}; nothing was done", problems.render(files, session.error_color()), problems.len());
        Refusal::rendered(Exit::Invalid, text, problems.iter().map(github::annotation).collect())
    })
}

/// Whether the configuration that is read where none is named is there, in whatever state.
pub(super) fn has_default() -> bool {
    Path::new(DEFAULT_CONFIG).symlink_metadata().is_ok()
}

/// The files that are read.
pub(super) fn config_paths(args: &ConfigArgs) -> Vec<&Path> {
    let named = args.files();
    if named.is_empty() { vec![Path::new(DEFAULT_CONFIG)] } else { named }
}

fn allowed_paths(args: &ConfigArgs) -> Result<Vec<PathBuf>, Refusal> {
    let canonical = |path: &Path| {
        path.canonicalize().map_err(|error| {
            Refusal::new(Exit::Usage, format!("--allow-path {}: {}", path.display(), in_words(&error)))
        })
    };
    args.allowed_paths().map(canonical).collect()
}

fn read_configs(paths: &[&Path]) -> Result<Vec<SourceFile>, Refusal> {
    let twice = paths.iter().enumerate().find(|(index, path)| paths[..*index].contains(path));
    if let Some((_, path)) = twice {
        return Err(Refusal::new(Exit::Usage, format!("the configuration {} is named twice", path.display())));
    }
    paths.iter().map(|path| read_config(path)).collect()
}

/// Reads one configuration file. It may be a link (Kubernetes mounts files so), but only to a file in or below the
/// directory it is named in: a pull request must not make us read what lies elsewhere.
fn read_config(path: &Path) -> Result<SourceFile, Refusal> {
    let refuse = |problem: String| Refusal::new(Exit::Invalid, format!("{}: {problem}", path.display()));
    let real = path.canonicalize().map_err(|error| {
        let refusal = refuse(in_words(&error));
        match error.kind() {
            io::ErrorKind::NotFound if path == Path::new(DEFAULT_CONFIG) => {
                refusal.hint("name a configuration with --config, or write a regsync.yaml here")
            }
            _ => refusal,
        }
    })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = parent.canonicalize().map_err(|error| refuse(in_words(&error)))?;
    if !real.starts_with(&directory) {
        return Err(refuse("it is a link that leads out of its directory".to_owned()));
    }
    let metadata = fs::metadata(&real).map_err(|error| refuse(in_words(&error)))?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "it is a directory" } else { "it is not a regular file" };
        return Err(refuse(kind.to_owned()));
    }
    let limit = config::FILE_LIMIT as u64 + 1;
    let bytes = read_limited(&real, limit).map_err(|error| refuse(in_words(&error)))?;
    Ok(SourceFile { path: Arc::from(path.to_string_lossy().as_ref()), directory, bytes })
}

/// Reads a document of ours.
pub(super) fn read_text(path: &Path) -> Result<String, Refusal> {
    let refuse = |problem: String| Refusal::new(Exit::Invalid, format!("{}: {problem}", path.display()));
    let metadata = fs::metadata(path).map_err(|error| refuse(in_words(&error)))?;
    if metadata.is_dir() {
        return Err(refuse("it is a directory, not a saved plan".to_owned()));
    }
    let bytes = read_limited(path, DOCUMENT_LIMIT).map_err(|error| refuse(in_words(&error)))?;
    String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".to_owned()))
}

fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
