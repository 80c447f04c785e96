//! Giving an image a further name.

use super::{Images, Inner};
use crate::store::Change;
use crate::{ImageAction, ImageError, Reference};

impl Images {
    /// Gives an image a further name; a name that meant another image is moved.
    pub async fn tag(&self, source: &str, target: &Reference) -> Result<(), ImageError> {
        if target.digest().is_some() {
            return Err(ImageError::TagWithDigest);
        }
        let turn = self.inner.turn().await;
        let image = self.get(source).await?;
        let change = Change {
            set_names: vec![(target.clone(), image.id)],
            ..Change::default()
        };
        let event = Inner::event(ImageAction::Tag, &image, target.familiar());
        self.inner.apply(turn, change, vec![event], ()).await?;
        Ok(())
    }
}
