//! Where a report is made: what its head and its links say beside the plan itself.
//!
//! Owns the way from a file as it was named to its place in the repository, and to its address. Refuses to look at the
//! file system: both directories are given.

use std::fmt::Write as _;

/// The surroundings of a run, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// A name for what is mirrored, such as `prod-eu`.
    pub label: Option<String>,
    /// The commit that is checked out.
    pub commit: Option<String>,
    /// The run, in words and by its address.
    pub run: Option<(String, String)>,
    /// The checkout that the configuration lies in.
    pub checkout: Option<Checkout>,
    /// Why the run was refused for all that it came to a plan.
    pub objection: Option<String>,
    /// What is good to know of the run, and changes nothing.
    pub notice: Option<String>,
}

/// A checkout of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkout {
    /// Its absolute path.
    pub root: String,
    /// The absolute path of the working directory.
    pub directory: String,
    /// What its files are found under, at the commit that is checked out: `https://github.com/o/r/blob/SHA`.
    pub address: String,
}

impl Checkout {
    /// The path of `file` within the repository: what annotations name. `None` for a file outside of it.
    pub fn path(&self, file: &str) -> Option<String> {
        let unified = |text: &str| text.replace('\\', "/");
        let (root, file) = (unified(&self.root), unified(file));
        let is_absolute = file.starts_with('/') || file.get(1..3) == Some(":/");
        let whole = if is_absolute { file } else { format!("{}/{file}", unified(&self.directory)) };
        let (root, whole) = (components(&root)?, components(&whole)?);
        let within = whole.strip_prefix(root.as_slice())?;
        (!within.is_empty()).then(|| within.join("/"))
    }

    /// The address of a line of `file`.
    pub fn link(&self, file: &str, line: u32) -> Option<String> {
        let path = self.path(file)?;
        let mut address = format!("{}/", self.address);
        for byte in path.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => address.push(char::from(byte)),
                _ => drop(write!(address, "%{byte:02X}")),
            }
        }
        Some(format!("{address}#L{line}"))
    }
}

/// The names that a path is made of, `.` and `..` worked out; `None` where it leads above its root.
fn components(path: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_the_root_of_the_repository() {
        let checkout = Checkout {
            root: "/checkout".into(),
            directory: "/checkout/mirrors/eu".into(),
            address: "https://github.example/o/r/blob/abc".into(),
        };
        for (file, path) in [
            ("regsync.yaml", Some("mirrors/eu/regsync.yaml")),
            ("./a/../regsync.yaml", Some("mirrors/eu/regsync.yaml")),
            ("../base.yaml", Some("mirrors/base.yaml")),
            ("/checkout/x.yaml", Some("x.yaml")),
            ("/checkouts/x.yaml", None),
            ("../../../x.yaml", None),
            ("../../../../../x.yaml", None),
            ("../..", None),
        ] {
            assert_eq!(checkout.path(file).as_deref(), path, "{file}");
        }
        let link = checkout.link("a b)#\u{e9}.yaml", 7);
        assert_eq!(link.as_deref(), Some("https://github.example/o/r/blob/abc/mirrors/eu/a%20b%29%23%C3%A9.yaml#L7"));
        let windows = Checkout { root: r"D:\a\r".into(), directory: r"D:\a\r\eu".into(), address: String::new() };
        assert_eq!(windows.path("regsync.yaml").as_deref(), Some("eu/regsync.yaml"));
        assert_eq!(windows.path(r"D:\a\r\x.yaml").as_deref(), Some("x.yaml"));
    }
}
