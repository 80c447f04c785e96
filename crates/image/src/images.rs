//! The handle on the store.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast;

use crate::{
    Auth, HistoryEntry, Image, ImageError, ImageEvent, ImageId, Loaded, Options, Platform,
    Progress, Pulled, Reference, Removed, Usage, Use,
};

/// All images of one engine; cheap to clone.
#[derive(Clone)]
pub struct Images {
    #[expect(dead_code, reason = "bodies follow")]
    inner: Arc<()>,
}

/// Keeps an image from being removed while it lives: taken between looking an image up and recording its use.
#[must_use]
pub struct Hold {
    /// The image held.
    pub image: Arc<Image>,
}

#[expect(unused_variables, clippy::todo, reason = "bodies follow")]
impl Images {
    /// Opens the store in `root`, making it if needed. Repairs what a crash left and empties `tmp/`.
    pub async fn open(root: &Path, options: Options) -> Result<Images, ImageError> {
        todo!()
    }

    /// All images, newest first.
    pub async fn list(&self) -> Result<Vec<Arc<Image>>, ImageError> {
        todo!()
    }

    /// One image by reference, id or unique prefix of an id, in Docker's order.
    pub async fn get(&self, name: &str) -> Result<Arc<Image>, ImageError> {
        todo!()
    }

    /// Like [`Images::get`], and [`Images::remove`] waits while the hold lives. Keep it short.
    pub async fn hold(&self, name: &str) -> Result<Hold, ImageError> {
        todo!()
    }

    /// Pulls from the reference's registry, mirrors first. Dropping the future cancels and leaves nothing.
    /// The host's platform is taken where none is said.
    pub async fn pull(
        &self,
        reference: &Reference,
        platform: Option<Platform>,
        auth: Option<Auth>,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Pulled, ImageError> {
        todo!()
    }

    /// Takes in an archive of `docker save` or an OCI layout, plain, gzip or zstd.
    pub async fn load(
        &self,
        archive: impl AsyncRead + Send + Unpin + 'static,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Vec<Loaded>, ImageError> {
        todo!()
    }

    /// Writes images as `docker save` does: `manifest.json` and an OCI layout in one tar, shared layers once.
    pub async fn save(
        &self,
        names: &[String],
        out: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(), ImageError> {
        todo!()
    }

    /// Makes an image of one layer from a file system's tar. `changes` are Dockerfile lines (`CMD …`, `ENV …`).
    pub async fn import(
        &self,
        tar: impl AsyncRead + Send + Unpin + 'static,
        reference: Option<Reference>,
        message: &str,
        changes: &[String],
    ) -> Result<ImageId, ImageError> {
        todo!()
    }

    /// Gives an image a further name; a name that meant another image is moved.
    pub async fn tag(&self, source: &str, target: &Reference) -> Result<(), ImageError> {
        todo!()
    }

    /// Untags or deletes, in Docker's way. `used_by` is asked while no other change can happen.
    pub async fn remove(
        &self,
        name: &str,
        force: bool,
        prune_parents: bool,
        used_by: &(dyn Fn(&ImageId) -> Vec<Use> + Send + Sync),
    ) -> Result<Vec<Removed>, ImageError> {
        todo!()
    }

    /// Deletes images that no container uses and `keep` doesn't want: those without a tag, or all.
    /// Returns what went and the bytes won.
    pub async fn prune(
        &self,
        dangling_only: bool,
        keep: &(dyn Fn(&Image) -> bool + Send + Sync),
    ) -> Result<(Vec<Removed>, u64), ImageError> {
        todo!()
    }

    /// How an image was made, newest step first.
    pub async fn history(&self, name: &str) -> Result<Vec<HistoryEntry>, ImageError> {
        todo!()
    }

    /// Disk space used.
    pub async fn usage(&self) -> Result<Usage, ImageError> {
        todo!()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<ImageEvent> {
        todo!()
    }
}
