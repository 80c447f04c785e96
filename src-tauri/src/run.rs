//! Running an image: the run form, and the button of the getting-started card.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use serde::Deserialize;
use tauri::State;

use crate::engine::Engine;
use crate::error::{CommandError, ErrorCode};
use crate::ports::Protocol;

/// What the run form sends.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RunRequest {
    /// The image's name or id.
    pub image: String,
    /// Empty for a name of the engine's choice.
    pub name: String,
    /// Ports to publish.
    pub ports: Vec<PublishRequest>,
    /// What to mount.
    pub volumes: Vec<MountRequest>,
    /// Variables to set.
    pub environment: Vec<Variable>,
}

/// A port to publish.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PublishRequest {
    /// On this machine; `None` for one of the engine's choice.
    pub host: Option<u16>,
    /// In the container.
    pub container: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// A folder of this machine or a volume to mount.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MountRequest {
    /// An absolute path of this machine, or a volume's name.
    pub source: String,
    /// An absolute path in the container.
    pub target: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// A variable to set.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What an image brings with it, to fill the run form.
#[derive(Debug, Clone, serde::Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ImageDefaults {
    /// Ports it exposes: `80/tcp`, ordered.
    pub ports: Vec<String>,
    /// Paths it keeps data at, ordered.
    pub volumes: Vec<String>,
}

/// What the image exposes.
#[tauri::command]
pub async fn image_defaults(
    engine: State<'_, Engine>,
    name: String,
) -> Result<ImageDefaults, CommandError> {
    let config = engine
        .client()?
        .inspect_image(&name)
        .await?
        .config
        .unwrap_or_default();
    let mut ports = config.exposed_ports.unwrap_or_default();
    let mut volumes = config.volumes.unwrap_or_default();
    ports.sort();
    volumes.sort();
    Ok(ImageDefaults { ports, volumes })
}

/// Creates and starts a container, and answers its id. One that can't be started is removed again.
#[tauri::command]
pub async fn container_run(
    engine: State<'_, Engine>,
    request: RunRequest,
) -> Result<String, CommandError> {
    run(&engine.client()?, request).await
}

/// As [`container_run`].
pub async fn run(client: &Docker, request: RunRequest) -> Result<String, CommandError> {
    let name = request.name.trim().to_owned();
    let mut options = CreateContainerOptionsBuilder::new();
    if !name.is_empty() {
        options = options.name(&name);
    }
    let created = client
        .create_container(Some(options.build()), body(request)?)
        .await?;
    if let Err(error) = client.start_container(&created.id, None).await {
        let undo = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        if let Err(undo) = client.remove_container(&created.id, Some(undo)).await {
            tracing::warn!(container = created.id, error = %undo, "cannot remove a container that could not start");
        }
        return Err(error.into());
    }
    Ok(created.id)
}

fn body(request: RunRequest) -> Result<ContainerCreateBody, CommandError> {
    let invalid = |message: String| CommandError::new(ErrorCode::InvalidInput, message);
    let mut exposed = Vec::new();
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in request.ports {
        if port.container == 0 {
            return Err(invalid("0 is no port".into()));
        }
        let key = format!("{}/{}", port.container, port.protocol.name());
        let binding = PortBinding {
            host_ip: None,
            host_port: Some(port.host.unwrap_or(0).to_string()),
        };
        bindings
            .entry(key.clone())
            .or_default()
            .get_or_insert_default()
            .push(binding);
        exposed.push(key);
    }
    let mut binds = Vec::new();
    for mount in request.volumes {
        if !mount.target.starts_with('/') {
            return Err(invalid(format!(
                "\"{}\" is no absolute path in the container",
                mount.target
            )));
        }
        if mount.source.is_empty() || mount.source.contains(':') || mount.target.contains(':') {
            return Err(invalid(format!(
                "cannot mount \"{}\" at \"{}\"",
                mount.source, mount.target
            )));
        }
        binds.push(format!(
            "{}:{}{}",
            mount.source,
            mount.target,
            if mount.read_only { ":ro" } else { "" }
        ));
    }
    let mut environment = Vec::new();
    for variable in request.environment {
        if variable.name.is_empty() || variable.name.contains('=') {
            return Err(invalid(format!(
                "\"{}\" is no name of a variable",
                variable.name
            )));
        }
        environment.push(format!("{}={}", variable.name, variable.value));
    }
    Ok(ContainerCreateBody {
        image: Some(request.image),
        exposed_ports: Some(exposed),
        env: Some(environment),
        host_config: Some(HostConfig {
            binds: Some(binds),
            port_bindings: Some(bindings),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_becomes_a_create_body() {
        let request = RunRequest {
            image: "web".into(),
            ports: vec![
                PublishRequest {
                    host: Some(8080),
                    container: 80,
                    protocol: Protocol::Tcp,
                },
                PublishRequest {
                    host: None,
                    container: 80,
                    protocol: Protocol::Tcp,
                },
            ],
            volumes: vec![MountRequest {
                source: "data".into(),
                target: "/data".into(),
                read_only: true,
            }],
            environment: vec![Variable {
                name: "A".into(),
                value: "b=c".into(),
            }],
            ..RunRequest::default()
        };
        let body = body(request).expect("valid");
        let host = body.host_config.expect("host config");
        assert_eq!(body.env, Some(vec!["A=b=c".into()]));
        assert_eq!(host.binds, Some(vec!["data:/data:ro".into()]));
        let ports: Vec<_> = host.port_bindings.expect("ports")["80/tcp"]
            .clone()
            .expect("bound");
        assert_eq!(
            ports
                .iter()
                .map(|port| port.host_port.as_deref())
                .collect::<Vec<_>>(),
            [Some("8080"), Some("0")]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_words() {
        for request in [
            RunRequest {
                volumes: vec![MountRequest {
                    source: "a".into(),
                    target: "b".into(),
                    read_only: false,
                }],
                ..RunRequest::default()
            },
            RunRequest {
                environment: vec![Variable {
                    name: "A=B".into(),
                    value: String::new(),
                }],
                ..RunRequest::default()
            },
            RunRequest {
                ports: vec![PublishRequest {
                    host: None,
                    container: 0,
                    protocol: Protocol::Tcp,
                }],
                ..RunRequest::default()
            },
        ] {
            assert_eq!(
                body(request).expect_err("invalid").code,
                ErrorCode::InvalidInput
            );
        }
    }
}
