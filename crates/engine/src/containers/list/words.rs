//! The words of the STATUS column.

use time::{Duration, OffsetDateTime};

use super::super::{Phase, RunState};

/// `Up 5 minutes (healthy)`, `Exited (0) 3 seconds ago`.
pub fn status(state: &RunState, now: OffsetDateTime) -> String {
    let since =
        |moment: Option<OffsetDateTime>| span(moment.map_or(Duration::ZERO, |moment| now - moment));
    let code = state.exit_code;
    match state.phase {
        Phase::Created => "Created".to_owned(),
        Phase::Running => {
            let health = match &state.health {
                None => String::new(),
                Some(health) if health.status == super::super::health::Status::Starting => {
                    " (health: starting)".to_owned()
                }
                Some(health) => format!(" ({})", health.status.as_str()),
            };
            format!("Up {}{health}", since(state.started_at))
        }
        Phase::Paused => format!("Up {} (Paused)", since(state.started_at)),
        Phase::Restarting => format!("Restarting ({code}) {} ago", since(state.finished_at)),
        Phase::Exited => format!("Exited ({code}) {} ago", since(state.finished_at)),
        Phase::Removing => "Removal In Progress".to_owned(),
        Phase::Dead => "Dead".to_owned(),
    }
}

/// As Docker rounds spans of time for people.
fn span(span: Duration) -> String {
    let seconds = span.whole_seconds().max(0);
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_as_docker_rounds_them() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (5400, "2 hours"),
            (86_400 * 3, "3 days"),
            (86_400 * 20, "2 weeks"),
            (86_400 * 90, "3 months"),
            (86_400 * 365 * 3, "3 years"),
            (-5, "Less than a second"),
        ] {
            assert_eq!(span(Duration::seconds(seconds)), words, "{seconds}");
        }
    }

    #[test]
    fn each_phase_has_its_words() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::minutes(10);
        let state = |phase| RunState {
            phase,
            exit_code: 3,
            started_at: Some(OffsetDateTime::UNIX_EPOCH),
            finished_at: Some(OffsetDateTime::UNIX_EPOCH + Duration::minutes(9)),
            ..RunState::default()
        };
        for (phase, words) in [
            (Phase::Created, "Created"),
            (Phase::Running, "Up 10 minutes"),
            (Phase::Paused, "Up 10 minutes (Paused)"),
            (Phase::Exited, "Exited (3) About a minute ago"),
            (Phase::Restarting, "Restarting (3) About a minute ago"),
        ] {
            assert_eq!(status(&state(phase), now), words);
        }
    }
}
