//! Docker Engine API models, error body, versions, filters and stream frames.
