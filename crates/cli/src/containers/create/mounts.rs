//! `-v` and `--mount`.

use std::path::{Component, Path, PathBuf};

use bollard::models::{
    Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountTmpfsOptions, MountType,
    MountVolumeOptions, MountVolumeOptionsDriverConfig,
};

use super::key_values::{boolean, csv};
use crate::error::{CliError, Result};
use crate::output::units::parse_bytes;

/// What a `-v` is.
#[derive(Debug, PartialEq, Eq)]
pub enum Volume {
    /// A target alone: a volume without a name.
    Anonymous(String),
    /// `source:target[:options]`, as the API takes it.
    Bind(String),
}

/// Reads a `-v`.
pub fn volume(text: &str) -> Result<Volume> {
    let wrong = |why: &str| CliError::invalid(format!("invalid spec: {text:?}: {why}"));
    // `C:\path` has a colon of its own.
    let drive = text.len() > 2
        && text.as_bytes()[1] == b':'
        && matches!(text.as_bytes()[2], b'\\' | b'/')
        && cfg!(windows);
    let begin = if drive { 2 } else { 0 };
    match text.get(begin..).and_then(|rest| rest.split_once(':')) {
        None if text.is_empty() => Err(wrong("empty volume")),
        None => Ok(Volume::Anonymous(text.to_owned())),
        Some((source, rest)) => {
            let source = format!("{}{source}", &text[..begin]);
            if source.is_empty() || rest.is_empty() || rest.starts_with(':') {
                return Err(wrong("empty section between colons"));
            }
            Ok(Volume::Bind(format!("{}:{rest}", absolute(&source)?)))
        }
    }
}

/// A path that begins with a dot is this folder's; names of volumes stay.
fn absolute(source: &str) -> Result<String> {
    if !source.starts_with('.') {
        return Ok(source.to_owned());
    }
    let path = std::path::absolute(Path::new(source)).map_err(CliError::file("find", source))?;
    // By its letters, as docker does: links stay what they are, to be found by the same name in `inspect`.
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    Ok(clean.display().to_string())
}

/// The fields of `--mount` that may stand alone.
const FLAGS: [&str; 4] = ["readonly", "ro", "bind-nonrecursive", "volume-nocopy"];

/// Reads a `--mount`.
pub fn mount(text: &str) -> Result<Mount> {
    let wrong =
        |why: String| CliError::invalid(format!("invalid argument {text:?} for --mount: {why}"));
    let mut mount = Mount {
        typ: Some(MountType::VOLUME),
        ..Mount::default()
    };
    for field in csv(text).map_err(&wrong)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.trim().to_ascii_lowercase(), value.trim()),
            None => (field.trim().to_ascii_lowercase(), "true"),
        };
        if !field.contains('=') && !FLAGS.contains(&key.as_str()) {
            return Err(wrong(format!(
                "invalid field '{field}' must be a key=value pair"
            )));
        }
        let flag =
            || boolean(value).ok_or_else(|| wrong(format!("invalid value for {key}: {value}")));
        match key.as_str() {
            "type" => {
                let known = value.to_ascii_lowercase().parse::<MountType>();
                mount.typ =
                    Some(known.map_err(|_| wrong(format!("mount type {value} is unknown")))?);
            }
            "source" | "src" => mount.source = Some(value.to_owned()),
            "target" | "dst" | "destination" => mount.target = Some(value.to_owned()),
            "readonly" | "ro" => mount.read_only = Some(flag()?),
            "consistency" => mount.consistency = Some(value.to_owned()),
            "bind-propagation" => {
                let known = value.parse::<MountBindOptionsPropagationEnum>();
                bind(&mut mount).propagation =
                    Some(known.map_err(|_| wrong(format!("invalid propagation {value}")))?);
            }
            "bind-nonrecursive" => bind(&mut mount).non_recursive = Some(flag()?),
            "bind-recursive" => match value {
                "enabled" => {}
                "disabled" => bind(&mut mount).non_recursive = Some(true),
                "writable" => bind(&mut mount).read_only_non_recursive = Some(true),
                "readonly" => bind(&mut mount).read_only_force_recursive = Some(true),
                _ => return Err(wrong(format!("invalid value for bind-recursive: {value}"))),
            },
            "volume-nocopy" => volume_options(&mut mount).no_copy = Some(flag()?),
            "volume-subpath" => volume_options(&mut mount).subpath = Some(value.to_owned()),
            "volume-label" => {
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                volume_options(&mut mount)
                    .labels
                    .get_or_insert_default()
                    .insert(name.to_owned(), value.to_owned());
            }
            "volume-driver" => driver(&mut mount).name = Some(value.to_owned()),
            "volume-opt" => {
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                driver(&mut mount)
                    .options
                    .get_or_insert_default()
                    .insert(name.to_owned(), value.to_owned());
            }
            "tmpfs-size" => {
                tmpfs(&mut mount).size_bytes = Some(parse_bytes(value).map_err(&wrong)?);
            }
            "tmpfs-mode" => {
                let mode = i64::from_str_radix(value, 8)
                    .map_err(|_| wrong(format!("invalid mode {value}")))?;
                tmpfs(&mut mount).mode = Some(mode);
            }
            other => return Err(wrong(format!("unexpected key '{other}'"))),
        }
    }
    if mount.target.as_deref().unwrap_or_default().is_empty() {
        return Err(wrong("target is required".to_owned()));
    }
    let kind = mount.typ.unwrap_or(MountType::VOLUME);
    for (prefix, of, is_given) in [
        ("bind", MountType::BIND, mount.bind_options.is_some()),
        ("volume", MountType::VOLUME, mount.volume_options.is_some()),
        ("tmpfs", MountType::TMPFS, mount.tmpfs_options.is_some()),
    ] {
        if is_given && kind != of {
            return Err(wrong(format!(
                "cannot mix '{prefix}-*' options with mount type '{kind}'"
            )));
        }
    }
    if mount.typ == Some(MountType::BIND)
        && let Some(source) = &mount.source
    {
        mount.source = Some(absolute(source)?);
    }
    Ok(mount)
}

fn bind(mount: &mut Mount) -> &mut MountBindOptions {
    mount.bind_options.get_or_insert_default()
}

fn volume_options(mount: &mut Mount) -> &mut MountVolumeOptions {
    mount.volume_options.get_or_insert_default()
}

fn driver(mount: &mut Mount) -> &mut MountVolumeOptionsDriverConfig {
    volume_options(mount).driver_config.get_or_insert_default()
}

fn tmpfs(mount: &mut Mount) -> &mut MountTmpfsOptions {
    mount.tmpfs_options.get_or_insert_default()
}
