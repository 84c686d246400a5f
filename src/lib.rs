//! `regsync` keeps container images in target registries equal to what a committed YAML file says.
//!
//! # The way of the data
//!
//! One straight line; every stage is a verb, every value between two stages a noun of its own.
//!
//! ```text
//! regsync.yaml ─▶ config::parse ─▶ Desired ─▶ observe ─▶ Observed ─┐
//!                                     └──────────────────────────▶ plan::plan ─▶ Plan ─▶ report ─▶ stdout, plan.json
//!                                                                                 │
//!                                              (the same process, or a later one) ▼
//!                                                      apply ─▶ [Outcome] ─▶ report ─▶ stdout, result.json, exit code
//! ```
//!
//! Reading is [`observe`]'s, deciding is [`plan`]'s alone and pure, doing is [`apply`]'s: it takes a plan and never looks at
//! the configuration or a step's reason. Nothing is called a dry run: a plan is a value, and making one and carrying it
//! out are different functions.
//!
//! # The rooms
//!
//! | room | holds | may import |
//! |---|---|---|
//! | [`image`] | the OCI vocabulary: reference, digest, manifest, … (pure) | |
//! | [`config`] | YAML text → [`config::Desired`], diagnostics, selection (pure) | image |
//! | [`plan`] | the decision, the steps, the plan file (pure) | image, config |
//! | [`event`] | what effects announce, and how steps end | image, plan |
//! | [`auth`] | credentials and where they come from | image |
//! | [`store`] | where images live: registries and OCI layouts | image, auth, event |
//! | [`copy`] | one image graph from a source to a target | image, store, event |
//! | [`observe`] | Desired → Observed | image, config, plan, store, event |
//! | [`apply`] | Plan → Outcomes | image, plan, store, copy, event |
//! | [`comment`] | comments on pull and merge requests, kept up to date | image, auth |
//! | [`report`] | plans, events, outcomes → text, Markdown and JSON | image, plan, event |
//! | [`cli`] | the types of the command line, no behaviour | image, config, plan, report |
//! | [`command`] | the process: environment, files, streams, signals, clock | all |
//!
//! A test (`tests/architecture.rs`) keeps these arrows, and this table.
//!
//! # Glossary
//!
//! The words are those of the OCI image and distribution specifications: *registry*, *repository*, *reference*, *tag*,
//! *digest*, *descriptor*, *manifest*, *index*, *platform*, *blob*, *config*, *layer*. Beside them:
//!
//! - a **location** is a repository of a registry or an OCI layout directory;
//! - a **mirror** is one entry of the configuration: a source, its targets, and which tags;
//! - a **step** is one target tag and what happens to it, with the **reason** why;
//! - an **outcome** is how a step ended.

pub mod apply;
pub mod auth;
pub mod cli;
pub mod command;
pub mod comment;
pub mod config;
pub mod copy;
pub mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod image;
pub mod observe;
pub mod plan;
pub mod report;
pub mod store;
