//! How many pulls a registry still allows, in its own words.

use std::fmt;

/// What a registry says of its quota of pulls: Docker Hub counts each GET of a manifest, and no HEAD
/// (<https://docs.docker.com/docker-hub/usage/pulls/>). What it does not say, or not so that it can be read, is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// How many pulls a window of time allows.
    pub limit: Option<u64>,
    /// How many are left.
    pub remaining: Option<u64>,
    /// The length of the window, in seconds.
    pub window: Option<u64>,
}

impl Quota {
    /// The length of the window in words: `6 h`.
    pub fn window_in_words(&self) -> Option<String> {
        let seconds = self.window.filter(|seconds| *seconds > 0)?;
        Some(match (seconds % 3600, seconds % 60) {
            (0, _) => format!("{} h", seconds / 3600),
            (_, 0) => format!("{} min", seconds / 60),
            _ => format!("{seconds} s"),
        })
    }
}

/// `86 of 100 left in 6 h`, as far as it is known.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.remaining, self.limit) {
            (Some(remaining), Some(limit)) => write!(f, "{remaining} of {limit} left")?,
            (Some(remaining), None) => write!(f, "{remaining} left")?,
            (None, Some(limit)) => write!(f, "an unknown part of {limit} left")?,
            (None, None) => f.write_str("an unknown number left")?,
        }
        match self.window_in_words() {
            Some(window) => write!(f, " in {window}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_said() {
        let quota = |remaining, limit, window| Quota { limit, remaining, window }.to_string();
        assert_eq!(quota(Some(86), Some(100), Some(21600)), "86 of 100 left in 6 h");
        assert_eq!(quota(Some(86), None, Some(90)), "86 left in 90 s");
        assert_eq!(quota(None, Some(100), Some(600)), "an unknown part of 100 left in 10 min");
        assert_eq!(quota(None, None, Some(0)), "an unknown number left");
    }
}
