//! A vfkit that runs.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::command::{Found, command_line};
use super::rest::{RestState, accepted, state, state_request, state_wish};
use crate::backend::process::{kill, on_path, start_lasting};
use crate::backend::{Backend, BackendError, Channel, Vm, VmFacts, unix_channel};
use crate::image::GuestImage;
use crate::store::{Machine, private_file};

const ADVICE: &str = "Install it: `brew install vfkit`.";
/// Where macOS keeps Rosetta.
const ROSETTA: &str = "/Library/Apple/usr/libexec/oah/libRosettaRuntime";
/// vfkit says nothing when its control is there: it is asked again after so long.
const AGAIN: Duration = Duration::from_millis(50);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const MAX_ANSWER: u64 = 64 * 1024;

/// vfkit as a back end.
#[derive(Debug, Clone, Copy)]
pub struct Vfkit;

/// A virtual machine of vfkit's.
pub struct VfkitVm {
    rest: PathBuf,
    tunnel: PathBuf,
    pid: Option<u32>,
    facts: VmFacts,
}

impl Backend for Vfkit {
    type Vm = VfkitVm;

    async fn start(&self, machine: &Machine, image: &GuestImage) -> Result<VfkitVm, BackendError> {
        let vfkit = on_path("vfkit").ok_or(BackendError::Missing {
            program: "vfkit".to_owned(),
            advice: ADVICE,
        })?;
        let paths = &machine.paths;
        for socket in [paths.rest_socket(), paths.tunnel_socket()] {
            match fs::remove_file(&socket) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(BackendError::io("remove an old socket")(error));
                }
                _ => {}
            }
        }
        let found = Found {
            rosetta: std::env::consts::ARCH == "aarch64" && Path::new(ROSETTA).exists(),
        };
        let words = command_line(&machine.spec, paths, image, found)?;
        let log = private_file(
            OpenOptions::new().create(true).append(true),
            &paths.vm_log(),
        )
        .map_err(BackendError::io("open the virtual machine's log"))?;
        let mut child = start_lasting(&vfkit, &words, Stdio::null(), &log)?;
        let vm = loop {
            tokio::select! {
                status = child.wait() => {
                    let status = status.map_err(BackendError::io("wait for vfkit"))?;
                    return Err(BackendError::Failed {
                        program: vfkit.display().to_string(),
                        said: format!("{status}; see {}", paths.vm_log().display()),
                    });
                }
                () = tokio::time::sleep(AGAIN) => {}
            }
            if let Some(vm) = VfkitVm::find(machine, Some(image.version.clone())).await? {
                break vm;
            }
        };
        // Waiting for it leaves no zombie.
        tokio::spawn(async move { child.wait().await });
        Ok(vm)
    }

    async fn attach(&self, machine: &Machine) -> Result<Option<VfkitVm>, BackendError> {
        let vm = VfkitVm::find(machine, None).await?;
        if let Some(vm) = &vm {
            vm.resume().await?;
        }
        Ok(vm)
    }
}

impl VfkitVm {
    /// The one that answers at the machine's control.
    async fn find(
        machine: &Machine,
        image: Option<String>,
    ) -> Result<Option<VfkitVm>, BackendError> {
        let rest = machine.paths.rest_socket();
        let Ok(stream) = UnixStream::connect(&rest).await else {
            return Ok(None);
        };
        let pid = stream
            .peer_cred()
            .ok()
            .and_then(|peer| peer.pid())
            .and_then(|pid| u32::try_from(pid).ok());
        drop(stream);
        let vm = VfkitVm {
            rest,
            tunnel: machine.paths.tunnel_socket(),
            pid,
            facts: VmFacts {
                accelerator: "hvf".to_owned(),
                emulated: false,
                image,
                warnings: Vec::new(),
            },
        };
        let answer = vm.ask(&state_request()).await?;
        match state(&answer) {
            Some(RestState::Running | RestState::Paused) => Ok(Some(vm)),
            _ => Ok(None),
        }
    }

    async fn ask(&self, request: &str) -> Result<Vec<u8>, BackendError> {
        let asked = async {
            let mut stream = UnixStream::connect(&self.rest).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
            Ok(answer)
        };
        tokio::time::timeout(ANSWER_LIMIT, asked)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(BackendError::io("ask vfkit"))
    }

    async fn wish(&self, state: &str) -> Result<(), BackendError> {
        let answer = self.ask(&state_wish(state)).await?;
        accepted(&answer).map_err(|said| BackendError::Failed {
            program: "vfkit".to_owned(),
            said,
        })
    }
}

impl Vm for VfkitVm {
    fn facts(&self) -> &VmFacts {
        &self.facts
    }

    fn pid(&self) -> Option<u32> {
        self.pid
    }

    async fn channel(&self) -> Result<Channel, BackendError> {
        unix_channel(&self.tunnel).await
    }

    async fn ended(&self) -> String {
        // A connection that asks nothing ends with the process, or when vfkit tires of it.
        while let Ok(mut stream) = UnixStream::connect(&self.rest).await {
            let mut nothing = [0; 16];
            while let Ok(1..) = stream.read(&mut nothing).await {}
        }
        "vfkit has ended".to_owned()
    }

    async fn power_button(&self) -> Result<(), BackendError> {
        self.wish("Stop").await
    }

    async fn quit(&self) -> Result<(), BackendError> {
        self.wish("HardStop").await
    }

    async fn kill(&self) -> Result<(), BackendError> {
        self.pid.map_or(Ok(()), kill)
    }

    async fn pause(&self) -> Result<(), BackendError> {
        self.wish("Pause").await
    }

    async fn resume(&self) -> Result<(), BackendError> {
        let answer = self.ask(&state_request()).await?;
        match state(&answer) {
            Some(RestState::Running) => Ok(()),
            _ => self.wish("Resume").await,
        }
    }

    async fn balloon(&self, _bytes: u64) -> Result<(), BackendError> {
        Err(BackendError::Unsupported(
            "vfkit can't change a running machine's memory",
        ))
    }

    async fn memory(&self) -> Option<u64> {
        None
    }

    async fn grow(&self, _bytes: u64) -> Result<(), BackendError> {
        Err(BackendError::Unsupported(
            "vfkit can't grow a running machine's disk",
        ))
    }
}
