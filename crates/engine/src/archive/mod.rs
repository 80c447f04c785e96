//! Copying files in and out of a container (`docker cp`).
