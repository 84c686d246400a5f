//! The hidden first line of a comment: whose it is, and which run wrote it. Pure.
//!
//! Owns its form: an HTML comment that no text can end early, since all but plain characters of a key are percent-encoded.

use std::fmt::Write as _;

/// A run of a CI system. Later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// Its number, greater than those of all earlier runs of the repository.
    pub id: u64,
    /// How often it was begun. Beginning an old run again does not make it newer than the runs after it.
    pub attempt: u64,
}

/// What tells a comment from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The command: a result does not take the place of a plan.
    pub verb: &'static str,
    /// What is mirrored, by its label or its configuration.
    pub key: String,
    /// The run that writes it.
    pub run: Run,
}

impl Marker {
    /// `<!-- regsync:plan v=1 key=prod-eu run=812.1 -->`, with its line break.
    pub fn line(&self) -> String {
        let Run { id, attempt } = self.run;
        format!("{}run={id}.{attempt} -->\n", self.start())
    }

    /// The run that wrote a comment with this body, if it begins as this marker does. What stands further down may be
    /// quoted.
    pub(super) fn run_of(&self, body: &str) -> Option<Run> {
        let line = body.strip_prefix(&self.start())?.lines().next()?;
        let (id, attempt) = line.strip_prefix("run=")?.split_once(' ')?.0.split_once('.')?;
        Some(Run { id: id.parse().ok()?, attempt: attempt.parse().ok()? })
    }

    fn start(&self) -> String {
        let mut key = String::new();
        for byte in self.key.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' => key.push(char::from(byte)),
                _ => drop(write!(key, "%{byte:02X}")),
            }
        }
        format!("<!-- regsync:{} v=1 key={key} ", self.verb)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marker(key: &str, run: Run) -> Marker {
        Marker { verb: "plan", key: key.to_owned(), run }
    }

    #[test]
    fn it_is_read_as_it_was_written_and_only_at_the_start() {
        let run = Run { id: 812, attempt: 2 };
        let line = marker("prod eu -->", run).line();
        assert_eq!(line, "<!-- regsync:plan v=1 key=prod%20eu%20--%3E run=812.2 -->\n");
        let read = |key: &str, body: &str| marker(key, Run::default()).run_of(body);
        assert_eq!(read("prod eu -->", &(line.clone() + "text")), Some(run));
        assert_eq!(read("prod eu", &line), None);
        assert_eq!(read("prod eu -->", &format!("> {line}")), None);
        assert_eq!(read("prod eu -->", &format!("\n{line}")), None);
        let applied = Marker { verb: "apply", ..marker("prod eu -->", run) };
        assert_eq!(applied.run_of(&line), None);
        for bad in ["run=x.1 -->", "run=1 -->", "run=1.1", "", "run=99999999999999999999.1 -->"] {
            assert_eq!(read("a", &format!("<!-- regsync:plan v=1 key=a {bad}")), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_key_ends_it_early_or_is_taken_for_another(key in any::<String>(), other in any::<String>(), id in any::<u64>()) {
            let run = Run { id, attempt: 1 };
            let line = marker(&key, run).line();
            prop_assert_eq!(line.find("-->"), Some(line.len() - 4));
            prop_assert_eq!(line.find('>'), Some(line.len() - 2));
            prop_assert_eq!(line.lines().count(), 1);
            let read = marker(&other, Run::default()).run_of(&line);
            prop_assert_eq!(read, (key == other).then_some(run));
        }
    }
}
