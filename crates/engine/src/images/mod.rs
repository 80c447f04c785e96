//! Images, as the engine sees them: what the API says about them and who uses them.

use gantry_image::{Images, Options};

use crate::config::Config;
use crate::error::Result;

/// Opens the image store of an engine so configured.
pub async fn open(config: &Config) -> Result<Images> {
    let options = Options {
        registry_mirrors: config.registry_mirrors.clone(),
        insecure_registries: config.insecure_registries.clone(),
        ..Options::default()
    };
    Ok(Images::open(&config.data_root.join("image"), options).await?)
}
