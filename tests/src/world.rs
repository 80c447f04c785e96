//! An engine, a command line for it and, where a test wants one, a registry.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{
    Engine, Image, Namespace, Options, Registry, Running, Said, Terminal, busybox, programs, run,
};

/// Whose command line a test uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// The real docker CLI.
    Docker,
    /// Ours.
    Gantry,
}

/// The stage of one test.
pub struct World {
    /// Which command line [`World::cli`] runs.
    pub client: Client,
    /// The engine.
    pub engine: Engine,
    /// A registry that the engine trusts, where the test asked for one.
    pub registry: Option<Registry>,
    namespace: Option<Namespace>,
}

impl World {
    /// An engine that has `busybox:latest`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let world = Self::with_flags(client, &[]);
        world.load_busybox();
        world
    }

    /// An engine with more flags, and no image.
    #[must_use]
    pub fn with_flags(client: Client, flags: &[&str]) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Self {
            client,
            engine: Engine::start(Options {
                flags,
                namespace: None,
            }),
            registry: None,
            namespace: None,
        }
    }

    /// An engine and a registry, both empty.
    #[must_use]
    pub fn with_registry(client: Client) -> Self {
        let registry = Registry::start();
        let mut world = Self::with_flags(client, &["--insecure-registry", &registry.host()]);
        world.registry = Some(registry);
        world
    }

    /// An engine and a registry that is its mirror, in a network namespace of their own: every port is free there.
    #[must_use]
    pub fn with_mirror(client: Client) -> Self {
        let namespace = Namespace::new();
        let registry = Registry::start_in(Some(&namespace));
        let flags = vec![
            "--registry-mirror".to_owned(),
            format!("http://{}", registry.host()),
        ];
        let engine = Engine::start(Options {
            flags,
            namespace: Some(&namespace),
        });
        Self {
            client,
            engine,
            registry: Some(registry),
            namespace: Some(namespace),
        }
    }

    /// Gives the engine `busybox:latest`.
    ///
    /// # Panics
    /// Where it doesn't take it.
    pub fn load_busybox(&self) {
        self.load(&busybox(), "busybox:latest");
    }

    /// Gives the engine an image.
    ///
    /// # Panics
    /// Where it doesn't take it.
    pub fn load(&self, image: &Image, tag: &str) {
        let kind = [("Content-Type", "application/x-tar")];
        let answer =
            self.engine
                .try_ask("POST", "/images/load?quiet=1", &kind, &image.archive(tag));
        assert!(
            answer
                .as_ref()
                .is_ok_and(|answer| answer.status == 200 && !answer.text().contains("\"error\"")),
            "loading {tag}: {answer:?}"
        );
    }

    /// The registry.
    ///
    /// # Panics
    /// Where the test asked for none.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.registry.as_ref().expect("a world with a registry")
    }

    /// The command line, told where the engine is and nothing of this machine's user.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let program: PathBuf = match self.client {
            Client::Docker => "docker".into(),
            Client::Gantry => programs().join("gantry"),
        };
        let mut command = match &self.namespace {
            Some(namespace) => namespace.command(program),
            None => Command::new(program),
        };
        let home = self.engine.folder().join("home");
        for name in [
            "DOCKER_CONTEXT",
            "DOCKER_TLS_VERIFY",
            "DOCKER_CERT_PATH",
            "DOCKER_API_VERSION",
            "DOCKER_DEFAULT_PLATFORM",
        ] {
            command.env_remove(name);
        }
        command
            .args(words)
            .env("DOCKER_HOST", self.engine.host())
            .env("DOCKER_CONFIG", home.join(".docker"))
            .env("HOME", home)
            .env("DOCKER_CLI_HINTS", "false");
        command
    }

    /// Runs the command line to its end, without input.
    #[track_caller]
    pub fn cli<S: AsRef<OsStr>>(&self, words: &[S]) -> Said {
        run(&mut self.command(words))
    }

    /// Runs a container of `busybox` in the background; gives its id.
    #[track_caller]
    pub fn background(&self, name: &str, options: &[&str], command: &[&str]) -> String {
        let words = [
            &["run", "-d", "--name", name],
            options,
            &["busybox"],
            command,
        ];
        self.cli(&words.concat()).ok()
    }

    /// Runs a container of `busybox` to its end, and keeps it.
    #[track_caller]
    pub fn to_its_end(&self, name: &str, options: &[&str], command: &[&str]) -> Said {
        let words = [&["run", "--name", name], options, &["busybox"], command];
        self.cli(&words.concat())
    }

    /// Runs a container of `busybox` to its end, and removes it.
    #[track_caller]
    pub fn once(&self, options: &[&str], command: &[&str]) -> Said {
        self.cli(&[&["run", "--rm"], options, &["busybox"], command].concat())
    }

    /// Runs it with this input.
    ///
    /// # Panics
    /// Where it doesn't end.
    #[track_caller]
    pub fn cli_with_input<S: AsRef<OsStr>>(&self, words: &[S], input: &[u8]) -> Said {
        use std::io::Write;
        let mut running = Running::start(self.command(words).stdin(Stdio::piped()));
        if let Some(mut stdin) = running.stdin() {
            // It may end without reading all.
            let _ = stdin.write_all(input);
        }
        running.end()
    }

    /// Starts it and leaves it running.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(&self, words: &[S]) -> Running {
        Running::start(self.command(words).stdin(Stdio::null()))
    }

    /// Starts it in a terminal.
    #[must_use]
    #[track_caller]
    pub fn terminal<S: AsRef<OsStr>>(&self, words: &[S]) -> Terminal {
        Terminal::start(&self.command(words))
    }

    /// A program where the engine's network is.
    #[must_use]
    pub fn nearby(&self, program: &str) -> Command {
        self.namespace.as_ref().map_or_else(
            || Command::new(program),
            |namespace| namespace.command(program),
        )
    }

    /// A container as the API shows it.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    #[track_caller]
    pub fn inspect(&self, name: &str) -> Value {
        let answer = self
            .engine
            .ask("GET", &format!("/containers/{name}/json"), "");
        assert_eq!(answer.status, 200, "inspect {name}: {}", answer.text());
        answer.json()
    }

    /// `.State.Status` of a container.
    #[must_use]
    #[track_caller]
    pub fn status(&self, name: &str) -> String {
        self.inspect(name)["State"]["Status"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until a container has this status.
    #[track_caller]
    pub fn until_status(&self, name: &str, status: &str) {
        crate::until(&format!("{name} should be {status}"), || {
            let state = self.inspect(name)["State"].clone();
            if state["Status"] == status {
                Ok(())
            } else {
                Err(state)
            }
        });
    }
}
