//! `cp`.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use futures::StreamExt;
use http::Method;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use super::archive::{self, Placement};
use crate::app::App;
use crate::daemon::transport::streamed;
use crate::daemon::{Call, Daemon, bytes, segment};
use crate::error::{CliError, Result};
use crate::output::{self, units};

const MODE_DIR: u32 = 1 << 31;
const MODE_SYMLINK: u32 = 1 << 27;
/// How much of an archive may wait between its two ends.
const PIPE: usize = 256 * 1024;

/// Copy files/folders between a container and the local filesystem
#[derive(Debug, Args)]
#[command(
    override_usage = "gantry cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n       gantry cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH"
)]
pub struct Cp {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Suppress progress output during copy
    #[arg(short, long)]
    quiet: bool,
    /// From where
    #[arg(allow_hyphen_values = true)]
    source: String,
    /// To where
    #[arg(allow_hyphen_values = true)]
    destination: String,
}

/// What the daemon says about a path in a container.
#[derive(Deserialize)]
struct Stat {
    #[serde(default)]
    mode: u32,
    #[serde(default, rename = "linkTarget")]
    link_target: String,
}

impl Cp {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let daemon = app.daemon()?;
        match (in_container(&self.source), in_container(&self.destination)) {
            (Some((name, path)), None) => self.copy_out(daemon, name, path).await,
            (None, Some((name, path))) => self.copy_in(daemon, name, path).await,
            (Some(_), Some(_)) => Err(CliError::invalid(
                "copying between containers is not supported",
            )),
            (None, None) => Err(CliError::invalid(
                "must specify at least one container source",
            )),
        }
    }

    async fn copy_out(&self, daemon: &Daemon, name: &str, named: &str) -> Result<()> {
        let mut path = named.to_owned();
        if self.follow_link
            && let Some(stat) = stat(daemon, name, &path).await?
            && stat.mode & MODE_SYMLINK != 0
        {
            let parent = path
                .trim_end_matches('/')
                .rsplit_once('/')
                .map_or("", |(parent, _)| parent);
            path = if stat.link_target.starts_with('/') {
                stat.link_target
            } else {
                format!("{parent}/{}", stat.link_target)
            };
        }
        let url = format!("/containers/{}/archive", segment(name));
        let response = daemon.call(Call::get(&url).query("path", path)).await?;
        if self.destination == "-" {
            let mut out = tokio::io::stdout();
            let mut chunks = bytes(response);
            while let Some(chunk) = chunks.next().await {
                out.write_all(&chunk.map_err(CliError::Connection)?)
                    .await
                    .map_err(output::closed)?;
            }
            return out.flush().await.map_err(output::closed);
        }
        let source_is_dir =
            header_stat(response.headers()).is_some_and(|stat| stat.mode & MODE_DIR != 0);
        // What a link led to keeps the link's name.
        let placement = Placement::local(named, source_is_dir, &self.destination)?;
        let ownership = self.archive;
        let reader = SyncIoBridge::new(StreamReader::new(bytes(response)));
        let unpacking =
            tokio::task::spawn_blocking(move || archive::unpack(reader, &placement, ownership));
        let size = joined(unpacking).await?;
        self.done(size, &self.destination);
        Ok(())
    }

    async fn copy_in(&self, daemon: &Daemon, name: &str, path: &str) -> Result<()> {
        let mut target = path.to_owned();
        let mut stat = stat(daemon, name, &target).await?;
        // A link is followed, so that what is copied lands where the link points.
        if let Some(link) = stat.as_ref().filter(|stat| stat.mode & MODE_SYMLINK != 0) {
            let parent = target
                .trim_end_matches('/')
                .rsplit_once('/')
                .map_or("", |(parent, _)| parent)
                .to_owned();
            target = if link.link_target.starts_with('/') {
                link.link_target.clone()
            } else {
                format!("{parent}/{}", link.link_target)
            };
            stat = self::stat(daemon, name, &target).await?;
        }
        let is_dir = stat.as_ref().map(|stat| stat.mode & MODE_DIR != 0);
        let (folder, body, packing) = if self.source == "-" {
            if is_dir != Some(true) {
                return Err(CliError::invalid(format!(
                    "destination \"{name}:{path}\" must be a directory"
                )));
            }
            (
                target,
                streamed(ReaderStream::new(tokio::io::stdin())),
                None,
            )
        } else {
            let source = PathBuf::from(&self.source);
            let placement = Placement::remote(&source, self.follow_link, &target, is_dir)?;
            let folder = placement.folder.display().to_string();
            let (reader, writer) = tokio::io::duplex(PIPE);
            let packing = tokio::task::spawn_blocking(move || {
                archive::pack(&source, &placement, SyncIoBridge::new(writer))
            });
            (folder, streamed(ReaderStream::new(reader)), Some(packing))
        };
        let url = format!("/containers/{}/archive", segment(name));
        let mut call = Call::new(Method::PUT, &url)
            .query("path", folder)
            .query("noOverwriteDirNonDir", "true")
            .body("application/x-tar", body);
        if self.archive {
            call = call.query("copyUIDGID", "true");
        }
        let sent = daemon.call(call).await.map(drop);
        let Some(packing) = packing else {
            return sent;
        };
        match sent {
            Ok(()) => {
                self.done(joined(packing).await?, &self.destination);
                Ok(())
            }
            // A source that can't be read breaks the call off, and says better why. A refusal may leave the packing
            // waiting for a reader for ever.
            Err(error @ CliError::Connection(_)) => match joined(packing).await {
                Ok(_) => Err(error),
                Err(unpacked) => Err(unpacked),
            },
            Err(error) => Err(error),
        }
    }

    fn done(&self, size: u64, destination: &str) {
        if !self.quiet && std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            output::tell(format_args!(
                "Successfully copied {} to {destination}",
                units::decimal(size as f64, 3)
            ));
        }
    }
}

async fn joined<T>(work: tokio::task::JoinHandle<Result<T>>) -> Result<T> {
    work.await
        .map_err(|error| CliError::Connection(std::io::Error::other(error)))?
}

/// `container:path` told apart from a local path, which begins with `/` or `.` or has no colon.
fn in_container(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['/', '.'])
        || text == "-"
        || (cfg!(windows) && text.as_bytes().get(1) == Some(&b':'))
    {
        return None;
    }
    text.split_once(':').filter(|(name, _)| !name.is_empty())
}

/// What is at `path` in the container; none where nothing is.
async fn stat(daemon: &Daemon, name: &str, path: &str) -> Result<Option<Stat>> {
    let url = format!("/containers/{}/archive", segment(name));
    match daemon
        .call(Call::new(Method::HEAD, &url).query("path", path))
        .await
    {
        Ok(response) => Ok(header_stat(response.headers())),
        // An answer to HEAD has no body: whether the container or the path is missing shows in the copy itself.
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn header_stat(headers: &http::HeaderMap) -> Option<Stat> {
    let text = headers.get("x-docker-container-path-stat")?;
    let json = BASE64_STANDARD.decode(text.as_bytes()).ok()?;
    serde_json::from_slice(&json).ok()
}
