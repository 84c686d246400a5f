//! The one integration test binary: each module is a chapter, `support` is the stage they share.

#![expect(clippy::unwrap_used, reason = "a test reports a broken assumption by panicking")]
#![expect(clippy::too_many_arguments, reason = "requests have many parts, and the stage names each where it is used")]
#![expect(clippy::disallowed_methods, reason = "the stage of the tests is itself a process with an environment")]

mod action;
mod apply;
mod auth;
mod cli;
mod copy;
mod faults;
mod github;
mod gitlab;
mod observe;
mod platforms;
mod properties;
mod real_registry;
mod referrers;
mod self_check;
mod support;
