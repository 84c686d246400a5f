//! Where credential files are, in the order in which they are asked, and the reading of them: each once, when first needed.
//!
//! 1. the text in `DOCKER_AUTH_CONFIG`
//! 2. containers' file: `REGISTRY_AUTH_FILE` alone where it is set, else those of the runtime directory and of the
//!    configuration directory (containers-auth.json(5))
//! 3. docker's `config.json`, in `DOCKER_CONFIG` or `~/.docker`
//!
//! A file that is not there is no source. One that is there and cannot be read is an error for whoever would have asked it:
//! it may hold the very credential. Refuses devices, pipes and files over 1 MiB.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use tokio::io::AsyncReadExt as _;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::docker::CredentialFile;
use super::{Environment, Error};

const TEXT_VARIABLE: &str = "DOCKER_AUTH_CONFIG";
const FILE_VARIABLE: &str = "REGISTRY_AUTH_FILE";
const SIZE_LIMIT: u64 = 1 << 20;

/// A credential file, or a variable that holds the text of one.
#[derive(Debug)]
pub(super) struct Document {
    place: Arc<str>,
    form: Form,
    contents: OnceCell<Result<Option<CredentialFile>, Error>>,
    /// Guards the one warning about a credential store that is named and not installed.
    pub(super) warned: Once,
}

#[derive(Debug)]
enum Form {
    Variable,
    File {
        path: PathBuf,
        /// Named by the environment: it must be there.
        named: bool,
    },
}

impl Document {
    /// The documents that `environment` makes out, in order. `user` is the numeric id of the user, where the system has
    /// a runtime directory by that id.
    pub(super) fn all(environment: &Environment, user: Option<u32>) -> Vec<Self> {
        let home = environment.home();
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let mut files = Vec::new();
        if let Some(path) = environment.path(FILE_VARIABLE) {
            files.push((Some(path), true));
        } else {
            let runtime = environment.path("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json"));
            let by_id = user.map(|user| PathBuf::from(format!("/run/containers/{user}/auth.json")));
            files.push((runtime.filter(|_| cfg!(target_os = "linux")).or(by_id), false));
            let config = environment.path("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
            files.push((config.map(|directory| directory.join("containers/auth.json")), false));
        }
        let docker = environment.path("DOCKER_CONFIG").or_else(|| below_home(".docker"));
        files.push((docker.map(|directory| directory.join("config.json")), false));

        let mut documents = vec![Self::new(TEXT_VARIABLE.into(), Form::Variable)];
        for (path, named) in files {
            let Some(path) = path else { continue };
            let place: Arc<str> = shown(&path, home.as_deref()).into();
            if documents.iter().all(|document: &Self| document.place != place) {
                documents.push(Self::new(place, Form::File { path, named }));
            }
        }
        documents
    }

    fn new(place: Arc<str>, form: Form) -> Self {
        Self { place, form, contents: OnceCell::new(), warned: Once::new() }
    }

    /// The path, or the variable, as messages show it.
    pub(super) fn place(&self) -> &Arc<str> {
        &self.place
    }

    /// Whether it is a file rather than a variable.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.form, Form::File { .. })
    }

    /// What it holds; `None` where there is no such file or the variable is not set.
    pub(super) async fn contents(&self, environment: &Environment) -> Result<Option<&CredentialFile>, Error> {
        let read = self.contents.get_or_init(|| self.read(environment)).await;
        read.as_ref().map(Option::as_ref).map_err(Error::clone)
    }

    async fn read(&self, environment: &Environment) -> Result<Option<CredentialFile>, Error> {
        let parse = |text: &str| {
            CredentialFile::parse(text).map(Some).map_err(|(line, column)| Error::Malformed {
                place: self.place.clone(),
                position: Some((line as u64, column as u64)),
            })
        };
        match &self.form {
            Form::Variable => environment.text(TEXT_VARIABLE)?.map_or(Ok(None), parse),
            Form::File { path, named } => match self.bytes(path).await {
                Ok(bytes) => {
                    let malformed = |_| Error::Malformed { place: self.place.clone(), position: None };
                    parse(std::str::from_utf8(&bytes).map_err(malformed)?)
                }
                Err(Error::Unreadable { kind: io::ErrorKind::NotFound | io::ErrorKind::NotADirectory, .. })
                    if !named =>
                {
                    Ok(None)
                }
                Err(error) => Err(error),
            },
        }
    }

    async fn bytes(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
        let unreadable = |error: io::Error| Error::Unreadable { place: self.place.clone(), kind: error.kind() };
        let not_a_file = || Error::NotAFile { place: self.place.clone() };
        // Looked at before it is opened: opening a pipe would wait for its other end.
        let metadata = tokio::fs::metadata(path).await.map_err(unreadable)?;
        if !metadata.is_file() || metadata.len() > SIZE_LIMIT {
            return Err(not_a_file());
        }
        let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        // Room for all of it, and for the reader to see that there is no more: it never moves.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 64));
        file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).await.map_err(unreadable)?;
        if bytes.len() as u64 > SIZE_LIMIT { Err(not_a_file()) } else { Ok(bytes) }
    }
}

