//! The network against the real kernel. Each test has a network namespace of its own for a host, so that nothing of
//! the machine is touched and tests don't meet. They need root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod agent;
mod bridge;
mod claims;
mod hold;
mod host;
mod lifecycle;
mod nat;
mod proxy;
mod publish;
mod reconcile;
