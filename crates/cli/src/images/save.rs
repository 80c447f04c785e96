//! `save`.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use futures::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::app::App;
use crate::daemon::{Call, bytes};
use crate::error::{CliError, Result};
use crate::output::{self, place::Place};

/// Save one or more images to a tar archive (streamed to STDOUT by default)
#[derive(Debug, Args)]
pub struct Save {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Save {
    /// Runs the verb. A file appears whole or not at all.
    pub async fn run(self, app: &App) -> Result<()> {
        if self.output.is_none() && std::io::stdout().is_terminal() {
            return Err(CliError::invalid(
                "cowardly refusing to save to a terminal. Use the -o flag or redirect",
            ));
        }
        let path = self.output.map(destination).transpose()?;
        let mut call = Call::get("/images/get");
        for image in &self.images {
            call = call.query("names", image.clone());
        }
        let response = app.daemon()?.call(call).await?;
        let chunks = bytes(response);
        let Some(path) = path else {
            return copy(chunks, tokio::io::stdout(), output::closed).await;
        };
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => std::path::Path::new("."),
        };
        let (file, temporary) = tempfile::NamedTempFile::new_in(folder)
            .map_err(CliError::file("write in", folder))?
            .into_parts();
        let wrong = |error| CliError::file("write", &path)(error);
        copy(chunks, tokio::fs::File::from_std(file), wrong).await?;
        temporary
            .persist(&path)
            .map_err(|error| CliError::file("write", &path)(error.error))
    }
}

/// Where the archive is written to: a link's own file rather than the link.
fn destination(path: PathBuf) -> Result<PathBuf> {
    match Place::at(&path)? {
        Place::Free => Ok(path),
        Place::File(real) => Ok(real),
        Place::Folder => Err(CliError::invalid(format!(
            "{}: it is a folder. Name a file in it",
            path.display()
        ))),
    }
}

async fn copy(
    mut chunks: impl futures::Stream<Item = std::io::Result<bytes::Bytes>> + Unpin,
    mut out: impl AsyncWrite + Unpin,
    wrong: impl Fn(std::io::Error) -> CliError,
) -> Result<()> {
    while let Some(chunk) = chunks.next().await {
        out.write_all(&chunk.map_err(CliError::Connection)?)
            .await
            .map_err(&wrong)?;
    }
    out.flush().await.map_err(wrong)
}
