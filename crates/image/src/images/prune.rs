//! Deleting what nobody uses.

use super::Images;
use super::remove::{Plan, size_of};
use crate::store::Change;
use crate::{Image, ImageError, Removed};

impl Images {
    /// Deletes the images that `keep` doesn't want (it is asked while nobody can begin to use them, so it can say which
    /// have containers): those without a tag, or all. Returns what went and the bytes won.
    pub async fn prune(
        &self,
        dangling_only: bool,
        keep: &(dyn Fn(&Image) -> bool + Send + Sync),
    ) -> Result<(Vec<Removed>, u64), ImageError> {
        let (mut removed, mut won) = (Vec::new(), 0u64);
        for candidate in self.list().await? {
            if dangling_only && !candidate.is_dangling() {
                continue;
            }
            let find = |catalog: &crate::store::Catalog| {
                let image = catalog.images.get(&candidate.id).cloned();
                image.ok_or_else(|| ImageError::NotFound(candidate.id.to_string()))
            };
            let (turn, image, leaving) = match self.begin_leaving(find).await {
                // Someone else was faster.
                Err(ImageError::NotFound(_)) => continue,
                result => result?,
            };
            if (dangling_only && !image.is_dangling()) || keep(&image) {
                continue;
            }
            let plan = Plan {
                untag: self.inner.keep.lock().catalog.references(image.id),
                delete: true,
            };
            let (lines, bytes) = self
                .inner
                .carry_out(turn, &image, plan, false, leaving)
                .await?;
            removed.extend(lines);
            won = won.saturating_add(bytes);
        }
        let sweep = Change {
            sweep: true,
            ..Change::default()
        };
        let turn = self.inner.turn().await;
        let left = self.inner.apply(turn, sweep, Vec::new(), ()).await?;
        Ok((removed, won.saturating_add(size_of(&left))))
    }
}
