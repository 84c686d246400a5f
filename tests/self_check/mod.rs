//! The stage checks itself: a fake that lies about the protocol would let the client's mistakes pass.

mod access;
mod distribution;
mod faults;
mod oracle;
#[cfg(unix)]
mod runner;
mod tripwire;
mod uploads;
mod ward;
mod witnesses;
