//! The engine's end of a shim's socket.
