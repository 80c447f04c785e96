//! A container's figures, worked out from two measurements.

use serde_json::{Value, json};

use crate::output::listing::{Columns, Row};
use crate::output::{text, units};

/// What `stats` can show.
pub const COLUMNS: Columns = Columns {
    headers: &[
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
    quiet: "{{.ID}}",
};

/// One moment's figures.
#[derive(Debug, Default, PartialEq)]
pub struct Figures {
    asked_as: String,
    /// Nothing has been measured yet.
    is_pending: bool,
    id: String,
    name: String,
    cpu_percent: f64,
    memory: f64,
    memory_limit: f64,
    received: f64,
    sent: f64,
    read: f64,
    written: f64,
    pids: u64,
}

impl Figures {
    /// The place of the container that was asked for as `name`, until something is measured.
    pub fn pending(name: &str) -> Figures {
        Figures {
            asked_as: name.to_owned(),
            is_pending: true,
            ..Figures::default()
        }
    }

    /// The figures in the daemon's answer about the container that was asked for as `name`.
    pub fn new(name: &str, answer: &Value) -> Figures {
        let memory = &answer["memory_stats"];
        let networks = answer["networks"].as_object();
        let network = |field: &str| -> f64 {
            networks
                .into_iter()
                .flatten()
                .map(|(_, network)| number(&network[field]))
                .sum()
        };
        Figures {
            asked_as: name.to_owned(),
            is_pending: false,
            id: answer["id"].as_str().unwrap_or_default().to_owned(),
            name: answer["name"]
                .as_str()
                .unwrap_or_default()
                .trim_start_matches('/')
                .to_owned(),
            cpu_percent: cpu_percent(&answer["cpu_stats"], &answer["precpu_stats"]),
            memory: used(memory),
            memory_limit: number(&memory["limit"]),
            received: network("rx_bytes"),
            sent: network("tx_bytes"),
            read: block(answer, "read"),
            written: block(answer, "write"),
            pids: answer["pids_stats"]["current"].as_u64().unwrap_or_default(),
        }
    }

    /// The figures as a line.
    pub fn row(&self, truncate: bool) -> Row {
        if self.is_pending {
            let id = if truncate {
                text::short_id(&self.asked_as)
            } else {
                &self.asked_as
            };
            return json!({
                "Container": self.asked_as, "ID": id, "Name": "--", "CPUPerc": "--", "MemUsage": "-- / --",
                "MemPerc": "--", "NetIO": "--", "BlockIO": "--", "PIDs": "--",
            })
            .into();
        }
        let id = if truncate {
            text::short_id(&self.id)
        } else {
            &self.id
        };
        let percent = if self.memory_limit > 0.0 {
            self.memory / self.memory_limit * 100.0
        } else {
            0.0
        };
        let pair = |a: f64, b: f64| format!("{} / {}", units::decimal(a, 3), units::decimal(b, 3));
        json!({
            "Container": self.asked_as,
            "ID": id,
            "Name": self.name,
            "CPUPerc": format!("{:.2}%", self.cpu_percent),
            "MemUsage": format!("{} / {}", units::binary(self.memory), units::binary(self.memory_limit)),
            "MemPerc": format!("{percent:.2}%"),
            "NetIO": pair(self.received, self.sent),
            "BlockIO": pair(self.read, self.written),
            "PIDs": self.pids.to_string(),
        })
        .into()
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn cpu_percent(now: &Value, before: &Value) -> f64 {
    let container =
        number(&now["cpu_usage"]["total_usage"]) - number(&before["cpu_usage"]["total_usage"]);
    let system = number(&now["system_cpu_usage"]) - number(&before["system_cpu_usage"]);
    let cpus = match number(&now["online_cpus"]) {
        0.0 => now["cpu_usage"]["percpu_usage"]
            .as_array()
            .map_or(0.0, |cpus| cpus.len() as f64),
        online => online,
    };
    if container > 0.0 && system > 0.0 {
        container / system * cpus * 100.0
    } else {
        0.0
    }
}

/// Memory in use without what the kernel would give up at once: the files it keeps in case.
fn used(memory: &Value) -> f64 {
    let usage = number(&memory["usage"]);
    let idle = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|name| memory["stats"][*name].as_f64())
        .unwrap_or_default();
    if idle < usage { usage - idle } else { usage }
}

fn block(answer: &Value, operation: &str) -> f64 {
    let entries = answer["blkio_stats"]["io_service_bytes_recursive"].as_array();
    let of_operation = |entry: &&Value| {
        entry["op"]
            .as_str()
            .is_some_and(|op| op.eq_ignore_ascii_case(operation))
    };
    entries
        .into_iter()
        .flatten()
        .filter(of_operation)
        .map(|entry| number(&entry["value"]))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::listing::Format;

    #[test]
    fn figures_are_worked_out_as_docker_does() {
        let answer = json!({
            "id": "4f1c2a6bb1a2c3d4e5", "name": "/web",
            "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
            "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
            "memory_stats": {"usage": 3_145_728, "limit": 67_108_864, "stats": {"inactive_file": 1_048_576}},
            "networks": {"eth0": {"rx_bytes": 1000, "tx_bytes": 500}, "eth1": {"rx_bytes": 234, "tx_bytes": 0}},
            "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 4096}, {"op": "write", "value": 12}]},
            "pids_stats": {"current": 3}
        });
        let rows = [
            Figures::new("web", &answer).row(true),
            Figures::new("gone", &json!({})).row(true),
            Figures::pending("soon").row(true),
        ];
        let format = Format::choose(None, false, None, &COLUMNS).unwrap();
        insta::assert_snapshot!(format.render(&rows, &COLUMNS).unwrap());
    }
}
