//! `stats`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use bollard::query_parameters::ListContainersOptionsBuilder;
use clap::Args;
use futures::StreamExt;
use serde_json::Value;

use super::figures::{COLUMNS, Figures};
use crate::app::App;
use crate::daemon::lines::Values;
use crate::daemon::{Call, Daemon, segment};
use crate::error::{CliError, Result};
use crate::flags::format::ListFormat;
use crate::output::listing::{Format, Row};
use crate::output::{self, text};
use crate::terminal;

/// How often the screen is drawn anew; the engine measures once a second.
const REDRAW: Duration = Duration::from_millis(500);
/// To the screen's top left; what is there is written over line by line, which doesn't flicker.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\n";
const CLEAR_BELOW: &str = "\x1b[J";

/// Display a live stream of container(s) resource usage statistics
#[derive(Debug, Args)]
pub struct Stats {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    format: ListFormat,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// What is known of each container, in the order of the table.
type Board = RefCell<BTreeMap<(usize, String), Figures>>;

impl Stats {
    /// Runs the verb; without `--no-stream` until Ctrl-C.
    pub async fn run(self, app: &App) -> Result<()> {
        let configured = app.config.text("statsFormat");
        let format = Format::choose(self.format.format.as_deref(), false, configured, &COLUMNS)?;
        let daemon = app.daemon()?;
        // Asked for before the list, so that what starts meanwhile is in one of both.
        let news = if self.containers.is_empty() && !self.no_stream {
            Some(events(daemon).await?)
        } else {
            None
        };
        let names = if self.containers.is_empty() {
            self.present(daemon).await?
        } else {
            self.containers.clone()
        };
        if self.no_stream {
            return self.once(daemon, &names, &format).await;
        }
        tokio::select! {
            result = self.live(daemon, names, news, &format) => result,
            code = terminal::ended() => if code == 130 { Ok(()) } else { Err(CliError::Exit(code)) },
        }
    }

    async fn present(&self, daemon: &Daemon) -> Result<Vec<String>> {
        let options = ListContainersOptionsBuilder::new().all(self.all).build();
        let list = daemon.docker().list_containers(Some(options)).await?;
        Ok(list
            .into_iter()
            .filter_map(|container| Some(text::short_id(&container.id?).to_owned()))
            .collect())
    }

    async fn once(&self, daemon: &Daemon, names: &[String], format: &Format) -> Result<()> {
        let each = futures::stream::iter(names).map(|name| async move {
            let path = format!("/containers/{}/stats", segment(name));
            let figures = daemon.get_json(&path, &[("stream", "0")]).await?;
            Ok::<_, CliError>(Figures::new(name, &figures))
        });
        let figures: Vec<Result<Figures>> = each.buffered(50).collect().await;
        let mut rows = Vec::new();
        let mut failed = false;
        for result in figures {
            match result {
                Ok(figures) => rows.push(figures.row(!self.no_trunc)),
                // One that ended while being measured has no figures; one that was named must have been there.
                Err(error) if self.containers.is_empty() && error.is_not_found() => {}
                Err(error) => {
                    output::tell(error);
                    failed = true;
                }
            }
        }
        if !(failed && rows.is_empty()) {
            format.show(&rows, &COLUMNS)?;
        }
        if failed {
            Err(CliError::Reported)
        } else {
            Ok(())
        }
    }

    async fn live(
        &self,
        daemon: &Daemon,
        names: Vec<String>,
        mut news: Option<Values>,
        format: &Format,
    ) -> Result<()> {
        let board: Board = Board::default();
        let watching = Watching {
            daemon,
            board: &board,
            named: !self.containers.is_empty(),
        };
        let mut watches = futures::stream::FuturesUnordered::new();
        for (at, name) in names.into_iter().enumerate() {
            watches.push(watching.container(at, name));
        }
        let mut next = watches.len();
        let mut redraw = tokio::time::interval(REDRAW);
        loop {
            tokio::select! {
                Some(result) = watches.next() => {
                    result?;
                    if watches.is_empty() && news.is_none() {
                        return self.draw(&board, format);
                    }
                }
                event = started(&mut news) => {
                    let name = event?;
                    // One that starts again may be watched still.
                    if !watching.knows(&name) {
                        watches.push(watching.container(next, name));
                        next += 1;
                    }
                }
                _ = redraw.tick() => self.draw(&board, format)?,
            }
        }
    }

    fn draw(&self, board: &Board, format: &Format) -> Result<()> {
        let rows: Vec<Row> = board
            .borrow()
            .values()
            .map(|figures| figures.row(!self.no_trunc))
            .collect();
        let text = format.render(&rows, &COLUMNS)?;
        if matches!(format, Format::Table(_)) {
            let text = text.replace('\n', CLEAR_LINE);
            output::print(&format!("{HOME}{text}{CLEAR_BELOW}"))
        } else {
            output::print(&text)
        }
    }
}

async fn events(daemon: &Daemon) -> Result<Values> {
    let filters = r#"{"type":{"container":true},"event":{"start":true}}"#;
    daemon
        .values(Call::get("/events").query("filters", filters))
        .await
}

/// The id of the next container that starts.
async fn started(news: &mut Option<Values>) -> Result<String> {
    let Some(values) = news else {
        return std::future::pending().await;
    };
    match values.next::<Value>().await? {
        Some(event) => {
            let id = event["Actor"]["ID"].as_str().unwrap_or_default();
            Ok(text::short_id(id).to_owned())
        }
        None => Err(CliError::Connection(std::io::Error::other(
            "the engine ended the events",
        ))),
    }
}

struct Watching<'a> {
    daemon: &'a Daemon,
    board: &'a Board,
    named: bool,
}

impl Watching<'_> {
    /// Whether the container is on the board.
    fn knows(&self, name: &str) -> bool {
        self.board.borrow().keys().any(|(_, known)| known == name)
    }

    /// Keeps container `name`'s place on the board up to date until it ends.
    async fn container(&self, at: usize, name: String) -> Result<()> {
        let path = format!("/containers/{}/stats", segment(&name));
        let key = (at, name.clone());
        self.board
            .borrow_mut()
            .insert(key.clone(), Figures::pending(&name));
        let mut values = match self
            .daemon
            .values(Call::get(&path).query("stream", "1"))
            .await
        {
            Ok(values) => values,
            Err(error) if !self.named && error.is_not_found() => {
                self.board.borrow_mut().remove(&key);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        while let Some(figures) = values.next::<Value>().await? {
            let figures = Figures::new(&name, &figures);
            self.board.borrow_mut().insert(key.clone(), figures);
        }
        self.board.borrow_mut().remove(&key);
        Ok(())
    }
}
