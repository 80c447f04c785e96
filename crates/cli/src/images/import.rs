//! `import`.

use std::path::PathBuf;

use clap::Args;

use super::load::archive;
use super::reference::Reference;
use crate::app::App;
use crate::daemon::Call;
use crate::error::Result;
use crate::output::progress::{Progress, Show};

/// Import the contents from a tarball to create a filesystem image
#[derive(Debug, Args)]
pub struct Import {
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Set commit message for imported image
    #[arg(short, long)]
    message: Option<String>,
    /// Set platform if server is multi-platform capable
    #[arg(long)]
    platform: Option<String>,
    /// The tarball: a file, a URL that the engine fetches, or - for STDIN
    #[arg(value_name = "file|URL|-", allow_hyphen_values = true)]
    source: String,
    /// The new image's name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Import {
    /// Runs the verb: prints the new image's id.
    pub async fn run(self, app: &App) -> Result<()> {
        let mut call = Call::post("/images/create");
        let is_url = self.source.starts_with("http://") || self.source.starts_with("https://");
        call = call.query("fromSrc", if is_url { self.source.as_str() } else { "-" });
        if let Some(name) = &self.name {
            let reference = Reference::parse(name)?;
            call = call.query("repo", reference.repository());
            if !reference.is_bare() {
                call = call.query("tag", reference.tag_or_digest());
            }
        }
        for change in &self.change {
            call = call.query("changes", change.clone());
        }
        call = call
            .query_some("message", self.message)
            .query_some("platform", self.platform);
        if !is_url {
            let file = (self.source != "-").then(|| PathBuf::from(&self.source));
            call = call.body("application/x-tar", archive(file.as_ref()).await?);
        }
        Progress::new(Show::Stdout)
            .follow(app.daemon()?.values(call).await?)
            .await
    }
}
