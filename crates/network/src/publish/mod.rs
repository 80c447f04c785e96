//! Holding the host's ports: sockets bound here, served by `gantry-proxy`.

mod bind;
mod proxy;
mod record;

pub(crate) use bind::{Held, hold, hold_again};
pub(crate) use proxy::{Followed, Proxy, stop_recorded};
