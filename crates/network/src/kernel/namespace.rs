//! Network namespaces: made and entered in threads of their own, pinned as bind mounts.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::oneshot;

use super::{sys, sysctl};
use crate::NetworkError;

/// Room for the threads' stack: they make a handful of system calls.
const STACK: usize = 256 * 1024;

/// Makes a namespace with loopback up and pins it at `path`. What was pinned there before is let go.
pub(crate) async fn create(path: PathBuf) -> Result<(), NetworkError> {
    in_thread(move || {
        remove(&path)?;
        let file = |what, source| NetworkError::File {
            what,
            path: path.clone(),
            source,
        };
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(&path)
            .map_err(|source| file("create", source))?;
        let made = populate(&path);
        if made.is_err() {
            // A file without a namespace on it must not look like one.
            let _ = fs::remove_file(&path);
        }
        made
    })
    .await
}

fn populate(path: &Path) -> Result<(), NetworkError> {
    let system = |what| move |source| NetworkError::System { what, source };
    sys::enter_new_network_namespace().map_err(system("new network namespace"))?;
    sys::loopback_up().map_err(system("bring up loopback"))?;
    // As Docker: a container's processes need no privilege for low ports and for ping.
    sysctl::set_if_present("net/ipv4/ip_unprivileged_port_start", "0")?;
    sysctl::set_if_present("net/ipv4/ping_group_range", "0\t2147483647")?;
    // Last, so that a pinned namespace is a whole one.
    mount_bind("/proc/thread-self/ns/net", path).map_err(|errno| NetworkError::File {
        what: "pin namespace at",
        path: path.to_owned(),
        source: errno.into(),
    })
}

/// Lets go of the namespace at `path`; it ends with its last process. A path where nothing is, is no error.
pub(crate) fn remove(path: &Path) -> Result<(), NetworkError> {
    let file = |what, source| NetworkError::File {
        what,
        path: path.to_owned(),
        source,
    };
    // Once per mount: a path may have been pinned twice by a crash at the wrong moment.
    loop {
        match unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            // Not a mount point, or not there.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => break,
            Err(errno) => return Err(file("unmount", errno.into())),
        }
    }
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(file("remove", source)),
        _ => Ok(()),
    }
}

/// Opens a pinned namespace.
pub(crate) fn open(path: &Path) -> Result<File, NetworkError> {
    File::open(path).map_err(|source| NetworkError::File {
        what: "open namespace",
        path: path.to_owned(),
        source,
    })
}

/// Runs `work` in the namespace, in the context of the calling task's runtime.
pub(crate) async fn inside<T: Send + 'static>(
    namespace: File,
    work: impl FnOnce() -> Result<T, NetworkError> + Send + 'static,
) -> Result<T, NetworkError> {
    let runtime = tokio::runtime::Handle::current();
    in_thread(move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).map_err(
            |errno| NetworkError::System {
                what: "enter network namespace",
                source: errno.into(),
            },
        )?;
        let _context = runtime.enter();
        work()
    })
    .await
}

/// Runs `work` in a thread that ends afterwards, since a thread that changed its namespace can't go back to a pool.
async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NetworkError> + Send + 'static,
) -> Result<T, NetworkError> {
    let lost = |source| NetworkError::System {
        what: "namespace thread",
        source,
    };
    let (done, result) = oneshot::channel();
    std::thread::Builder::new()
        .name("netns".into())
        .stack_size(STACK)
        .spawn(move || {
            // A caller that no longer waits has nobody to tell.
            let _ = done.send(work());
        })
        .map_err(lost)?;
    result
        .await
        .map_err(|_| lost(io::Error::other("ended without a result")))?
}
