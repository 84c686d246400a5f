//! Faults of servers and of what lies between: one image of six is struck, and how it ends is written down here.

mod answers;
mod bodies;
mod connections;
mod floods;
mod lists;
mod proxies;
mod redirects;
mod streams;
mod throttling;
mod tokens;
