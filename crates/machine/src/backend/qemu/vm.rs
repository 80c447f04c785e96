//! A QEMU that runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::net::UnixStream;

use super::command::{DATA_NODE, Found, command_line};
use super::probe::{self, Remembered};
use super::{Accelerator, program, share};
use crate::backend::process::{Death, answer, first_file, kill, on_path, said, start_lasting};
use crate::backend::{Backend, BackendError, Channel, Vm, VmFacts, unix_channel};
use crate::image::GuestImage;
use crate::qmp::{Ended, Qmp, QmpError};
use crate::spec::write_atomically;
use crate::store::{Machine, private_file};

const ADVICE: &str =
    "Install QEMU (Debian: `apt install qemu-system-x86`; macOS: `brew install qemu`).";

/// QEMU as a back end.
#[derive(Debug, Clone)]
pub struct Qemu {
    /// Where the outcomes of trial boots are kept.
    pub probes: PathBuf,
}

/// A virtual machine of QEMU's.
pub struct QemuVm {
    qmp: Qmp,
    pid: Option<u32>,
    death: Option<Death>,
    facts: VmFacts,
    tunnel: PathBuf,
}

impl Backend for Qemu {
    type Vm = QemuVm;

    async fn start(&self, machine: &Machine, image: &GuestImage) -> Result<QemuVm, BackendError> {
        let arch = std::env::consts::ARCH;
        let name = program(arch);
        let qemu = on_path(&name).ok_or(BackendError::Missing {
            program: name,
            advice: ADVICE,
        })?;
        let paths = &machine.paths;
        let log = open_log(&paths.vm_log())
            .map_err(BackendError::io("open the virtual machine's log"))?;
        let accelerator = self.accelerator(&qemu, arch, image).await?;
        let mut warnings = Vec::new();
        if accelerator == Accelerator::Tcg {
            warnings.push(format!(
                "{} doesn't work here: the machine is emulated and slow",
                Accelerator::native().as_str().to_uppercase()
            ));
        }
        let shares = start_shares(machine, &log, &mut warnings).await?;
        for socket in [paths.qmp_socket(), paths.tunnel_socket()] {
            remove(&socket).map_err(BackendError::io("remove an old socket"))?;
        }
        let facts = VmFacts {
            accelerator: accelerator.as_str().to_owned(),
            emulated: accelerator == Accelerator::Tcg,
            image: Some(image.version.clone()),
            warnings,
        };
        // Before QEMU runs: whoever attaches to it must know what it is.
        let text =
            serde_json::to_vec(&facts).map_err(|error| BackendError::io("write")(error.into()))?;
        write_atomically(&paths.vm_facts(), &text)
            .map_err(BackendError::io("write the virtual machine's facts"))?;
        let found = Found {
            arch,
            accelerator,
            memfd: cfg!(target_os = "linux"),
            shares,
        };
        let words = command_line(&machine.spec, paths, image, &found)?;
        let mut child = start_lasting(&qemu, &words, Stdio::null(), &log)?;
        let status = child
            .wait()
            .await
            .map_err(BackendError::io("wait for QEMU"))?;
        if !status.success() {
            return Err(BackendError::Failed {
                program: qemu.display().to_string(),
                said: last_words(log),
            });
        }
        connect(&paths.qmp_socket(), paths.tunnel_socket(), facts).await
    }

