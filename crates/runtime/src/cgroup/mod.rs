//! Control groups: where a container's are, its figures, freezing and live updates.
