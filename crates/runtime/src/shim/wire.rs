//! What engine and shim tell each other. Each message is JSON behind its length (4 bytes, big-endian).

use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use oci_spec::runtime::{LinuxCapabilities, PosixRlimit, Process};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::client::{AttachOptions, ShimState};
use crate::spec::ConsoleSize;
use crate::{Dirs, Exit, Runtime};

/// Largest message in bytes: the arguments and variables of an exec.
pub(crate) const LARGEST: usize = 4 << 20;

/// `shim.json`: all that a shim, and a clean-up after it, must know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Boot {
    pub id: String,
    pub dirs: Dirs,
    pub runtime: Runtime,
    pub rootfs: PathBuf,
    /// Below each hierarchy's root.
    pub cgroup: PathBuf,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    pub console_size: Option<ConsoleSize>,
    pub log: crate::log::Config,
    /// Whom the stdio belongs to, so that `/dev/stdout` can be opened again.
    pub uid: u32,
    /// [`crate::Host::open_files`]: the shim inherits the engine's own.
    #[serde(default)]
    pub open_files: Option<u64>,
    /// Set from outside by the shim: some would hinder libcontainer's own work.
    pub limits: Vec<PosixRlimit>,
    /// What the builtin runtime leaves the program with; the shim sees to it, since libcontainer would be slow about
    /// the filter that belongs to it.
    pub capabilities: Option<LinuxCapabilities>,
    /// Of block I/O on cgroup v2, where libcontainer's own conversion overflows.
    pub io_weight: Option<u16>,
    /// There is a policy for the builtin runtime to apply: its missing would be an error.
    pub is_filtered: bool,
    /// What execs start from.
    pub base: ExecBase,
}

impl Boot {
    /// Writes it, whole or not at all.
    pub fn write(&self) -> io::Result<()> {
        let new = self.dirs.state.join("shim.json.new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(new, self.dirs.shim_json())
    }

    /// Reads that of a container, where there is one. One that can't be understood is as good as none: an error would
    /// stand in the way of every later start, too.
    pub fn read(dirs: &Dirs) -> io::Result<Option<Boot>> {
        let path = dirs.shim_json();
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let boot = serde_json::from_slice(&json);
        Ok(boot
            .inspect_err(|error| tracing::warn!(%error, path = %path.display(), "not understood"))
            .ok())
    }
}

/// What a container's execs start from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ExecBase {
    pub env: Vec<String>,
    pub hostname: String,
    pub user: String,
    pub groups: Vec<String>,
    pub cwd: String,
    /// Names without `CAP_`.
    pub capabilities: Vec<String>,
    pub no_new_privileges: bool,
    pub rlimits: Vec<PosixRlimit>,
    pub oom_score_adj: Option<i32>,
}

/// What a new shim tells the engine that started it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Progress {
    /// The socket answers; the shim waits for the go (one byte).
    Listening,
    /// The program runs.
    Started {
        pid: u32,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// Nothing runs, and nothing is left.
    Failed(Failure),
}

/// Why something did not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// No such program (127).
    NotFound(String),
    /// Not a program that can be run (126).
    NotExecutable(String),
    /// The runtime's words.
    Runtime(String),
    /// Its output could not be kept.
    Log(String),
    /// The container has ended.
    NotRunning,
    NoSuchExec(String),
    /// The caller's fault.
    Invalid(String),
}

/// What the engine asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    State,
    Kill(i32),
    Wait,
    Attach(AttachOptions),
    /// Of an exec, or of the container.
    Resize(Option<String>, ConsoleSize),
    Exec(Box<ExecRequest>),
    ExecWait(String),
}

/// A further process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExecRequest {
    pub id: String,
    pub process: Process,
    pub attach: AttachOptions,
    pub console_size: Option<ConsoleSize>,
}

/// What the shim answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    State(ShimState),
    /// Done; after an attach, the raw streams follow.
    Done,
    Exit(Exit),
    ExecStarted {
        pid: u32,
    },
    ExecExit(i32),
    Failed(Failure),
}

/// The bytes of a message.
pub(crate) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(message)?;
    let length = u32::try_from(json.len())
        .ok()
        .filter(|length| *length as usize <= LARGEST);
    let length =
        length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "message too large"))?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&json);
    Ok(bytes)
}

/// Takes a whole message from the front of `bytes`, where there is one.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(head) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*head) as usize;
    if length > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "message too large",
        ));
    }
    let Some(json) = bytes.get(4..4 + length) else {
        return Ok(None);
    };
    let message = serde_json::from_slice(json)?;
    bytes.drain(..4 + length);
    Ok(Some(message))
}

/// Writes a message to a blocking stream.
pub(crate) fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?)
}

/// Reads a message from a blocking stream; nothing at its end.
pub(crate) fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut bytes = vec![0; 4];
    if let Err(error) = stream.read_exact(&mut bytes) {
        return if error.kind() == io::ErrorKind::UnexpectedEof {
            Ok(None)
        } else {
            Err(error)
        };
    }
    let head = bytes
        .first_chunk::<4>()
        .map_or(0, |head| u32::from_be_bytes(*head) as usize);
    if head > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "message too large",
        ));
    }
    bytes.resize(4 + head, 0);
    stream.read_exact(bytes.get_mut(4..).unwrap_or_default())?;
    decode(&mut bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_being_cut_anywhere() {
        let whole = encode(&Request::Kill(9)).unwrap();
        for cut in 0..whole.len() {
            let mut part = whole[..cut].to_vec();
            assert!(decode::<Request>(&mut part).unwrap().is_none());
            part.extend_from_slice(&whole[cut..]);
            part.extend_from_slice(b"rest");
            assert!(matches!(
                decode::<Request>(&mut part).unwrap(),
                Some(Request::Kill(9))
            ));
            assert_eq!(part, b"rest");
        }
    }

    #[test]
    fn lies_about_the_length_are_refused() {
        assert!(decode::<Request>(&mut vec![0xff; 8]).is_err());
        assert!(receive::<Request>(&mut &[0xff; 8][..]).is_err());
        assert!(receive::<Request>(&mut &[0, 0, 0, 9, b'{'][..]).is_err());
    }
}
