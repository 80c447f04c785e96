//! The containers list, and what can be done to a container.

use bollard::models::{ContainerSummary, PortSummary};
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use serde::{Deserialize, Serialize};
use tauri::State;

use crate::engine::Engine;
use crate::error::CommandError;

/// One row of the containers list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Container {
    /// The full id.
    pub id: String,
    /// The name, without the slash that the API puts before it.
    pub name: String,
    /// The image as it was named at create.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// `created`, `running`, `paused`, `restarting`, `exited`, `removing` or `dead`.
    pub state: String,
    /// The exit code of one that has exited.
    pub exit_code: Option<i32>,
    /// Seconds since 1970.
    #[cfg_attr(test, ts(type = "number"))]
    pub created: i64,
    /// The command line, shortened by nobody.
    pub command: String,
    /// What it exposes and publishes, ordered.
    pub ports: Vec<Port>,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Port {
    /// In the container.
    pub container: u16,
    /// On this machine, where it is published.
    pub host: Option<u16>,
    /// The address on this machine.
    pub address: String,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// What can be done to a container by one press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Start it.
    Start,
    /// Stop it: its stop signal, then kill after its timeout.
    Stop,
    /// Stop and start it.
    Restart,
    /// Freeze it.
    Pause,
    /// Thaw it.
    Unpause,
    /// Remove it with its anonymous volumes, running or not.
    Delete,
}

/// All containers, running or not, newest first.
#[tauri::command]
pub async fn containers_list(engine: State<'_, Engine>) -> Result<Vec<Container>, CommandError> {
    let options = ListContainersOptionsBuilder::new().all(true).build();
    let summaries = engine.client()?.list_containers(Some(options)).await?;
    Ok(summaries.into_iter().map(Container::from).collect())
}

/// Does `action` to the container with this id.
#[tauri::command]
pub async fn container_act(
    engine: State<'_, Engine>,
    id: String,
    action: Action,
) -> Result<(), CommandError> {
    let client = engine.client()?;
    match action {
        Action::Start => client.start_container(&id, None).await?,
        Action::Stop => client.stop_container(&id, None).await?,
        Action::Restart => client.restart_container(&id, None).await?,
        Action::Pause => client.pause_container(&id).await?,
        Action::Unpause => client.unpause_container(&id).await?,
        Action::Delete => {
            let options = RemoveContainerOptionsBuilder::new()
                .force(true)
                .v(true)
                .build();
            client.remove_container(&id, Some(options)).await?;
        }
    }
    Ok(())
}

impl From<ContainerSummary> for Container {
    fn from(summary: ContainerSummary) -> Self {
        let state = summary
            .state
            .map(|state| state.to_string())
            .unwrap_or_default();
        let names = summary.names.unwrap_or_default();
        let mut ports: Vec<Port> = summary
            .ports
            .unwrap_or_default()
            .into_iter()
            .map(Port::from)
            .collect();
        ports.sort();
        ports.dedup();
        Self {
            id: summary.id.unwrap_or_default(),
            name: names
                .first()
                .map(|name| name.trim_start_matches('/').to_owned())
                .unwrap_or_default(),
            image: summary.image.unwrap_or_default(),
            image_id: summary.image_id.unwrap_or_default(),
            exit_code: summary
                .status
                .as_deref()
                .and_then(exit_code)
                .filter(|_| state == "exited"),
            state,
            created: summary.created.unwrap_or_default(),
            command: summary.command.unwrap_or_default(),
            ports,
        }
    }
}

impl From<PortSummary> for Port {
    fn from(port: PortSummary) -> Self {
        Self {
            container: port.private_port,
            host: port.public_port,
            address: port.ip.unwrap_or_default(),
            protocol: port
                .typ
                .map(|protocol| protocol.to_string())
                .unwrap_or_default(),
        }
    }
}

/// The list tells the exit code only in its sentence: `Exited (137) 2 hours ago`.
fn exit_code(status: &str) -> Option<i32> {
    status
        .strip_prefix("Exited (")?
        .split_once(')')?
        .0
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ContainerSummaryStateEnum;

    #[test]
    fn a_row_is_read_from_a_summary() {
        let summary = ContainerSummary {
            names: Some(vec!["/web".into()]),
            state: Some(ContainerSummaryStateEnum::EXITED),
            status: Some("Exited (137) 2 hours ago".into()),
            ports: Some(vec![
                PortSummary {
                    private_port: 80,
                    public_port: Some(8080),
                    ip: Some("0.0.0.0".into()),
                    typ: None,
                },
                PortSummary {
                    private_port: 22,
                    ..Default::default()
                },
            ]),
            ..Default::default()
        };
        let row = Container::from(summary);
        assert_eq!(
            (row.name.as_str(), row.state.as_str(), row.exit_code),
            ("web", "exited", Some(137))
        );
        assert_eq!(
            row.ports
                .iter()
                .map(|port| port.container)
                .collect::<Vec<_>>(),
            [22, 80]
        );
    }

    #[test]
    fn only_an_exit_has_a_code() {
        assert_eq!(exit_code("Up 3 minutes"), None);
        assert_eq!(exit_code("Exited (x) now"), None);
    }
}
