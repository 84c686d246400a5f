//! How many files and connections a run may have open.

/// So many are enough for any run; some systems say "no limit" and mean less.
#[cfg(unix)]
const ENOUGH: u64 = 10_240;

/// Raises the limit of open files as far as the system lets us, and says what it is now. The usual limit is low for the sake
/// of old programs (256 on macOS), and a run that talks to many hosts needs more.
#[cfg(unix)]
pub(super) fn raise() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        // Refused, it stays what it is; that is asked next.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    getrlimit(Resource::Nofile).current
}

/// Elsewhere there is no such limit, or none that is near.
#[cfg(not(unix))]
pub(super) fn raise() -> Option<u64> {
    None
}
