//! `source:destination[:mode]`.

use std::path::PathBuf;

use super::{blank, destination, volume};
use crate::containers::{MountKind, MountPoint};
use crate::error::{Error, Result};
use crate::volumes::VolumeName;

const PROPAGATIONS: &[&str] = &[
    "private", "rprivate", "shared", "rshared", "slave", "rslave",
];

/// `source:destination[:mode]`, where a source that is no absolute path is a volume's name.
pub(super) fn parse_bind(text: &str) -> Result<MountPoint> {
    let invalid = || {
        Error::invalid(format!(
            "invalid volume specification: '{}'",
            text.escape_debug()
        ))
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => ("", target, ""),
        // `/data:ro` is no source and destination.
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(invalid()),
    };
    if parts.len() > 1 && source.is_empty() {
        return Err(invalid());
    }
    let target = destination(target)?;
    let mut mount = if source.starts_with('/') {
        MountPoint {
            source: PathBuf::from(source),
            create_source: true,
            ..blank(MountKind::Bind, target)
        }
    } else {
        if !source.is_empty() {
            source.parse::<VolumeName>()?;
        }
        volume(source.to_owned(), target)
    };
    mode.clone_into(&mut mount.mode);
    for option in mode.split(',').filter(|_| !mode.is_empty()) {
        match option {
            "ro" => mount.read_only = true,
            // SELinux relabelling, and caching for macOS: nothing to do on this machine.
            "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" => {}
            "nocopy" if mount.kind == MountKind::Volume => mount.no_copy = true,
            option if mount.kind == MountKind::Bind && PROPAGATIONS.contains(&option) => {
                option.clone_into(&mut mount.propagation);
            }
            _ => {
                return Err(Error::invalid(format!(
                    "invalid mode: {}",
                    mode.escape_debug()
                )));
            }
        }
    }
    if mount.kind == MountKind::Bind && mount.propagation.is_empty() {
        "rprivate".clone_into(&mut mount.propagation);
    }
    Ok(mount)
}
