//! regsync
pub mod auth;
pub mod config;
pub mod copy;
pub mod event;
pub mod image;
pub mod plan;
pub mod report;
pub mod store;
