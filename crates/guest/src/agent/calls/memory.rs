//! Giving memory back: what only caches files becomes free, and free pages are reported to the
//! host by the balloon.
//!
//! By `memory.reclaim` of the root cgroup: the kernel lets go of what was least used, and
//! is told how much, so that what is in use all the time stays. `drop_caches`, for kernels without
//! it, takes everything that isn't mapped, and the next container start reads it all again.

use std::io;

use gantry_tunnel::agent::AgentReply;

use super::figures::Memory;

const RECLAIM: &str = "/sys/fs/cgroup/memory.reclaim";
const DROP: &str = "/proc/sys/vm/drop_caches";
/// What stays cached: the engine, the agent, and what they look at.
const KEPT: u64 = 64 * 1024 * 1024;

pub fn reclaim() -> io::Result<AgentReply> {
    // What isn't on the disk yet can't be let go of.
    rustix::fs::sync();
    let before = Memory::read()?;
    let amount = amount(&before);
    if amount > 0 {
        match std::fs::write(RECLAIM, amount.to_string()) {
            Ok(()) => {}
            // Less than that could be had.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::write(DROP, "3")?,
            Err(error) => return Err(error),
        }
    }
    Ok(AgentReply::Reclaimed {
        free_before: before.free,
        free_after: Memory::read()?.free,
    })
}

fn amount(memory: &Memory) -> u64 {
    let files = memory.cached.saturating_sub(memory.shared);
    (files + memory.slab).saturating_sub(KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nowhere_else_and_a_little_more_stays() {
        let mib = 1024 * 1024;
        let memory = Memory {
            cached: 500 * mib,
            shared: 100 * mib,
            slab: 30 * mib,
            ..Memory::default()
        };
        assert_eq!(amount(&memory), 366 * mib);
        assert_eq!(amount(&Memory::default()), 0);
    }
}
