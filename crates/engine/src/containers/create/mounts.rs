//! Binds, mounts, volumes, tmpfs: read, checked for conflicts, and their volumes made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_api::models::{
    ContainerConfig, HostConfig, Mount, MountBindOptionsPropagationEnum, MountType,
};

use super::super::{Definition, MountKind, MountPoint};
use crate::error::{Error, Result};
use crate::state::Engine;
use crate::volumes::{self, VolumeHold, VolumeName};

/// Most mounts of one container.
const MOST: usize = 1000;

/// All mounts of a container, by destination. Volumes are only named here, made by [`make_volumes`].
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
        add(parse_bind(bind)?)?;
    }
    for mount in host.mounts.iter().flatten() {
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

const PROPAGATIONS: &[&str] = &[
    "private", "rprivate", "shared", "rshared", "slave", "rslave",
];

/// `source:destination[:mode]`, where a source that is no absolute path is a volume's name.
fn parse_bind(text: &str) -> Result<MountPoint> {
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

fn parse_mount(mount: &Mount) -> Result<MountPoint> {
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

/// Options of a tmpfs taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TmpfsOptions {
    /// Bytes.
    pub size: Option<u64>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// All others.
    pub rest: Vec<String>,
}

/// Reads `size=64m,mode=1777,noexec`.
pub fn tmpfs_options(path: &str, text: &str) -> Result<TmpfsOptions> {
    let invalid = |option: &str| {
        Error::invalid(format!(
            "invalid tmpfs option {:?} for {}",
            option,
            path.escape_debug()
        ))
    };
    let mut options = TmpfsOptions::default();
    for option in text.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) if !value.ends_with('%') => {
                options.size = Some(size(value).ok_or_else(|| invalid(option))?)
            }
            Some(("mode", value)) => {
                let mode = u32::from_str_radix(value, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o7777);
                options.mode = Some(mode.ok_or_else(|| invalid(option))?);
            }
            _ => options.rest.push(option.to_owned()),
        }
    }
    Ok(options)
}

/// `64m`, `1g`, `1024`, in bytes.
fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &lower[digits.len()..] {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// Volumes that were made or taken for a container that isn't recorded yet.
#[derive(Debug, Default)]
pub struct Made {
    holds: Vec<VolumeHold>,
    anonymous: Vec<String>,
}

impl Made {
    /// Takes back what was made for this container only.
    pub fn undo(self, engine: &Engine) {
        drop(self.holds);
        for name in self.anonymous {
            if let Err(error) = engine.volumes.remove(&name, true, |_| Vec::new()) {
                tracing::warn!(volume = name, %error, "an anonymous volume wasn't taken back");
            }
        }
    }
}

/// Makes the volumes of a definition and fills in where they are. Blocks.
pub fn make_volumes(engine: &Arc<Engine>, definition: &mut Definition) -> Result<Made> {
    let mut made = Made::default();
    let asked: Vec<Mount> = definition.host.mounts.clone().unwrap_or_default();
    for mount in &mut definition.mounts {
        if mount.kind != MountKind::Volume {
            continue;
        }
        let options = asked
            .iter()
            .find(|asked| {
                asked
                    .target
                    .as_deref()
                    .and_then(|target| destination(target).ok())
                    .as_ref()
                    == Some(&mount.destination)
            })
            .and_then(|asked| asked.volume_options.clone())
            .unwrap_or_default();
        let create = volumes::Create {
            name: if mount.volume.is_empty() {
                None
            } else {
                Some(mount.volume.parse()?)
            },
            driver: String::new(),
            labels: options.labels.unwrap_or_default().into_iter().collect(),
            options: options
                .driver_config
                .and_then(|driver| driver.options)
                .unwrap_or_default()
                .into_iter()
                .collect(),
        };
        match engine.volumes.create(create) {
            Ok(hold) => {
                let name = hold.volume().name.as_str().to_owned();
                if mount.volume.is_empty() {
                    made.anonymous.push(name.clone());
                }
                mount.source = hold.data();
                mount.volume = name;
                made.holds.push(hold);
            }
            Err(error) => {
                made.undo(engine);
                return Err(error.into());
            }
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_name_paths_or_volumes() {
        let bind = parse_bind("/srv:/data//x/../y:ro,rslave").unwrap();
        assert_eq!(
            (bind.kind, bind.destination.as_str(), bind.read_only),
            (MountKind::Bind, "/data/y", true)
        );
        assert_eq!(bind.propagation, "rslave");
        let volume = parse_bind("cache:/cache:nocopy").unwrap();
        assert_eq!(
            (volume.kind, volume.volume.as_str(), volume.no_copy),
            (MountKind::Volume, "cache", true)
        );
        assert!(parse_bind("/data").unwrap().anonymous);
        for text in [
            "",
            ":/x",
            "/a:",
            "/a:x",
            "/a:/",
            "/a:/b:bad",
            "/a:/b:ro:x",
            "a/b:/c",
            "vol:/x:rslave",
            "/a:/b:nocopy",
        ] {
            assert!(parse_bind(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mounts_say_what_is_wrong_with_them() {
        let mount = |typ, source: &str, target: &str| Mount {
            typ: Some(typ),
            source: Some(source.to_owned()),
            target: Some(target.to_owned()),
            ..Mount::default()
        };
        let says = |mount: Mount| parse_mount(&mount).unwrap_err().to_string();
        assert!(
            says(mount(MountType::BIND, "/no/such/path", "/x"))
                .contains("bind source path does not exist")
        );
        assert!(says(mount(MountType::BIND, "", "/x")).contains("Source must not be empty"));
        assert!(says(mount(MountType::VOLUME, "v", "")).contains("Target must not be empty"));
        assert!(says(mount(MountType::TMPFS, "/x", "/x")).contains("Source must not be specified"));
        assert!(says(mount(MountType::NPIPE, "", "/x")).contains("not supported"));
    }

    #[test]
    fn tmpfs_options_are_taken_apart() {
        let options = tmpfs_options("/t", "size=64m,mode=755,noexec").unwrap();
        assert_eq!(
            options,
            TmpfsOptions {
                size: Some(64 << 20),
                mode: Some(0o755),
                rest: vec!["noexec".to_owned()]
            }
        );
        for text in ["size=x", "mode=9", "size=99999999999g"] {
            assert!(tmpfs_options("/t", text).is_err(), "{text}");
        }
    }
}
