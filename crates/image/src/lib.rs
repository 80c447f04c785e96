//! Content store, layers, registry client and image archives.
