//! An agent of its own for each test.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use gantry_tunnel::{Incoming, Tunnel, connect};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// A running agent, ended with the test.
pub struct Agent {
    pub folder: TempDir,
    pub dns: SocketAddr,
    process: Child,
}

impl Agent {
    /// Starts an agent, with the machine's init played by `init`.
    pub fn start_with(init: Option<u32>) -> Self {
        static STARTED: AtomicU16 = AtomicU16::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        // An address of the loopback that no other test process has.
        let [.., high, low] = std::process::id().to_be_bytes();
        let dns = SocketAddr::from(([127, 77, high, low], 10_053 + number));
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let process = Command::new(env!("CARGO_BIN_EXE_gantry-guest"))
            .args(["agent", "--channel"])
            .arg(format!("unix:{}", at("channel").display()))
            .arg("--api")
            .arg(at("api"))
            .arg("--claims")
            .arg(at("claims"))
            .args(["--dns", &dns.to_string()])
            .arg("--data")
            .arg(folder.path())
            // Never this system's own.
            .args(["--init", &init.unwrap_or(u32::MAX >> 1).to_string()])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the agent starts");
        Self {
            folder,
            dns,
            process,
        }
    }

    pub fn start() -> Self {
        Self::start_with(None)
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Connects to the agent's socket `name`, once it is there.
    pub async fn socket(&self, name: &str) -> UnixStream {
        let path = self.at(name);
        in_time("the agent's socket", async {
            loop {
                match UnixStream::connect(&path).await {
                    Ok(stream) => return stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        })
        .await
    }

    /// A session as its host.
    pub async fn host(&self) -> (Tunnel, Incoming) {
        let channel = self.socket("channel").await;
        in_time("a session", connect(channel))
            .await
            .expect("connect")
    }

    /// Ends the agent.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("kill");
    }
}

/// Fails a test that hangs.
pub async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} takes too long"),
    }
}
