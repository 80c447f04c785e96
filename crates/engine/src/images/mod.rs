//! Images, as the engine sees them: which a filter means, who uses them, and what is told of them.

pub mod filter;

use std::collections::BTreeMap;
use std::sync::Arc;

use gantry_image::{ImageId, Images, Options, Use};
use tokio::sync::broadcast::error::RecvError;

use crate::config::Config;
use crate::containers::Containers;
use crate::error::Result;
use crate::events::{Events, Subject};
use crate::state::Engine;

/// Opens the image store of an engine so configured, and tells of what happens in it.
pub async fn open(config: &Config, events: Arc<Events>) -> Result<Images> {
    let options = Options {
        registry_mirrors: config.registry_mirrors.clone(),
        insecure_registries: config.insecure_registries.clone(),
        ..Options::default()
    };
    let images = Images::open(&config.data_root.join("image"), options).await?;
    let mut happening = images.events();
    // Ends with the store.
    tokio::spawn(async move {
        loop {
            match happening.recv().await {
                Ok(event) => {
                    let mut attributes: BTreeMap<String, String> = event.labels;
                    attributes.insert("name".to_owned(), event.name);
                    events.publish(
                        Subject::Image,
                        event.action.as_str(),
                        event.actor,
                        attributes,
                    );
                }
                Err(RecvError::Lagged(lost)) => tracing::warn!(lost, "events of images were lost"),
                Err(RecvError::Closed) => return,
            }
        }
    });
    Ok(images)
}

/// Lets go, in the background, of images that were deleted by force while containers had them and that none has any more.
pub fn forget_unused(engine: &Arc<Engine>) {
    let engine = Arc::clone(engine);
    tokio::spawn(async move {
        let in_use = |image: &ImageId| !uses(&engine.containers, image).is_empty();
        if let Err(error) = engine.images.forget_unused(&in_use).await {
            tracing::warn!(%error, "a deleted image's layers stay until the next start");
        }
    });
}

/// The containers that were made from an image.
pub fn uses(containers: &Containers, image: &ImageId) -> Vec<Use> {
    let id = image.to_string();
    let mut uses = Vec::new();
    for container in containers.all() {
        container.with(|record| {
            if record.definition.image_id == id && !record.removed {
                uses.push(Use {
                    container_id: record.id().to_string(),
                    running: record.state.phase.is_alive(),
                });
            }
        });
    }
    uses
}
