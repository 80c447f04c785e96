//! `machine inspect`.

use clap::Args;
use gantry_machine::client::{Client, Seen, look};
use gantry_machine::control::{Figures, Status};
use gantry_machine::store::{Machine, Store};
use gantry_machine::{MachineName, State};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::flags::format::ObjectFormat;
use crate::inspect::pretty;
use crate::output;

/// Display detailed information on one or more machines
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    format: ObjectFormat,
    /// The machines; the default one if none is named
    #[arg(value_name = "NAME")]
    names: Vec<MachineName>,
}

impl Inspect {
    /// Runs the verb.
    pub async fn run(self, store: &Store) -> Result<()> {
        let mut names = self.names;
        if names.is_empty() {
            names.push(MachineName::default());
        }
        let mut objects = Vec::new();
        for name in names {
            objects.push(object(store, &store.get(&name)?).await?);
        }
        match self.format.template()? {
            Some(template) => objects
                .iter()
                .try_for_each(|object| output::line(template.render(object)?)),
            None => output::line(pretty(&objects)),
        }
    }
}

async fn object(store: &Store, machine: &Machine) -> Result<Value> {
    let seen = look(store, machine).await?;
    let spec = &machine.spec;
    let paths = &machine.paths;
    let mut object = json!({
        "Name": spec.name,
        "State": seen.word(),
        "Host": paths.docker_host(),
        "Context": spec.name.context(),
        "Backend": spec.backend,
        "CPUs": spec.cpus,
        "Memory": spec.memory,
        "Disk": spec.disk,
        "DiskUsed": machine.disk_used().unwrap_or(0),
        "Shares": spec.shares,
        "PauseIdleMinutes": spec.pause_idle.unwrap_or(0),
        "LastImage": spec.last_image.clone().unwrap_or_default(),
        "ConfigDir": paths.data(),
        "ConsoleLog": paths.console(),
        "HostLog": paths.host_log(),
    });
    let status = match &seen {
        Seen::Hosted(status) | Seen::Down(Some(status)) => status,
        _ => return Ok(object),
    };
    object["Error"] = match &status.state {
        State::Failed { cause } => cause.to_string().into(),
        _ => "".into(),
    };
    object["Warnings"] = json!(status.warnings);
    if matches!(seen, Seen::Hosted(_)) {
        running(&mut object, status);
        // A machine that ends just now has no figures.
        if let Ok(mut client) = Client::connect(paths).await
            && let Ok(figures) = client.figures().await
        {
            object["Figures"] = figures_of(figures);
        }
    }
    Ok(object)
}

fn running(object: &mut Value, status: &Status) {
    let stages: Map<String, Value> = status
        .stages
        .iter()
        .map(|(stage, millis)| (stage.to_string(), (*millis).into()))
        .collect();
    object["Accelerator"] = json!(status.accelerator);
    object["Image"] = json!(status.image);
    object["VMPid"] = json!(status.vm_pid);
    object["HostPid"] = json!(status.host_pid);
    object["StageMillis"] = stages.into();
}

fn figures_of(figures: Figures) -> Value {
    let ports: Vec<String> = figures
        .ports
        .iter()
        .map(|port| format!("{}/{}", port.at, port.protocol))
        .collect();
    json!({
        "HostMemory": figures.host_memory,
        "GuestMemoryLimit": figures.memory_now,
        "Guest": figures.guest,
        "DiskUsed": figures.disk_used,
        "DiskSize": figures.disk_size,
        "APIConnections": figures.api_connections,
        "Ports": ports,
    })
}
