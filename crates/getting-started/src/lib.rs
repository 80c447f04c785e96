//! The bundled tutorial image, packed as an OCI archive.
