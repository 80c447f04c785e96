//! Log files of a container: written by the shim, read by the engine.
