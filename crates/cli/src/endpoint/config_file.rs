//! Docker's `config.json`: read for the current context, credentials and detach keys; changed only in the field
//! that a verb is about, with all others left as they are.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{CliError, Result};

/// A larger file isn't a configuration.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The client's configuration.
#[derive(Debug, Default)]
pub struct ConfigFile {
    dir: Option<PathBuf>,
    fields: Map<String, Value>,
    /// There is a file whose content isn't known, and which must not be written over.
    is_unread: bool,
}

impl ConfigFile {
    /// The `config.json` in `dir`, or an empty configuration and why that one could not be read: containers run
    /// without it.
    pub fn load_or_empty(dir: Option<PathBuf>) -> (ConfigFile, Option<CliError>) {
        match ConfigFile::load(dir.clone()) {
            Ok(config) => (config, None),
            Err(error) => {
                let config = ConfigFile {
                    dir,
                    is_unread: true,
                    ..ConfigFile::default()
                };
                (config, Some(error))
            }
        }
    }

    /// The `config.json` in `dir`; empty where there is none.
    pub fn load(dir: Option<PathBuf>) -> Result<ConfigFile> {
        let Some(dir) = dir else {
            return Ok(ConfigFile::default());
        };
        let path = dir.join("config.json");
        let bytes = match std::fs::File::open(&path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_BYTES), &mut bytes)
                    .map_err(CliError::file("read", &path))?;
                bytes
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                Vec::new()
            }
            Err(error) => return Err(CliError::file("read", path)(error)),
        };
        ConfigFile::parse(Some(dir), &bytes)
    }

    /// The configuration in `bytes`.
    pub fn parse(dir: Option<PathBuf>, bytes: &[u8]) -> Result<ConfigFile> {
        let fields = if bytes.iter().all(u8::is_ascii_whitespace) {
            Map::new()
        } else {
            serde_json::from_slice(bytes).map_err(|error| {
                let path = dir.as_deref().unwrap_or(Path::new("")).join("config.json");
                CliError::invalid(format!(
                    "{}: {error}. Mend the file or name another by --config",
                    path.display()
                ))
            })?
        };
        Ok(ConfigFile {
            dir,
            fields,
            is_unread: false,
        })
    }

    /// The folder it lives in; none without a home.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// The context in use, unless that is `default`.
    pub fn current_context(&self) -> Option<String> {
        self.text("currentContext").map(str::to_owned)
    }

    /// The keys that leave a container, where the person has chosen some.
    pub fn detach_keys(&self) -> Option<&str> {
        self.text("detachKeys")
    }

    /// A top-level text that is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields
            .get(name)?
            .as_str()
            .filter(|text| !text.is_empty())
    }

    /// The keys of a top-level object.
    pub fn keys(&self, object: &str) -> impl Iterator<Item = &str> {
        let object = self.fields.get(object).and_then(Value::as_object);
        object.into_iter().flatten().map(|(key, _)| key.as_str())
    }

    /// An entry of a top-level object.
    pub fn entry(&self, object: &str, key: &str) -> Option<&Value> {
        self.fields.get(object)?.as_object()?.get(key)
    }

    /// Sets or removes a top-level field.
    pub fn set(&mut self, name: &str, value: Option<Value>) {
        match value {
            Some(value) => {
                self.fields.insert(name.to_owned(), value);
            }
            None => {
                self.fields.shift_remove(name);
            }
        }
    }

    /// Sets or removes an entry of a top-level object.
    pub fn set_entry(&mut self, object: &str, key: &str, value: Option<Value>) {
        let entries = self
            .fields
            .entry(object)
            .or_insert_with(|| Value::Object(Map::new()));
        if !entries.is_object() {
            *entries = Value::Object(Map::new());
        }
        if let Some(entries) = entries.as_object_mut() {
            match value {
                Some(value) => {
                    entries.insert(key.to_owned(), value);
                }
                None => {
                    entries.shift_remove(key);
                }
            }
        }
    }

    /// Writes the file anew: whole or not at all, readable by its owner only, since it may hold passwords.
    pub fn save(&self) -> Result<()> {
        let Some(dir) = &self.dir else {
            return Err(CliError::invalid(
                "there is no home folder to keep config.json in: name one by --config",
            ));
        };
        let path = dir.join("config.json");
        if self.is_unread {
            return Err(CliError::invalid(format!(
                "{}: it could not be read, and is left as it is. Mend the file or name another by --config",
                path.display()
            )));
        }
        create_private(dir).map_err(CliError::file("create", dir))?;
        // A link to the real file stays a link.
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        let folder = path.parent().unwrap_or(dir);
        let mut out = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut writer = serde_json::Serializer::with_formatter(&mut out, indent);
        serde::Serialize::serialize(&self.fields, &mut writer).map_err(|source| {
            CliError::Answer {
                path: path.display().to_string(),
                source,
            }
        })?;
        // The temporary file is made with mode 0600.
        let mut file =
            tempfile::NamedTempFile::new_in(folder).map_err(CliError::file("write in", folder))?;
        keep_owner(&path, file.as_file());
        file.write_all(&out)
            .and_then(|()| file.as_file().sync_all())
            .map_err(CliError::file("write", &path))?;
        file.persist(&path)
            .map(drop)
            .map_err(|error| CliError::file("write", &path)(error.error))
    }
}

