//! Credentials that are got with the identity of the job, end to end through the binary.

mod aws;
mod aws_copies;
mod aws_creation;
mod aws_hosts;
mod aws_reading;
mod aws_sources;
mod azure;
mod azure_machine;
mod chainguard;
mod cloudsmith;
mod docker_hub;
mod exchange;
mod gcp;
mod gcp_machine;
mod headers;
mod identity;
mod jfrog;
mod jobs;
mod lapsing;
mod masks;
mod proxies;
mod quay;
mod realms;
mod zot;
