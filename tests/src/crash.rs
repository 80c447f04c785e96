//! Killing the engine in the middle of what it does, and looking whether anything was lost or left.
//!
//! Each round prepares something, sends one request, kills the engine with SIGKILL after a random part of the time
//! that the request usually takes, starts it again and compares what it says with what is there: processes, mounts,
//! folders, namespaces, interfaces. A container beside it lives through all rounds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Client, Engine, Image, Layer, World, until};

/// What is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Making a container.
    Create,
    /// Starting one.
    Start,
    /// Pulling an image of several layers.
    Pull,
    /// Stopping a container.
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
}

/// The image that is pulled, in the registry.
const PULLED: &str = "crash/layers";

impl Crash {
    /// Sets the stage.
    ///
    /// # Panics
    /// Where that fails.
    #[must_use]
    pub fn new() -> Self {
        let world = World::with_registry(Client::Docker);
        world.load_busybox();
        world.registry().push(PULLED, "latest", &layers());
        let script = "i=0; while :; do echo $i; i=$((i+1)); usleep 20000; done";
        let id = create(&world, "bystander", &["sh", "-c", script]);
        let started = world
            .engine
            .ask("POST", &format!("/containers/{id}/start"), "");
        assert_eq!(started.status, 204, "{}", started.text());
        let pid = pid(&world.inspect(&id)).expect("a started container has a process");
        Self {
            world,
            bystander: (id, pid),
            round: 0,
        }
    }

    /// Kills the engine so many times in the middle of `operation`; gives how often the request had been answered.
    ///
    /// # Panics
    /// Where anything is lost, left behind or inconsistent; says after which delay.
    pub fn rounds(&mut self, operation: Operation, rounds: u32) -> u32 {
        let mut answered = 0;
        let usual = self.usual_time(operation);
        for _ in 0..rounds {
            let share = f64::from(rand::random::<u32>()) / f64::from(u32::MAX);
            if self.one(operation, usual.mul_f64(share * 1.2)) {
                answered += 1;
            }
        }
        answered
    }

    /// How long it takes when nobody interferes.
    fn usual_time(&mut self, operation: Operation) -> Duration {
        let (path, method, body, id) = self.prepare(operation);
        let began = Instant::now();
        let answer = self.world.engine.ask(method, &path, &body);
        assert!(
            answer.status < 300,
            "{operation:?}: {} {}",
            answer.status,
            answer.text()
        );
        let took = began.elapsed();
        let made = answer.json_id();
        self.tidy(id.as_deref().or(made.as_deref()));
        took
    }

    fn one(&mut self, operation: Operation, delay: Duration) -> bool {
        let (path, method, body, id) = self.prepare(operation);
        let what = format!("{operation:?} killed after {delay:?}");
        let answer = std::thread::scope(|scope| {
            let engine = &self.world.engine;
            let headers = [("Content-Type", "application/json")];
            let request =
                scope.spawn(move || engine.try_ask(method, &path, &headers, body.as_bytes()));
            std::thread::sleep(delay);
            engine.send_kill();
            request.join().expect("the request's thread")
        });
        self.world.engine.restart();
        let complete = answer.ok().filter(|answer| {
            answer.status < 300
                && (operation != Operation::Pull || answer.text().contains("Status: "))
        });
        self.check(&what);
        match operation {
            Operation::Create => {
                if let Some(id) = complete.as_ref().and_then(crate::Response::json_id) {
                    assert!(
                        self.ids().contains(&id),
                        "{what}: the client was told of {id}, which is lost"
                    );
                }
            }
            Operation::Start | Operation::Stop => {
                let id = id.as_deref().unwrap_or_default();
                let state = self.state(id);
                let (before, after) = if operation == Operation::Start {
                    ("created", "running")
                } else {
                    ("running", "exited")
                };
                // An interrupted start may also have run and been ended: then it has a code.
                let fine =
                    state == after || complete.is_none() && (state == before || state == "exited");
                assert!(fine, "{what}: {state:?}, answered: {}", complete.is_some());
            }
            Operation::Remove => {
                let id = id.clone().unwrap_or_default();
                let gone = !self.ids().contains(&id);
                assert!(
                    gone || complete.is_none(),
                    "{what}: the client was told that {id} is gone"
                );
            }
            Operation::Pull => self.check_image(&what, complete.is_some()),
        }
        // Whatever it left can be used and removed.
        for id in self.ids() {
            if id == self.bystander.0 {
                continue;
            }
            if self.state(&id) == "created" {
                let started = self
                    .world
                    .engine
                    .ask("POST", &format!("/containers/{id}/start"), "");
                assert_eq!(started.status, 204, "{what}: {}", started.text());
            }
            self.tidy(Some(&id));
        }
        self.check(&what);
        complete.is_some()
    }

