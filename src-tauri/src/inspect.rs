//! A container's details, readable and as the engine's own JSON.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerInspectResponse, HostConfig, PortBinding, RestartPolicyNameEnum};
use serde::Serialize;
use tauri::State;

use crate::containers::Port;
use crate::engine::Engine;
use crate::error::{CommandError, ErrorCode};

/// What the Inspect tab and the page's head show.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Details {
    /// The full id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The image as it was named at create.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// `created`, `running`, `paused`, `restarting`, `exited`, `removing` or `dead`.
    pub state: String,
    /// The exit code of one that has exited.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
    /// What went wrong at its start.
    pub error: String,
    /// RFC 3339; empty for never.
    pub created: String,
    /// RFC 3339; empty for never.
    pub started: String,
    /// RFC 3339; empty for never.
    pub finished: String,
    /// What runs, argument by argument.
    pub command: Vec<String>,
    /// Where it runs.
    pub working_dir: String,
    /// Who it runs as; empty for root.
    pub user: String,
    /// Whether it has a terminal.
    pub tty: bool,
    /// `NAME=value`, as the container sees them.
    pub environment: Vec<String>,
    /// Ports, exposed and published.
    pub ports: Vec<Port>,
    /// What is mounted where.
    pub mounts: Vec<Mount>,
    /// Networks it is on.
    pub networks: Vec<Network>,
    /// `no`, `always`, `unless-stopped`, `on-failure:3`.
    pub restart: String,
    /// How often it was started again.
    #[cfg_attr(test, ts(type = "number"))]
    pub restart_count: i64,
    /// Bytes of memory it may use; 0 for no limit.
    #[cfg_attr(test, ts(type = "number"))]
    pub memory_limit: i64,
    /// Processors it may use; 0 for no limit.
    pub cpu_limit: f64,
    /// Labels, ordered.
    pub labels: BTreeMap<String, String>,
    /// Everything, as the engine tells it.
    pub json: String,
}

/// Something mounted in a container.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Mount {
    /// `bind`, `volume` or `tmpfs`.
    pub kind: String,
    /// A path of this machine, or a volume's name.
    pub source: String,
    /// The path in the container.
    pub target: String,
    /// Whether it may be written to.
    pub writable: bool,
}

/// A network that a container is on.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The container's address there.
    pub address: String,
    /// The gateway.
    pub gateway: String,
    /// The container's hardware address there.
    pub mac: String,
}

/// Details of the container with this id or name.
#[tauri::command]
pub async fn container_inspect(
    engine: State<'_, Engine>,
    id: String,
) -> Result<Details, CommandError> {
    Details::read(engine.client()?.inspect_container(&id, None).await?)
}

impl Details {
    fn read(response: ContainerInspectResponse) -> Result<Self, CommandError> {
        let json = serde_json::to_string_pretty(&response)
            .map_err(|error| CommandError::new(ErrorCode::Failed, error.to_string()))?;
        let state = response.state.unwrap_or_default();
        let config = response.config.unwrap_or_default();
        let host = response.host_config.unwrap_or_default();
        let network = response.network_settings.unwrap_or_default();
        let status = state
            .status
            .map(|status| status.to_string())
            .unwrap_or_default();
        let mut networks: Vec<Network> = network
            .networks
            .unwrap_or_default()
            .into_iter()
            .map(|(name, endpoint)| Network {
                name,
                address: endpoint.ip_address.unwrap_or_default(),
                gateway: endpoint.gateway.unwrap_or_default(),
                mac: endpoint.mac_address.unwrap_or_default(),
            })
            .collect();
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            id: response.id.unwrap_or_default(),
            name: response
                .name
                .unwrap_or_default()
                .trim_start_matches('/')
                .to_owned(),
            image: config.image.unwrap_or_default(),
            image_id: response.image.unwrap_or_default(),
            exit_code: state.exit_code.filter(|_| status == "exited"),
            state: status,
            oom_killed: state.oom_killed.unwrap_or_default(),
            error: state.error.unwrap_or_default(),
            created: time(response.created),
            started: time(state.started_at),
            finished: time(state.finished_at),
            command: response
                .path
                .into_iter()
                .chain(response.args.unwrap_or_default())
                .collect(),
            working_dir: config.working_dir.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            tty: config.tty.unwrap_or_default(),
            environment: config.env.unwrap_or_default(),
            ports: ports(network.ports.unwrap_or_default()),
            mounts: response
                .mounts
                .unwrap_or_default()
                .into_iter()
                .map(|mount| Mount {
                    kind: mount.typ.unwrap_or_default(),
                    source: mount
                        .name
                        .filter(|name| !name.is_empty())
                        .or(mount.source)
                        .unwrap_or_default(),
                    target: mount.destination.unwrap_or_default(),
                    writable: mount.rw.unwrap_or_default(),
                })
                .collect(),
            networks,
            restart: restart(&host),
            restart_count: response.restart_count.unwrap_or_default(),
            memory_limit: host.memory.unwrap_or_default(),
            cpu_limit: cpu_limit(&host),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            json,
        })
    }
}

