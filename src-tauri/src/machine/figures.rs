//! What a machine uses, while the page looks.

use std::time::Duration;

use gantry_machine::Paths;
use gantry_machine::client::{Client, ClientError};
use gantry_machine::control::Figures;
use serde::{Deserialize, Serialize};

/// Between two readings.
pub const PERIOD: Duration = Duration::from_secs(2);

/// One reading.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MachineUse {
    /// Milliseconds after 1970.
    #[cfg_attr(test, ts(type = "number"))]
    pub time: u64,
    /// How many processors had work over the last minute, in the mean; `None` where the guest doesn't tell.
    pub load: Option<f64>,
    /// Bytes that programs in the guest use; `None` where it doesn't tell.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub memory_used: Option<u64>,
    /// Bytes that the machine has of this computer's memory now.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub memory_taken: Option<u64>,
    /// Bytes in use on its data disk; `None` where the guest doesn't tell.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub disk_used: Option<u64>,
    /// Bytes that the data disk takes of this computer's.
    #[cfg_attr(test, ts(type = "number"))]
    pub disk_taken: u64,
    /// Bytes that it may take at most.
    #[cfg_attr(test, ts(type = "number"))]
    pub disk_size: u64,
    /// Ports of this computer that lead to containers, as `tcp 127.0.0.1:80`.
    pub ports: Vec<String>,
}

/// What the guest's agent says. Hostile as all that comes of a guest: only numbers are taken.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Guest {
    memory_total: Option<u64>,
    memory_available: Option<u64>,
    disk_total: Option<u64>,
    disk_available: Option<u64>,
    load: Vec<f64>,
}

/// Reads once.
pub async fn read(paths: &Paths) -> Result<MachineUse, ClientError> {
    let figures = Client::connect(paths).await?.figures().await?;
    Ok(MachineUse::of(figures, now()))
}

fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

impl MachineUse {
    fn of(figures: Figures, time: u64) -> Self {
        let guest: Guest = figures
            .guest
            .and_then(|told| serde_json::from_value(told).ok())
            .unwrap_or_default();
        let used = |total: Option<u64>, left: Option<u64>| Some(total?.saturating_sub(left?));
        Self {
            time,
            load: guest.load.first().copied().filter(|load| load.is_finite()),
            memory_used: used(guest.memory_total, guest.memory_available),
            memory_taken: figures.host_memory.or(figures.memory_now),
            disk_used: used(guest.disk_total, guest.disk_available),
            disk_taken: figures.disk_used,
            disk_size: figures.disk_size,
            ports: (figures.ports.iter())
                .map(|port| format!("{} {}", port.protocol, port.at))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_says_is_taken_where_it_is_numbers() {
        let reading = |guest: serde_json::Value| {
            let figures = Figures {
                guest: Some(guest),
                ..Figures::default()
            };
            MachineUse::of(figures, 0)
        };
        let told = reading(serde_json::json!({
            "memory_total": 100, "memory_available": 40, "disk_total": 9, "disk_available": 10,
            "load": [0.5, 1.0, 2.0], "news": "of a later version",
        }));
        assert_eq!(
            (told.load, told.memory_used, told.disk_used),
            (Some(0.5), Some(60), Some(0))
        );
        for odd in [
            serde_json::json!(7),
            serde_json::json!({"memory_total": "much"}),
        ] {
            let told = reading(odd);
            assert_eq!(
                (told.load, told.memory_used, told.disk_used),
                (None, None, None)
            );
        }
    }
}
