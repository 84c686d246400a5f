//! Faults of servers and of what lies between: one image of six is struck, and how it ends is written down here.

mod bodies;
mod connections;
mod floods;
mod proxies;
mod streams;
