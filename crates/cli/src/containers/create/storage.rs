//! Volumes, bind mounts and temporary filesystems.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig};
use clap::Args;

use super::{mounts, process::some};
use crate::error::{CliError, Result};
use crate::output::units::parse_bytes;

/// What the container's files are made of beside the image.
#[derive(Debug, Args)]
pub struct StorageFlags {
    /// Bind mount a volume
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    volume: Vec<String>,
    /// Attach a filesystem mount to the container
    #[arg(long, value_name = "type=…,source=…,target=…")]
    mount: Vec<String>,
    /// Mount volumes from the specified container(s)
    #[arg(long, value_name = "CONTAINER")]
    volumes_from: Vec<String>,
    /// Optional volume driver for the container
    #[arg(long, value_name = "DRIVER")]
    volume_driver: Option<String>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    tmpfs: Vec<String>,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    shm_size: Option<i64>,
    /// Storage driver options for the container
    #[arg(long, value_name = "KEY=VALUE")]
    storage_opt: Vec<String>,
}

impl StorageFlags {
    /// Writes the flags into the API's body.
    pub fn apply(&self, body: &mut ContainerCreateBody, host: &mut HostConfig) -> Result<()> {
        let mut binds = Vec::new();
        let mut anonymous = Vec::new();
        for volume in &self.volume {
            match mounts::volume(volume)? {
                mounts::Volume::Anonymous(target) => anonymous.push(target),
                mounts::Volume::Bind(bind) => binds.push(bind),
            }
        }
        host.binds = some(&binds);
        body.volumes = some(&anonymous);
        let mounts: Result<Vec<_>> = self.mount.iter().map(|text| mounts::mount(text)).collect();
        host.mounts = Some(mounts?).filter(|mounts| !mounts.is_empty());
        host.volumes_from = some(&self.volumes_from);
        host.volume_driver = self.volume_driver.clone();
        host.readonly_rootfs = Some(self.read_only);
        host.shm_size = self.shm_size;
        if !self.tmpfs.is_empty() {
            host.tmpfs = Some(self.tmpfs()?);
        }
        if !self.storage_opt.is_empty() {
            host.storage_opt = Some(super::key_values::map(&self.storage_opt));
        }
        Ok(())
    }

    fn tmpfs(&self) -> Result<HashMap<String, String>> {
        self.tmpfs
            .iter()
            .map(|text| {
                let (target, options) = text.split_once(':').unwrap_or((text, ""));
                if target.is_empty() {
                    return Err(CliError::invalid(format!(
                        "invalid tmpfs {text:?}: no target"
                    )));
                }
                Ok((target.to_owned(), options.to_owned()))
            })
            .collect()
    }
}
