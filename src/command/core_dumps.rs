//! No copy of this process's memory, which holds credentials, is left on a disk or read by others of the same user.

/// Asks the system for no core dump of this process and, where it is Linux, to let no other process of the user read its
/// memory and environment. A system that refuses is no reason to do nothing.
#[cfg(unix)]
pub fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // A core dump that goes to a program (`core_pattern` with a pipe) does not ask for the limit.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Elsewhere there are none that a process could forbid.
#[cfg(not(unix))]
pub fn forbid_core_dumps() {}
