//! Why an image was not copied: always with the side it failed on.

use crate::image::{Code, Digest, Failure, Location, Side};
use crate::store::{self, PushError};

/// A failed copy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{side}: {error}")]
pub struct Error {
    /// The side that failed.
    pub side: Side,
    /// What it said.
    pub error: store::Error,
}

impl Error {
    /// A part of an image did not come out as it was planned.
    pub(super) fn not_the_planned_part(of: &Location, digest: &Digest) -> Self {
        let message = format!("what is left of it is not the planned {digest}");
        let error = store::Error::new(Code::Digest, format!("cut down an image at {of}"), message);
        Self { side: Side::Source, error: error.hint("make a new plan") }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(error.error).on(error.side)
    }
}

impl From<PushError> for Error {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Source(error) => Self { side: Side::Source, error },
            PushError::Target(error) => Self { side: Side::Target, error },
        }
    }
}

/// Puts the failure of a store on a side.
pub(super) trait OnSide<T> {
    /// The same result, its error on `side`.
    fn on(self, side: Side) -> Result<T, Error>;
}

impl<T> OnSide<T> for Result<T, store::Error> {
    fn on(self, side: Side) -> Result<T, Error> {
        self.map_err(|error| Error { side, error })
    }
}