/// A folder that only its owner looks into.
fn create_private(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Root writing a person's file (`sudo` with their home kept) leaves it theirs. Who may not give files away keeps it.
#[cfg(unix)]
fn keep_owner(path: &Path, file: &std::fs::File) {
    use std::os::unix::fs::{MetadataExt, fchown};
    if let Ok(old) = std::fs::metadata(path) {
        let _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
}

#[cfg(not(unix))]
fn keep_owner(_path: &Path, _file: &std::fs::File) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_the_rest_alone() {
        let dir = tempfile::tempdir().unwrap();
        let before = r#"{"psFormat":"table {{.ID}}","auths":{"r":{"auth":"eA=="}},"x":[1]}"#;
        std::fs::write(dir.path().join("config.json"), before).unwrap();
        let mut config = ConfigFile::load(Some(dir.path().to_owned())).unwrap();
        config.set("currentContext", Some("far".into()));
        config.set_entry("auths", "s", Some(serde_json::json!({"auth": "eQ=="})));
        config.set_entry("auths", "r", None);
        config.save().unwrap();
        let after = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
        insta::assert_snapshot!(after, @r#"
        {
        	"psFormat": "table {{.ID}}",
        	"auths": {
        		"s": {
        			"auth": "eQ=="
        		}
        	},
        	"x": [
        		1
        	],
        	"currentContext": "far"
        }
        "#);
    }

    #[test]
    fn what_cannot_be_read_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        std::fs::write(&path, "{broken").unwrap();
        let (mut config, error) = ConfigFile::load_or_empty(Some(dir.path().to_owned()));
        assert!(error.unwrap().to_string().contains("config.json"));
        config.set("currentContext", Some("far".into()));
        assert!(
            config
                .save()
                .unwrap_err()
                .to_string()
                .contains("left as it is")
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{broken");
    }

    #[cfg(unix)]
    #[test]
    fn a_new_folder_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("new");
        let config = ConfigFile::load(Some(inner.clone())).unwrap();
        config.save().unwrap();
        let mode = std::fs::metadata(&inner).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn no_file_and_no_home_are_an_empty_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let config = ConfigFile::load(Some(dir.path().join("none"))).unwrap();
        assert_eq!(config.current_context(), None);
        assert!(ConfigFile::load(None).unwrap().save().is_err());
    }

    #[test]
    fn a_broken_file_is_named() {
        let error = ConfigFile::parse(Some("/h/.docker".into()), b"{").unwrap_err();
        assert!(error.to_string().starts_with("/h/.docker/config.json: "));
    }
}
