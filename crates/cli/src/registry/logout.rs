//! `logout`.

use clap::Args;

use crate::app::App;
use crate::endpoint::credentials::{auth_key, forget};
use crate::error::Result;
use crate::output;

/// Log out from a registry
#[derive(Debug, Args)]
pub struct Logout {
    /// The registry; Docker Hub if none is named
    server: Option<String>,
}

impl Logout {
    /// Runs the verb.
    pub fn run(self, app: &mut App) -> Result<()> {
        let key = auth_key(self.server.as_deref().unwrap_or_default());
        if forget(&mut app.config, key)? {
            output::line(format_args!("Removing login credentials for {key}"))
        } else {
            output::line(format_args!("Not logged in to {key}"))
        }
    }
}
