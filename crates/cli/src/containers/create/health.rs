//! The health check.

use std::time::Duration;

use bollard::models::HealthConfig;
use clap::Args;

use crate::error::{CliError, Result};
use crate::output::units::parse_span;

/// How the container's health is found out.
#[derive(Debug, Args)]
pub struct HealthFlags {
    /// Command to run to check health
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Time between running the check (ms|s|m|h)
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    health_interval: Option<Duration>,
    /// Consecutive failures needed to report unhealthy
    #[arg(long, value_name = "COUNT")]
    health_retries: Option<i64>,
    /// Time between running the check during the start period (ms|s|m|h)
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    health_start_interval: Option<Duration>,
    /// Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    health_start_period: Option<Duration>,
    /// Maximum time to allow one check to run (ms|s|m|h)
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    health_timeout: Option<Duration>,
    /// Disable any container-specified HEALTHCHECK
    #[arg(long)]
    no_healthcheck: bool,
}

impl HealthFlags {
    /// The check asked for, if one is.
    pub fn check(&self) -> Result<Option<HealthConfig>> {
        let nanos =
            |span: Option<Duration>| span.and_then(|span| i64::try_from(span.as_nanos()).ok());
        let check = HealthConfig {
            test: self
                .health_cmd
                .as_ref()
                .filter(|command| !command.is_empty())
                .map(|command| vec!["CMD-SHELL".to_owned(), command.clone()]),
            interval: nanos(self.health_interval),
            timeout: nanos(self.health_timeout),
            retries: self.health_retries,
            start_period: nanos(self.health_start_period),
            start_interval: nanos(self.health_start_interval),
        };
        let asked = check != HealthConfig::default();
        if self.no_healthcheck {
            if asked {
                return Err(CliError::invalid(
                    "--no-healthcheck conflicts with --health-* options",
                ));
            }
            return Ok(Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }));
        }
        Ok(asked.then_some(check))
    }
}
