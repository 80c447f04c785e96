//! The guest image: found, checked, used in place.
//!
//! A folder `<arch>/` with `manifest.json` and the files it names. Sizes are checked at each start; digests once for each
//! size and time of change, since reading tens of megabytes at each start would be most of the start.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::spec::write_atomically;

/// Names another folder of images: one that holds `manifest.json`, or `<arch>/manifest.json`.
pub const VARIABLE: &str = "GANTRY_VM_IMAGE";
const MANIFEST: &str = "manifest.json";
/// The manifests that this program reads.
const FORMAT: u32 = 1;
const MAX_MANIFEST: u64 = 1024 * 1024;
const MAX_VERIFIED: usize = 64;

/// The files that a machine boots from, whole and unharmed when last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestImage {
    /// The image's version.
    pub version: String,
    /// The kernel's release.
    pub kernel_release: String,
    /// The kernel, compressed as its bootloader takes it.
    pub kernel: PathBuf,
    /// What is mounted first.
    pub initrd: PathBuf,
    /// The read-only root.
    pub root: PathBuf,
}

/// `manifest.json`.
#[derive(Debug, Clone, Deserialize)]
struct Manifest {
    format: u32,
    arch: String,
    version: String,
    #[serde(default)]
    kernel: String,
    files: BTreeMap<String, Entry>,
}

/// One file of the image.
#[derive(Debug, Clone, Deserialize)]
struct Entry {
    size: u64,
    sha256: String,
}

/// Why there is no image to boot from.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// None was found.
    #[error("no guest image was found. Looked in: {}", list(looked_in))]
    NotFound {
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
    },
    /// The manifest is no manifest.
    #[error("{} is not a guest image's manifest: {source}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// The manifest doesn't name a file that is needed.
    #[error("{} names no {file}", path.display())]
    Incomplete {
        /// The manifest.
        path: PathBuf,
        /// What is missing in it.
        file: &'static str,
    },
    /// The image is for other programs or other computers.
    #[error("{} is of {what} {found}; {wanted} is needed", path.display())]
    Other {
        /// The manifest.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// A file isn't what the manifest says.
    #[error("{} is damaged: its {what} is {found}, not {wanted}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Size or digest.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// A file could not be read.
    #[error("read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn list(paths: &[PathBuf]) -> String {
    let texts: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    texts.join(", ")
}

/// Where images may lie, in order: `variable` ([`VARIABLE`]'s value) alone if given, else beside the program.
pub fn candidates(variable: Option<&Path>, executable: Option<&Path>, arch: &str) -> Vec<PathBuf> {
    if let Some(folder) = variable {
        return vec![folder.to_owned(), folder.join(arch)];
    }
    let beside = executable.and_then(Path::parent);
    let mut folders: Vec<PathBuf> = beside
        .into_iter()
        .flat_map(|folder| {
            [
                folder.join("../share/gantry/vm-image").join(arch),
                // macOS' app.
                folder.join("../Resources/vm-image").join(arch),
                // A checkout: target/debug/gantry.
                folder.join("../vm-image").join(arch),
                folder.join("vm-image").join(arch),
            ]
        })
        .collect();
    if cfg!(unix) {
        folders.push(Path::new("/usr/share/gantry/vm-image").join(arch));
    }
    folders
}

/// Finds and checks the image for this host. `verified` remembers which files' digests have been checked.
/// Blocks.
pub fn find(verified: &Path) -> Result<GuestImage, ImageError> {
    let variable = std::env::var_os(VARIABLE)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let executable = std::env::current_exe().ok();
    let folders = candidates(
        variable.as_deref(),
        executable.as_deref(),
        std::env::consts::ARCH,
    );
    match folders
        .iter()
        .find(|folder| folder.join(MANIFEST).is_file())
    {
        Some(folder) => check(folder, verified),
        None => Err(ImageError::NotFound { looked_in: folders }),
    }
}

/// Checks the image in `folder`.
fn check(folder: &Path, verified: &Path) -> Result<GuestImage, ImageError> {
    let folder = fs::canonicalize(folder).map_err(file(folder))?;
    let path = folder.join(MANIFEST);
    let mut text = Vec::new();
    File::open(&path)
        .and_then(|opened| opened.take(MAX_MANIFEST).read_to_end(&mut text))
        .map_err(file(&path))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|source| ImageError::Manifest {
            path: path.clone(),
            source,
        })?;
    let other = |what, found: String, wanted: String| ImageError::Other {
        path: path.clone(),
        what,
        found,
        wanted,
    };
    if manifest.format != FORMAT {
        return Err(other(
            "format",
            manifest.format.to_string(),
            FORMAT.to_string(),
        ));
    }
    if manifest.arch != std::env::consts::ARCH {
        let host = std::env::consts::ARCH.to_owned();
        return Err(other("architecture", manifest.arch, host));
    }
    let mut known = Verified::load(verified);
    let mut get = |name: &'static str| {
        let entry = manifest
            .files
            .get(name)
            .ok_or_else(|| ImageError::Incomplete {
                path: path.clone(),
                file: name,
            })?;
        let file = folder.join(name);
        known.check(&file, entry)?;
        Ok(file)
    };
    let image = GuestImage {
        kernel: get("vmlinuz")?,
        initrd: get("initrd.img")?,
        root: get("root.img")?,
        version: manifest.version.clone(),
        kernel_release: manifest.kernel.clone(),
    };
    known.save(verified);
    Ok(image)
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.to_owned();
    move |source| ImageError::File { path, source }
}

