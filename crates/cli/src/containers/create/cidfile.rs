//! `--cidfile`: made before the container, so that one that can't be made leaves no container behind.

use std::fs::{File, remove_file};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{CliError, Result};

/// The file that a container's id goes to; it is removed again where there comes to be no container.
pub struct CidFile {
    path: PathBuf,
    file: File,
    is_written: bool,
}

impl CidFile {
    /// Makes the file, which must not be there yet.
    pub fn reserve(path: &Path) -> Result<CidFile> {
        let file = File::create_new(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                CliError::invalid(format!(
                    "container ID file found, make sure the other container isn't running or delete {}",
                    path.display()
                ))
            } else {
                CliError::file("create the container's ID file", path)(error)
            }
        })?;
        Ok(CidFile {
            path: path.to_owned(),
            file,
            is_written: false,
        })
    }

    /// Keeps the container's id.
    pub fn write(mut self, id: &str) -> Result<()> {
        self.file
            .write_all(id.as_bytes())
            .map_err(CliError::file("write the container's id to", &self.path))?;
        self.is_written = true;
        Ok(())
    }
}

impl Drop for CidFile {
    fn drop(&mut self) {
        if !self.is_written {
            // Empty as it is, it would only keep the next try from starting.
            let _ = remove_file(&self.path);
        }
    }
}