    /// Sets up for one request: its path, method and body, and the container that it is about.
    fn prepare(&mut self, operation: Operation) -> (String, &'static str, String, Option<String>) {
        self.round += 1;
        let name = format!("round-{}", self.round);
        let sleep = ["sleep", "1000"];
        let started = |world: &World, name: &str| {
            let id = create(world, name, &sleep);
            let answer = world
                .engine
                .ask("POST", &format!("/containers/{id}/start"), "");
            assert_eq!(answer.status, 204, "{}", answer.text());
            id
        };
        match operation {
            Operation::Create => (
                format!("/containers/create?name={name}"),
                "POST",
                body(&sleep),
                None,
            ),
            Operation::Start => {
                let id = create(&self.world, &name, &sleep);
                (
                    format!("/containers/{id}/start"),
                    "POST",
                    String::new(),
                    Some(id),
                )
            }
            Operation::Stop => {
                let id = started(&self.world, &name);
                (
                    format!("/containers/{id}/stop?t=0"),
                    "POST",
                    String::new(),
                    Some(id),
                )
            }
            Operation::Remove => {
                let id = started(&self.world, &name);
                if self.round.is_multiple_of(2) {
                    let _ = self
                        .world
                        .engine
                        .ask("POST", &format!("/containers/{id}/kill"), "");
                    self.world.until_status(&id, "exited");
                }
                (
                    format!("/containers/{id}?force=1&v=1"),
                    "DELETE",
                    String::new(),
                    Some(id),
                )
            }
            Operation::Pull => {
                let image = format!("{}/{PULLED}", self.world.registry().host());
                let _ = self
                    .world
                    .engine
                    .ask("DELETE", &format!("/images/{image}:latest"), "");
                (
                    format!("/images/create?fromImage={image}&tag=latest"),
                    "POST",
                    String::new(),
                    None,
                )
            }
        }
    }

