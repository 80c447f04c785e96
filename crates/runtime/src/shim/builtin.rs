//! The builtin runtime: libcontainer, in a worker.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::{Mutex, PoisonError};

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::{PosixRlimitType, Spec};

use super::device_filter;
use super::privileges::{self, Privileges};
use super::program::{self, Runner};
use super::stdio::ChildEnds;
use super::wire::{Boot, Failure};
use super::worker::{News, Shim, receive_console};
use crate::cgroup::{Cgroup, CgroupError};
use crate::spec::Resources;
use crate::sys;

/// Where a terminal comes back; relative, since the shim's folder may be too deep for a socket's address.
pub(super) const CONSOLE_SOCKET: &str = "console.sock";

/// Below this many open files libcontainer's own work would fail.
const FEW_FILES: u64 = 1024;

/// Creates the container, waits for the go, starts it.
pub(super) fn create(boot: &Boot, ends: ChildEnds, shim: &Shim) -> Result<(), Failure> {
    let trace = Trace::begin();
    let (report, outcome) = program::report().map_err(|error| wrong("report", &error))?;
    let few = boot
        .limits
        .iter()
        .find(|limit| limit.typ() == PosixRlimitType::RlimitNofile && limit.hard() < FEW_FILES);
    let privileges = Privileges {
        capabilities: boot.capabilities.clone(),
        filter: privileges::make_filter(boot)?,
        no_new_privileges: boot.base.no_new_privileges,
    };
    let open_files = few.map(|limit| (limit.soft(), limit.hard()));
    let runner = Runner {
        report,
        open_files,
        privileges,
    };
    let console = boot
        .tty
        .then(|| UnixListener::bind(CONSOLE_SOCKET))
        .transpose()
        .map_err(|e| wrong("console", &e))?;
    let built = build(boot, ends, runner);
    report.close();
    let mut container = match built {
        Ok(container) => container,
        // The program's own failure is the better story.
        Err(text) => {
            return Err(outcome
                .wait()
                .unwrap_or_else(|| Failure::Runtime(trace.explain(&text))));
        }
    };
    let pid = container
        .pid()
        .ok_or_else(|| Failure::Runtime("the runtime told no process".to_owned()))?
        .as_raw();
    for limit in boot
        .limits
        .iter()
        .filter(|limit| few.is_none_or(|few| few.typ() != limit.typ()))
    {
        sys::set_limit(pid, limit.typ() as u32, limit.soft(), limit.hard())
            .map_err(|error| wrong(&format!("setting rlimit {:?}", limit.typ()), &error))?;
    }
    complete_unified(boot)?;
    let terminal = match console {
        Some(listener) => {
            Some(accept_console(&listener).map_err(|error| wrong("console", &error))?)
        }
        None => None,
    };
    shim.tell(&News::Created(pid), terminal.as_ref().map(OwnedFd::as_fd))
        .map_err(|error| wrong("shim", &error))?;
    drop(terminal);
    if !shim.wait_for_go() {
        return Err(Failure::Runtime(
            "the engine left before the start".to_owned(),
        ));
    }
    if let Err(error) = container.start() {
        return Err(Failure::Runtime(trace.explain(&chain(&error))));
    }
    match outcome.wait() {
        Some(failure) => Err(failure),
        None => shim
            .tell(&News::Started, None)
            .map_err(|error| wrong("shim", &error)),
    }
}

/// Before the program runs: what libcontainer leaves undone on cgroup v2.
fn complete_unified(boot: &Boot) -> Result<(), Failure> {
    let failed = |error: CgroupError| Failure::Runtime(error.to_string());
    let cgroup = Cgroup::open(&boot.cgroup).map_err(failed)?;
    let Some(group) = cgroup.unified_folder() else {
        return Ok(());
    };
    let limits = Resources {
        blkio_weight: boot.io_weight,
        ..Resources::default()
    };
    cgroup.update(&limits).map_err(failed)?;
    let spec =
        Spec::load(boot.dirs.config_json()).map_err(|error| Failure::Runtime(error.to_string()))?;
    let resources = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.resources().as_ref());
    if let Some(memory) = resources.and_then(|resources| resources.memory().as_ref())
        && memory.limit().is_some()
        && memory.limit() == memory.swap()
    {
        // libcontainer takes no swap at all for no limit of it.
        let limits = Resources {
            memory: memory.limit(),
            memory_swap: memory.swap(),
            ..Resources::default()
        };
        cgroup.update(&limits).map_err(failed)?;
    }
    let rules = resources
        .and_then(|resources| resources.devices().as_deref())
        .unwrap_or_default();
    device_filter::apply(&group, rules).map_err(|error| wrong("guarding devices", &error))
}

pub(super) fn accept_console(listener: &UnixListener) -> std::io::Result<OwnedFd> {
    let (connection, _) = listener.accept()?;
    receive_console(connection.as_fd())
}

fn build(
    boot: &Boot,
    ends: ChildEnds,
    runner: Runner,
) -> Result<libcontainer::container::Container, String> {
    let mut builder = ContainerBuilder::new(boot.id.clone(), SyscallType::default())
        .with_executor(runner)
        .with_root_path(boot.dirs.runtime_root())
        .map_err(|error| chain(&error))?;
    if boot.tty {
        builder = builder.with_console_socket(Some(boot.dirs.state.join(CONSOLE_SOCKET)));
    }
    if let Some(stdin) = ends.stdin {
        builder = builder.with_stdin(stdin);
    }
    if let Some(stdout) = ends.stdout {
        builder = builder.with_stdout(stdout);
    }
    if let Some(stderr) = ends.stderr {
        builder = builder.with_stderr(stderr);
    }
    let init = builder
        .as_init(&boot.dirs.state)
        .with_systemd(false)
        .with_detach(true);
    init.build().map_err(|error| chain(&error))
}

fn wrong(what: &str, error: &std::io::Error) -> Failure {
    Failure::Runtime(format!("{what}: {error}"))
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = next.source();
    }
    text
}

/// libcontainer tells the cause of a failure only to `tracing`, in one of several processes: its error events are
/// kept in an unnamed file that all of them share.
struct Trace(Option<File>);

impl Trace {
    fn begin() -> Trace {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let file = rustix::fs::memfd_create("trace", flags)
            .ok()
            .map(File::from);
        if let Some(copy) = file.as_ref().and_then(|file| file.try_clone().ok()) {
            // A worker sets this once, in its own process.
            let _ = tracing::subscriber::set_global_default(Collector(Mutex::new(copy)));
        }
        Trace(file)
    }

    /// The text with the first cause that was told.
    fn explain(self, text: &str) -> String {
        const LARGEST: u64 = 4096;
        let Some(mut file) = self.0 else {
            return text.to_owned();
        };
        let mut told = Vec::new();
        let read = file
            .rewind()
            .and_then(|()| file.take(LARGEST).read_to_end(&mut told));
        let told = String::from_utf8_lossy(&told);
        match told.lines().next() {
            Some(first) if read.is_ok() && !text.contains(first) => format!("{text} ({first})"),
            _ => text.to_owned(),
        }
    }
}

/// Writes each error event as one line.
struct Collector(Mutex<File>);

impl tracing::Subscriber for Collector {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                use std::fmt::Write as _;
                let separator = if self.0.is_empty() { "" } else { ", " };
                let _ = match field.name() {
                    "message" => write!(self.0, "{separator}{value:?}"),
                    name => write!(self.0, "{separator}{name}: {value:?}"),
                };
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        text.0 = text.0.replace('\n', " ");
        text.0.push('\n');
        use std::io::Write as _;
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(text.0.as_bytes());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
