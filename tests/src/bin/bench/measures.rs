//! What is measured, and the table that it goes into.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    figures::{median, named, resident},
    peers::{Docker, Gantry, Peer, Podman, Restart, ask, quiet},
};

/// The rows of the result.
pub struct Table(Vec<Row>);

struct Row {
    what: String,
    goal: &'static str,
    gantry: f64,
    docker: Option<f64>,
    podman: Option<f64>,
    unit: &'static str,
}

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    fn add(&mut self, row: Row) {
        eprintln!("{}: {:.1} {}", row.what, row.gantry, row.unit);
        self.0.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "| what | gantry | docker | podman | gantry : docker | goal |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---|")?;
        for row in &self.0 {
            let cell = |value: Option<f64>| {
                value.map_or("–".to_owned(), |value| format!("{value:.1} {}", row.unit))
            };
            let ratio = row.docker.map_or("–".to_owned(), |docker| {
                format!("1 : {:.1}", docker / row.gantry)
            });
            writeln!(
                out,
                "| {} | {} | {} | {} | {ratio} | {} |",
                row.what,
                cell(Some(row.gantry)),
                cell(row.docker),
                cell(row.podman),
                row.goal
            )?;
        }
        Ok(())
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn timed(what: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    what()?;
    Ok(began.elapsed())
}

/// Measures the same work of several peers in turn, so that what disturbs the
/// machine disturbs all of them; gives the median of each.
fn in_turn(
    peers: &[&dyn Peer],
    rounds: usize,
    mut before: impl FnMut(&dyn Peer) -> Result<()>,
    mut work: impl FnMut(&dyn Peer) -> Result<()>,
) -> Result<Vec<f64>> {
    let mut times = vec![Vec::new(); peers.len()];
    for _ in 0..rounds {
        for (peer, times) in peers.iter().zip(&mut times) {
            before(*peer)?;
            times.push(timed(|| work(*peer)).with_context(|| peer.name())?);
        }
    }
    Ok(times
        .into_iter()
        .map(|times| milliseconds(median(times)))
        .collect())
}

/// `run --rm` of a tiny image by each one's command line.
pub fn run(
    table: &mut Table,
    gantry: &Gantry,
    docker: &Docker,
    podman: &Podman,
    rounds: usize,
) -> Result<()> {
    let work = |peer: &dyn Peer| {
        let mut command = peer.cli();
        command.args(["run", "--rm", "tiny:latest", "/bin/true"]);
        quiet(command)
    };
    let peers: [&dyn Peer; 3] = [gantry, docker, podman];
    for peer in peers {
        work(peer)?; // what is only slow the first time
    }
    let times = in_turn(&peers, rounds, |_| Ok(()), work)?;
    table.add(Row {
        what: "`run --rm` of a tiny image".into(),
        goal: "at most 1/8 of docker's",
        gantry: times[0],
        docker: Some(times[1]),
        podman: Some(times[2]),
        unit: "ms",
    });
    Ok(())
}

/// Pull of eight layers, 300 MB unpacked, from a registry on loopback.
pub fn pull(
    table: &mut Table,
    gantry: &Gantry,
    docker: &Docker,
    podman: &Podman,
    name: &str,
    rounds: usize,
) -> Result<()> {
    let peers: [&dyn Peer; 3] = [gantry, docker, podman];
    let forget = |peer: &dyn Peer| {
        let listed = peer.cli().args(["images", "-q", name]).output()?;
        if listed.stdout.is_empty() {
            return Ok(());
        }
        let mut command = peer.cli();
        command.args(["rmi", "-f", name]);
        quiet(command)?;
        rustix::fs::sync(); // what one peer left to the disk isn't the next one's burden
        Ok(())
    };
    let times = in_turn(&peers, rounds, forget, |peer| {
        let mut command = peer.cli();
        command.arg("pull");
        if peer.name() == "podman" {
            command.arg("--tls-verify=false");
        }
        command.args(["-q", name]);
        quiet(command)
    })?;
    table.add(Row {
        what: "pull of 8 layers, 300 MB".into(),
        goal: "at most 2/3 of docker's",
        gantry: times[0],
        docker: Some(times[1]),
        podman: Some(times[2]),
        unit: "ms",
    });
    Ok(())
}

