//! `tag`.

use bollard::query_parameters::TagImageOptionsBuilder;
use clap::Args;

use super::reference::Reference;
use crate::app::App;
use crate::daemon::segment;
use crate::error::{CliError, Result};

/// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
#[derive(Debug, Args)]
pub struct Tag {
    /// The image
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    source: String,
    /// Its new name
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    target: String,
}

impl Tag {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let target = Reference::parse(&self.target)?;
        if self.target.contains('@') {
            return Err(CliError::invalid(
                "refusing to create a tag with a digest reference",
            ));
        }
        let options = TagImageOptionsBuilder::new()
            .repo(&target.repository())
            .tag(target.tag_or_digest())
            .build();
        Ok(app
            .daemon()?
            .docker()
            .tag_image(&segment(&self.source), Some(options))
            .await?)
    }
}
