//! What is measured.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::{
    figures::{median, named, resident},
    peers::{Docker, Gantry, Peer, Podman, Restart, ask, quiet},
    table::{Goal, Row, Table},
};

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Measures the same work of several peers in turn, another one first each round, so that what disturbs the machine
/// disturbs all of them. Before each, what earlier work left to the disk is written, untimed. Gives the median of each
/// peer's times, and of the times until what it did is on disk as well.
fn in_turn(
    peers: &[&dyn Peer],
    rounds: usize,
    mut before: impl FnMut(&dyn Peer) -> Result<()>,
    mut work: impl FnMut(&dyn Peer) -> Result<()>,
) -> Result<Vec<Medians>> {
    let mut times = vec![(Vec::new(), Vec::new()); peers.len()];
    for round in 0..rounds {
        for place in 0..peers.len() {
            let turn = (round + place) % peers.len();
            let peer = peers[turn];
            before(peer)?;
            rustix::fs::sync();
            let began = Instant::now();
            work(peer).with_context(|| peer.name())?;
            times[turn].0.push(began.elapsed());
            rustix::fs::sync();
            times[turn].1.push(began.elapsed());
        }
    }
    let medians = times.into_iter().map(|(answered, on_disk)| Medians {
        answered: milliseconds(median(answered)),
        on_disk: milliseconds(median(on_disk)),
    });
    Ok(medians.collect())
}

struct Medians {
    answered: f64,
    on_disk: f64,
}

impl Row {
    /// Times until each peer has answered, or until another moment: ours, docker's, and podman's where it has such a
    /// thing.
    fn times(
        what: impl Into<String>,
        goal: Goal,
        times: &[Medians],
        until: impl Fn(&Medians) -> f64,
    ) -> Self {
        Self {
            what: what.into(),
            goal,
            gantry: until(&times[0]),
            docker: until(&times[1]),
            podman: times.get(2).map(until),
            unit: "ms",
        }
    }
}

fn answered(medians: &Medians) -> f64 {
    medians.answered
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
    table.add(Row::times(
        "`run --rm` of a tiny image",
        Goal::OfDocker {
            said: "1/8",
            share: 1.0 / 8.0,
        },
        &times,
        answered,
    ));
    Ok(())
}

/// Pull of eight layers, 300 MB unpacked, from a registry on loopback that has them in the page cache.
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
        quiet(command)
    };
    let work = |peer: &dyn Peer| {
        let mut command = peer.cli();
        command.arg("pull");
        if peer.name() == "podman" {
            command.arg("--tls-verify=false");
        }
        command.args(["-q", name]);
        quiet(command)
    };
    for peer in peers {
        work(peer)?; // the registry's blobs come from the disk the first time
    }
    let times = in_turn(&peers, rounds, forget, work)?;
    table.add(Row::times(
        "pull of 8 layers, 300 MB",
        Goal::OfDocker {
            said: "2/3",
            share: 2.0 / 3.0,
        },
        &times,
        answered,
    ));
    table.add(Row::times(
        "the same, until all of it is on disk (`sync`)",
        Goal::None,
        &times,
        |medians| medians.on_disk,
    ));
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
    stopped: usize,
    rounds: usize,
) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(gantry.restart()?);
        theirs.push(docker.restart()?);
    }
    table.add(Row {
        what: format!(
            "engine start to first answer, {stopped} stopped containers (docker: with containerd)"
        ),
        goal: Goal::AtMost(100.0),
        gantry: milliseconds(median(ours)),
        docker: milliseconds(median(theirs)),
        podman: None,
        unit: "ms",
    });
    Ok(())
}

/// The kernel counts in units of 1024; the goals are in millions of bytes.
fn megabytes(kibibytes: u64) -> f64 {
    kibibytes as f64 * 1024.0 / 1e6
}

/// Memory of the idle daemon, with so many stopped containers.
pub fn idle(table: &mut Table, gantry: &Gantry, docker: &Docker, containers: usize) -> Result<()> {
    let mut theirs = resident(docker.pid())?;
    for pid in named("containerd")? {
        theirs += resident(pid)?;
    }
    table.add(Row {
        what: format!(
            "memory of the idle engine after all this, {containers} stopped containers (docker: with containerd)"
        ),
        goal: Goal::AtMost(25.0),
        gantry: megabytes(resident(gantry.pid())?),
        docker: megabytes(theirs),
        podman: None,
        unit: "MB",
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
        start.args(["run", "-d", "--name", "beside"]);
        start.args(["tiny:latest", "/bin/sleep", "1000"]);
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
        sizes.push(megabytes(size));
        let mut remove = peer.cli();
        remove.args(["rm", "-f", "beside"]);
        quiet(remove)?;
    }
    table.add(Row {
        what: "memory of a shim".into(),
        goal: Goal::AtMost(3.0),
        gantry: sizes[0],
        docker: sizes[1],
        podman: Some(sizes[2]),
        unit: "MB",
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
    let work = |peer: &dyn Peer| {
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
    };
    let times = in_turn(&peers, rounds, |_| Ok(()), work)?;
    table.add(Row::times(
        format!("list of {count} containers"),
        Goal::OfDocker {
            said: "1/3",
            share: 1.0 / 3.0,
        },
        &times,
        answered,
    ));
    Ok(())
}
