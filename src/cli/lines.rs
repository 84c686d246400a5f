//! Flags that may be repeated, and their variables, which hold one value a line.
//!
//! A value on the command line is taken whole: a file name may hold anything. Empty lines of a variable are nothing: a
//! block of YAML ends in a line break.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, Command, Error};

/// What one flag, or a whole variable, gives.
#[derive(Clone, Debug)]
pub struct Lines<T> {
    values: Vec<T>,
    source: ValueSource,
}

impl<T> Lines<T> {
    /// Whether it stands on the command line, where somebody has written it for this run.
    pub(super) fn is_flag(&self) -> bool {
        self.source == ValueSource::CommandLine
    }
}

impl<'a, T> IntoIterator for &'a Lines<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.iter()
    }
}

/// Reads each value with the parser inside.
#[derive(Clone)]
pub(super) struct LinesParser<P>(pub(super) P);

impl<P: TypedValueParser> TypedValueParser for LinesParser<P> {
    type Value = Lines<P::Value>;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Self::Value, Error> {
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<Self::Value, Error> {
        if source != ValueSource::EnvVariable {
            return Ok(Lines { values: vec![self.0.parse_ref(command, arg, value)?], source });
        }
        let text = value.to_str().ok_or_else(|| Error::new(ErrorKind::InvalidUtf8).with_cmd(command))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let values = lines.map(|line| self.0.parse_ref(command, arg, OsStr::new(line))).collect::<Result<_, _>>()?;
        Ok(Lines { values, source })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}