/// The engine tells "never" as the year 1.
fn time(time: Option<String>) -> String {
    time.filter(|time| !time.starts_with("0001-"))
        .unwrap_or_default()
}

/// Ports of an inspect answer, ordered.
pub fn ports(map: HashMap<String, Option<Vec<PortBinding>>>) -> Vec<Port> {
    let mut ports = Vec::new();
    for (key, bindings) in map {
        let (port, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        let Ok(container) = port.parse() else {
            continue;
        };
        let exposed = |host, address| Port {
            container,
            host,
            address,
            protocol: protocol.to_owned(),
        };
        match bindings.filter(|bindings| !bindings.is_empty()) {
            None => ports.push(exposed(None, String::new())),
            Some(bindings) => ports.extend(bindings.into_iter().map(|binding| {
                exposed(
                    binding.host_port.and_then(|port| port.parse().ok()),
                    binding.host_ip.unwrap_or_default(),
                )
            })),
        }
    }
    ports.sort();
    ports
}

fn restart(host: &HostConfig) -> String {
    let Some(policy) = &host.restart_policy else {
        return "no".into();
    };
    match (policy.name, policy.maximum_retry_count) {
        (None | Some(RestartPolicyNameEnum::EMPTY), _) => "no".into(),
        (Some(RestartPolicyNameEnum::ON_FAILURE), Some(count)) if count > 0 => {
            format!("on-failure:{count}")
        }
        (Some(name), _) => name.to_string(),
    }
}

fn cpu_limit(host: &HostConfig) -> f64 {
    match (host.nano_cpus, host.cpu_quota, host.cpu_period) {
        (Some(nano), _, _) if nano > 0 => nano as f64 / 1e9,
        (_, Some(quota), Some(period)) if quota > 0 && period > 0 => quota as f64 / period as f64,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_read_from_an_inspect_answer() {
        let response: ContainerInspectResponse = serde_json::from_str(
            r#"{"Id":"ab","Name":"/web","Path":"nginx","Args":["-g","daemon off;"],
            "State":{"Status":"exited","ExitCode":3,"StartedAt":"0001-01-01T00:00:00Z"},
            "HostConfig":{"NanoCpus":1500000000,"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}},
            "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"9/udp":null}}}"#,
        )
        .expect("json");
        let details = Details::read(response).expect("details");
        assert_eq!(
            (details.name.as_str(), details.exit_code, details.cpu_limit),
            ("web", Some(3), 1.5)
        );
        assert_eq!(details.command, ["nginx", "-g", "daemon off;"]);
        assert_eq!(
            (details.restart.as_str(), details.started.as_str()),
            ("on-failure:3", "")
        );
        assert_eq!(
            details
                .ports
                .iter()
                .map(|port| (port.container, port.host))
                .collect::<Vec<_>>(),
            [(9, None), (80, Some(8080))]
        );
        assert!(details.json.contains("\"Path\": \"nginx\""));
    }
}
