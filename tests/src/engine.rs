//! The real `gantryd`, with roots, bridge and subnet of its own; or inside a virtual machine of its own, where
//! `GANTRY_TESTS_IN=machine` says so.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::leftovers::Place;
use crate::scratch::Scratch;
use crate::{Machine, Namespace, PATIENCE, Response, Subnet, request, until};
use rustix::process::{Pid, Signal, kill_process};

/// The folder of the programs that are tested: `$GANTRY_PROGRAMS`, or where cargo put them.
///
/// # Panics
/// Where they haven't been built.
#[must_use]
pub fn programs() -> PathBuf {
    let folder = std::env::var_os("GANTRY_PROGRAMS")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let own = std::env::current_exe().expect("a program knows its path");
            // target/debug/crash, or target/debug/deps/it-0123456789abcdef
            let folder = own.parent().expect("a program lies in a folder");
            if folder.ends_with("deps") {
                folder.parent().unwrap_or(folder).to_owned()
            } else {
                folder.to_owned()
            }
        });
    for name in ["gantryd", "gantry", "gantry-shim", "gantry-proxy"] {
        let path = folder.join(name);
        assert!(
            path.exists(),
            "{} is missing: run `cargo build --workspace --bins` first",
            path.display()
        );
    }
    folder
}

/// Whether engines are to run in machines.
fn in_machine() -> bool {
    match std::env::var("GANTRY_TESTS_IN").as_deref() {
        Ok("machine") => true,
        Ok("native") | Err(_) => false,
        Ok(other) => panic!("GANTRY_TESTS_IN={other}: it is `native` or `machine`"),
    }
}

/// How an engine is started.
#[derive(Default)]
pub struct Options<'a> {
    /// More of its flags.
    pub flags: Vec<String>,
    /// Where its network is; the machine's own where none.
    pub namespace: Option<&'a Namespace>,
}

/// An engine; ended when dropped, with all that it made.
pub struct Engine {
    folder: Scratch,
    subnet: Subnet,
    flags: Vec<String>,
    namespace: Option<PathBuf>,
    process: Option<Child>,
    machine: Option<Machine>,
}

