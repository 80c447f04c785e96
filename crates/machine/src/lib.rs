//! The Linux virtual machine that the engine runs in where the host can't run it: images, back ends, states.
//!
//! A machine is a folder ([`store`]) with a description ([`spec`]). While it runs, one *host process* of ours
//! ([`host`]) owns it: starts the virtual machine by a back end ([`backend`]) from the guest image ([`image`]), holds
//! the tunnel to the guest, listens at the Docker API's socket and at the ports that containers publish, and answers on
//! a control socket ([`control`]). Knows no command line and no window.

pub mod backend;
pub mod client;
pub mod computer;
pub mod context;
pub mod control;
pub mod host;
pub mod image;
mod local;
pub mod name;
pub mod paths;
pub mod qmp;
pub mod spec;
pub mod state;
pub mod store;

pub use name::MachineName;
pub use paths::{Home, Paths};
pub use spec::{BackendKind, Spec};
pub use state::{Cause, Stage, State};
