//! What the person chose about the engine, kept in a file: the engine is looked for before the page is there.
//!
//! What only the page draws by (theme, language) is kept by the page.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where Gantry's own engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// On this system itself. Linux.
    Native,
    /// In a virtual machine of ours.
    Machine,
}

impl Home {
    /// Where it runs until the person chooses; elsewhere than on Linux there is no choice.
    pub const fn of_system() -> Self {
        if cfg!(target_os = "linux") {
            Self::Native
        } else {
            Self::Machine
        }
    }
}

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    engine: Home,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: Home::of_system(),
        }
    }
}

/// Why a choice can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No folder for it.
    #[error("HOME is not set: there is no folder for the settings")]
    NoHome,
    /// The file can't be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
}

/// What the person chose; what can't be read counts as not chosen.
pub fn engine_home() -> Home {
    if cfg!(target_os = "linux") {
        file().map_or_else(Home::of_system, |file| read(&file).engine)
    } else {
        Home::of_system()
    }
}

/// Keeps the person's choice.
pub fn keep_engine_home(engine: Home) -> Result<(), SettingsError> {
    write(&file().ok_or(SettingsError::NoHome)?, &Settings { engine })
}

fn file() -> Option<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = || std::env::home_dir().filter(|home| home.is_absolute());
    let folder = if cfg!(windows) {
        variable("APPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        variable("XDG_CONFIG_HOME").or_else(|| home().map(|home| home.join(".config")))
    };
    folder.map(|folder| folder.join("gantry").join("desktop.json"))
}

fn read(file: &Path) -> Settings {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Settings::default(),
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the settings cannot be read");
            return Settings::default();
        }
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::warn!(file = %file.display(), %error, "the settings cannot be read");
        Settings::default()
    })
}

/// As before or whole, whatever happens meanwhile.
fn write(file: &Path, settings: &Settings) -> Result<(), SettingsError> {
    let failed = |source| SettingsError::Write {
        path: file.to_owned(),
        source,
    };
    let folder = file.parent().ok_or(SettingsError::NoHome)?;
    std::fs::create_dir_all(folder).map_err(failed)?;
    let text = serde_json::to_vec_pretty(settings).map_err(|error| failed(error.into()))?;
    let beside = folder.join(format!("desktop.json.{}", std::process::id()));
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, file));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new/desktop.json");
        assert_eq!(read(&file), Settings::default());
        for engine in [Home::Machine, Home::Native] {
            write(&file, &Settings { engine }).expect("written");
            assert_eq!(read(&file).engine, engine);
        }
        let left = std::fs::read_dir(folder.path().join("new")).expect("the folder");
        assert_eq!(left.count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_is_not_ours_counts_as_no_choice() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("desktop.json");
        for text in ["", "[]", r#"{"engine":"moon"}"#] {
            std::fs::write(&file, text).expect("written");
            assert_eq!(read(&file), Settings::default(), "{text}");
        }
        std::fs::write(&file, r#"{"new":1}"#).expect("written");
        assert_eq!(read(&file), Settings::default());
    }
}
