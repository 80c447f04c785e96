//! `info`.

use clap::Args;
use serde_json::{Value, json};

use super::version::client;
use crate::app::App;
use crate::error::Result;
use crate::flags::format::ObjectFormat;
use crate::output::{self, printable, units};

/// Display system-wide information
#[derive(Debug, Args)]
pub struct Info {
    #[command(flatten)]
    format: ObjectFormat,
}

impl Info {
    /// Runs the verb. Without an engine the client's part is shown, and then the error.
    pub async fn run(self, app: &App) -> Result<()> {
        let template = self.format.template()?;
        let answer = match app.daemon() {
            Ok(daemon) => daemon.get_json("/info", &[]).await,
            Err(error) => Err(error),
        };
        let (mut info, failed) = match answer {
            Ok(info) => (info, None),
            Err(error) => (json!({}), Some(error)),
        };
        let client = client(app);
        match &template {
            Some(template) => {
                if let Some(fields) = info.as_object_mut() {
                    fields.insert("ClientInfo".to_owned(), client);
                }
                output::line(template.render(&info)?)?;
            }
            None => {
                output::print(&format!(
                    "Client: Gantry\n Version:    {}\n Context:    {}\n\nServer:\n",
                    word(&client, "Version"),
                    word(&client, "Context")
                ))?;
                if failed.is_none() {
                    output::print(&text(&info))?;
                    for warning in info["Warnings"].as_array().into_iter().flatten() {
                        output::tell(printable(warning.as_str().unwrap_or_default()));
                    }
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

fn word(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) => printable(text),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn text(info: &Value) -> String {
    let mut out = String::new();
    let mut line = |indent: usize, name: &str, value: &str| {
        if !value.is_empty() {
            out.push_str(&format!("{:indent$}{name}: {value}\n", ""));
        }
    };
    let list = |value: &Value| -> String {
        let words = value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        words.map(printable).collect::<Vec<_>>().join(" ")
    };
    line(1, "Containers", &word(info, "Containers"));
    line(2, "Running", &word(info, "ContainersRunning"));
    line(2, "Paused", &word(info, "ContainersPaused"));
    line(2, "Stopped", &word(info, "ContainersStopped"));
    line(1, "Images", &word(info, "Images"));
    line(1, "Server Version", &word(info, "ServerVersion"));
    line(1, "Storage Driver", &word(info, "Driver"));
    for pair in info["DriverStatus"].as_array().into_iter().flatten() {
        line(
            2,
            &printable(pair[0].as_str().unwrap_or_default()),
            &printable(pair[1].as_str().unwrap_or_default()),
        );
    }
    line(1, "Logging Driver", &word(info, "LoggingDriver"));
    line(1, "Cgroup Driver", &word(info, "CgroupDriver"));
    line(1, "Cgroup Version", &word(info, "CgroupVersion"));
    let plugins = &info["Plugins"];
    for (title, name) in [("Volume", "Volume"), ("Network", "Network"), ("Log", "Log")] {
        line(2, &format!("Plugin {title}"), &list(&plugins[name]));
    }
    let runtimes = info["Runtimes"].as_object().into_iter().flatten();
    let mut runtimes: Vec<String> = runtimes.map(|(name, _)| printable(name)).collect();
    runtimes.sort();
    line(1, "Runtimes", &runtimes.join(" "));
    line(1, "Default Runtime", &word(info, "DefaultRuntime"));
    line(1, "Init Binary", &word(info, "InitBinary"));
    line(1, "Security Options", &list(&info["SecurityOptions"]));
    line(1, "Kernel Version", &word(info, "KernelVersion"));
    line(1, "Operating System", &word(info, "OperatingSystem"));
    line(1, "OSType", &word(info, "OSType"));
    line(1, "Architecture", &word(info, "Architecture"));
    line(1, "CPUs", &word(info, "NCPU"));
    if let Some(memory) = info["MemTotal"].as_f64() {
        line(1, "Total Memory", &units::binary(memory));
    }
    line(1, "Name", &word(info, "Name"));
    line(1, "ID", &word(info, "ID"));
    line(1, "Docker Root Dir", &word(info, "DockerRootDir"));
    line(1, "Debug Mode", &word(info, "Debug"));
    line(1, "HTTP Proxy", &word(info, "HttpProxy"));
    line(1, "HTTPS Proxy", &word(info, "HttpsProxy"));
    line(1, "No Proxy", &word(info, "NoProxy"));
    line(1, "Experimental", &word(info, "ExperimentalBuild"));
    let registries = &info["RegistryConfig"];
    let insecure = registries["InsecureRegistryCIDRs"].clone();
    line(1, "Insecure Registries", &list(&insecure));
    line(1, "Registry Mirrors", &list(&registries["Mirrors"]));
    line(1, "Live Restore Enabled", &word(info, "LiveRestoreEnabled"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text() {
        insta::assert_snapshot!(text(&json!({
            "ID": "x", "Containers": 3, "ContainersRunning": 1, "ContainersPaused": 0, "ContainersStopped": 2,
            "Images": 4, "Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "ext4"]],
            "ServerVersion": "0.1.0", "Runtimes": {"runc": {}, "gantry": {}}, "DefaultRuntime": "gantry",
            "SecurityOptions": ["name=seccomp,profile=builtin"], "NCPU": 2, "MemTotal": 25_000_000_000i64,
            "Plugins": {"Volume": ["local"], "Network": ["bridge", "host"], "Log": null},
            "RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8"], "Mirrors": []},
            "LiveRestoreEnabled": true, "Debug": false
        })));
    }
}
