//! Health checks: a probe run in the container again and again, by exec.
//!
//! What a check found is told by inspect, list and events, and lives in memory only: after a restart of the engine a
//! container is `starting` again, as with dockerd.

use std::sync::Arc;
use std::time::Duration;

use gantry_api::models::HealthConfig;
use gantry_runtime::{AttachOptions, ClientError, ExecSpec, ShimClient};
use time::OffsetDateTime;
use tokio::io::AsyncReadExt as _;

use super::{Container, Phase, Record, dirs, notes};
use crate::state::Engine;

/// How many results are kept.
const KEPT: usize = 5;
/// Most output kept of one probe, in bytes.
const OUTPUT: usize = 4096;

/// What checks have found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Where it stands.
    pub status: Status,
    /// Failures in a row.
    pub streak: u32,
    /// The latest results, oldest first.
    pub log: Vec<Probe>,
}

/// Where a container's health stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    /// Not known yet.
    #[default]
    Starting,
    /// The last probe succeeded.
    Healthy,
    /// Too many failed in a row.
    Unhealthy,
}

impl Status {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Starting => "starting",
            Status::Healthy => "healthy",
            Status::Unhealthy => "unhealthy",
        }
    }
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// When it began.
    pub start: OffsetDateTime,
    /// When it ended.
    pub end: OffsetDateTime,
    /// 0 is success; -1 is one that didn't end in time.
    pub code: i32,
    /// The beginning of what it wrote.
    pub output: String,
}

/// How to check.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    args: Vec<String>,
    interval: Duration,
    timeout: Duration,
    start_period: Duration,
    start_interval: Duration,
    retries: u32,
}

fn plan(record: &Record) -> Option<Plan> {
    let health: &HealthConfig = record.definition.config.healthcheck.as_ref()?;
    let args = match health.test.as_deref()? {
        [kind, rest @ ..] if kind == "CMD" => rest.to_vec(),
        [kind, rest @ ..] if kind == "CMD-SHELL" => {
            let shell = record
                .definition
                .config
                .shell
                .clone()
                .filter(|shell| !shell.is_empty());
            let mut args = shell.unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
            args.push(rest.join(" "));
            args
        }
        _ => return None,
    };
    if args.is_empty() {
        return None;
    }
    let span = |nanos: Option<i64>, default: u64| match nanos
        .and_then(|nanos| u64::try_from(nanos).ok())
    {
        None | Some(0) => Duration::from_secs(default),
        Some(nanos) => Duration::from_nanos(nanos),
    };
    Some(Plan {
        args,
        interval: span(health.interval, 30),
        timeout: span(health.timeout, 30),
        start_period: span(health.start_period, 0),
        start_interval: span(health.start_interval, 5),
        retries: health
            .retries
            .and_then(|retries| u32::try_from(retries).ok())
            .filter(|retries| *retries > 0)
            .unwrap_or(3),
    })
}

/// Begins to check a container that was just started, if it has a check.
pub fn begin(engine: &Arc<Engine>, container: &Arc<Container>) {
    let record = container.record();
    let Some(plan) = plan(&record) else {
        return;
    };
    let (engine, container) = (Arc::clone(engine), Arc::clone(container));
    tokio::spawn(async move { check(&engine, &container, &plan, record.state.exits).await });
}

/// Checks the run that is followed by the `exits`th end.
async fn check(engine: &Arc<Engine>, container: &Arc<Container>, plan: &Plan, exits: u64) {
    if !note(engine, container, exits, Health::default()).await {
        return;
    }
    let started = tokio::time::Instant::now();
    let mut health = Health::default();
    loop {
        let young = started.elapsed() < plan.start_period;
        let pause = if young && health.status == Status::Starting {
            plan.start_interval.min(plan.interval)
        } else {
            plan.interval
        };
        let mut changes = container.watch();
        let is_over = |record: &Record| record.removed || record.state.exits != exits;
        let over = tokio::time::timeout(pause, changes.wait_for(is_over))
            .await
            .is_ok();
        if over {
            return;
        }
        if container.with(|record| record.state.phase == Phase::Paused) {
            continue;
        }
        let probe = probe(engine, container, plan).await;
        let young = started.elapsed() < plan.start_period;
        health = judge(health, probe, young, plan.retries);
        if !note(engine, container, exits, health.clone()).await {
            return;
        }
    }
}

