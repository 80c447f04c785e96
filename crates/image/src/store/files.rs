//! Places on disk.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::IoContext;
use crate::layer::remove_path;
use crate::{Digest, ImageError};

/// The store's folders. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Files(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    next: AtomicU64,
}

impl Files {
    /// Makes what is missing, and removes in the background what an earlier run left in `tmp/`.
    pub(crate) fn open(root: &Path) -> Result<Files, ImageError> {
        for dir in ["", "blobs", "blobs/sha256", "layers", "tmp"] {
            let path = root.join(dir);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .at("create", path)?;
        }
        let tmp = root.join("tmp");
        let mut next = 0;
        for entry in fs::read_dir(&tmp).at("read", &tmp)? {
            let path = entry.at("read", &tmp)?.path();
            let number = path
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            next = number.map_or(next, |number: u64| next.max(number.saturating_add(1)));
            remove_later(path);
        }
        Ok(Files(Arc::new(Inner {
            root: root.to_owned(),
            next: AtomicU64::new(next),
        })))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0.root
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.root.join("images.db")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.0.root.join("blobs/sha256")
    }

    pub(crate) fn blob(&self, digest: Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    pub(crate) fn layers(&self) -> PathBuf {
        self.0.root.join("layers")
    }

    pub(crate) fn layer(&self, n: i64) -> PathBuf {
        self.layers().join(n.to_string())
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.0.root.join("tmp")
    }

    /// A new place in `tmp/`, not made yet.
    pub(crate) fn new_tmp(&self) -> PathBuf {
        self.tmp()
            .join(self.0.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// A place to make a layer in.
    pub(crate) fn scratch(&self) -> Result<Scratch, ImageError> {
        let scratch = Scratch {
            path: self.new_tmp(),
        };
        DirBuilder::new()
            .mode(0o700)
            .create(&scratch.path)
            .at("create", &scratch.path)?;
        DirBuilder::new()
            .mode(0o755)
            .create(scratch.folder())
            .at("create", scratch.folder())?;
        Ok(scratch)
    }

    /// Moves something away at once; it is removed in its own time, if need be at the next start.
    pub(crate) fn discard(&self, path: &Path) -> Result<(), ImageError> {
        let to = self.new_tmp();
        match fs::rename(path, &to) {
            Ok(()) => {
                remove_later(to);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).at("move away", path),
        }
    }
}

/// A half-made layer; removed with all that is in it unless its parts were moved out.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(crate) fn folder(&self) -> PathBuf {
        self.path.join("layer")
    }

    pub(crate) fn blob(&self) -> PathBuf {
        self.path.join("blob")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove_later(std::mem::take(&mut self.path));
    }
}

/// Removes on a blocking thread when called on the reactor, else here.
fn remove_later(path: PathBuf) {
    let remove = move || {
        if let Err(error) = remove_path(&path) {
            tracing::warn!(path = %path.display(), %error, "left-over not removed; the next start tries again");
        }
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(remove)),
        Err(_) => remove(),
    }
}