/// The digests that have been checked: by path, with what would change if the file did.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Verified {
    files: BTreeMap<PathBuf, Seen>,
    #[serde(skip)]
    changed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    size: u64,
    modified_nanos: u128,
    sha256: String,
}

impl Verified {
    /// What isn't readable has not been checked.
    fn load(path: &Path) -> Verified {
        File::open(path)
            .ok()
            .and_then(|opened| serde_json::from_reader(opened.take(MAX_MANIFEST)).ok())
            .unwrap_or_default()
    }

    /// Forgetting costs the next start a second, no more.
    fn save(&self, path: &Path) {
        if self.changed
            && let Ok(text) = serde_json::to_vec(self)
            && let Err(error) = write_atomically(path, &text)
        {
            tracing::warn!(path = %path.display(), %error, "checked digests are not remembered");
        }
    }

    fn check(&mut self, path: &Path, entry: &Entry) -> Result<(), ImageError> {
        let metadata = fs::metadata(path).map_err(file(path))?;
        let damaged = |what, found: String, wanted: String| ImageError::Damaged {
            path: path.to_owned(),
            what,
            found,
            wanted,
        };
        if metadata.len() != entry.size {
            return Err(damaged(
                "size",
                metadata.len().to_string(),
                entry.size.to_string(),
            ));
        }
        let modified = metadata.modified().map_err(file(path))?;
        let seen = Seen {
            size: metadata.len(),
            modified_nanos: modified
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |since| since.as_nanos()),
            sha256: entry.sha256.to_ascii_lowercase(),
        };
        if self.files.get(path) == Some(&seen) {
            return Ok(());
        }
        let digest = sha256(path).map_err(file(path))?;
        if digest != seen.sha256 {
            return Err(damaged("SHA-256", digest, seen.sha256));
        }
        if self.files.len() >= MAX_VERIFIED {
            self.files.clear();
        }
        self.files.insert(path.to_owned(), seen);
        self.changed = true;
        Ok(())
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut opened = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match opened.read(&mut buffer)? {
            0 => return Ok(hex::encode(digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut files = serde_json::Map::new();
        for name in ["vmlinuz", "initrd.img", "root.img"] {
            fs::write(folder.path().join(name), name).unwrap();
            let digest = hex::encode(Sha256::digest(name));
            files.insert(
                name.to_owned(),
                serde_json::json!({"size": name.len(), "sha256": digest}),
            );
        }
        let manifest = serde_json::json!({
            "format": 1, "arch": std::env::consts::ARCH, "version": "1.2", "kernel": "6.1.0", "files": files
        });
        fs::write(folder.path().join(MANIFEST), manifest.to_string()).unwrap();
        folder
    }

    #[test]
    fn a_whole_image_is_found_and_its_digests_are_read_once() {
        let folder = image();
        let verified = folder.path().join("verified.json");
        let found = check(folder.path(), &verified).unwrap();
        assert_eq!(found.version, "1.2");
        let remembered = fs::read(&verified).unwrap();
        check(folder.path(), &verified).unwrap();
        assert_eq!(fs::read(&verified).unwrap(), remembered);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = image();
        let verified = folder.path().join("verified.json");
        check(folder.path(), &verified).unwrap();
        // The same size, another content, another time.
        fs::write(folder.path().join("root.img"), "ROOT.img").unwrap();
        let far = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
        File::open(folder.path().join("root.img"))
            .unwrap()
            .set_modified(far)
            .unwrap();
        let error = check(folder.path(), &verified).unwrap_err();
        assert!(
            matches!(
                &error,
                ImageError::Damaged {
                    what: "SHA-256",
                    ..
                }
            ),
            "{error}"
        );
        fs::write(folder.path().join("root.img"), "short").unwrap();
        let error = check(folder.path(), &verified).unwrap_err();
        assert!(
            matches!(&error, ImageError::Damaged { what: "size", .. }),
            "{error}"
        );
    }

    #[test]
    fn the_places_are_in_this_order() {
        let folders = candidates(None, Some(Path::new("/opt/gantry/bin/gantry")), "x86_64");
        assert_eq!(
            folders[0],
            Path::new("/opt/gantry/bin/../share/gantry/vm-image/x86_64")
        );
        let chosen = candidates(Some(Path::new("/i")), None, "aarch64");
        assert_eq!(chosen, [Path::new("/i"), Path::new("/i/aarch64")]);
    }
}
