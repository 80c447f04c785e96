//! The bundled tutorial: `gantry/getting-started`, a small web server and a
//! tutorial of some pages, packed by [`archive()`] as an OCI image layout in a
//! tar. App and command line carry it, so that the first container needs no
//! network. It isn't for other images, and knows no engine.

mod archive;
mod site;

pub use archive::archive;

/// The name under which the archive's image is loaded.
pub const REFERENCE: &str = "gantry/getting-started:latest";

/// The port that the tutorial's server listens on in the container.
pub const PORT: u16 = 80;
