//! Faults of servers and of what lies between: one image of six is struck, and how it ends is written down here.

mod answers;
mod bodies;
mod connections;
#[cfg(unix)]
mod disk;
mod floods;
mod graphs;
mod lists;
mod manifests;
mod mounts;
mod proxies;
mod redirects;
mod streams;
mod throttling;
mod tokens;
mod uploads;
