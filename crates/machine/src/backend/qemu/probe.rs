//! Which accelerator works: a device that opens proves little, so the real kernel is booted until it says a word.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Accelerator;
use super::command::platform;
use crate::spec::write_atomically;

/// A kernel that hasn't said a word by then never will.
pub const LIMIT: Duration = Duration::from_secs(5);
/// The first words of every Linux.
pub const PROOF: &[u8] = b"Linux version";
const MAX_BYTES: u64 = 1024 * 1024;
const MAX_REMEMBERED: usize = 64;

/// The arguments of the trial: a console on standard output, nothing else.
pub fn command_line(arch: &str, accelerator: Accelerator, kernel: &Path) -> Vec<OsString> {
    let (machine, cpu, console) = platform(arch, accelerator);
    let early = if arch == "aarch64" {
        "earlycon".to_owned()
    } else {
        format!("earlyprintk={console}")
    };
    let mut words: Vec<OsString> = [
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-machine",
        machine,
        "-accel",
        accelerator.as_str(),
        "-cpu",
        cpu,
        "-m",
        "256M",
        "-append",
        &format!("console={console} {early} panic=-1"),
        "-serial",
        "stdio",
        "-kernel",
    ]
    .map(OsString::from)
    .into();
    words.push(kernel.into());
    words
}

/// What a trial's outcome depends on.
pub fn key(accelerator: Accelerator, qemu: &str, kernel: &str, boot: &str) -> String {
    format!(
        "{}|{}|{kernel}|{boot}",
        accelerator.as_str(),
        qemu.lines().next().unwrap_or_default()
    )
}

/// The outcomes of earlier trials.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Remembered {
    works: BTreeMap<String, bool>,
}

impl Remembered {
    /// What is written at `path`; nothing where that can't be read.
    pub fn load(path: &Path) -> Remembered {
        File::open(path)
            .ok()
            .and_then(|opened| serde_json::from_reader(opened.take(MAX_BYTES)).ok())
            .unwrap_or_default()
    }

    /// How the trial `key` went.
    pub fn get(&self, key: &str) -> Option<bool> {
        self.works.get(key).copied()
    }

    /// Keeps how it went.
    pub fn keep(mut self, path: &Path, key: String, works: bool) {
        if self.works.len() >= MAX_REMEMBERED {
            self.works.clear();
        }
        self.works.insert(key, works);
        let written = serde_json::to_vec(&self)
            .map_err(std::io::Error::other)
            .and_then(|text| write_atomically(path, &text));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "the outcome of the trial boot is not remembered");
        }
    }
}

/// Whether `accelerator` runs `kernel`, by a trial of at most [`LIMIT`].
#[cfg(unix)]
pub async fn works(program: &Path, arch: &str, accelerator: Accelerator, kernel: &Path) -> bool {
    use std::process::Stdio;
    use tokio::io::AsyncReadExt;

    let child = tokio::process::Command::new(program)
        .args(command_line(arch, accelerator, kernel))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let Ok(mut child) = child else {
        return false;
    };
    let Some(mut console) = child.stdout.take() else {
        return false;
    };
    let said = async {
        let mut seen = Vec::new();
        loop {
            match console.read_buf(&mut seen).await {
                Ok(1..) => {}
                _ => return false,
            }
            if seen.windows(PROOF.len()).any(|window| window == PROOF) {
                return true;
            }
            // The proof may be cut in two.
            let keep = seen.len().saturating_sub(PROOF.len());
            seen.drain(..keep);
        }
    };
    let works = tokio::time::timeout(LIMIT, said).await.unwrap_or(false);
    // Where the kernel can't even kill it, nobody waits for that.
    let _ = child.start_kill();
    let _ = tokio::time::timeout(LIMIT, child.wait()).await;
    works
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::fixture::shown;

    #[test]
    fn the_trials_command_line() {
        let kernel = Path::new("/image/vmlinuz");
        insta::assert_snapshot!(shown(&command_line("x86_64", Accelerator::Kvm, kernel)));
        insta::assert_snapshot!(shown(&command_line("aarch64", Accelerator::Hvf, kernel)));
    }

    #[test]
    fn an_outcome_is_remembered_for_its_host_program_and_kernel_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probes.json");
        let one = key(Accelerator::Kvm, "QEMU 7.2\nCopyright", "6.1", "boot");
        Remembered::load(&path).keep(&path, one.clone(), false);
        assert_eq!(Remembered::load(&path).get(&one), Some(false));
        let other = key(Accelerator::Kvm, "QEMU 7.2", "6.1", "next");
        assert_eq!(Remembered::load(&path).get(&other), None);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Remembered::load(&path).get(&one), None);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_that_ends_or_says_nothing_of_linux_proves_nothing() {
        let kernel = Path::new("/dev/null");
        let works =
            |program: &'static str| works(Path::new(program), "x86_64", Accelerator::Kvm, kernel);
        assert!(!works("/bin/false").await);
        assert!(!works("/nonexistent").await);
        // It echoes its arguments, among which is no proof.
        assert!(!works("/bin/echo").await);
    }
}
