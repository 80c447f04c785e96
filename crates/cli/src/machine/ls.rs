//! `machine ls`.

use clap::Args;
use gantry_machine::MachineName;
use gantry_machine::client::{ClientError, Seen, look};
use gantry_machine::store::{Machine, Store};
use serde_json::{Value, json};

use crate::error::Result;
use crate::flags::format::ListFormat;
use crate::output::listing::{Columns, Format, Row};
use crate::output::{printable, units};

const COLUMNS: Columns = Columns {
    headers: &[
        ("Name", "NAME"),
        ("State", "STATE"),
        ("CPUs", "CPUS"),
        ("Memory", "MEMORY"),
        ("Disk", "DISK"),
        ("DiskUsed", "DISK USED"),
        ("Backend", "BACKEND"),
        ("Accelerator", "ACCELERATOR"),
        ("Image", "IMAGE"),
        ("Context", "CONTEXT"),
        ("Host", "HOST"),
        ("Error", "ERROR"),
    ],
    table: "{{.Name}}\t{{.State}}\t{{.CPUs}}\t{{.Memory}}\t{{.DiskUsed}} / {{.Disk}}\t{{.Context}}\t{{.Error}}",
    quiet: "{{.Name}}",
};

/// List machines
#[derive(Debug, Args)]
pub struct Ls {
    #[command(flatten)]
    format: ListFormat,
    /// Only show names
    #[arg(short, long)]
    quiet: bool,
}

impl Ls {
    /// Runs the verb.
    pub async fn run(self, store: &Store) -> Result<()> {
        let format = Format::choose(self.format.format.as_deref(), self.quiet, None, &COLUMNS)?;
        let mut rows: Vec<Row> = Vec::new();
        for (name, machine) in store.list()? {
            let fields = match &machine {
                Ok(machine) => fields(machine, &look(store, machine).await),
                Err(error) => broken(&name, &error.to_string()),
            };
            rows.push(fields.into());
        }
        format.show(&rows, &COLUMNS)
    }
}

fn fields(machine: &Machine, seen: &std::result::Result<Seen, ClientError>) -> Value {
    let spec = &machine.spec;
    let status = match seen {
        Ok(Seen::Hosted(status)) => Some(status),
        _ => None,
    };
    let error = match seen {
        Err(error) => error.to_string(),
        Ok(Seen::Hosted(status) | Seen::Down(Some(status))) => match &status.state {
            gantry_machine::State::Failed { cause } => cause.message.clone(),
            _ => String::new(),
        },
        Ok(_) => String::new(),
    };
    json!({
        "Name": spec.name,
        "State": seen.as_ref().map_or("unknown", Seen::word),
        "CPUs": spec.cpus.to_string(),
        "Memory": units::binary(spec.memory as f64),
        "Disk": units::binary(spec.disk as f64),
        "DiskUsed": machine.disk_used().map_or("?".to_owned(), |used| units::binary(used as f64)),
        "Backend": spec.backend,
        "Accelerator": status.and_then(|status| status.accelerator.clone()).unwrap_or_default(),
        "Image": status
            .and_then(|status| status.image.clone())
            .or_else(|| spec.last_image.clone())
            .unwrap_or_default(),
        "Context": spec.name.context(),
        "Host": machine.paths.docker_host(),
        "Error": printable(&error),
    })
}

/// A machine whose description can't be read.
fn broken(name: &MachineName, error: &str) -> Value {
    let mut fields = json!({"Name": name, "State": "broken", "Error": printable(error)});
    for (field, _) in COLUMNS.headers {
        if fields.get(field).is_none() {
            fields[*field] = "".into();
        }
    }
    fields
}
