//! `port`.

use clap::Args;
use serde_json::Value;

use crate::app::App;
use crate::daemon::segment;
use crate::error::{CliError, Result};
use crate::output;

/// List port mappings or a specific mapping for the container
#[derive(Debug, Args)]
pub struct Port {
    /// The container
    container: String,
    /// A port inside it
    #[arg(value_name = "PRIVATE_PORT[/PROTO]")]
    port: Option<String>,
}

impl Port {
    /// Runs the verb.
    pub async fn run(self, app: &App) -> Result<()> {
        let path = format!("/containers/{}/json", segment(&self.container));
        let container = app.daemon()?.get_json(&path, &[]).await?;
        let ports = &container["NetworkSettings"]["Ports"];
        if let Some(port) = &self.port {
            let exact = if port.contains('/') {
                port.clone()
            } else {
                format!("{port}/tcp")
            };
            let bound = bindings(&ports[&exact]);
            if bound.is_empty() {
                return Err(CliError::invalid(format!(
                    "Error: No public port '{port}' published for {}",
                    self.container
                )));
            }
            return output::print(
                &bound
                    .iter()
                    .map(|address| format!("{address}\n"))
                    .collect::<String>(),
            );
        }
        let mut lines: Vec<(u32, String)> = Vec::new();
        for (port, bound) in ports.as_object().into_iter().flatten() {
            let number = port
                .split('/')
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            for address in bindings(bound) {
                lines.push((number, format!("{port} -> {address}\n")));
            }
        }
        lines.sort();
        output::print(&lines.into_iter().map(|(_, line)| line).collect::<String>())
    }
}

fn bindings(bound: &Value) -> Vec<String> {
    let text = |binding: &Value, name: &str| binding[name].as_str().unwrap_or_default().to_owned();
    let all = bound.as_array().into_iter().flatten();
    all.map(|binding| {
        let (address, port) = (text(binding, "HostIp"), text(binding, "HostPort"));
        if address.contains(':') {
            format!("[{address}]:{port}")
        } else {
            format!("{address}:{port}")
        }
    })
    .collect()
}
