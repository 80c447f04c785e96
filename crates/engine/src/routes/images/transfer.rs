//! Images in and out as archives: save and load.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use tokio_util::io::ReaderStream;

use super::progress;
use crate::error::{Error, Result};
use crate::routes::App;
use crate::routes::body::{reader, streamed, work_body};
use crate::routes::params::Params;

/// What may wait between the archive's writer and the connection, in bytes.
const BUFFER: usize = 256 << 10;

pub async fn save_many(State(app): State<App>, params: Params) -> Result<Response> {
    let names: Vec<String> = params
        .all("names")
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Err(Error::invalid("no image is named to be saved"));
    }
    save(&app, names).await
}

/// Streams an archive. A name that means nothing is told before; a failure on the way breaks the connection off.
pub async fn save(app: &App, names: Vec<String>) -> Result<Response> {
    let (out, read) = tokio::io::duplex(BUFFER);
    let images = app.images.clone();
    let (sender, pieces) = tokio::sync::mpsc::channel(1);
    let forward = async move {
        use futures::StreamExt as _;
        let mut read = ReaderStream::with_capacity(read, BUFFER);
        while let Some(piece) = read.next().await {
            let piece = piece.map_err(Error::io("can't read the archive"))?;
            if sender.send(piece).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let work = async move {
        let save = async { Ok(images.save(&names, out).await?) };
        let (saved, forwarded): (Result<()>, Result<()>) = tokio::join!(save, forward);
        saved.and(forwarded)
    };
    let body = work_body(pieces, work, None).await?;
    Ok(streamed("application/x-tar", body))
}

pub async fn load(State(app): State<App>, params: Params, body: Body) -> Result<Response> {
    let quiet = params.flag("quiet");
    let (lines, received) = progress::channel();
    let work = async move {
        let progress = lines.clone().progress();
        let loaded = app
            .images
            .load(reader(body), move |step| {
                if !quiet {
                    progress(step);
                }
            })
            .await?;
        for image in loaded {
            let mut names = image
                .references
                .iter()
                .map(|name| format!("Loaded image: {}", name.familiar()))
                .peekable();
            if names.peek().is_none() {
                lines.send(&json!({ "stream": format!("Loaded image ID: {}\n", image.id) }));
            }
            for name in names {
                lines.send(&json!({ "stream": format!("{name}\n") }));
            }
        }
        Ok(())
    };
    let body = work_body(received, work, Some(progress::failure)).await?;
    Ok(streamed(progress::TYPE, body))
}
