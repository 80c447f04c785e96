//! A stand-in for a machine's host process: it says on the control socket what the test has it say.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// Listens at the control socket of a machine until dropped.
pub struct FakeHost {
    shared: Arc<Shared>,
    socket: std::path::PathBuf,
}

#[derive(Default)]
struct Shared {
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    status: Value,
    figures: Value,
    watchers: Vec<UnixStream>,
    calls: Vec<Value>,
}

impl FakeHost {
    /// Listens in the place of the machine `name`'s host, with `home` as `GANTRY_MACHINE_HOME`.
    ///
    /// # Panics
    /// Where it can't.
    #[must_use]
    pub fn start(home: &Path, name: &str) -> Self {
        let run = home.join("run").join(name);
        std::fs::create_dir_all(&run).expect("the machine's folder");
        let socket = run.join("control.sock");
        let listener = UnixListener::bind(&socket).expect("the control socket");
        let shared = Arc::new(Shared::default());
        let host = Self {
            shared: Arc::clone(&shared),
            socket,
        };
        host.say(name, &json!({"state": "stopping"}));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.answer(stream));
            }
        });
        host
    }

    /// Says `state` to all who watch, now and later.
    ///
    /// # Panics
    /// Where `state` is no object.
    pub fn say(&self, name: &str, state: &Value) {
        let mut status = json!({
            "name": name, "since": 1_700_000_000_000_u64, "backend": "qemu", "accelerator": "tcg",
            "stages": [["image", 130], ["vm", 410]], "warnings": [], "image": "0.1.0", "vm_pid": null,
            "host_pid": std::process::id(), "host": format!("unix://{}", self.socket.display()),
        });
        let members = status.as_object_mut().expect("an object");
        members.extend(state.as_object().expect("a state").clone());
        let mut said = self.shared.lock();
        said.status = json!({ "status": status });
        let line = format!("{}\n", said.status);
        said.watchers
            .retain_mut(|watcher| watcher.write_all(line.as_bytes()).is_ok());
    }

    /// What it tells of itself from now on.
    pub fn use_figures(&self, figures: Value) {
        self.shared.lock().figures = json!({ "figures": figures });
    }

    /// What was asked of it.
    #[must_use]
    pub fn calls(&self) -> Vec<Value> {
        self.shared.lock().calls.clone()
    }

    /// Ends as a host process does: all connections are closed.
    pub fn end(&self) {
        let _ = std::fs::remove_file(&self.socket);
        for watcher in self.shared.lock().watchers.drain(..) {
            let _ = watcher.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, stream: UnixStream) {
        let Ok(mut out) = stream.try_clone() else {
            return;
        };
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let call: Value = serde_json::from_str(&line).unwrap_or_default();
            let mut said = self.lock();
            said.calls.push(call.clone());
            let answer = match call["call"].as_str() {
                Some("watch" | "stop") => {
                    if let Ok(watcher) = out.try_clone() {
                        said.watchers.push(watcher);
                    }
                    said.status.clone()
                }
                Some("status") => said.status.clone(),
                Some("figures") => said.figures.clone(),
                _ => json!("done"),
            };
            drop(said);
            if out.write_all(format!("{answer}\n").as_bytes()).is_err() {
                return;
            }
        }
    }
}