/// Leaves containers behind that have run to their end.
pub fn end(peer: &dyn Peer, count: usize) -> Result<()> {
    let socket = peer.socket().context("a peer without a daemon")?;
    for _ in 0..count {
        let body = r#"{"Image":"tiny:latest","Cmd":["/bin/true"]}"#;
        let made = ask(socket, "POST", "/v1.40/containers/create", body)?;
        let made: serde_json::Value = serde_json::from_slice(&made)?;
        let id = made["Id"].as_str().context("create gives no id")?;
        ask(socket, "POST", &format!("/v1.40/containers/{id}/start"), "")?;
        ask(socket, "POST", &format!("/v1.40/containers/{id}/wait"), "")?;
    }
    Ok(())
}

/// Daemon start to first answer.
pub fn start(
    table: &mut Table,
    gantry: &mut Gantry,
    docker: &mut Docker,
    rounds: usize,
) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(gantry.restart()?);
        theirs.push(docker.restart()?);
    }
    table.add(Row {
        what: "engine start to first answer, 100 stopped containers".into(),
        goal: "under 100 ms",
        gantry: milliseconds(median(ours)),
        docker: Some(milliseconds(median(theirs))),
        podman: None,
        unit: "ms",
    });
    Ok(())
}

const MIB: f64 = 1024.0;

/// Memory of the idle daemon.
pub fn idle(table: &mut Table, gantry: &Gantry, docker: &Docker) -> Result<()> {
    let mut theirs = resident(docker.pid())?;
    for pid in named("containerd")? {
        theirs += resident(pid)?;
    }
    table.add(Row {
        what: "memory of the idle engine (docker: with containerd)".into(),
        goal: "at most 25 MB",
        gantry: resident(gantry.pid())? as f64 / MIB,
        docker: Some(theirs as f64 / MIB),
        podman: None,
        unit: "MiB",
    });
    Ok(())
}

/// Memory of what stays beside a running container.
pub fn shims(table: &mut Table, gantry: &Gantry, docker: &Docker, podman: &Podman) -> Result<()> {
    let beside = ["gantry-shim", "containerd-shim-runc-v2", "conmon"];
    let peers: [&dyn Peer; 3] = [gantry, docker, podman];
    let mut sizes = Vec::new();
    for (peer, name) in peers.iter().zip(beside) {
        let mut start = peer.cli();
        start.args([
            "run",
            "-d",
            "--name",
            "beside",
            "tiny:latest",
            "/bin/sleep",
            "1000",
        ]);
        quiet(start)?;
        let pids = named(name)?;
        ensure!(
            !pids.is_empty(),
            "no process {name} is beside a running container"
        );
        let mut size = 0;
        for pid in pids {
            size += resident(pid)?;
        }
        sizes.push(size as f64 / MIB);
        let mut remove = peer.cli();
        remove.args(["rm", "-f", "beside"]);
        quiet(remove)?;
    }
    table.add(Row {
        what: "memory of a shim".into(),
        goal: "at most 3 MB",
        gantry: sizes[0],
        docker: Some(sizes[1]),
        podman: Some(sizes[2]),
        unit: "MiB",
    });
    Ok(())
}

/// The list of all containers by the API.
pub fn list(
    table: &mut Table,
    gantry: &Gantry,
    docker: &Docker,
    count: usize,
    rounds: usize,
) -> Result<()> {
    let peers: [&dyn Peer; 2] = [gantry, docker];
    let times = in_turn(
        &peers,
        rounds,
        |_| Ok(()),
        |peer| {
            let socket = peer.socket().context("a peer without a daemon")?;
            let body = ask(socket, "GET", "/v1.40/containers/json?all=1", "")?;
            let seen = String::from_utf8_lossy(&body)
                .matches("\"ImageID\":")
                .count();
            ensure!(
                seen == count,
                "{} lists {seen} containers of {count}",
                peer.name()
            );
            Ok(())
        },
    )?;
    table.add(Row {
        what: format!("list of {count} containers"),
        goal: "at most 1/3 of docker's",
        gantry: times[0],
        docker: Some(times[1]),
        podman: None,
        unit: "ms",
    });
    Ok(())
}
