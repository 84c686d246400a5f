//! The one integration test binary: each module is a chapter, `support` is the stage they share.

#![expect(clippy::unwrap_used, reason = "a test reports a broken assumption by panicking")]

mod self_check;
mod support;
