//! What the tests run containers on: a folder of their own with a busybox root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gantry_runtime::cgroup::Hierarchies;
use gantry_runtime::spec::{Mount, MountKind};
use gantry_runtime::{
    AttachOptions, AttachStream, ContainerSpec, Dirs, ExecSpec, Exit, Host, Runtime, ShimClient,
    StartError, StartRequest, Started, log, shim,
};
use tokio::io::AsyncReadExt;

/// Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const ALL: AttachOptions = AttachOptions {
    stdin: true,
    stdout: true,
    stderr: true,
};

/// A root with busybox in it and folders for one container.
pub struct Ground {
    folder: tempfile::TempDir,
    pub host: Host,
    pub spec: ContainerSpec,
    pub runtime: Runtime,
    below: PathBuf,
}

/// What a process wrote.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
}

impl Ground {
    pub fn new() -> Ground {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests run containers: run them as root"
        );
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = tempfile::tempdir().unwrap();
        let rootfs = folder.path().join("rootfs");
        busybox(&rootfs);
        let host = Host::detect(
            PathBuf::from(env!("CARGO_BIN_EXE_gantry-shim")),
            folder.path(),
            &Hierarchies::detect().unwrap(),
        )
        .unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:032x}{:032x}", std::process::id(), number);
        let spec = ContainerSpec {
            id,
            rootfs,
            hostname: "box".into(),
            cgroup_parent: Some("/gantry-test".into()),
            ..ContainerSpec::default()
        };
        Ground {
            folder,
            host,
            spec,
            runtime: Runtime::Builtin,
            below: PathBuf::new(),
        }
    }

    /// A container that runs a shell script.
    pub fn script(script: &str) -> Ground {
        let mut ground = Ground::new();
        ground.spec.args = ["sh", "-c", script].map(str::to_owned).to_vec();
        ground
    }

    /// A container that waits to be killed.
    pub fn sleeper() -> Ground {
        Ground::script("sleep 1000 & wait")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn rootfs(&self) -> PathBuf {
        self.spec.rootfs.clone()
    }

    pub fn dirs(&self) -> Dirs {
        Dirs {
            state: self.path().join(&self.below).join("state"),
            data: self.path().join("data"),
        }
    }

    /// Puts the state where a socket's address could not reach.
    pub fn deepen(&mut self) {
        self.below = ["d".repeat(100), "e".repeat(100)].iter().collect();
    }

    /// Whether the container's program runs.
    pub async fn exec_works(&self) -> bool {
        let exec = ExecSpec {
            id: "probe".into(),
            args: vec!["true".into()],
            ..ExecSpec::default()
        };
        self.client().exec(&exec).await.is_ok()
    }

    pub fn client(&self) -> ShimClient {
        ShimClient::new(self.dirs())
    }

    pub async fn start_attached(&self, attach: &[AttachOptions]) -> Result<Started, StartError> {
        let request = StartRequest {
            dirs: self.dirs(),
            spec: self.spec.clone(),
            runtime: self.runtime.clone(),
            log: log::Config::default(),
            attach: attach.to_vec(),
        };
        shim::start(&self.host, request).await
    }

    pub async fn start(&self) -> Started {
        self.start_attached(&[]).await.unwrap()
    }

    /// Starts it with its output attached from the first byte.
    pub async fn start_heard(&self) -> AttachStream {
        let output = AttachOptions {
            stdin: false,
            ..ALL
        };
        let mut started = self.start_attached(&[output]).await.unwrap();
        started.attached.remove(0)
    }

    pub async fn exited(&self) -> Exit {
        within(self.client().exited()).await.unwrap()
    }

    /// Runs to the end with everything attached from the first byte.
    pub async fn run(&self) -> (Exit, Output) {
        let output = read(self.start_heard().await, self.spec.tty).await;
        (self.exited().await, output)
    }

    /// Runs a script in the running container.
    pub async fn exec(&self, script: &str) -> (i32, Output) {
        self.exec_as(ExecSpec {
            args: ["sh", "-c", script].map(str::to_owned).to_vec(),
            ..ExecSpec::default()
        })
        .await
    }

    pub async fn exec_as(&self, exec: ExecSpec) -> (i32, Output) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = format!("exec{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let exec = ExecSpec {
            id: id.clone(),
            attach: AttachOptions {
                stdin: false,
                ..ALL
            },
            ..exec
        };
        let started = self.client().exec(&exec).await.unwrap();
        let output = read(started.stream.unwrap(), exec.tty).await;
        (
            within(self.client().exec_exited(&id)).await.unwrap(),
            output,
        )
    }

    /// Ends a container that still runs.
    pub async fn stop(&self) -> Exit {
        // It may have ended by itself.
        let _ = self.client().kill(9).await;
        self.exited().await
    }
}

/// Whatever became of the test, its container does not stay.
impl Drop for Ground {
    fn drop(&mut self) {
        let path = self.spec.cgroup_path();
        if let Ok(cgroup) = gantry_runtime::cgroup::Cgroup::open(&path) {
            let _ = cgroup.kill_all();
            let deadline = Instant::now() + Duration::from_secs(10);
            while self.dirs().state.join("shim.sock").exists() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
            let _ = cgroup.remove();
        }
    }
}

/// A folder or file of the host in the container.
pub fn bind(source: &Path, destination: &str) -> Mount {
    let kind = MountKind::Bind {
        source: source.to_owned(),
        propagation: None,
        non_recursive: false,
    };
    Mount {
        destination: destination.into(),
        kind,
        read_only: false,
    }
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("took too long")
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Reads a stream to its end, taking its frames apart.
pub async fn read(mut stream: AttachStream, tty: bool) -> Output {
    let mut bytes = Vec::new();
    within(stream.output.read_to_end(&mut bytes)).await.unwrap();
    if tty {
        return Output {
            stdout: String::from_utf8_lossy(&bytes).into_owned(),
            stderr: String::new(),
        };
    }
    parse(&bytes)
}

pub fn parse(mut bytes: &[u8]) -> Output {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (body, rest) = rest.split_at(length);
        match head[0] {
            1 => stdout.extend_from_slice(body),
            2 => stderr.extend_from_slice(body),
            other => panic!("stream {other}"),
        }
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a frame");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Output {
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

fn busybox(rootfs: &Path) {
    let program = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .find(|path| Path::new(path).exists());
    let program = program.expect("busybox-static is not installed");
    for folder in ["bin", "etc", "tmp", "root", "home", "dev", "proc", "sys"] {
        fs::create_dir_all(rootfs.join(folder)).unwrap();
    }
    fs::set_permissions(rootfs.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::copy(program, rootfs.join("bin/busybox")).unwrap();
    for applet in [
        "sh", "sleep", "cat", "echo", "ls", "id", "ps", "kill", "env", "mount", "umount",
        "unshare", "hostname", "stty", "dd", "head", "tail", "grep", "wc", "touch", "mkdir", "rm",
        "chmod", "stat", "readlink", "tty", "true", "false", "seq", "test", "yes", "ip", "chroot",
        "mknod", "date", "df", "find", "cut", "tr", "nproc", "pwd", "sync", "ln", "printf",
    ] {
        symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
    }
    fs::write(
        rootfs.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n",
    )
    .unwrap();
    fs::write(
        rootfs.join("etc/group"),
        "root:x:0:\nannies:x:1001:\nstaff:x:50:ann\n",
    )
    .unwrap();
    fs::create_dir_all(rootfs.join("home/ann")).unwrap();
}
