//! `version`.

use clap::Args;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::Result;
use crate::flags::format::ObjectFormat;
use crate::output::time::Clock;
use crate::output::{self, printable};

/// Show the version information
#[derive(Debug, Args)]
pub struct Version {
    #[command(flatten)]
    format: ObjectFormat,
}

impl Version {
    /// Runs the verb. Without an engine the client's part is shown, and then the error.
    pub async fn run(self, app: &App) -> Result<()> {
        let template = self.format.template()?;
        let server = match app.daemon() {
            Ok(daemon) => daemon.get_json("/version", &[]).await,
            Err(error) => Err(error),
        };
        let (server, failed) = match server {
            Ok(server) => (server, None),
            Err(error) => (Value::Null, Some(error)),
        };
        let all = json!({"Client": client(app), "Server": server});
        match &template {
            Some(template) => match template.render(&all) {
                Ok(text) => output::line(text)?,
                // It asks for what only the engine knows.
                Err(_) if failed.is_some() => {}
                Err(error) => return Err(error.into()),
            },
            None => output::print(&text(&all, &app.clock()))?,
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// This program, in the fields that docker's client has.
pub fn client(app: &App) -> Value {
    let context = app.wishes.context_name(&app.config);
    let api = app
        .daemon()
        .map_or(gantry_api::ApiVersion::MAX, |daemon| daemon.version());
    json!({
        "Platform": {"Name": "Gantry"},
        "Version": env!("CARGO_PKG_VERSION"),
        "ApiVersion": api.to_string(),
        "DefaultAPIVersion": gantry_api::ApiVersion::MAX.to_string(),
        "Os": std::env::consts::OS,
        "Arch": go_arch(std::env::consts::ARCH),
        "Context": context.unwrap_or_default(),
    })
}

/// Architectures as Go calls them.
fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn text(all: &Value, clock: &Clock) -> String {
    let client = &all["Client"];
    let mut out = String::from("Client: Gantry\n");
    let mut line = |indent: &str, name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("{indent}{name:<19}{value}\n"));
        }
    };
    line(" ", "Version:", word(client, "Version"));
    line(" ", "API version:", word(client, "ApiVersion"));
    line(" ", "OS/Arch:", pair(client, "Os", "Arch"));
    line(" ", "Context:", word(client, "Context"));
    let server = &all["Server"];
    if server.is_null() {
        return out;
    }
    let platform = word(&server["Platform"], "Name");
    out.push_str(&format!(
        "\nServer: {}\n",
        if platform.is_empty() {
            "Docker Engine"
        } else {
            &platform
        }
    ));
    let engine = json!([{"Name": "Engine", "Version": server["Version"], "Details": {
        "ApiVersion": server["ApiVersion"], "MinAPIVersion": server["MinAPIVersion"], "GoVersion": server["GoVersion"],
        "GitCommit": server["GitCommit"], "BuildTime": server["BuildTime"], "Os": server["Os"], "Arch": server["Arch"],
        "Experimental": server["Experimental"].as_bool().unwrap_or(false).to_string(),
    }}]);
    let components = server["Components"]
        .as_array()
        .filter(|components| !components.is_empty());
    for component in components.or(engine.as_array()).into_iter().flatten() {
        let details = &component["Details"];
        out.push_str(&format!(" {}:\n", word(component, "Name")));
        let mut line = |name: &str, value: String| {
            if !value.is_empty() {
                out.push_str(&format!("  {name:<17}{value}\n"));
            }
        };
        line("Version:", word(component, "Version"));
        let mut api = word(details, "ApiVersion");
        let oldest = word(details, "MinAPIVersion");
        if !oldest.is_empty() {
            api = format!("{api} (minimum version {oldest})");
        }
        line("API version:", api);
        line("Go version:", word(details, "GoVersion"));
        line("Git commit:", word(details, "GitCommit"));
        line("Built:", clock.ctime(&word(details, "BuildTime")));
        line("OS/Arch:", pair(details, "Os", "Arch"));
        line("Experimental:", word(details, "Experimental"));
    }
    out
}

fn word(value: &Value, name: &str) -> String {
    printable(value[name].as_str().unwrap_or_default())
}

fn pair(value: &Value, first: &str, second: &str) -> String {
    match (word(value, first), word(value, second)) {
        (first, second) if first.is_empty() && second.is_empty() => String::new(),
        (first, second) => format!("{first}/{second}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text() {
        let all = json!({
            "Client": {"Version": "0.1.0", "ApiVersion": "1.47", "Os": "linux", "Arch": "amd64", "Context": "default"},
            "Server": {
                "Platform": {"Name": "Gantry"}, "Version": "0.1.0", "ApiVersion": "1.47",
                "Components": [
                    {"Name": "Engine", "Version": "0.1.0", "Details": {
                        "ApiVersion": "1.47", "MinAPIVersion": "1.24", "BuildTime": "2026-11-24T16:00:00Z",
                        "Os": "linux", "Arch": "amd64", "Experimental": "false"}},
                    {"Name": "runc", "Version": "1.2", "Details": {"GitCommit": "abc"}}
                ]
            }
        });
        insta::assert_snapshot!(text(&all, &Clock::fixed(0)));
        let old = json!({"Client": {}, "Server": {"Version": "20.10", "ApiVersion": "1.41", "Os": "linux", "Arch": "arm64"}});
        insta::assert_snapshot!(text(&old, &Clock::fixed(0)));
    }
}
