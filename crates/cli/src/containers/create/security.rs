//! Privileges.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{HostConfig, HostConfigCgroupnsModeEnum};
use clap::Args;

use super::process::some;
use crate::error::{CliError, Result};

/// What the container may do.
#[derive(Debug, Args)]
pub struct SecurityFlags {
    /// Give extended privileges to this container
    #[arg(long)]
    privileged: bool,
    /// Add Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    cap_drop: Vec<String>,
    /// Security Options
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    /// Sysctl options
    #[arg(long, value_name = "NAME=VALUE")]
    sysctl: Vec<String>,
    /// User namespace to use
    #[arg(long, value_name = "MODE")]
    userns: Option<String>,
    /// Cgroup namespace to use (host|private)
    #[arg(long, value_name = "MODE", value_parser = ["host", "private", ""])]
    cgroupns: Option<String>,
}

impl SecurityFlags {
    /// Writes the flags into the API's body.
    pub fn apply(&self, host: &mut HostConfig) -> Result<()> {
        host.privileged = Some(self.privileged);
        host.cap_add = some(&self.cap_add);
        host.cap_drop = some(&self.cap_drop);
        host.userns_mode = self.userns.clone();
        host.cgroupns_mode = match self.cgroupns.as_deref() {
            Some("host") => Some(HostConfigCgroupnsModeEnum::HOST),
            Some("private") => Some(HostConfigCgroupnsModeEnum::PRIVATE),
            _ => None,
        };
        if !self.sysctl.is_empty() {
            host.sysctls = Some(self.sysctls()?);
        }
        let mut options = Vec::new();
        for option in &self.security_opt {
            if option == "systempaths=unconfined" {
                host.masked_paths = Some(Vec::new());
                host.readonly_paths = Some(Vec::new());
            } else {
                options.push(security_option(option)?);
            }
        }
        host.security_opt = some(&options);
        Ok(())
    }

    fn sysctls(&self) -> Result<HashMap<String, String>> {
        self.sysctl
            .iter()
            .map(|text| {
                text.split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .ok_or_else(|| {
                        CliError::invalid(format!("invalid sysctl {text:?}: write name=value"))
                    })
            })
            .collect()
    }
}

/// A seccomp profile is a file here, and its text there.
fn security_option(text: &str) -> Result<String> {
    let Some((key, value)) = text.split_once(['=', ':']) else {
        if text == "no-new-privileges" {
            return Ok(text.to_owned());
        }
        return Err(CliError::invalid(format!(
            "invalid --security-opt: {text:?}"
        )));
    };
    if key != "seccomp" || matches!(value, "unconfined" | "builtin") {
        return Ok(format!("{key}={value}"));
    }
    let path = Path::new(value);
    let profile = std::fs::read(path).map_err(CliError::file("open the seccomp profile", path))?;
    let profile: serde_json::Value = serde_json::from_slice(&profile).map_err(|error| {
        CliError::invalid(format!("{value}: the seccomp profile is no JSON: {error}"))
    })?;
    Ok(format!("seccomp={profile}"))
}
