//! The guest's clock, which stops while the host sleeps or the machine is paused.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gantry_tunnel::agent::AgentReply;
use rustix::time::{ClockId, Timespec, clock_settime};

use super::super::sys;

/// From here on the clock is set at once; nearer, it is brought there slowly, so that no program
/// sees it jump.
const STEP: Duration = Duration::from_millis(100);
/// As near as a call over the tunnel can tell.
const NEAR: Duration = Duration::from_millis(2);

#[derive(Debug, PartialEq, Eq)]
enum Way {
    Leave,
    Slew,
    Step,
}

fn way(behind_nanos: i64) -> Way {
    match Duration::from_nanos(behind_nanos.unsigned_abs()) {
        distance if distance > STEP => Way::Step,
        distance if distance > NEAR => Way::Slew,
        _ => Way::Leave,
    }
}

pub fn set(unix_nanos: u64) -> io::Result<AgentReply> {
    let here = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let behind = i128::from(unix_nanos) - i128::try_from(here.as_nanos()).unwrap_or(i128::MAX);
    let behind_nanos = i64::try_from(behind).unwrap_or(match behind {
        ..0 => i64::MIN,
        _ => i64::MAX,
    });
    let way = way(behind_nanos);
    match way {
        Way::Leave => {}
        Way::Slew => sys::slew(behind_nanos / 1000)?,
        Way::Step => {
            let there = Duration::from_nanos(unix_nanos);
            let time = Timespec {
                tv_sec: i64::try_from(there.as_secs()).map_err(io::Error::other)?,
                tv_nsec: there.subsec_nanos().into(),
            };
            clock_settime(ClockId::Realtime, time)?;
        }
    }
    Ok(AgentReply::Time {
        behind_nanos,
        stepped: way == Way::Step,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_is_set_and_near_is_slewed() {
        let millis = |millis: i64| way(millis * 1_000_000);
        assert_eq!(millis(0), Way::Leave);
        assert_eq!(millis(1), Way::Leave);
        assert_eq!(millis(-50), Way::Slew);
        assert_eq!(millis(100), Way::Slew);
        assert_eq!(millis(101), Way::Step);
        assert_eq!(millis(-3_600_000), Way::Step);
        assert_eq!(way(i64::MIN), Way::Step);
    }
}
