//! `update`.

use bollard::models::ContainerUpdateBody;
use clap::Args;
use serde::Deserialize;

use super::create::restart_policy;
use super::limits::LimitFlags;
use crate::app::App;
use crate::daemon::{Call, collect, segment};
use crate::error::{CliError, Result};
use crate::flags::targets::each;
use crate::output;

/// Update configuration of one or more containers
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    limits: LimitFlags,
    /// Restart policy to apply when a container exits
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// The containers
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Warnings", default)]
    warnings: Option<Vec<String>>,
}

impl Update {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let limits = &self.limits;
        let body = ContainerUpdateBody {
            memory: limits.memory,
            memory_reservation: limits.memory_reservation,
            memory_swap: limits.memory_swap,
            nano_cpus: limits.cpus,
            cpu_shares: limits.cpu_shares,
            cpu_period: limits.cpu_period,
            cpu_quota: limits.cpu_quota,
            cpu_realtime_period: limits.cpu_rt_period,
            cpu_realtime_runtime: limits.cpu_rt_runtime,
            cpuset_cpus: limits.cpuset_cpus.clone(),
            cpuset_mems: limits.cpuset_mems.clone(),
            pids_limit: limits.pids_limit,
            blkio_weight: limits.blkio_weight,
            restart_policy: self.restart.as_deref().map(restart_policy).transpose()?,
            ..Default::default()
        };
        if body == ContainerUpdateBody::default() {
            return Err(CliError::invalid(
                "you must provide one or more flags when using this command",
            ));
        }
        let daemon = app.daemon()?;
        let body = &body;
        each(&self.containers, |name| async move {
            let path = format!("/containers/{}/update", segment(name));
            let bytes = collect(daemon.call(Call::post(&path).json(body)?).await?).await?;
            if let Ok(Answer {
                warnings: Some(warnings),
            }) = serde_json::from_slice(&bytes)
            {
                for warning in warnings {
                    output::tell(output::printable(&warning));
                }
            }
            Ok(())
        })
        .await
    }
}