    fn tidy(&self, id: Option<&str>) {
        if let Some(id) = id {
            let answer =
                self.world
                    .engine
                    .ask("DELETE", &format!("/containers/{id}?force=1&v=1"), "");
            assert!(
                matches!(answer.status, 204 | 404),
                "removing {id}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }

    fn ids(&self) -> BTreeSet<String> {
        ids(&self.world.engine)
    }

    fn state(&self, id: &str) -> String {
        self.world.status(id)
    }

    /// An image is there whole or not at all, and can be pulled (again).
    fn check_image(&self, what: &str, told: bool) {
        let image = format!("{}/{PULLED}", self.world.registry().host());
        let shown = self
            .world
            .engine
            .ask("GET", &format!("/images/{image}/json"), "");
        assert!(
            shown.status == 200 || !told && shown.status == 404,
            "{what}: {} {}",
            shown.status,
            shown.text()
        );
        let scratch = self.world.engine.data_root().join("image/tmp");
        let left: Vec<_> = entries(&scratch).into_iter().collect();
        assert!(
            left.is_empty(),
            "{what}: left in {}: {left:?}",
            scratch.display()
        );
        let pulled = self.world.engine.ask(
            "POST",
            &format!("/images/create?fromImage={image}&tag=latest"),
            "",
        );
        assert!(
            pulled.text().contains("Status: "),
            "{what}: pulling again: {}",
            pulled.text()
        );
        let said = self.world.cli(&[
            "run",
            "--rm",
            &image,
            "/bin/busybox",
            "wc",
            "-c",
            "/layer-3",
        ]);
        assert_eq!(
            said.stdout.trim(),
            format!("{LAYER} /layer-3"),
            "{what}: {said:?}"
        );
    }

    /// What the engine says and what is there must agree.
    fn check(&self, what: &str) {
        let world = &self.world;
        let engine = &world.engine;
        // A process that was told to end may take a moment.
        until(
            &format!("{what}: the engine and the machine should agree"),
            || {
                let ids = ids(engine);
                let mut running = BTreeSet::new();
                for id in &ids {
                    let container = world.inspect(id);
                    let state = container["State"]["Status"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned();
                    match (state.as_str(), pid(&container)) {
                        ("running", Some(pid)) if is_alive(pid) => {
                            running.insert(id.clone());
                        }
                        ("created" | "exited", None) => {}
                        (state, pid) => {
                            return Err(format!("{id} is {state} with process {pid:?}"));
                        }
                    }
                }
                let same = |place: &str, found: BTreeSet<String>, expected: &BTreeSet<String>| {
                    if found == *expected {
                        Ok(())
                    } else {
                        Err(format!("{place}: {found:?}, expected {expected:?}"))
                    }
                };
                same(
                    "data",
                    entries(&engine.data_root().join("containers")),
                    &ids,
                )?;
                same("shims", shims(engine, &ids), &running)?;
                same(
                    "namespaces",
                    entries(&engine.exec_root().join("netns")),
                    &running,
                )?;
                let mounted = mounted(&engine.data_root().join("containers"));
                if !mounted.is_superset(&running) || !mounted.is_subset(&ids) {
                    return Err(format!("mounted: {mounted:?}, running: {running:?}"));
                }
                let bridge = format!("/sys/class/net/{}/brif", engine.subnet().bridge());
                let ports = entries(Path::new(&bridge)).len();
                if ports != running.len() {
                    return Err(format!(
                        "{ports} interfaces for {} containers",
                        running.len()
                    ));
                }
                Ok(())
            },
        );
        let bystander = world.inspect(&self.bystander.0);
        assert_eq!(
            pid(&bystander),
            Some(self.bystander.1),
            "{what}: the container beside it was touched: {}",
            bystander["State"]
        );
    }

    /// Looks at the container that lived through it all, and ends.
    ///
    /// # Panics
    /// Where a line of its log is missing or there twice.
    pub fn end(self) {
        let log = self.world.cli(&["logs", &self.bystander.0]).ok();
        for (number, line) in log.lines().enumerate() {
            assert_eq!(
                line,
                number.to_string(),
                "the log of the container beside it"
            );
        }
    }
}

impl Default for Crash {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes of each layer of the image that is pulled.
const LAYER: usize = 3_000_000;

/// Busybox and some layers of noise.
fn layers() -> Image {
    let mut layers = vec![crate::busybox().layers.swap_remove(0)];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..5 {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .take(LAYER)
        .collect();
        layers.push(
            Layer::new()
                .file(&format!("layer-{number}"), 0o644, &noise)
                .tar(),
        );
    }
    Image::new(layers, &serde_json::json!({"Cmd": ["/bin/sh"]}))
}

fn body(command: &[&str]) -> String {
    serde_json::json!({"Image": "busybox", "Cmd": command}).to_string()
}

fn create(world: &World, name: &str, command: &[&str]) -> String {
    let answer = world.engine.ask(
        "POST",
        &format!("/containers/create?name={name}"),
        &body(command),
    );
    answer
        .json_id()
        .unwrap_or_else(|| panic!("creating {name}: {} {}", answer.status, answer.text()))
}

fn ids(engine: &Engine) -> BTreeSet<String> {
    let answer = engine.ask("GET", "/containers/json?all=1", "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list = answer.json();
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["Id"].as_str().map(str::to_owned))
        .collect()
}

fn pid(container: &Value) -> Option<u64> {
    container["State"]["Pid"].as_u64().filter(|pid| *pid > 0)
}

fn is_alive(pid: u64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn entries(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Containers whose root is mounted below `folder`.
fn mounted(folder: &Path) -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table
        .lines()
        .filter_map(|line| Path::new(line.split(' ').nth(4)?).strip_prefix(folder).ok());
    points
        .filter_map(|point| Some(point.iter().next()?.to_string_lossy().into_owned()))
        .collect()
}

/// Containers that a shim of this engine looks after.
fn shims(engine: &Engine, ids: &BTreeSet<String>) -> BTreeSet<String> {
    let folder = engine.folder().to_string_lossy().into_owned();
    let mut found = BTreeSet::new();
    for (pid, words) in crate::leftovers::processes(engine.folder()) {
        if u64::from(pid) == u64::from(engine.pid())
            || !words.contains(&folder)
            || words.contains("gantry-proxy")
        {
            continue;
        }
        let id = ids.iter().find(|id| words.contains(id.as_str()));
        found.insert(id.map_or_else(|| format!("process {pid}: {words}"), Clone::clone));
    }
    found
}
