//! Killing the engine in the middle of what it does, and looking whether anything was lost or left.
//!
//! Each round prepares something, sends one request, kills the engine with SIGKILL at a random moment before the
//! answer, starts it again and compares what it says with what is there. A container beside it lives through all
//! rounds, and so do its published port and its log.

mod agree;
mod stage;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::{Client, Response, World};
use stage::{Request, Start};

/// What is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Making a container with a volume.
    Create,
    /// Starting one that publishes a port.
    Start,
    /// Pulling an image of several layers.
    Pull,
    /// Stopping a container that ends a moment after it was asked to.
    Stop,
    /// Removing one, by force while it runs and after it has ended in turn.
    Remove,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Create,
        Self::Start,
        Self::Pull,
        Self::Stop,
        Self::Remove,
    ];
}

/// An engine that is killed again and again.
pub struct Crash {
    world: World,
    bystander: (String, u64),
    round: u32,
    /// Layers and blobs of the store before anything was pulled.
    store: [BTreeSet<String>; 2],
}

/// For each round that counts, so many may come after the answer before the search for the right moment is given up.
const TRIES: u32 = 20;

impl Crash {
    /// Sets the stage.
    ///
    /// # Panics
    /// Where that fails.
    #[must_use]
    pub fn new() -> Self {
        let world = World::with_registry(Client::Docker);
        world.load_busybox();
        world
            .registry()
            .push(stage::PULLED, "latest", &stage::layers());
        let store = stage::store(&world);
        let id = stage::create(&world, "bystander", stage::COUNTS);
        stage::start(&world, &id);
        let pid = agree::pid(&world.inspect(&id)).expect("a started container has a process");
        Self {
            world,
            bystander: (id, pid),
            round: 0,
            store,
        }
    }

    /// Kills the engine so many times in the middle of `operation`, before it has answered; gives how many more times
    /// it was killed after the answer.
    ///
    /// # Panics
    /// Where anything is lost, left behind or inconsistent; says after which delay.
    pub fn rounds(&mut self, operation: Operation, rounds: u32) -> u32 {
        let mut window = self.usual_time(operation);
        let (mut inside, mut after) = (0, 0);
        while inside < rounds {
            let share = f64::from(rand::random::<u32>()) / f64::from(u32::MAX);
            // The window follows the operation's length, which differs with the machine's load: somewhat longer, so
            // that its end is hit too.
            if self.one(operation, window.mul_f64(share)) {
                after += 1;
                window = window.mul_f64(0.9);
            } else {
                inside += 1;
                window = window.mul_f64(1.03);
            }
            assert!(
                after <= rounds * TRIES,
                "{operation:?} answers before it can be interrupted"
            );
        }
        after
    }

    /// How long it takes when nobody interferes.
    fn usual_time(&mut self, operation: Operation) -> Duration {
        let mut times: Vec<_> = (0..3)
            .map(|_| {
                let request = self.prepare(operation);
                let began = Instant::now();
                let answer = self
                    .world
                    .engine
                    .ask(request.method, &request.path, &request.body);
                let took = began.elapsed();
                assert!(
                    is_complete(operation, &answer),
                    "{operation:?}: {} {}",
                    answer.status,
                    answer.text()
                );
                let made = answer.json_id();
                if let Some(id) = request.container.or(made) {
                    self.remove(&id);
                }
                took
            })
            .collect();
        times.sort();
        times[1]
    }

    /// One round; whether the request was answered before the engine died.
    fn one(&mut self, operation: Operation, delay: Duration) -> bool {
        let request = self.prepare(operation);
        let what = format!("{operation:?} killed after {delay:?}");
        let answer = std::thread::scope(|scope| {
            let engine = &self.world.engine;
            let headers = [("Content-Type", "application/json")];
            let body = request.body.as_bytes();
            let sent =
                scope.spawn(move || engine.try_ask(request.method, &request.path, &headers, body));
            std::thread::sleep(delay);
            engine.send_kill();
            sent.join().expect("the request's thread")
        });
        self.world.engine.restart();
        if let Ok(answer) = &answer {
            assert!(
                answer.status < 400 && !answer.text().contains("\"errorDetail\""),
                "{what}: {} {}",
                answer.status,
                answer.text()
            );
        }
        let complete = answer.ok().filter(|answer| is_complete(operation, answer));
        self.agree(&what);
        self.judge(
            operation,
            &what,
            request.container.as_deref(),
            complete.as_ref(),
        );
        self.use_up(&what);
        self.agree(&what);
        complete.is_some()
    }

