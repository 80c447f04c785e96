//! Watches a running container: takes its end, lets go of what it held, and starts it again where its policy says so.

use std::sync::Arc;
use std::time::Duration;

use gantry_api::models::{RestartPolicy, RestartPolicyNameEnum};
use gantry_runtime::{ClientError, Exit, ShimClient, shim};

use super::start::{self, By};
use super::{Container, Phase, Record, dirs, network, notes, remove};
use crate::state::Engine;

/// The first pause before a restart; it doubles up to [`LONGEST_PAUSE`].
pub const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After a run of this length the pauses begin anew.
const STEADY: time::Duration = time::Duration::seconds(10);

/// Begins to watch a container that runs.
pub fn watch(engine: &Arc<Engine>, container: &Arc<Container>) {
    let (engine, container) = (Arc::clone(engine), Arc::clone(container));
    tokio::spawn(async move { supervise(&engine, &container).await });
}

async fn supervise(engine: &Arc<Engine>, container: &Arc<Container>) {
    let exit = await_exit(engine, container).await;
    if ended(engine, container, exit).await == Next::Restart {
        restart_later(engine, container).await;
    }
}

/// Waits for the end, whatever becomes of the shim.
async fn await_exit(engine: &Engine, container: &Container) -> Exit {
    let dirs = dirs::of(&engine.config, &container.id());
    let client = ShimClient::new(dirs.clone());
    let mut pause = Duration::from_millis(100);
    loop {
        let failure = match client.exited().await {
            Ok(exit) => return exit,
            Err(ClientError::Gone) => match shim::reap_orphan(&dirs).await {
                Ok(exit) => return exit,
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        // Out of file descriptors, a full disk: the container's end must not be lost over it.
        tracing::warn!(container.id = %container.id(), failure, "can't learn how a container ended; trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What comes after an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Rest,
    /// Its policy starts it again.
    Restart,
}

/// Takes in how a container ended.
pub async fn ended(engine: &Arc<Engine>, container: &Arc<Container>, exit: Exit) -> Next {
    let turn = container.turn().await;
    let mut record = container.record();
    if record.removed || !record.state.phase.is_alive() {
        return Next::Rest;
    }
    start::undo(engine, &record).await;

    let ran = record
        .state
        .started_at
        .map(|started| exit.finished_at - started)
        .unwrap_or_default();
    let next = after(
        record.definition.host.restart_policy.as_ref(),
        &record,
        exit.code,
    );
    let auto_remove = record.definition.host.auto_remove == Some(true) && !record.state.kept;
    let state = &mut record.state;
    state.phase = if next == Next::Restart {
        Phase::Restarting
    } else {
        Phase::Exited
    };
    state.pid = None;
    state.exit_code = exit.code;
    state.oom_killed = exit.oom_killed;
    state.error = exit.error.clone().unwrap_or_default();
    state.finished_at = Some(exit.finished_at);
    state.exits += 1;
    state.endpoint = None;
    state.ports.clear();
    if ran >= STEADY {
        container.backoff_reset();
    }
    // One that goes at once needs no note of its end: a crash here leaves it to the next start of the engine.
    if !auto_remove && let Err(error) = start::save(engine, &record).await {
        tracing::error!(container.id = %record.id(), %error, "an end couldn't be recorded; exit.json still has it");
    }
    container.set(&turn, record.clone());
    if exit.oom_killed {
        notes::publish(engine, &record, "oom", &[]);
    }
    if let Some(network) = network::Mode::of(&record.definition).network() {
        notes::publish_network(engine, &record, "disconnect", network);
    }
    notes::publish_unmounts(engine, &record);
    let more = [
        ("execDuration", ran.whole_seconds().max(0).to_string()),
        ("exitCode", exit.code.to_string()),
    ];
    notes::publish(engine, &record, "die", &more);
    engine.execs.forget_of(record.id());
    if auto_remove && let Err(error) = remove::remove_in_turn(engine, container, &turn, true).await
    {
        tracing::error!(container.id = %record.id(), %error, "an ended container wasn't removed");
    }
    next
}

/// What the policy says after an end with `code`.
pub fn after(policy: Option<&RestartPolicy>, record: &Record, code: i32) -> Next {
    let Some(policy) = policy else {
        return Next::Rest;
    };
    let most = policy.maximum_retry_count.unwrap_or(0);
    let again = match policy.name.unwrap_or(RestartPolicyNameEnum::NO) {
        RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO => false,
        RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED => true,
        RestartPolicyNameEnum::ON_FAILURE => {
            code != 0 && (most == 0 || i64::from(record.state.restart_count) < most)
        }
    };
    if again && !record.state.stopped_by_hand {
        Next::Restart
    } else {
        Next::Rest
    }
}

/// Waits and starts it again, unless somebody changes its phase meanwhile.
async fn restart_later(engine: &Arc<Engine>, container: &Arc<Container>) {
    let pause = container.backoff_next();
    let mut changes = container.watch();
    let changed =
        changes.wait_for(|record| record.removed || record.state.phase != Phase::Restarting);
    if tokio::time::timeout(pause, changed).await.is_ok() {
        return;
    }
    restart_now(engine, container).await;
}

/// Starts a container that waits for its restart.
pub async fn restart_now(engine: &Arc<Engine>, container: &Arc<Container>) {
    let turn = container.turn().await;
    let record = container.record();
    if record.removed || record.state.phase != Phase::Restarting {
        return;
    }
    if let Err(error) = start::start_in_turn(engine, container, &turn, By::Policy).await {
        tracing::warn!(container.id = %record.id(), %error, "a restart failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::ContainerId;
    use crate::containers::record::tests::record;

    fn policy(name: RestartPolicyNameEnum, most: i64) -> RestartPolicy {
        RestartPolicy {
            name: Some(name),
            maximum_retry_count: Some(most),
        }
    }

    #[test]
    fn policies() {
        use Next::{Rest, Restart};
        use RestartPolicyNameEnum as P;
        let cases = [
            (policy(P::NO, 0), 1, 0, false, Rest),
            (policy(P::ALWAYS, 0), 0, 9, false, Restart),
            (policy(P::ALWAYS, 0), 0, 0, true, Rest),
            (policy(P::UNLESS_STOPPED, 0), 1, 0, false, Restart),
            (policy(P::UNLESS_STOPPED, 0), 1, 0, true, Rest),
            (policy(P::ON_FAILURE, 0), 1, 99, false, Restart),
            (policy(P::ON_FAILURE, 0), 0, 0, false, Rest),
            (policy(P::ON_FAILURE, 3), 1, 2, false, Restart),
            (policy(P::ON_FAILURE, 3), 1, 3, false, Rest),
        ];
        for (policy, code, restarts, by_hand, next) in cases {
            let mut record = record(&ContainerId::random(), "web");
            record.state.restart_count = restarts;
            record.state.stopped_by_hand = by_hand;
            assert_eq!(
                after(Some(&policy), &record, code),
                next,
                "{policy:?} {code} {restarts} {by_hand}"
            );
        }
        assert_eq!(after(None, &record(&ContainerId::random(), "web"), 1), Rest);
    }
}
