//! From a container in Docker's terms to the OCI runtime specification, with Docker's defaults.
//!
//! Pure but for reading the root's `passwd` and `group` (bounded, beneath the root) and the host's devices.
//! Format: <https://github.com/opencontainers/runtime-spec/blob/main/config.md>.

mod container;
mod error;
mod resources;

pub use container::*;
pub use error::SpecError;
pub use resources::*;

use crate::Host;

/// The OCI specification of a container, with Docker's defaults. Reads the root, so the root must be mounted.
///
/// # Errors
/// [`SpecError`].
pub fn oci_spec(spec: &ContainerSpec, host: &Host) -> Result<oci_spec::runtime::Spec, SpecError> {
    let _ = (spec, host);
    todo!()
}
