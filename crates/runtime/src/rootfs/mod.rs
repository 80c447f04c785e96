//! The overlay root of a container.
