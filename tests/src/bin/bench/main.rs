//! Measures Gantry beside Debian's docker.io and podman, in turn, on this
//! machine, and prints a Markdown table with ratios. Everything runs in a
//! network and a mount namespace of its own, with roots in one temporary
//! folder: a Docker that the machine has isn't touched.
//!
//! It measures release programs: `target/release/{gantryd,gantry}`.

mod figures;
mod image;
mod measures;
mod peers;
mod table;

use std::{
    env,
    path::PathBuf,
    process::{Command, exit},
};

use anyhow::{Context, Result, bail, ensure};
use peers::{Docker, Gantry, Peer, Podman, Registry};
use table::Table;

/// Set in the process that runs inside the namespaces.
const INSIDE: &str = "GANTRY_BENCH_INSIDE";

fn main() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "containers are started: run this as root"
    );
    if env::var_os(INSIDE).is_none() {
        let own = env::current_exe().context("finding this program")?;
        let status = Command::new("unshare")
            .args([
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "--propagation",
                "private",
            ])
            .arg(own)
            .args(env::args_os().skip(1))
            .env(INSIDE, "1")
            .env_remove("DOCKER_HOST")
            .status()
            .context("entering namespaces with unshare")?;
        exit(status.code().unwrap_or(1));
    }
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()?;
    ensure!(up.success(), "the loopback interface can't be set up");
    measure()
}

/// Where the release programs are: beside this one.
fn programs() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let folder = own
        .parent()
        .context("this program lies in no folder")?
        .to_owned();
    for program in ["gantryd", "gantry", "gantry-shim", "gantry-proxy"] {
        if !folder.join(program).exists() {
            bail!(
                "{program} is not in {}: build it first (make build)",
                folder.display()
            );
        }
    }
    Ok(folder)
}

fn measure() -> Result<()> {
    let quick = env::args().any(|word| word == "--quick");
    let (rounds, stopped, listed) = if quick { (5, 10, 20) } else { (20, 100, 500) };
    let work = tempfile::Builder::new().prefix("gantry-bench.").tempdir()?;
    let programs = programs()?;

    let mut gantry = Gantry::start(&programs, work.path())?;
    let mut docker = Docker::start(work.path())?;
    let podman = Podman::new(work.path())?;
    let tiny = image::tiny(work.path())?;
    for peer in [&gantry as &dyn Peer, &docker, &podman] {
        peer.import(&tiny, "tiny:latest")?;
    }

    // Said first: who compares what can't be compared is told at once.
    let machine = figures::machine(&gantry, &docker, &podman)?;
    let mut table = Table::default();
    measures::run(&mut table, &gantry, &docker, &podman, rounds)?;

    let registry = Registry::start(work.path())?;
    let big = image::layered(work.path())?;
    let name = registry.fill(&docker, &big)?;
    measures::pull(
        &mut table,
        &gantry,
        &docker,
        &podman,
        &name,
        if quick { 1 } else { 3 },
    )?;

    measures::shims(&mut table, &gantry, &docker, &podman)?;
    for peer in [&gantry as &dyn Peer, &docker] {
        measures::end(peer, stopped)?;
    }
    measures::start(
        &mut table,
        &mut gantry,
        &mut docker,
        stopped,
        if quick { 2 } else { 5 },
    )?;
    for peer in [&gantry as &dyn Peer, &docker] {
        measures::end(peer, listed - stopped)?;
    }
    measures::list(&mut table, &gantry, &docker, listed, rounds)?;
    measures::idle(&mut table, &gantry, &docker, listed)?;

    println!("{machine}");
    println!("{table}");
    Ok(())
}
