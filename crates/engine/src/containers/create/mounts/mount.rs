//! `HostConfig.Mounts`: `--mount`.

use std::path::{Path, PathBuf};

use gantry_api::models::{Mount, MountBindOptionsPropagationEnum, MountType};

use super::tmpfs::tmpfs_options;
use super::{blank, destination};
use crate::containers::{MountKind, MountPoint};
use crate::error::{Error, Result};
use crate::volumes::VolumeName;

pub(super) fn parse_mount(mount: &Mount) -> Result<MountPoint> {
    let kind = match mount.typ {
        Some(MountType::BIND) => MountKind::Bind,
        Some(MountType::VOLUME) => MountKind::Volume,
        Some(MountType::TMPFS) => MountKind::Tmpfs,
        Some(other) => {
            return Err(Error::unsupported(format!(
                "mounts of type {other} are not supported: use bind, volume or tmpfs"
            )));
        }
        None => {
            return Err(Error::invalid(
                "mount type unknown: expected bind, volume or tmpfs",
            ));
        }
    };
    let invalid = |why: String| {
        Error::invalid(format!(
            "invalid mount config for type \"{}\": {why}",
            kind.as_str()
        ))
    };
    let target = mount.target.as_deref().unwrap_or_default();
    if target.is_empty() {
        return Err(invalid("field Target must not be empty".to_owned()));
    }
    let source = mount.source.as_deref().unwrap_or_default();
    for (name, given, of) in [
        ("BindOptions", mount.bind_options.is_some(), MountKind::Bind),
        (
            "VolumeOptions",
            mount.volume_options.is_some(),
            MountKind::Volume,
        ),
        (
            "TmpfsOptions",
            mount.tmpfs_options.is_some(),
            MountKind::Tmpfs,
        ),
    ] {
        if given && of != kind {
            return Err(invalid(format!("field {name} must not be specified")));
        }
    }
    let mut point = blank(kind, destination(target)?);
    point.read_only = mount.read_only == Some(true);
    match kind {
        MountKind::Bind => bind(&mut point, mount, source, &invalid)?,
        MountKind::Volume => volume_mount(&mut point, mount, source, &invalid)?,
        MountKind::Tmpfs => tmpfs(&mut point, mount, source, &invalid)?,
    }
    Ok(point)
}

type Invalid<'a> = &'a dyn Fn(String) -> Error;

fn bind(point: &mut MountPoint, mount: &Mount, source: &str, invalid: Invalid<'_>) -> Result<()> {
    if source.is_empty() {
        return Err(invalid("field Source must not be empty".to_owned()));
    }
    if !source.starts_with('/') {
        return Err(invalid(format!(
            "invalid mount path: '{}' mount path must be absolute",
            source.escape_debug()
        )));
    }
    let options = mount.bind_options.clone().unwrap_or_default();
    point.source = PathBuf::from(source);
    point.create_source = options.create_mountpoint == Some(true);
    point.non_recursive = options.non_recursive == Some(true);
    if options.read_only_force_recursive == Some(true) && !point.read_only {
        return Err(invalid(
            "mount must be read-only to force recursive read-only".to_owned(),
        ));
    }
    if options.read_only_non_recursive == Some(true) {
        return Err(Error::unsupported(
            "ReadOnlyNonRecursive is not supported: read-only binds are read-only all through",
        ));
    }
    point.propagation = match options.propagation {
        None | Some(MountBindOptionsPropagationEnum::EMPTY) => "rprivate".to_owned(),
        Some(propagation) => propagation.to_string(),
    };
    if !point.create_source && !Path::new(source).exists() {
        return Err(invalid(format!(
            "bind source path does not exist: {}",
            source.escape_debug()
        )));
    }
    Ok(())
}

fn volume_mount(
    point: &mut MountPoint,
    mount: &Mount,
    source: &str,
    invalid: Invalid<'_>,
) -> Result<()> {
    let options = mount.volume_options.clone().unwrap_or_default();
    if !source.is_empty() {
        source.parse::<VolumeName>()?;
    }
    point.anonymous = source.is_empty();
    source.clone_into(&mut point.volume);
    point.no_copy = options.no_copy == Some(true);
    let driver = options.driver_config.clone().unwrap_or_default();
    if driver
        .name
        .as_deref()
        .is_some_and(|name| !["", "local"].contains(&name))
    {
        return Err(Error::unsupported(
            "volume drivers other than `local` are not supported",
        ));
    }
    let subpath = options.subpath.unwrap_or_default();
    let climbs = Path::new(&subpath)
        .components()
        .any(|part| !matches!(part, std::path::Component::Normal(_)));
    if climbs || (!subpath.is_empty() && source.is_empty()) {
        return Err(invalid(format!(
            "invalid subpath: {}",
            subpath.escape_debug()
        )));
    }
    point.subpath = subpath;
    Ok(())
}

fn tmpfs(point: &mut MountPoint, mount: &Mount, source: &str, invalid: Invalid<'_>) -> Result<()> {
    if !source.is_empty() {
        return Err(invalid("field Source must not be specified".to_owned()));
    }
    let options = mount.tmpfs_options.clone().unwrap_or_default();
    if let Some(size) = options.size_bytes.filter(|size| *size != 0) {
        if size < 0 {
            return Err(invalid("the size can't be negative".to_owned()));
        }
        point.options.push(format!("size={size}"));
    }
    if let Some(mode) = options.mode.filter(|mode| *mode != 0) {
        if !(0..=0o7777).contains(&mode) {
            return Err(invalid(format!("invalid mode {mode:o}")));
        }
        point.options.push(format!("mode={mode:o}"));
    }
    for words in options.options.iter().flatten() {
        match &words[..] {
            [word] => point.options.push(word.clone()),
            [key, value] => point.options.push(format!("{key}={value}")),
            _ => {
                return Err(invalid(
                    "each of Options must be a word, or a word and a value".to_owned(),
                ));
            }
        }
    }
    tmpfs_options(&point.destination, &point.options.join(","))?;
    Ok(())
}