    /// Whether what is there is what the client was told, or what was there before.
    fn judge(
        &self,
        operation: Operation,
        what: &str,
        container: Option<&str>,
        complete: Option<&Response>,
    ) {
        let told = complete.is_some();
        match (operation, container) {
            (Operation::Create, _) => {
                if let Some(id) = complete.and_then(Response::json_id) {
                    assert!(
                        self.ids().contains(&id),
                        "{what}: the client was told of {id}, which is lost"
                    );
                }
            }
            (Operation::Pull, _) => self.judge_image(what, told),
            (_, None) => unreachable!("{operation:?} is about a container"),
            (Operation::Remove, Some(id)) => assert!(
                !told || !self.ids().contains(id),
                "{what}: the client was told that {id} is gone"
            ),
            (Operation::Start, Some(id)) => {
                // An interrupted start may also have run and been ended: then it has a code.
                let state = self.world.status(id);
                assert!(
                    state == "running" || !told && matches!(state.as_str(), "created" | "exited"),
                    "{what}: {state:?}, answered: {told}"
                );
            }
            (Operation::Stop, Some(id)) => {
                let state = self.world.inspect(id)["State"].clone();
                // It ends as it was asked to, whoever sees it.
                assert!(
                    state["Status"] == "exited" && state["ExitCode"] == stage::ENDED
                        || !told && state["Status"] == "running",
                    "{what}: {state}, answered: {told}"
                );
            }
        }
    }

    /// Whatever a round left can be used and removed.
    fn use_up(&self, what: &str) {
        for id in self.ids() {
            if id == self.bystander.0 {
                continue;
            }
            if self.world.status(&id) == "created" {
                let path = format!("/containers/{id}/start");
                let started = self.world.engine.ask("POST", &path, "");
                assert_eq!(started.status, 204, "{what}: {}", started.text());
            }
            self.remove(&id);
        }
    }

    fn remove(&self, id: &str) {
        let path = format!("/containers/{id}?force=1&v=1");
        let answer = self.world.engine.ask("DELETE", &path, "");
        assert!(
            matches!(answer.status, 204 | 404),
            "removing {id}: {} {}",
            answer.status,
            answer.text()
        );
    }

    fn ids(&self) -> BTreeSet<String> {
        agree::ids(&self.world.engine)
    }

    /// Ends the container that lived through it all, and looks at what it left.
    ///
    /// # Panics
    /// Where its end isn't known or a line of its log is missing or there twice.
    pub fn end(self) {
        let (id, pid) = &self.bystander;
        std::fs::write(format!("/proc/{pid}/root/tmp/stop"), "").expect("a file in the container");
        self.world.until_status(id, "exited");
        assert_eq!(self.world.inspect(id)["State"]["ExitCode"], stage::COUNTED);
        let log = self.world.cli(&["logs", id]).ok();
        let lines: Vec<_> = log.lines().collect();
        let (last, counted) = lines.split_last().expect("a log");
        for (number, line) in counted.iter().enumerate() {
            assert_eq!(
                *line,
                number.to_string(),
                "the log of the container beside it"
            );
        }
        assert_eq!(*last, format!("end {}", counted.len()));
    }
}

impl Default for Crash {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a client would take this for success.
fn is_complete(operation: Operation, answer: &Response) -> bool {
    answer.status < 300 && (operation != Operation::Pull || answer.text().contains("Status: "))
}

impl Crash {
    /// Sets up for one request.
    fn prepare(&mut self, operation: Operation) -> Request {
        self.round += 1;
        let name = format!("round-{}", self.round);
        let about = |path: String, method, container| Request {
            method,
            path,
            body: String::new(),
            container,
        };
        let world = &self.world;
        match operation {
            Operation::Create => Request {
                body: stage::body(stage::SLEEPS),
                ..about(format!("/containers/create?name={name}"), "POST", None)
            },
            Operation::Start => {
                let id = stage::create(world, &name, stage::SLEEPS);
                about(format!("/containers/{id}/start"), "POST", Some(id))
            }
            Operation::Stop => {
                let id = stage::started(world, &name, stage::POLITE, Start::Ready);
                about(format!("/containers/{id}/stop?t=60"), "POST", Some(id))
            }
            Operation::Remove => {
                let id = stage::started(world, &name, stage::SLEEPS, Start::Running);
                if self.round.is_multiple_of(2) {
                    let path = format!("/containers/{id}/kill");
                    let killed = world.engine.ask("POST", &path, "");
                    assert_eq!(killed.status, 204, "{}", killed.text());
                    world.until_status(&id, "exited");
                }
                about(format!("/containers/{id}?force=1&v=1"), "DELETE", Some(id))
            }
            Operation::Pull => {
                let image = stage::forget_image(world, &self.store);
                about(
                    format!("/images/create?fromImage={image}&tag=latest"),
                    "POST",
                    None,
                )
            }
        }
    }
}
