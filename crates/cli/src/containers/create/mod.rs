//! `create`, and the flags that it shares with `run`: what a container is to be.

mod cidfile;
mod health;
pub mod key_values;
mod mounts;
mod network;
mod ports;
mod process;
mod resources;
mod security;
mod storage;
#[cfg(test)]
mod tests;
mod verb;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use clap::{Args, ValueEnum};

use crate::error::Result;
pub use key_values::environment;
pub use resources::restart_policy;
pub use verb::{Create, create};

/// When the image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// Before each container.
    Always,
    /// When it isn't there.
    Missing,
    /// Not at all.
    Never,
}

/// All that `create` and `run` say about a container.
#[derive(Debug, Args)]
pub struct ContainerFlags {
    /// Assign a name to the container
    #[arg(long)]
    pub name: Option<String>,
    /// Set platform if server is multi-platform capable
    #[arg(long, env = "DOCKER_DEFAULT_PLATFORM", hide_env = true)]
    pub platform: Option<String>,
    /// Pull image before running
    #[arg(long, value_enum, default_value_t = Pull::Missing)]
    pub pull: Pull,
    /// Suppress the pull output
    #[arg(short, long)]
    pub quiet: bool,
    /// Write the container ID to the file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<std::path::PathBuf>,
    /// Automatically remove the container and its associated anonymous volumes when it exits
    #[arg(long)]
    pub rm: bool,
    /// Restart policy to apply when a container exits
    #[arg(long, default_value = "no", value_name = "POLICY")]
    restart: String,
    /// Logging driver for the container
    #[arg(long, value_name = "DRIVER")]
    log_driver: Option<String>,
    /// Log driver options
    #[arg(long, value_name = "KEY=VALUE")]
    log_opt: Vec<String>,
    /// Runtime to use for this container
    #[arg(long, value_name = "NAME")]
    runtime: Option<String>,
    /// Skip image verification
    #[arg(long, hide = true)]
    disable_content_trust: bool,
    /// What runs.
    #[command(flatten)]
    pub process: process::ProcessFlags,
    #[command(flatten)]
    network: network::NetworkFlags,
    #[command(flatten)]
    storage: storage::StorageFlags,
    #[command(flatten)]
    resources: resources::ResourceFlags,
    #[command(flatten)]
    security: security::SecurityFlags,
    #[command(flatten)]
    health: health::HealthFlags,
}

impl ContainerFlags {
    /// The body of the API's create, for `image` run with `command`.
    pub fn body(&self, image: &str, command: &[String]) -> Result<ContainerCreateBody> {
        let mut body = ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: (!command.is_empty()).then(|| command.to_vec()),
            ..Default::default()
        };
        let mut host = HostConfig {
            auto_remove: Some(self.rm),
            restart_policy: Some(resources::restart_policy(&self.restart)?),
            runtime: self.runtime.clone(),
            container_id_file: self.cidfile.as_ref().map(|path| path.display().to_string()),
            ..Default::default()
        };
        if self.log_driver.is_some() || !self.log_opt.is_empty() {
            host.log_config = Some(HostConfigLogConfig {
                typ: Some(self.log_driver.clone().unwrap_or_default()),
                config: Some(key_values::map(&self.log_opt)),
            });
        }
        self.process.apply(&mut body, &mut host)?;
        self.network.apply(&mut body, &mut host)?;
        self.storage.apply(&mut body, &mut host)?;
        self.resources.apply(&mut host)?;
        self.security.apply(&mut host)?;
        body.healthcheck = self.health.check()?;
        if self.rm && self.restart != "no" && !self.restart.is_empty() {
            return Err(crate::error::CliError::invalid(
                "Conflicting options: --restart and --rm",
            ));
        }
        body.host_config = Some(host);
        Ok(body)
    }
}
