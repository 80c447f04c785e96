//! Processes started in a running container beside its own (`docker exec`).
