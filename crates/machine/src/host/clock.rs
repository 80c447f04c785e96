//! Sleep of the host, seen by its clock: what runs on while it sleeps against what doesn't.

use std::time::{Duration, Instant, SystemTime};

/// How often it is looked at.
pub const LOOK: Duration = Duration::from_secs(10);
/// Clocks that part by less are only being brought right.
const JUMP: Duration = Duration::from_secs(2);
/// The guest's clock wanders: it is set so often in any case.
const ANYWAY: Duration = Duration::from_secs(600);

/// When the guest's clock was last right.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall: SystemTime,
    steady: Instant,
    set: Instant,
}

impl Clock {
    /// Right now.
    pub fn new() -> Clock {
        Clock {
            wall: SystemTime::now(),
            steady: Instant::now(),
            set: Instant::now(),
        }
    }

    /// Whether the guest is to be told the time: the host slept, its clock was set, or it is long ago.
    pub fn due(&mut self) -> bool {
        self.due_at(SystemTime::now(), Instant::now())
    }

    fn due_at(&mut self, wall: SystemTime, steady: Instant) -> bool {
        let passed = steady.saturating_duration_since(self.steady);
        let jumped = match wall.duration_since(self.wall) {
            Ok(shown) => shown.abs_diff(passed) > JUMP,
            Err(_) => true,
        };
        let due = jumped || steady.saturating_duration_since(self.set) > ANYWAY;
        (self.wall, self.steady) = (wall, steady);
        if due {
            self.set = steady;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_a_set_clock_and_time_itself_are_noticed_once() {
        let mut clock = Clock::new();
        let (wall, steady) = (clock.wall, clock.steady);
        let at = |wall_seconds, steady_seconds| {
            (
                wall + Duration::from_secs(wall_seconds),
                steady + Duration::from_secs(steady_seconds),
            )
        };
        let mut due = |(wall, steady)| clock.due_at(wall, steady);
        assert!(!due(at(10, 10)));
        assert!(due(at(3610, 11)), "slept");
        assert!(!due(at(3620, 21)));
        assert!(due(at(20, 31)), "set back");
        assert!(!due(at(30, 41)));
        assert!(due(at(700, 711)), "long ago");
        assert!(!due(at(710, 721)));
    }
}
