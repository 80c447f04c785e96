//! gantryd: the container engine behind the Docker Engine API.
