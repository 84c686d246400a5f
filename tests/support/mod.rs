//! What the integration tests stand on: fake and real registries, tiny images, a runner for the binary.
//!
//! A test of the binary reads like this:
//!
//! ```ignore
//! let (source, target) = (FakeRegistry::start(), FakeRegistry::start());
//! let image = zoo::index("seed");
//! image.push_to(&source, "library/alpine", "3.20");
//! source.fault(Match::new("GET", "/blobs/").first(1), Fault::CutBody { after: 7, close: Close::Reset });
//! let regsync = Regsync::new().config(&yaml).host(&source.host(), "SOURCE").host(&target.host(), "TARGET");
//! insta::assert_snapshot!(regsync.run(["apply"]).assert_status(0).transcript());
//! insta::assert_snapshot!(target.request_log(&[(image.digest(), "root")]));
//! source.assert_read_only();
//! target.assert_closed();
//! ```
//!
//! and a test of a fault:
//!
//! ```ignore
//! let ward = Ward::of(Species::Index);
//! ward.source.fault(Match::new("GET", &ward.layer_path()).first(1), Fault::Reset);
//! ward.ends_well();
//! ```
//!
//! Independent of the crate's own types on purpose: the stage must not share a mistake with the actor.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "shared by the chapters of the test binary; none uses all of it"
)]

pub mod aws;
pub mod azure;
pub mod canary;
pub mod cdn;
pub mod costs;
pub mod digest;
pub mod federation;
pub mod forge;
pub mod harness;
pub mod http;
pub mod identity;
pub mod images;
pub mod layout;
pub mod marks;
pub mod memory;
pub mod proxy;
pub mod real_registry;
pub mod redact;
pub mod registry;
pub mod server;
pub mod stage;
pub mod tls;
pub mod token;
pub mod tools;
pub mod tripwire;
pub mod ward;
