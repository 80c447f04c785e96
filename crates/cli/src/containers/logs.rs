//! `logs`.

use clap::Args;
use tokio_util::io::StreamReader;

use super::run::flag;
use crate::app::App;
use crate::daemon::hijack::Output;
use crate::daemon::{Call, bytes, segment};
use crate::error::{CliError, Result};
use crate::terminal::show::copy_out;

/// Which lines of a log.
#[derive(Debug, Args)]
pub struct Period {
    /// Show only what is newer than a timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Show only what is older than a timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

impl Period {
    /// The bounds as the API takes them.
    pub fn bounds(&self, app: &App) -> Result<(Option<String>, Option<String>)> {
        let moment = |text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            text.map(|text| app.clock().moment(text))
                .transpose()
                .map_err(CliError::Invalid)
        };
        Ok((moment(&self.since)?, moment(&self.until)?))
    }
}

/// Fetch the logs of a container
#[derive(Debug, Args)]
pub struct Logs {
    /// Show extra details provided to logs
    #[arg(long)]
    details: bool,
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Number of lines to show from the end of the logs
    #[arg(short = 'n', long, default_value = "all", value_name = "LINES")]
    tail: String,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
    #[command(flatten)]
    period: Period,
    /// The container
    container: String,
}

impl Logs {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let daemon = app.daemon()?;
        let (since, until) = self.period.bounds(app)?;
        let path = format!("/containers/{}/logs", segment(&self.container));
        let call = Call::get(&path)
            .query("stdout", "1")
            .query("stderr", "1")
            .query("follow", flag(self.follow))
            .query("timestamps", flag(self.timestamps))
            .query("details", flag(self.details))
            .query("tail", self.tail)
            .query_some("since", since)
            .query_some("until", until);
        let response = daemon.call(call).await?;
        let framed = match response
            .headers()
            .get("content-type")
            .map(|kind| kind.as_bytes())
        {
            Some(b"application/vnd.docker.multiplexed-stream") => true,
            Some(b"application/vnd.docker.raw-stream")
                if daemon.version() >= gantry_api::ApiVersion::new(1, 42) =>
            {
                false
            }
            // Older daemons call both kinds raw.
            _ => !super::attach::Target::find(app, &self.container).await?.tty,
        };
        let source = StreamReader::new(bytes(response));
        copy_out(&mut Output::new(source, !framed)).await
    }
}
