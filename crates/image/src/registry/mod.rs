//! The registry client: Docker Registry HTTP API V2 / OCI distribution, pull side.
//!
//! Nothing a registry says is trusted: every body is bounded, every digest and size is checked, silence ends after the
//! stall limit, redirects are counted. That is why this is written on `reqwest` itself: `oci-client` reads manifests,
//! tokens and error bodies whole, however long they are.
//!
//! <https://github.com/opencontainers/distribution-spec>

mod auth;
mod body;
mod endpoint;
mod failure;
mod manifest;
mod repository;
mod web;

pub(crate) use endpoint::Registries;
pub(crate) use failure::of_request;
pub(crate) use manifest::{Descriptor, Manifest, check_config_type, check_layer_type};
pub(crate) use repository::Repository;
