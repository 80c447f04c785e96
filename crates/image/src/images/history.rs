//! How an image was made.

use super::Images;
use crate::store::time_of;
use crate::{HistoryEntry, ImageError};

impl Images {
    /// How an image was made, newest step first.
    pub async fn history(&self, name: &str) -> Result<Vec<HistoryEntry>, ImageError> {
        let image = self.get(name).await?;
        let mut sizes = image.layers.iter().map(|layer| layer.size);
        let mut entries: Vec<HistoryEntry> = image
            .config
            .history()
            .iter()
            .flatten()
            .map(|step| HistoryEntry {
                id: None,
                created: time_of(step.created().as_deref()),
                created_by: step.created_by().clone().unwrap_or_default(),
                tags: Vec::new(),
                size: if step.empty_layer() == Some(true) {
                    0
                } else {
                    sizes.next().unwrap_or(0)
                },
                comment: step.comment().clone().unwrap_or_default(),
            })
            .collect();
        entries.reverse();
        if let Some(top) = entries.first_mut() {
            top.id = Some(image.id);
            top.tags.clone_from(&image.repo_tags);
        }
        Ok(entries)
    }
}
