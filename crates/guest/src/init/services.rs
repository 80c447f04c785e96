//! The two programs that the machine is for, started again whenever they end; and the reaping of everyone else's
//! orphans.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{WaitOptions, WaitStatus, wait};

use super::cmdline::Settings;
use super::console::say;
use super::sys::{Heard, as_service, listen};

/// The first pause before a program is started again, doubled with each end that comes soon.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// Who lived that long is started anew without delay.
const LIVED: Duration = Duration::from_secs(30);
/// Where the agent takes claims of the host's ports.
const HOST_SOCKET: &str = "/run/gantry/host.sock";
/// Killed after containers.
const OOM_SCORE: i16 = -900;

/// A program that is to run.
pub struct Service {
    name: &'static str,
    program: &'static str,
    arguments: Vec<String>,
    state: State,
    pause: Duration,
}

enum State {
    Runs { pid: i32, since: Instant },
    Starts { at: Instant },
}

impl Service {
    /// The engine. One that has a host to talk to claims published ports of it, through the agent's socket.
    pub fn engine(settings: &Settings) -> Self {
        let mut arguments = Vec::new();
        let mut flag = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        if settings.channel.is_some() {
            flag("--host-agent", HOST_SOCKET.to_owned());
            for share in &settings.shares {
                flag("--shared-folder", share.path.to_string_lossy().into_owned());
            }
        }
        if let Some(gateway) = settings.gateway {
            flag("--host-gateway-ip", gateway.to_string());
        }
        Self::new("engine", "/usr/bin/gantryd", arguments)
    }

    /// The agent, which is this very program.
    pub fn agent(channel: String) -> Self {
        Self::new("agent", "/proc/1/exe", vec!["agent".to_owned(), channel])
    }

    fn new(name: &'static str, program: &'static str, arguments: Vec<String>) -> Self {
        Self {
            name,
            program,
            arguments,
            state: State::Starts { at: Instant::now() },
            pause: FIRST_PAUSE,
        }
    }

    /// Starts it if its moment has come.
    pub fn start(&mut self) {
        let State::Starts { at } = self.state else {
            return;
        };
        if at > Instant::now() {
            return;
        }
        let mut command = Command::new(self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs([
                ("PATH", "/usr/sbin:/usr/bin"),
                ("HOME", "/root"),
                ("LC_ALL", "C.UTF-8"),
            ])
            .current_dir("/");
        as_service(&mut command, OOM_SCORE);
        match command.spawn() {
            // Whoever ends is reaped by `reap`, so the handle isn't kept.
            Ok(child) => {
                self.state = State::Runs {
                    pid: child.id().cast_signed(),
                    since: Instant::now(),
                };
            }
            Err(error) => {
                say(self.name, format_args!("can't be started: {error}"));
                self.wait_longer();
            }
        }
    }

    /// Its process, while it has one.
    pub fn pid(&self) -> Option<i32> {
        match self.state {
            State::Runs { pid, .. } => Some(pid),
            State::Starts { .. } => None,
        }
    }

    fn ended(&mut self, since: Instant, how: WaitStatus) {
        if since.elapsed() >= LIVED {
            self.pause = FIRST_PAUSE;
        }
        let how = match (how.exit_status(), how.terminating_signal()) {
            (Some(code), _) => format!("ended with {code}"),
            (None, Some(signal)) => format!("was killed by signal {signal}"),
            (None, None) => "ended".to_owned(),
        };
        say(self.name, how);
        self.wait_longer();
    }

    fn wait_longer(&mut self) {
        self.state = State::Starts {
            at: Instant::now() + self.pause,
        };
        self.pause = (self.pause * 2).min(LAST_PAUSE);
    }
}

/// Takes note of all processes that ended.
pub fn reap(services: &mut [Service]) {
    while let Ok(Some((pid, how))) = wait(WaitOptions::NOHANG) {
        let pid = pid.as_raw_nonzero().get();
        let ended = services
            .iter_mut()
            .find(|service| service.pid() == Some(pid));
        if let Some(service) = ended
            && let State::Runs { since, .. } = service.state
        {
            service.ended(since, how);
        }
    }
}

/// Keeps the services alive until the machine is to end.
pub fn keep_alive(services: &mut [Service]) -> Heard {
    loop {
        services.iter_mut().for_each(Service::start);
        let next = services.iter().filter_map(|service| match service.state {
            State::Starts { at } => Some(at.saturating_duration_since(Instant::now())),
            State::Runs { .. } => None,
        });
        match listen(next.min()) {
            Some(end @ (Heard::PowerOff | Heard::Restart)) => return end,
            Some(Heard::Child) | None => reap(services),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_told_of_its_host() {
        let of = |line| Service::engine(&Settings::parse(line).expect("understood")).arguments;
        assert!(of("").is_empty());
        let told = of("gantry.channel=serial gantry.share=fs0:/home/a%20b gantry.gateway=10.0.2.2");
        let expected = "--host-agent /run/gantry/host.sock --shared-folder /home/a|b --host-gateway-ip 10.0.2.2";
        let expected: Vec<String> = expected
            .split(' ')
            .map(|word| word.replace('|', " "))
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn pauses_grow_and_have_an_end() {
        let mut service = Service::new("test", "/nonexistent", Vec::new());
        let mut pauses = Vec::new();
        for _ in 0..10 {
            pauses.push(service.pause);
            service.wait_longer();
        }
        assert_eq!(pauses[..3], [200, 400, 800].map(Duration::from_millis));
        assert_eq!(pauses[9], LAST_PAUSE);
        assert_eq!(service.pid(), None);
    }
}
