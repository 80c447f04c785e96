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
                match template.render(&info) {
                    Ok(text) => output::line(text)?,
                    // It asks for what only the engine knows.
                    Err(_) if failed.is_some() => {}
                    Err(error) => return Err(error.into()),
                }
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
    line(&mut out, 1, "Containers", &word(info, "Containers"));
    line(&mut out, 2, "Running", &word(info, "ContainersRunning"));
    line(&mut out, 2, "Paused", &word(info, "ContainersPaused"));
    line(&mut out, 2, "Stopped", &word(info, "ContainersStopped"));
    line(&mut out, 1, "Images", &word(info, "Images"));
    line(&mut out, 1, "Server Version", &word(info, "ServerVersion"));
    line(&mut out, 1, "Storage Driver", &word(info, "Driver"));
    for pair in info["DriverStatus"].as_array().into_iter().flatten() {
        line(
            &mut out,
            2,
            &printable(pair[0].as_str().unwrap_or_default()),
            &printable(pair[1].as_str().unwrap_or_default()),
        );
    }
    line(&mut out, 1, "Logging Driver", &word(info, "LoggingDriver"));
    line(&mut out, 1, "Cgroup Driver", &word(info, "CgroupDriver"));
    line(&mut out, 1, "Cgroup Version", &word(info, "CgroupVersion"));
    let plugins = &info["Plugins"];
    section(
        &mut out,
        "Plugins",
        &["Volume", "Network", "Log"].map(|kind| {
            let names = list(&plugins[kind]);
            if names.is_empty() {
                String::new()
            } else {
                format!("{kind}: {names}")
            }
        }),
    );
    let runtimes = info["Runtimes"].as_object().into_iter().flatten();
    let mut runtimes: Vec<String> = runtimes.map(|(name, _)| printable(name)).collect();
    runtimes.sort();
    line(&mut out, 1, "Runtimes", &runtimes.join(" "));
    line(
        &mut out,
        1,
        "Default Runtime",
        &word(info, "DefaultRuntime"),
    );
    line(&mut out, 1, "Init Binary", &word(info, "InitBinary"));
    section(
        &mut out,
        "Security Options",
        &security(&info["SecurityOptions"]),
    );
    line(&mut out, 1, "Kernel Version", &word(info, "KernelVersion"));
    line(
        &mut out,
        1,
        "Operating System",
        &word(info, "OperatingSystem"),
    );
    line(&mut out, 1, "OSType", &word(info, "OSType"));
    line(&mut out, 1, "Architecture", &word(info, "Architecture"));
    line(&mut out, 1, "CPUs", &word(info, "NCPU"));
    if let Some(memory) = info["MemTotal"].as_f64() {
        line(&mut out, 1, "Total Memory", &units::binary(memory));
    }
    line(&mut out, 1, "Name", &word(info, "Name"));
    line(&mut out, 1, "ID", &word(info, "ID"));
    line(&mut out, 1, "Docker Root Dir", &word(info, "DockerRootDir"));
    line(&mut out, 1, "Debug Mode", &word(info, "Debug"));
    line(&mut out, 1, "HTTP Proxy", &word(info, "HttpProxy"));
    line(&mut out, 1, "HTTPS Proxy", &word(info, "HttpsProxy"));
    line(&mut out, 1, "No Proxy", &word(info, "NoProxy"));
    line(
        &mut out,
        1,
        "Experimental",
        &word(info, "ExperimentalBuild"),
    );
    let registries = &info["RegistryConfig"];
    section(
        &mut out,
        "Insecure Registries",
        &each(&registries["InsecureRegistryCIDRs"]),
    );
    section(&mut out, "Registry Mirrors", &each(&registries["Mirrors"]));
    line(
        &mut out,
        1,
        "Live Restore Enabled",
        &word(info, "LiveRestoreEnabled"),
    );
    out
}

fn line(out: &mut String, indent: usize, name: &str, value: &str) {
    if !value.is_empty() {
        out.push_str(&format!("{:indent$}{name}: {value}\n", ""));
    }
}

/// A title, and what belongs to it on lines of its own; nothing where nothing does.
fn section(out: &mut String, title: &str, lines: &[String]) {
    let lines: Vec<_> = lines.iter().filter(|line| !line.is_empty()).collect();
    if !lines.is_empty() {
        out.push_str(&format!(" {title}:\n"));
    }
    for line in lines {
        out.push_str(&format!("  {line}\n"));
    }
}

fn each(value: &Value) -> Vec<String> {
    let words = value.as_array().into_iter().flatten();
    words.filter_map(Value::as_str).map(printable).collect()
}

fn list(value: &Value) -> String {
    each(value).join(" ")
}

/// `name=seccomp,profile=builtin` is "seccomp", and below it "Profile: builtin".
fn security(options: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for option in each(options) {
        for field in option.split(',') {
            lines.push(match field.split_once('=') {
                Some(("name", name)) => name.to_owned(),
                Some(("profile", profile)) => format!(" Profile: {profile}"),
                _ => field.to_owned(),
            });
        }
    }
    lines
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