/// The path with the home directory as `~`.
fn shown(path: &Path, home: Option<&Path>) -> String {
    let below = home.and_then(|home| path.strip_prefix(home).ok());
    below.map_or_else(|| path.display().to_string(), |below| format!("~/{}", below.display()))
}

/// The effective user id of this process, where no `XDG_RUNTIME_DIR` says where runtime files are: containers' tools then
/// use `/run/containers/<id>`. Linux only, from proc(5), as the standard library has no call for it.
pub(super) fn runtime_user(environment: &Environment) -> Option<u32> {
    if !cfg!(target_os = "linux") || environment.path("XDG_RUNTIME_DIR").is_some() {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;

    use super::*;

    fn places(variables: &[(&str, &str)], user: Option<u32>) -> Vec<String> {
        let environment: Environment = variables.iter().copied().collect();
        Document::all(&environment, user).iter().map(|document| document.place().to_string()).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn files_are_asked_in_order() {
        let home = ("HOME", "/home/me");
        let usual = ["DOCKER_AUTH_CONFIG", "/run/containers/7/auth.json", "~/.config/containers/auth.json"];
        assert_eq!(places(&[home], Some(7)), [&usual[..], &["~/.docker/config.json"]].concat());
        let moved = [home, ("XDG_RUNTIME_DIR", "/run/user/7"), ("XDG_CONFIG_HOME", "/c"), ("DOCKER_CONFIG", "/d")];
        let expected =
            ["DOCKER_AUTH_CONFIG", "/run/user/7/containers/auth.json", "/c/containers/auth.json", "/d/config.json"];
        assert_eq!(places(&moved, None), expected);
    }

    #[test]
    fn a_named_file_stands_alone_among_those_of_containers() {
        let variables = [("HOME", "/home/me"), ("REGISTRY_AUTH_FILE", "/a.json"), ("XDG_RUNTIME_DIR", "/run/user/7")];
        assert_eq!(places(&variables, None), ["DOCKER_AUTH_CONFIG", "/a.json", "~/.docker/config.json"]);
        let same = [("HOME", "/home/me"), ("REGISTRY_AUTH_FILE", "/home/me/.docker/config.json")];
        assert_eq!(places(&same, None), ["DOCKER_AUTH_CONFIG", "~/.docker/config.json"]);
        assert_eq!(places(&[("DOCKER_CONFIG", ""), ("HOME", "relative")], None), ["DOCKER_AUTH_CONFIG"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_user_is_known_where_it_is_needed() {
        use std::os::unix::fs::MetadataExt as _;
        let own = tempfile::NamedTempFile::new().unwrap();
        let expected = own.as_file().metadata().unwrap().uid();
        assert_eq!(runtime_user(&Environment::default()), Some(expected));
        assert_eq!(runtime_user(&[("XDG_RUNTIME_DIR", "/run/user/7")].into_iter().collect()), None);
    }

    async fn read(path: &Path, named: bool) -> Result<bool, Error> {
        let document = Document::new("the file".into(), Form::File { path: path.to_owned(), named });
        document.contents(&Environment::default()).await.map(|contents| contents.is_some())
    }

    #[tokio::test]
    async fn an_absent_file_is_no_source_unless_it_was_named() {
        let directory = tempfile::tempdir().unwrap();
        let absent = directory.path().join("none/config.json");
        assert_eq!(read(&absent, false).await, Ok(false));
        assert_eq!(read(Path::new("/dev/null/config.json"), false).await, Ok(false));
        assert!(matches!(read(&absent, true).await, Err(Error::Unreadable { kind: io::ErrorKind::NotFound, .. })));
    }

    #[tokio::test]
    async fn what_is_no_sound_file_is_an_error_without_its_text() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read(directory.path(), false).await, Err(Error::NotAFile { .. })));
        assert!(matches!(read(Path::new("/dev/zero"), false).await, Err(Error::NotAFile { .. })));
        let path = directory.path().join("config.json");
        fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
        assert!(matches!(read(&path, false).await, Err(Error::NotAFile { .. })));
        fs::write(&path, "{\n\"auths\": {\"ghcr.io\": canary}}").unwrap();
        let error = read(&path, false).await.unwrap_err();
        assert_eq!(error.to_string(), "the file is not a docker credential file (line 2, column 22)");
        fs::write(&path, b"{\"canary\": \"\xff\"}").unwrap();
        let error = read(&path, false).await.unwrap_err();
        assert_eq!(error.to_string(), "the file is not a docker credential file");
    }
}
