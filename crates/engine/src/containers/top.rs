//! `docker top`: the host's `ps`, cut down to the container's processes.

use std::collections::HashSet;
use std::sync::Arc;

use gantry_api::models::ContainerTopResponse;
use tokio::process::Command;

use super::{Container, Phase, freezer};
use crate::error::{Error, Result};
use crate::state::{Engine, off_reactor};

/// Lists the processes, with `ps`'s arguments as they were given.
pub async fn top(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    arguments: &str,
) -> Result<ContainerTopResponse> {
    let record = container.record();
    match record.state.phase {
        Phase::Running | Phase::Paused => {}
        Phase::Restarting => {
            return Err(Error::conflict(format!(
                "Container {} is restarting, wait until the container is running",
                record.id()
            )));
        }
        _ => {
            return Err(Error::conflict(format!(
                "Container {} is not running",
                record.id()
            )));
        }
    }
    let arguments = if arguments.trim().is_empty() {
        "-ef"
    } else {
        arguments
    };
    let group = freezer::cgroup(engine, &record);
    let pids: HashSet<u32> = off_reactor(move || group.pids())
        .await??
        .into_iter()
        .collect();
    let output = Command::new("ps")
        .args(arguments.split_whitespace())
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LC_ALL", "C.UTF-8")
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Unavailable(
                "the engine's machine has no ps, which lists processes: install the package procps"
                    .to_owned(),
            ),
            _ => Error::io("can't run ps on this machine")(source),
        })?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        let why = why.trim().lines().next().unwrap_or("it failed");
        return Err(Error::invalid(format!(
            "error running ps: {}",
            why.escape_debug()
        )));
    }
    parse(&String::from_utf8_lossy(&output.stdout), &pids)
}

fn parse(text: &str, pids: &HashSet<u32>) -> Result<ContainerTopResponse> {
    let mut lines = text.lines();
    let titles: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let column = titles
        .iter()
        .position(|title| title == "PID")
        .ok_or_else(|| Error::invalid("Couldn't find PID field in ps output"))?;
    let mut processes = Vec::new();
    for line in lines {
        let mut fields: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let Some(pid) = fields
            .get(column)
            .and_then(|field| field.parse::<u32>().ok())
        else {
            continue;
        };
        if !pids.contains(&pid) {
            continue;
        }
        // The last column is a command line, with blanks of its own.
        if fields.len() > titles.len() {
            let rest = fields.split_off(titles.len() - 1).join(" ");
            fields.push(rest);
        }
        processes.push(fields);
    }
    Ok(ContainerTopResponse {
        titles: Some(titles),
        processes: Some(processes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_container_s_processes_and_whole_commands() {
        let text = "UID PID PPID CMD\nroot 1 0 /sbin/init splash\nroot 77 1 sh -c sleep 9\n";
        let top = parse(text, &[77].into()).unwrap();
        assert_eq!(
            top.processes.unwrap(),
            [["root", "77", "1", "sh -c sleep 9"]]
        );
        assert!(parse("UID CMD\n", &HashSet::new()).is_err());
    }
}
