//! One line of `docker ps`.

use std::collections::HashMap;

use gantry_api::models::{
    ContainerSummary, ContainerSummaryHostConfig, ContainerSummaryNetworkSettings,
    ContainerSummaryStateEnum, PortSummary, PortSummaryTypeEnum,
};
use time::OffsetDateTime;

use super::super::{Phase, Record, inspect, network};
use super::words;
use crate::state::Engine;

/// The summary of a container whose image is called `image`.
pub fn of(engine: &Engine, record: &Record, image: &str, now: OffsetDateTime) -> ContainerSummary {
    let (definition, state) = (&record.definition, &record.state);
    ContainerSummary {
        id: Some(definition.id.as_str().to_owned()),
        names: Some(vec![format!("/{}", definition.name)]),
        image: Some(image.to_owned()),
        image_id: Some(definition.image_id.clone()),
        command: Some(command(&definition.path, &definition.args)),
        created: Some(definition.created.unix_timestamp()),
        ports: Some(ports(record)),
        labels: Some(definition.config.labels.clone().unwrap_or_default()),
        state: Some(match state.phase {
            Phase::Created => ContainerSummaryStateEnum::CREATED,
            Phase::Running => ContainerSummaryStateEnum::RUNNING,
            Phase::Paused => ContainerSummaryStateEnum::PAUSED,
            Phase::Restarting => ContainerSummaryStateEnum::RESTARTING,
            Phase::Exited => ContainerSummaryStateEnum::EXITED,
            Phase::Removing => ContainerSummaryStateEnum::REMOVING,
            Phase::Dead => ContainerSummaryStateEnum::DEAD,
        }),
        status: Some(words::status(state, now)),
        host_config: Some(ContainerSummaryHostConfig {
            network_mode: definition.host.network_mode.clone(),
            annotations: definition.host.annotations.clone(),
        }),
        network_settings: Some(ContainerSummaryNetworkSettings {
            networks: Some(inspect::networks(engine, record)),
        }),
        mounts: Some(inspect::mounts(record)),
        ..ContainerSummary::default()
    }
}

/// The command line, arguments with blanks quoted.
fn command(path: &str, args: &[String]) -> String {
    let mut text = path.to_owned();
    for arg in args {
        text.push(' ');
        if arg.contains(' ') {
            text.push('\'');
            text.push_str(arg);
            text.push('\'');
        } else {
            text.push_str(arg);
        }
    }
    text
}

fn kind(protocol: &str) -> PortSummaryTypeEnum {
    if protocol == "udp" {
        PortSummaryTypeEnum::UDP
    } else {
        PortSummaryTypeEnum::TCP
    }
}

/// Published ports, and those that are only exposed.
fn ports(record: &Record) -> Vec<PortSummary> {
    if !record.state.phase.is_alive() {
        return Vec::new();
    }
    let mut ports: Vec<PortSummary> = record
        .state
        .ports
        .iter()
        .map(|port| PortSummary {
            ip: Some(port.host_ip.to_string()),
            private_port: port.container_port,
            public_port: Some(port.host_port),
            typ: Some(kind(&port.protocol)),
        })
        .collect();
    for text in record.definition.config.exposed_ports.iter().flatten() {
        let Ok((range, protocol)) = network::parse_port(text) else {
            continue;
        };
        for port in range.take(1024) {
            let typ = kind(&protocol.to_string());
            if !ports
                .iter()
                .any(|have| have.private_port == port && have.typ == Some(typ))
            {
                ports.push(PortSummary {
                    ip: None,
                    private_port: port,
                    public_port: None,
                    typ: Some(typ),
                });
            }
        }
    }
    ports
}

/// The ports as inspect shows them: each port of the container with where it is published.
pub fn port_map(record: &Record) -> gantry_api::models::PortMap {
    let mut map: gantry_api::models::PortMap = HashMap::new();
    for port in &record.state.ports {
        let binding = gantry_api::models::PortBinding {
            host_ip: Some(port.host_ip.to_string()),
            host_port: Some(port.host_port.to_string()),
        };
        map.entry(format!("{}/{}", port.container_port, port.protocol))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    if record.state.phase.is_alive() {
        for text in record.definition.config.exposed_ports.iter().flatten() {
            let key = if text.contains('/') {
                text.clone()
            } else {
                format!("{text}/tcp")
            };
            map.entry(key).or_insert(None);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_arguments_are_quoted() {
        assert_eq!(
            command("sh", &["-c".to_owned(), "echo hi".to_owned()]),
            "sh -c 'echo hi'"
        );
    }
}
