//! The environment as it was when the program started. Refuses to be asked for anything later, and to print values.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use super::{Error, Flaw};

/// A snapshot of the environment variables. One that is set but empty counts as unset.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The value of `name`. A value that is not UTF-8 counts as unset here; where that would weaken something, ask
    /// [`Self::text`].
    pub fn get(&self, name: &str) -> Option<&str> {
        self.raw(name)?.to_str()
    }

    /// The value of `name`; the error for one that is not UTF-8 holds the name only.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Error> {
        let not_text = || Error::Variable { name: name.into(), flaw: Flaw::NotText };
        self.raw(name).map(|value| value.to_str().ok_or_else(not_text)).transpose()
    }

    /// The home directory. A relative one is none: what a working directory holds is not ours to trust.
    pub fn home(&self) -> Option<PathBuf> {
        let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        self.path(name).filter(|home| home.is_absolute())
    }

    /// The value of `name` as a path.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw(name).map(PathBuf::from)
    }

    /// The absolute directories of `PATH`, in order. Relative and empty entries mean the working directory, which may
    /// hold anybody's programs, and are left out.
    pub(super) fn search_path(&self) -> Result<Vec<PathBuf>, Error> {
        let separator = if cfg!(windows) { ';' } else { ':' };
        let entries = self.text("PATH")?.unwrap_or_default().split(separator).map(PathBuf::from);
        Ok(entries.filter(|directory| directory.is_absolute()).collect())
    }

    /// The variables that a program started by us is given: all but our own, which hold secrets it has no use for.
    pub(super) fn for_programs(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let ours = |name: &OsStr| name.to_string_lossy().to_ascii_uppercase().starts_with("REGSYNC_");
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())).filter(move |(name, _)| !ours(name))
    }

    /// The names of all variables that are text.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str())
    }

    fn raw(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        // Windows knows no case in names: its `Path` is our `PATH`.
        let canonical = |name: OsString| if cfg!(windows) { name.to_ascii_uppercase() } else { name };
        Self(variables.into_iter().map(|(name, value)| (canonical(name.into()), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_unset() {
        let environment: Environment = [("A", ""), ("B", "b")].into_iter().collect();
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.text("A"), Ok(None));
        assert_eq!(environment.get("B"), Some("b"));
    }

    #[test]
    fn its_debug_form_has_names_and_no_values() {
        let environment: Environment = [("SOME_NAME", "canary")].into_iter().collect();
        let debug = format!("{environment:?}");
        assert!(debug.contains("SOME_NAME") && !debug.contains("canary"), "{debug}");
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_text_is_an_error_that_names_the_variable_only() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(b"canary\xff".to_vec());
        let environment: Environment = [(OsString::from("REGSYNC_AUTH"), value)].into_iter().collect();
        let error = environment.text("REGSYNC_AUTH").unwrap_err();
        assert_eq!(error.to_string(), "`REGSYNC_AUTH` is not valid UTF-8");
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[cfg(unix)]
    #[test]
    fn the_working_directory_is_never_home_nor_searched() {
        let environment: Environment = [("HOME", "here"), ("PATH", "/a::.:bin:/b")].into_iter().collect();
        assert_eq!(environment.home(), None);
        assert_eq!(environment.search_path().unwrap(), [PathBuf::from("/a"), PathBuf::from("/b")]);
    }

    #[test]
    fn programs_are_not_given_our_variables() {
        let variables =
            [("REGSYNC_AUTH_GHCR_IO", "a:b"), ("REGSYNC_TOKEN_X", "t"), ("regsync_auth", "x"), ("HOME", "/h")];
        let environment: Environment = variables.into_iter().collect();
        let given: Vec<_> = environment.for_programs().map(|(name, _)| name).collect();
        assert_eq!(given, ["HOME"]);
    }
}
