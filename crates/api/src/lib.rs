//! What Docker's Engine API specification says, and what it can't say.
//!
//! The models are generated from Docker's own specification ([`models`]). This crate adds what a specification
//! has no words for: the error body ([`ErrorBody`]), the version rules ([`ApiVersion`]), the `filters` parameter
//! ([`Filters`]), the frames of a multiplexed stream ([`stream`]), the body of `POST /containers/create`
//! with the fields that we don't know ([`create`]) and the `X-Registry-Auth` header ([`RegistryAuth`]).
//!
//! It knows no engine: the engine, the command line and the desktop app share it.

pub mod auth;
pub mod create;
mod error;
pub mod filters;
pub mod stream;
pub mod version;

pub use auth::RegistryAuth;
pub use bollard_stubs::models;
pub use error::ErrorBody;
pub use filters::Filters;
pub use stream::{FrameDecoder, StreamFrame, StreamKind};
pub use version::ApiVersion;
