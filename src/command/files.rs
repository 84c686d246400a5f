//! The files that a run writes: checked before its work begins, written whole at its end.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Exit;
use super::output::Refusal;

/// Refuses, before anything else is done, files that could not be written at the end: an hour's work must not end in a
/// misspelt directory. Two results in one file are a contradiction.
pub(super) fn check_writable<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<(), Refusal> {
    let mut known = BTreeSet::new();
    for file in files {
        let refuse =
            |problem: &str| Refusal::new(Exit::Usage, format!("could not write {}: {problem}", file.display()));
        if file == Path::new("-") {
            let hint = "--format chooses what the standard output gets; a file of that name is ./-";
            return Err(refuse("it is no file").hint(hint));
        }
        let directory = parent(file);
        if !directory.is_dir() {
            return Err(refuse(&format!("there is no directory {}", directory.display())));
        }
        if file.is_dir() {
            return Err(refuse("it is a directory"));
        }
        if is_special(file) {
            continue;
        }
        let beside = tempfile::Builder::new().prefix(".regsync-").tempfile_in(directory);
        beside.map_err(|error| refuse(&in_words(&error)))?;
        if !known.insert(resolved(file)) {
            return Err(refuse("it is named twice"));
        }
    }
    Ok(())
}

/// Writes `text` to a file: beside it first, then renamed, so that no reader meets a half of it. What is not a regular
/// file (`/dev/stdout`, a FIFO) is written to directly.
pub(super) fn write_file(path: &Path, text: &str) -> Result<(), Refusal> {
    let written = if is_special(path) { std::fs::write(path, text) } else { replace(path, text) };
    written.map_err(|error| {
        Refusal::new(Exit::Failed, format!("could not write {}: {}", path.display(), in_words(&error)))
    })
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.prefix(".regsync-").tempfile_in(parent(path))?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// One spelling for one file, so that `a.json` and `./a.json` are seen to be the same.
fn resolved(path: &Path) -> PathBuf {
    match (parent(path).canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}

/// The usual mistakes in words, without the operating system's numbers.
pub(super) fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::StorageFull => "no space left".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        // The system's words end in its number: `Too many levels of symbolic links (os error 40)`.
        _ => match error.to_string().rsplit_once(" (os error ") {
            Some((words, _)) => words.to_lowercase(),
            None => error.to_string(),
        },
    }
}
