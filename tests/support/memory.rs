//! How much memory a run takes, where the system tells.

use std::fs;
use std::thread;
use std::time::Duration;

use super::harness::Running;

/// Waits until `run` ends; the highest resident size that it has had, in KiB. Panics where nothing could be measured.
#[track_caller]
pub fn highest_until_end(run: &mut Running) -> u64 {
    let mut highest = 0;
    while !run.has_ended() {
        highest = peak(run.id()).map_or(highest, |peak| peak.max(highest));
        thread::sleep(Duration::from_millis(3));
    }
    assert!(highest > 0, "nothing was measured");
    highest
}

/// The highest resident size of a process so far, in KiB; `None` once it is gone.
fn peak(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