/// What a probe's result makes of a container's health.
fn judge(mut health: Health, probe: Probe, young: bool, retries: u32) -> Health {
    if probe.code == 0 {
        health.streak = 0;
        health.status = Status::Healthy;
    } else if !(young && health.status == Status::Starting) {
        health.streak = health.streak.saturating_add(1);
        if health.streak >= retries {
            health.status = Status::Unhealthy;
        }
    }
    health.log.push(probe);
    if health.log.len() > KEPT {
        health.log.remove(0);
    }
    health
}

/// Notes what was found; false when the run that was checked is over.
async fn note(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    exits: u64,
    health: Health,
) -> bool {
    let turn = container.turn().await;
    let mut record = container.record();
    if record.removed || record.state.exits != exits || !record.state.phase.is_alive() {
        return false;
    }
    let before = record.state.health.as_ref().map(|health| health.status);
    let status = health.status;
    record.state.health = Some(Arc::new(health));
    container.set(&turn, record.clone());
    if before != Some(status) && status != Status::Starting {
        notes::publish(
            engine,
            &record,
            format!("health_status: {}", status.as_str()),
            &[],
        );
    }
    true
}

async fn probe(engine: &Arc<Engine>, container: &Arc<Container>, plan: &Plan) -> Probe {
    let start = OffsetDateTime::now_utc();
    let client = ShimClient::new(dirs::of(&engine.config, &container.id()));
    let id = crate::exec::new_id();
    let exec = ExecSpec {
        id: id.clone(),
        args: plan.args.clone(),
        attach: AttachOptions {
            stdin: false,
            stdout: true,
            stderr: true,
        },
        tty: false,
        ..ExecSpec::default()
    };
    let mut text = Vec::new();
    let run = run(&client, &exec, &mut text);
    let (code, output) = match tokio::time::timeout(plan.timeout, run).await {
        Ok(Ok(code)) => (code, payload(&text)),
        Ok(Err(error)) => (1, error.to_string()),
        Err(_) => {
            let seconds = plan.timeout.as_secs_f64();
            (
                -1,
                format!(
                    "Health check exceeded timeout ({seconds}s): {}",
                    payload(&text)
                ),
            )
        }
    };
    Probe {
        start,
        end: OffsetDateTime::now_utc(),
        code,
        output,
    }
}

async fn run(client: &ShimClient, exec: &ExecSpec, text: &mut Vec<u8>) -> Result<i32, ClientError> {
    let started = client.exec(exec).await?;
    let mut guard = KillOnDrop {
        pid: Some(started.pid),
    };
    if let Some(stream) = started.stream {
        let (mut output, stdin) = (stream.output, stream.stdin);
        drop(stdin);
        let mut buffer = [0_u8; 4096];
        loop {
            let read = output.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            let room = (2 * OUTPUT).saturating_sub(text.len());
            text.extend_from_slice(&buffer[..read.min(room)]);
        }
    }
    let code = client.exec_exited(&exec.id).await?;
    guard.pid = None;
    Ok(code)
}

/// Ends a probe that is given up.
struct KillOnDrop {
    pid: Option<u32>,
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // The shim has not reaped it as far as we know; a number that went to another is all but impossible within
        // the moment between an exit and hearing of it.
        let pid = self
            .pid
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The text in Docker's frames, cut to what is kept.
fn payload(frames: &[u8]) -> String {
    let mut decoder = gantry_api::FrameDecoder::new(1 << 20);
    decoder.feed(frames);
    let mut text = Vec::new();
    while let Ok(Some(frame)) = decoder.next_frame() {
        text.extend_from_slice(&frame.payload);
    }
    text.truncate(OUTPUT);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(code: i32) -> Probe {
        Probe {
            start: OffsetDateTime::UNIX_EPOCH,
            end: OffsetDateTime::UNIX_EPOCH,
            code,
            output: String::new(),
        }
    }

    #[test]
    fn failures_in_a_row_make_it_unhealthy_and_a_success_healthy() {
        let mut health = Health::default();
        for (code, young, status, streak) in [
            (1, true, Status::Starting, 0),
            (1, false, Status::Starting, 1),
            (0, false, Status::Healthy, 0),
            (1, false, Status::Healthy, 1),
            (-1, false, Status::Unhealthy, 2),
            (0, false, Status::Healthy, 0),
        ] {
            health = judge(health, result(code), young, 2);
            assert_eq!(
                (health.status, health.streak),
                (status, streak),
                "after {code}"
            );
        }
        assert_eq!(health.log.len(), KEPT);
    }
}
