//! What every verb is given: the configuration, and the daemon once it is asked for.

use std::cell::OnceCell;

use gantry_api::ApiVersion;

use crate::daemon::Daemon;
use crate::endpoint::Wishes;
use crate::endpoint::config_file::ConfigFile;
use crate::error::Result;
use crate::output::time::Clock;

/// The surroundings of one run of the program.
pub struct App {
    /// Docker's client configuration.
    pub config: ConfigFile,
    /// What the person and the environment say about the engine.
    pub wishes: Wishes,
    /// `DOCKER_API_VERSION`.
    pub api_version: Option<ApiVersion>,
    daemon: OnceCell<Daemon>,
}

impl App {
    /// Surroundings without a connection yet.
    pub fn new(config: ConfigFile, wishes: Wishes, api_version: Option<ApiVersion>) -> App {
        App {
            config,
            wishes,
            api_version,
            daemon: OnceCell::new(),
        }
    }

    /// The daemon that was chosen. Wrong choices are errors only here, so that `context use` can mend them.
    pub fn daemon(&self) -> Result<&Daemon> {
        if let Some(daemon) = self.daemon.get() {
            return Ok(daemon);
        }
        let endpoint = self.wishes.endpoint(&self.config)?;
        let daemon = Daemon::new(endpoint, self.api_version)?;
        Ok(self.daemon.get_or_init(|| daemon))
    }

    /// The time and its zone.
    pub fn clock(&self) -> Clock {
        Clock::system()
    }
}
