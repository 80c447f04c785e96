//! `docker update`: limits and the restart policy of a container, running or not.

use std::sync::Arc;

use gantry_api::models::{ContainerUpdateBody, HostConfig, RestartPolicyNameEnum};

use super::{Container, Record, create, freezer, notes};
use crate::error::{Error, Result};
use crate::state::{Engine, off_reactor};
use crate::store;

/// Changes what `body` names. Zeroes and empty strings leave things as they are, as the docker CLI sends them.
pub async fn update(
    engine: &Arc<Engine>,
    container: &Arc<Container>,
    body: ContainerUpdateBody,
) -> Result<()> {
    let turn = container.turn().await;
    let record = container.record();
    if record.removed {
        return Err(Error::not_found(format!(
            "No such container: {}",
            record.id()
        )));
    }
    let mut definition = (*record.definition).clone();
    apply(&mut definition.host, body)?;
    create::check_resources(&definition.host)?;
    let alive = record.state.phase.is_alive();
    if alive {
        let group = freezer::cgroup(engine, &record);
        let limits = create::runtime_resources(&definition.host)?;
        off_reactor(move || group.update(&limits)).await??;
    }
    let definition = Arc::new(definition);
    let row = Arc::clone(&definition);
    engine
        .store
        .write(move |transaction| store::containers::set_definition(transaction, &row))
        .await?;
    let record = Record {
        definition,
        ..record
    };
    container.set(&turn, record.clone());
    notes::publish(engine, &record, "update", &[]);
    Ok(())
}

fn apply(host: &mut HostConfig, body: ContainerUpdateBody) -> Result<()> {
    let number = |field: &mut Option<i64>, new: Option<i64>| {
        if let Some(new) = new.filter(|new| *new != 0) {
            *field = Some(new);
        }
    };
    let text = |field: &mut Option<String>, new: Option<String>| {
        if let Some(new) = new.filter(|new| !new.is_empty()) {
            *field = Some(new);
        }
    };
    if body.cpu_period.is_some_and(|period| period != 0)
        || body.cpu_quota.is_some_and(|quota| quota != 0)
    {
        host.nano_cpus = None;
    }
    if body.nano_cpus.is_some_and(|nano| nano != 0) {
        host.cpu_period = None;
        host.cpu_quota = None;
    }
    // Raising the memory above an old limit of memory and swap needs the new one too, as dockerd says.
    if let Some(memory) = body.memory.filter(|memory| *memory != 0)
        && body.memory_swap.unwrap_or(0) == 0
        && host
            .memory_swap
            .is_some_and(|swap| swap > 0 && swap < memory)
    {
        return Err(Error::conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ));
    }
    number(&mut host.memory, body.memory);
    number(&mut host.memory_swap, body.memory_swap);
    number(&mut host.memory_reservation, body.memory_reservation);
    number(&mut host.cpu_shares, body.cpu_shares);
    number(&mut host.cpu_period, body.cpu_period);
    number(&mut host.cpu_quota, body.cpu_quota);
    number(&mut host.cpu_realtime_period, body.cpu_realtime_period);
    number(&mut host.cpu_realtime_runtime, body.cpu_realtime_runtime);
    number(&mut host.nano_cpus, body.nano_cpus);
    number(&mut host.pids_limit, body.pids_limit);
    text(&mut host.cpuset_cpus, body.cpuset_cpus);
    text(&mut host.cpuset_mems, body.cpuset_mems);
    if let Some(weight) = body.blkio_weight.filter(|weight| *weight != 0) {
        host.blkio_weight = Some(weight);
    }
    if let Some(policy) = body.restart_policy
        && !matches!(policy.name, None | Some(RestartPolicyNameEnum::EMPTY))
    {
        if host.auto_remove == Some(true) && policy.name != Some(RestartPolicyNameEnum::NO) {
            return Err(Error::invalid(
                "Restart policy cannot be updated because AutoRemove is enabled for the container",
            ));
        }
        let retries = policy.maximum_retry_count.unwrap_or(0);
        if retries < 0 || (retries > 0 && policy.name != Some(RestartPolicyNameEnum::ON_FAILURE)) {
            return Err(Error::invalid(
                "invalid restart policy: maximum retry count can only be used with 'on-failure'",
            ));
        }
        host.restart_policy = Some(policy);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeroes_change_nothing_and_conflicts_are_told() {
        let mut host = HostConfig {
            memory: Some(64 << 20),
            memory_swap: Some(128 << 20),
            ..HostConfig::default()
        };
        let before = host.clone();
        apply(
            &mut host,
            ContainerUpdateBody {
                memory: Some(0),
                cpuset_cpus: Some(String::new()),
                ..Default::default()
            },
        )
        .unwrap();
        assert_eq!(host, before);
        let more = ContainerUpdateBody {
            memory: Some(256 << 20),
            ..Default::default()
        };
        assert!(matches!(apply(&mut host, more), Err(Error::Conflict(_))));
        apply(
            &mut host,
            ContainerUpdateBody {
                nano_cpus: Some(500_000_000),
                ..Default::default()
            },
        )
        .unwrap();
        assert_eq!(
            (host.nano_cpus, host.memory),
            (Some(500_000_000), Some(64 << 20))
        );
    }
}