    async fn attach(&self, machine: &Machine) -> Result<Option<QemuVm>, BackendError> {
        let paths = &machine.paths;
        let facts = fs::read(paths.vm_facts())
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or(VmFacts {
                accelerator: "unknown".to_owned(),
                emulated: true,
                image: None,
                warnings: Vec::new(),
            });
        match connect(&paths.qmp_socket(), paths.tunnel_socket(), facts).await {
            Ok(vm) => {
                vm.resume().await?;
                Ok(Some(vm))
            }
            // Nobody listens there: it has ended.
            Err(BackendError::Io { source, .. })
                if matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(BackendError::Qmp(QmpError::Closed)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Qemu {
    async fn accelerator(
        &self,
        qemu: &Path,
        arch: &str,
        image: &GuestImage,
    ) -> Result<Accelerator, BackendError> {
        let native = Accelerator::native();
        if native == Accelerator::Kvm {
            // No device, or no right to it: no trial.
            let kvm = OpenOptions::new().read(true).write(true).open("/dev/kvm");
            if kvm.is_err() {
                return Ok(Accelerator::Tcg);
            }
        }
        let version = answer(qemu, &["--version"]).await?;
        let key = probe::key(native, &version, &image.kernel_release, &boot_id().await);
        let remembered = Remembered::load(&self.probes);
        let works = match remembered.get(&key) {
            Some(works) => works,
            None => {
                let works = probe::works(qemu, arch, native, &image.kernel).await;
                tracing::info!(accelerator = native.as_str(), works, "trial boot");
                remembered.keep(&self.probes, key, works);
                works
            }
        };
        Ok(if works { native } else { Accelerator::Tcg })
    }
}

/// Another one after each start of the host.
async fn boot_id() -> String {
    if let Ok(id) = fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        return id.trim().to_owned();
    }
    answer(
        Path::new("/usr/sbin/sysctl"),
        &["-n", "kern.bootsessionuuid"],
    )
    .await
    .unwrap_or_default()
}

/// Starts a server for each shared folder; the number of those that have one. Without a server the machine runs all the
/// same, and says what is missing.
async fn start_shares(
    machine: &Machine,
    log: &File,
    warnings: &mut Vec<String>,
) -> Result<usize, BackendError> {
    let folders = &machine.spec.shares;
    if folders.is_empty() {
        return Ok(0);
    }
    let path = std::env::var_os("PATH");
    let Some(server) = first_file(share::candidates(path.as_deref())) else {
        warnings.push(
            "virtiofsd was not found: folders of the host can't be mounted in containers. Install it (Debian: `apt install virtiofsd`)"
                .to_owned(),
        );
        return Ok(0);
    };
    let flavour = share::flavour(&answer(&server, &["--version"]).await?);
    let root = rustix::process::geteuid().is_root();
    for (index, folder) in folders.iter().enumerate() {
        let ready = if folder.is_dir() {
            share::fits(flavour, folder, root)
        } else {
            Err(format!(
                "the folder {} is not shared: it isn't there",
                folder.display()
            ))
        };
        if let Err(why) = ready {
            // Tags are numbers: what comes after can't be shared either, lest it be mounted at another's path.
            warnings.push(why);
            return Ok(index);
        }
        let socket = machine.paths.share_socket(index);
        remove(&socket).map_err(BackendError::io("remove an old socket"))?;
        let listener = UnixListener::bind(&socket)
            .map_err(BackendError::io("listen for a folder's server"))?;
        let words = share::command_line(flavour, folder);
        let mut child = start_lasting(&server, &words, Stdio::from(OwnedFd::from(listener)), log)?;
        let folder = folder.clone();
        tokio::spawn(async move {
            // It ends when QEMU does; waiting for it leaves no zombie.
            let status = child.wait().await;
            tracing::info!(folder = %folder.display(), ?status, "a folder's server has ended");
        });
    }
    Ok(folders.len())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    remove(path)?;
    private_file(
        OpenOptions::new().create(true).append(true).read(true),
        path,
    )
}

fn last_words(mut log: File) -> String {
    let mut text = Vec::new();
    let read = log
        .seek(SeekFrom::Start(0))
        .and_then(|_| log.take(64 * 1024).read_to_end(&mut text));
    match read {
        Ok(1..) => said(&text),
        _ => "it said nothing".to_owned(),
    }
}

async fn connect(monitor: &Path, tunnel: PathBuf, facts: VmFacts) -> Result<QemuVm, BackendError> {
    let stream = UnixStream::connect(monitor)
        .await
        .map_err(BackendError::io("connect to QEMU's monitor"))?;
    // Whoever listens is QEMU itself: the number can't be another process' as long as the connection lives.
    let pid = stream
        .peer_cred()
        .ok()
        .and_then(|peer| peer.pid())
        .and_then(|pid| u32::try_from(pid).ok());
    let qmp = match Qmp::connect(stream).await {
        Ok(qmp) => qmp,
        // It hangs: nobody can do anything with it any more.
        Err(error @ QmpError::Silent { .. }) => {
            if let Some(pid) = pid {
                kill(pid)?;
            }
            return Err(error.into());
        }
        Err(error) => return Err(error.into()),
    };
    Ok(QemuVm {
        qmp,
        pid,
        death: pid.and_then(Death::of),
        facts,
        tunnel,
    })
}

impl Vm for QemuVm {
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
        let how = self.qmp.ended().await;
        // Its monitor closes a moment before it has let go of the disk and the sockets.
        if let Some(death) = &self.death {
            death.wait().await;
        }
        match how {
            Ended::Shutdown(reason) => match reason.as_str() {
                "guest-shutdown" => "the guest turned itself off".to_owned(),
                "guest-reset" | "guest-panic" => "the guest crashed or restarted itself".to_owned(),
                "host-signal" => "QEMU was told to end by a signal".to_owned(),
                "host-qmp-quit" => "QEMU was told to end".to_owned(),
                other => format!("QEMU ended: {other}"),
            },
            Ended::Silently => "QEMU was killed or has crashed".to_owned(),
        }
    }

    async fn power_button(&self) -> Result<(), BackendError> {
        Ok(self.qmp.power_button().await?)
    }

    async fn quit(&self) -> Result<(), BackendError> {
        Ok(self.qmp.quit().await?)
    }

    async fn kill(&self) -> Result<(), BackendError> {
        self.pid.map_or(Ok(()), kill)
    }

    async fn pause(&self) -> Result<(), BackendError> {
        Ok(self.qmp.stop().await?)
    }

    async fn resume(&self) -> Result<(), BackendError> {
        Ok(self.qmp.cont().await?)
    }

    async fn balloon(&self, bytes: u64) -> Result<(), BackendError> {
        Ok(self.qmp.balloon(bytes).await?)
    }

    async fn memory(&self) -> Option<u64> {
        self.qmp.memory().await.ok()
    }

    async fn grow(&self, bytes: u64) -> Result<(), BackendError> {
        Ok(self.qmp.grow(DATA_NODE, bytes).await?)
    }
}
