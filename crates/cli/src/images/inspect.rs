//! `image inspect`.

use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::flags::format::ObjectFormat;
use crate::inspect::{Kind, inspect};

/// Display detailed information on one or more images
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    format: ObjectFormat,
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

impl Inspect {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        inspect(app, Some(Kind::Image), &self.names, &self.format, false).await
    }
}

/// Whether the image is there.
pub async fn exists(app: &App, reference: &super::reference::Reference) -> Result<bool> {
    let path = format!(
        "/images/{}/json",
        crate::daemon::segment(&reference.familiar())
    );
    match app.daemon()?.get_json(&path, &[]).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}
