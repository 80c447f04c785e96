//! The getting-started card's one button: load the bundled image, run it on a free port, wait for its page.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as ClientError;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::ImportImageOptionsBuilder;
use futures::StreamExt;
use serde::Serialize;
use tauri::State;
use tauri::ipc::Channel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::engine::Engine;
use crate::engine::commands::page_gone;
use crate::error::{CommandError, ErrorCode};
use crate::ports::Protocol;
use crate::run::{PublishRequest, RunRequest, run};
use crate::{inspect, ports};

/// The container's name; pressing the button again finds it by this.
const NAME: &str = "getting-started";

/// The port that the page is served on in the container.
const PORT: u16 = 80;

/// How long the page may take to answer after the container has started.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the button is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum StartedStep {
    /// Handing the bundled image to the engine.
    Loading,
    /// Creating and starting the container.
    Starting,
    /// Waiting for its page.
    Waiting,
}

/// A page that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StartedPage {
    /// Where it answers.
    pub url: String,
    /// The container that serves it.
    pub container: String,
}

/// Runs the tutorial and answers where its page is.
#[tauri::command]
pub async fn getting_started(
    engine: State<'_, Engine>,
    steps: Channel<StartedStep>,
) -> Result<StartedPage, CommandError> {
    let client = engine.client()?;
    let found = match client.inspect_container(NAME, None).await {
        Ok(container) => Some(container).filter(is_ours),
        Err(ClientError::DockerResponseServerError {
            status_code: 404, ..
        }) => None,
        Err(error) => return Err(error.into()),
    };
    let container = match found {
        Some(container) if state(&container) == "running" => container.id.unwrap_or_default(),
        Some(container) => {
            steps.send(StartedStep::Starting).map_err(page_gone)?;
            let id = container.id.clone().unwrap_or_default();
            if state(&container) == "paused" {
                client.unpause_container(&id).await?;
            } else {
                client.start_container(&id, None).await?;
            }
            id
        }
        None => {
            steps.send(StartedStep::Loading).map_err(page_gone)?;
            load(&client).await?;
            steps.send(StartedStep::Starting).map_err(page_gone)?;
            create(&engine, &client).await?
        }
    };
    steps.send(StartedStep::Waiting).map_err(page_gone)?;
    let running = client.inspect_container(&container, None).await?;
    let port = published(running).ok_or_else(|| {
        CommandError::new(
            ErrorCode::Conflict,
            format!("the container \"{NAME}\" publishes no port: delete it first"),
        )
    })?;
    tokio::time::timeout(PATIENCE, answers(port))
        .await
        .map_err(|_| {
            CommandError::new(
                ErrorCode::Failed,
                format!("the page on port {port} does not answer"),
            )
        })?;
    let url = if port == 80 {
        "http://localhost/".to_owned()
    } else {
        format!("http://localhost:{port}/")
    };
    Ok(StartedPage { url, container })
}

fn is_ours(container: &ContainerInspectResponse) -> bool {
    container
        .config
        .as_ref()
        .and_then(|config| config.image.as_deref())
        == Some(gantry_getting_started::REFERENCE)
}

fn state(container: &ContainerInspectResponse) -> String {
    let status = container.state.as_ref().and_then(|state| state.status);
    status.map(|status| status.to_string()).unwrap_or_default()
}

async fn load(client: &Docker) -> Result<(), CommandError> {
    let archive = tokio::task::spawn_blocking(gantry_getting_started::archive)
        .await
        .map_err(|error| CommandError::new(ErrorCode::Failed, error.to_string()))?;
    let options = ImportImageOptionsBuilder::new().quiet(true).build();
    let mut answers =
        std::pin::pin!(client.import_image(options, bollard::body_full(archive.into()), None));
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(())
}

/// Runs the image on a free port. Where another took that port in between, the next free one is tried.
async fn create(engine: &Engine, client: &Docker) -> Result<String, CommandError> {
    let mut wanted = PORT;
    // A container of this name that isn't ours keeps its name.
    let mut name = match client.inspect_container(NAME, None).await {
        Ok(_) => "",
        Err(_) => NAME,
    };
    for _ in 0..3 {
        let port = ports::suggest(engine, wanted, Protocol::Tcp).await?;
        let request = RunRequest {
            image: gantry_getting_started::REFERENCE.to_owned(),
            name: name.to_owned(),
            ports: vec![PublishRequest {
                host: Some(port),
                container: PORT,
                protocol: Protocol::Tcp,
            }],
            ..RunRequest::default()
        };
        match run(client, request).await {
            Err(error) if error.code == ErrorCode::Conflict => name = "",
            // The engine refuses a port that something outside this machine's list holds.
            Err(error) if error.code == ErrorCode::Refused => {
                wanted = port.max(8079).checked_add(1).unwrap_or(1024);
            }
            other => return other,
        }
    }
    let request = RunRequest {
        image: gantry_getting_started::REFERENCE.to_owned(),
        ports: vec![PublishRequest {
            host: None,
            container: PORT,
            protocol: Protocol::Tcp,
        }],
        ..RunRequest::default()
    };
    run(client, request).await
}

fn published(container: ContainerInspectResponse) -> Option<u16> {
    let details = inspect::ports(container.network_settings?.ports?);
    details
        .into_iter()
        .find(|port| port.container == PORT)?
        .host
}

/// Waits until a page answers: no kernel tells when a server behind a port is ready, so it is asked again.
async fn answers(port: u16) {
    let mut pause = Duration::from_millis(20);
    while !page_answers(port).await {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

async fn page_answers(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("localhost", port)).await?;
        stream
            .write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .await?;
        let mut word = [0; 5];
        stream.read_exact(&mut word).await?;
        Ok::<bool, std::io::Error>(&word == b"HTTP/")
    };
    matches!(
        tokio::time::timeout(Duration::from_secs(5), ask).await,
        Ok(Ok(true))
    )
}