impl Engine {
    /// Starts one and waits for its first answer.
    ///
    /// # Panics
    /// Where it doesn't answer, with its log.
    #[must_use]
    pub fn start(options: Options<'_>) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests start containers: run them as root"
        );
        let subnet = Subnet::take();
        let folder = Scratch::new("engine", subnet.name());
        let machine = in_machine().then(|| {
            assert!(
                options.flags.is_empty() && options.namespace.is_none(),
                "an engine in a machine has no flags of its own: this test is for the native one"
            );
            Machine::start_in(folder.path())
        });
        let mut engine = Self {
            folder,
            subnet,
            flags: options.flags,
            namespace: options.namespace.map(Namespace::path),
            process: None,
            machine,
        };
        if engine.machine.is_none() {
            engine.restart();
        }
        engine
    }

    /// Starts it (again) and waits for its first answer; gives the time that took.
    ///
    /// # Panics
    /// Where it doesn't answer, with its log.
    pub fn restart(&mut self) -> Duration {
        self.only_native();
        self.kill();
        let began = Instant::now();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .expect("the engine's log");
        let gantryd = programs().join("gantryd");
        let mut command = match &self.namespace {
            Some(namespace) => {
                let mut command = Command::new("nsenter");
                command
                    .arg(format!("--net={}", namespace.display()))
                    .arg(gantryd);
                command
            }
            None => Command::new(gantryd),
        };
        command
            .args(self.arguments())
            .env_remove("DOCKER_HOST")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log);
        self.process = Some(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")),
        );
        until("gantryd should answer", || {
            if let Some(status) = self
                .process
                .as_mut()
                .and_then(|process| process.try_wait().ok().flatten())
            {
                panic!("gantryd ended at once ({status}); its log:\n{}", self.log());
            }
            match self.try_ask("GET", "/_ping", &[], &[]) {
                Ok(response) if response.status == 200 => Ok(()),
                other => Err(format!("{other:?}\n{}", self.log())),
            }
        });
        began.elapsed()
    }

    /// What its program is told: where it works, and its flags.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let path = |path: PathBuf| path.display().to_string();
        let mut arguments = vec![
            "--data-root".to_owned(),
            path(self.data_root()),
            "--exec-root".to_owned(),
            path(self.exec_root()),
            "--host".to_owned(),
            self.host(),
            "--bridge".to_owned(),
            self.subnet.name().to_owned(),
            "--bip".to_owned(),
            self.subnet.bip(),
            "--cgroup-parent".to_owned(),
            self.subnet.name().to_owned(),
            "--log-level".to_owned(),
            "debug".to_owned(),
        ];
        arguments.extend(self.flags.iter().cloned());
        arguments
    }

    /// Its process id.
    ///
    /// # Panics
    /// Where it doesn't run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the engine runs").id()
    }

    /// Ends it with SIGKILL, at once; containers live on.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Sends SIGKILL and doesn't wait: for a thread that holds the engine only by reference.
    pub fn send_kill(&self) {
        if let Some(pid) = self
            .process
            .as_ref()
            .and_then(|process| Pid::from_raw(process.id().cast_signed()))
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Asks it to end, and waits.
    ///
    /// # Panics
    /// Where it doesn't end.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        if let Some(pid) = Pid::from_raw(process.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while !matches!(process.try_wait(), Ok(Some(_))) {
            if Instant::now() > deadline {
                let _ = process.kill();
                let _ = process.wait();
                panic!(
                    "gantryd does not end when asked to; its log:\n{}",
                    self.log()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its whole log.
    #[must_use]
    pub fn log(&self) -> String {
        if let Some(machine) = &self.machine {
            return machine.log();
        }
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("gantryd.log")
    }

    /// A folder that goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `--data-root`.
    #[must_use]
    pub fn data_root(&self) -> PathBuf {
        self.only_native();
        self.folder.path().join("data")
    }

    /// `--exec-root`.
    #[must_use]
    pub fn exec_root(&self) -> PathBuf {
        self.only_native();
        self.folder.path().join("run")
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        match &self.machine {
            Some(machine) => machine.socket().to_owned(),
            None => self.folder.path().join("gantry.sock"),
        }
    }

    /// For `DOCKER_HOST`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// # Panics
    /// Where the engine is in a machine, out of a test's reach.
    fn only_native(&self) {
        assert!(
            self.machine.is_none(),
            "this test looks behind the engine's API: it is for the native one"
        );
    }

    /// Its bridge and addresses.
    #[must_use]
    pub fn subnet(&self) -> &Subnet {
        self.only_native();
        &self.subnet
    }

    /// Sends it a request.
    ///
    /// # Errors
    /// Where it can't be reached.
    pub fn try_ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Response> {
        let stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        request(stream, method, path, headers, body)
    }

    /// Sends it a request with a JSON body, or none where the text is empty.
    ///
    /// # Panics
    /// Where it can't be reached.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, json: &str) -> Response {
        let headers: &[_] = if json.is_empty() {
            &[]
        } else {
            &[("Content-Type", "application/json")]
        };
        self.try_ask(method, path, headers, json.as_bytes())
            .unwrap_or_else(|error| {
                panic!(
                    "{method} {path}: {error}; the engine's log:\n{}",
                    self.log()
                )
            })
    }

    /// Where its traces are.
    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            folder: self.folder(),
            name: Some(self.subnet.name()),
            namespace: self.namespace.as_deref(),
        }
    }

    /// Removes all containers, ends the engine and gives what is left of both.
    fn end(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        if self.process.is_some() || self.machine.is_some() {
            let containers = self.try_ask("GET", "/containers/json?all=1", &[], &[]);
            let containers = containers.map(|answer| answer.json()).unwrap_or_default();
            for container in containers.as_array().into_iter().flatten() {
                let id = container["Id"].as_str().unwrap_or_default();
                let answer =
                    self.try_ask("DELETE", &format!("/containers/{id}?force=1&v=1"), &[], &[]);
                if !answer
                    .as_ref()
                    .is_ok_and(|answer| answer.status == 204 || answer.status == 404)
                {
                    left.push(format!(
                        "container {id}, which can't be removed: {answer:?}"
                    ));
                }
            }
            self.stop();
        }
        if let Some(machine) = self.machine.take() {
            left.extend(machine.end());
        }
        left.extend(self.place().find());
        self.place().clear();
        left
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(60).collect();
            eprintln!("--- the engine's last words:");
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
            // A second panic would hide the first.
            let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.end()));
            eprintln!("--- left behind: {end:?}");
            return;
        }
        let left = self.end();
        assert!(
            left.is_empty(),
            "the engine left behind: {left:#?}\nits log:\n{}",
            self.log()
        );
    }
}
