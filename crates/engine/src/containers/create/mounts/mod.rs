//! Binds, mounts, volumes, tmpfs: read, checked for conflicts, and their volumes made.

mod bind;
mod mount;
#[cfg(test)]
mod tests;
mod tmpfs;
mod volumes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gantry_api::models::{ContainerConfig, HostConfig, MountType};

use self::bind::parse_bind;
use self::mount::parse_mount;
pub use self::tmpfs::tmpfs_options;
pub use self::volumes::volumes_of;
use super::super::{MountKind, MountPoint};
use crate::error::{Error, Result};
use crate::state::Engine;

/// Most mounts of one container.
const MOST: usize = 1000;

/// All mounts of a container, by destination. Volumes are only named here, told of by [`volumes_of`].
pub fn resolve(
    engine: &Engine,
    config: &ContainerConfig,
    host: &mut HostConfig,
) -> Result<Vec<MountPoint>> {
    let mut mounts: BTreeMap<String, MountPoint> = BTreeMap::new();
    for from in host.volumes_from.iter().flatten() {
        for mount in inherited(engine, from)? {
            mounts.insert(mount.destination.clone(), mount);
        }
    }
    let mut own: BTreeMap<String, MountPoint> = BTreeMap::new();
    let mut add = |mount: MountPoint| match own.insert(mount.destination.clone(), mount) {
        None => Ok(()),
        Some(twice) => Err(Error::invalid(format!(
            "Duplicate mount point: {}",
            twice.destination
        ))),
    };
    for bind in host.binds.iter().flatten() {
        let mount = parse_bind(bind)?;
        if mount.kind == MountKind::Bind {
            is_shared(engine, &mount.source)?;
        }
        add(mount)?;
    }
    for mount in host.mounts.iter().flatten() {
        // Before it is said not to exist: it may, on the host.
        if mount.typ == Some(MountType::BIND)
            && let Some(source) = mount.source.as_deref().filter(|path| path.starts_with('/'))
        {
            is_shared(engine, Path::new(source))?;
        }
        add(parse_mount(mount)?)?;
    }
    let tmpfs: Vec<String> = host
        .tmpfs
        .iter()
        .flatten()
        .map(|(path, _)| destination(path))
        .collect::<Result<_>>()?;
    for (path, options) in host.tmpfs.iter().flatten() {
        tmpfs_options(path, options)?;
    }
    if let Some(twice) = tmpfs.iter().find(|path| own.contains_key(*path)) {
        return Err(Error::invalid(format!("Duplicate mount point: {twice}")));
    }
    mounts.extend(own);
    for path in config.volumes.iter().flatten() {
        let path = destination(path)?;
        if !mounts.contains_key(&path) && !tmpfs.contains(&path) {
            mounts.insert(path.clone(), volume(String::new(), path));
        }
    }
    if mounts.len() + tmpfs.len() > MOST {
        return Err(Error::invalid(format!(
            "a container can have at most {MOST} mounts"
        )));
    }
    Ok(mounts.into_values().collect())
}

/// Refuses what a machine's host doesn't share with it.
fn is_shared(engine: &Engine, source: &Path) -> Result<()> {
    let found = engine.shares.as_ref().map(|shares| shares.find(source));
    found.transpose().map(drop)
}

fn inherited(engine: &Engine, text: &str) -> Result<Vec<MountPoint>> {
    let (query, mode) = text.split_once(':').unwrap_or((text, "rw"));
    if !["ro", "rw", "z", "Z"].contains(&mode) {
        return Err(Error::invalid(format!(
            "invalid mode for volumes-from: {}",
            mode.escape_debug()
        )));
    }
    // Not "not found": on that, clients pull the image and try again.
    let other = engine
        .containers
        .find(query)
        .map_err(|error| Error::invalid(error.to_string()))?
        .record();
    let mut mounts: Vec<MountPoint> = other
        .definition
        .mounts
        .iter()
        .filter(|mount| mount.kind != MountKind::Tmpfs)
        .cloned()
        .collect();
    for mount in &mut mounts {
        mount.anonymous = false;
        mount.read_only |= mode == "ro";
    }
    Ok(mounts)
}

fn blank(kind: MountKind, destination: String) -> MountPoint {
    MountPoint {
        kind,
        volume: String::new(),
        anonymous: false,
        source: PathBuf::new(),
        subpath: String::new(),
        destination,
        read_only: false,
        mode: String::new(),
        propagation: String::new(),
        options: Vec::new(),
        no_copy: false,
        create_source: false,
        non_recursive: false,
    }
}

fn volume(name: String, destination: String) -> MountPoint {
    MountPoint {
        anonymous: name.is_empty(),
        volume: name,
        ..blank(MountKind::Volume, destination)
    }
}

/// A destination, cleaned: absolute, without `.`, `..` and doubled slashes.
fn destination(text: &str) -> Result<String> {
    let refused = |why: &str| {
        Error::invalid(format!(
            "invalid mount path: '{}' {why}",
            text.escape_debug()
        ))
    };
    if !text.starts_with('/') {
        return Err(refused("mount path must be absolute"));
    }
    if text.contains('\0') || text.len() > 4096 {
        return Err(refused("mount path can't be that"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err(Error::invalid(format!(
            "invalid volume specification: '{}': destination can't be '/'",
            text.escape_debug()
        )));
    }
    Ok(format!("/{}", parts.join("/")))
}
