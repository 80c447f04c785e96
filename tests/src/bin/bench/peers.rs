//! The engines that are compared, each with roots of its own.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// How long a daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine with its own command line.
pub trait Peer {
    /// As it stands in the table.
    fn name(&self) -> &'static str;

    /// Its command line, told where its engine is.
    fn cli(&self) -> Command;

    /// Its API, where it has a daemon.
    fn socket(&self) -> Option<&Path>;

    /// Makes an image that runs `true` from a root's tar.
    fn import(&self, tar: &Path, name: &str) -> Result<()> {
        let mut import = self.cli();
        import
            .args(["import", "--change", "CMD [\"/bin/true\"]"])
            .arg(tar)
            .arg(name);
        quiet(import)
    }
}

/// Runs a command that must succeed, without its output.
pub fn quiet(mut command: Command) -> Result<()> {
    let said = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(
        said.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&said.stderr)
    );
    Ok(())
}

/// Sends one request and gives the answer's body as it came.
pub fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("an answer without a head")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let body = answer.split_off(end + 4);
    ensure!(
        head.starts_with("HTTP/1.1 2"),
        "{method} {path}: {head}\n{}",
        String::from_utf8_lossy(&body)
    );
    Ok(body)
}

/// A daemon that is ended with its owner.
pub struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    /// Starts `command` and waits for its first answer.
    pub fn start(mut command: Command, socket: &Path, log: &Path) -> Result<(Self, Duration)> {
        let log = File::options().create(true).append(true).open(log)?;
        let began = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let daemon = Self {
            child,
            socket: socket.to_owned(),
        };
        while ask(socket, "GET", "/_ping", "").is_err() {
            ensure!(began.elapsed() < PATIENCE, "{command:?} does not answer");
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok((daemon, began.elapsed()))
    }

    /// The daemon's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn stop(&mut self) {
        let asked = Command::new("kill").arg(self.pid().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A peer with a daemon that can be started anew.
pub trait Restart: Peer {
    /// Stops the daemon, starts it, and gives the time to its first answer.
    fn restart(&mut self) -> Result<Duration>;

    /// The daemon's process.
    fn pid(&self) -> u32;
}

/// Our own engine.
pub struct Gantry {
    programs: PathBuf,
    root: PathBuf,
    socket: PathBuf,
    daemon: Option<Daemon>,
}

impl Gantry {
    /// Starts an engine below `work`.
    pub fn start(programs: &Path, work: &Path) -> Result<Self> {
        let root = work.join("gantry");
        fs::create_dir(&root)?;
        let socket = root.join("gantry.sock");
        let mut gantry = Self {
            programs: programs.to_owned(),
            root,
            socket,
            daemon: None,
        };
        gantry.restart()?;
        Ok(gantry)
    }
}

impl Peer for Gantry {
    fn name(&self) -> &'static str {
        "gantry"
    }

    fn cli(&self) -> Command {
        let mut command = Command::new(self.programs.join("gantry"));
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        command
    }

    fn socket(&self) -> Option<&Path> {
        Some(&self.socket)
    }
}

impl Restart for Gantry {
    fn restart(&mut self) -> Result<Duration> {
        self.daemon = None;
        let mut command = Command::new(self.programs.join("gantryd"));
        command
            .arg("--data-root")
            .arg(self.root.join("data"))
            .arg("--exec-root")
            .arg(self.root.join("run"))
            .arg("--host")
            .arg(format!("unix://{}", self.socket.display()))
            .args(["--bridge", "gbench", "--bip", "172.29.0.1/16"]);
        let (daemon, took) = Daemon::start(command, &self.socket, &self.root.join("log"))?;
        self.daemon = Some(daemon);
        Ok(took)
    }

    fn pid(&self) -> u32 {
        self.daemon.as_ref().map_or(0, Daemon::pid)
    }
}

/// Debian's docker.io.
pub struct Docker {
    root: PathBuf,
    socket: PathBuf,
    daemon: Option<Daemon>,
}

impl Docker {
    /// Starts a dockerd, and its containerd, below `work`.
    pub fn start(work: &Path) -> Result<Self> {
        let root = work.join("docker");
        fs::create_dir(&root)?;
        let socket = root.join("docker.sock");
        let mut docker = Self {
            root,
            socket,
            daemon: None,
        };
        docker.restart()?;
        Ok(docker)
    }
}

impl Peer for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn cli(&self) -> Command {
        // Debian's client belongs to Debian's daemon, whatever else is on the path.
        let mut command = Command::new("/usr/bin/docker");
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        command
    }

    fn socket(&self) -> Option<&Path> {
        Some(&self.socket)
    }
}

impl Restart for Docker {
    fn restart(&mut self) -> Result<Duration> {
        self.daemon = None;
        let mut command = Command::new("/usr/sbin/dockerd");
        command
            .arg("--data-root")
            .arg(self.root.join("data"))
            .arg("--exec-root")
            .arg(self.root.join("run"))
            .arg("--pidfile")
            .arg(self.root.join("pid"))
            .arg("--host")
            .arg(format!("unix://{}", self.socket.display()));
        let (daemon, took) = Daemon::start(command, &self.socket, &self.root.join("log"))?;
        self.daemon = Some(daemon);
        Ok(took)
    }

    fn pid(&self) -> u32 {
        self.daemon.as_ref().map_or(0, Daemon::pid)
    }
}

/// Debian's podman, which has no daemon.
pub struct Podman {
    root: PathBuf,
}

impl Podman {
    /// Uses storage below `work`.
    pub fn new(work: &Path) -> Result<Self> {
        let root = work.join("podman");
        fs::create_dir(&root)?;
        Ok(Self { root })
    }
}

impl Peer for Podman {
    fn name(&self) -> &'static str {
        "podman"
    }

    fn cli(&self) -> Command {
        let mut command = Command::new("podman");
        command
            .arg("--root")
            .arg(self.root.join("data"))
            .arg("--runroot")
            .arg(self.root.join("run"))
            // There is no systemd in the bench's namespaces.
            .args(["--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        // Debian's own choice, crun, refuses cgroup v1 and hybrid machines.
        if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            command.args(["--runtime", "runc"]);
        }
        command
    }

    fn socket(&self) -> Option<&Path> {
        None
    }
}

/// Debian's registry, on loopback.
pub struct Registry {
    child: Child,
}

/// The registry's port: the network is the bench's own, so it is free.
const PORT: u16 = 5000;

impl Registry {
    /// Starts a registry that keeps its blobs below `work`.
    pub fn start(work: &Path) -> Result<Self> {
        let config = work.join("registry.yml");
        let storage = work.join("registry");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\n\
                 http: {{ addr: '127.0.0.1:{PORT}' }}\n",
                storage.display()
            ),
        )?;
        let log = File::create(work.join("registry.log"))?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting docker-registry")?;
        let registry = Self { child };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", PORT)).is_err() {
            ensure!(began.elapsed() < PATIENCE, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(registry)
    }

    /// Pushes the archive's image by docker and gives the name to pull it by.
    pub fn fill(&self, docker: &Docker, archive: &Path) -> Result<String> {
        let name = format!("127.0.0.1:{PORT}/layered:latest");
        for words in [
            vec!["load", "-i", &archive.to_string_lossy()],
            vec!["tag", "layered:latest", &name],
            vec!["push", &name],
            vec!["rmi", "-f", "layered:latest", &name],
        ] {
            let mut command = docker.cli();
            command.args(words);
            quiet(command)?;
        }
        Ok(name)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
