//! Where the engine runs, and whether the person may choose.

use serde::Serialize;

use super::Engine;
use super::endpoint::{Endpoint, Keeper};
use crate::error::{CommandError, ErrorCode};
use crate::machine::Machines;
use crate::settings::{self, Home};

/// Where the engine runs, and whether the person may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct EngineChoice {
    /// Where it runs; `None` where it is someone else's.
    pub home: Option<Home>,
    /// The machine that it runs in.
    pub machine: Option<String>,
    /// Whether this system can run it both ways.
    pub both: bool,
    /// What decides instead of the person: `DOCKER_HOST`, `docker context`.
    pub decided_by: Option<String>,
}

impl Engine {
    /// Where the engine runs.
    pub fn choice(&self) -> EngineChoice {
        let endpoint = self.endpoint.borrow();
        let endpoint = endpoint.as_ref().ok();
        let keeper = endpoint.map(|endpoint| &endpoint.keeper);
        EngineChoice {
            home: match keeper {
                Some(Keeper::Native) => Some(Home::Native),
                Some(Keeper::Machine(_)) => Some(Home::Machine),
                Some(Keeper::Elsewhere) | None => None,
            },
            machine: match keeper {
                Some(Keeper::Machine(name)) => Some(name.to_string()),
                _ => None,
            },
            both: cfg!(target_os = "linux"),
            decided_by: endpoint
                .and_then(|endpoint| endpoint.decided_by)
                .map(str::to_owned),
        }
    }

    /// Keeps the person's choice, and goes to that engine. The one before runs on.
    pub fn choose(&self, machines: &Machines, home: Home) -> Result<EngineChoice, CommandError> {
        if !cfg!(target_os = "linux") && home == Home::Native {
            return Err(CommandError::new(
                ErrorCode::InvalidInput,
                "on this system the engine runs in a machine",
            ));
        }
        settings::keep_engine_home(home)
            .map_err(|error| CommandError::new(ErrorCode::Failed, error.to_string()))?;
        let found = Endpoint::find(machines, home);
        self.endpoint.send_if_modified(|endpoint| {
            let other = *endpoint != found;
            if other {
                *endpoint = found;
            }
            other
        });
        Ok(self.choice())
    }
}
