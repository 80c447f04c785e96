//! `load`.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use tokio_util::io::ReaderStream;

use crate::app::App;
use crate::daemon::Call;
use crate::daemon::transport::{Body, streamed};
use crate::error::{CliError, Result};
use crate::output::progress::{Progress, Show};

/// How much is read of an archive at once.
const CHUNK: usize = 256 * 1024;

/// Load an image from a tar archive or STDIN
#[derive(Debug, Args)]
pub struct Load {
    /// Read from tar archive file, instead of STDIN
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Suppress the load output
    #[arg(short, long)]
    quiet: bool,
}

impl Load {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        if self.input.is_none() && std::io::stdin().is_terminal() {
            return Err(CliError::invalid(
                "requested load from stdin, but stdin is empty",
            ));
        }
        let body = archive(self.input.as_ref()).await?;
        let quiet = self.quiet || !std::io::stdout().is_terminal();
        let call = Call::post("/images/load")
            .query("quiet", if quiet { "1" } else { "0" })
            .body("application/x-tar", body);
        Progress::new(Show::Stdout)
            .follow(app.daemon()?.values(call).await?)
            .await
    }
}

/// The bytes of `file`, or of standard input.
pub async fn archive(file: Option<&PathBuf>) -> Result<Body> {
    Ok(match file {
        Some(path) => {
            let file = tokio::fs::File::open(path)
                .await
                .map_err(CliError::file("open", path))?;
            streamed(ReaderStream::with_capacity(file, CHUNK))
        }
        None => streamed(ReaderStream::with_capacity(tokio::io::stdin(), CHUNK)),
    })
}
