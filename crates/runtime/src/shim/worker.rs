//! Work that the shim leaves to a forked copy of itself: libcontainer is large and forks, and entering namespaces
//! can't be undone. The shim stays small and in its own namespaces.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use super::wire::Failure;
use crate::sys::{self, Fork};

/// What a worker tells its shim.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum News {
    /// The process is there but does not run the program yet; a terminal's master comes along.
    Created(i32),
    /// The program runs.
    Started,
    /// It does not.
    Failed(Failure),
}

/// A worker, seen from the shim.
pub(super) struct Worker {
    pub pid: i32,
    channel: OwnedFd,
}

/// The worker's own end.
pub(super) struct Shim {
    channel: OwnedFd,
}

/// Largest message: an error's text may be long.
const LARGEST: usize = 16 << 10;

impl Worker {
    /// Runs `work` in a copy of this process, which then ends.
    pub fn fork(work: impl FnOnce(&Shim) -> Result<(), Failure>) -> io::Result<Worker> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        match sys::fork()? {
            Fork::Parent(pid) => Ok(Worker { pid, channel: ours }),
            Fork::Child => {
                drop(ours);
                sys::reset_signals();
                sys::name_process(c"gantry-worker");
                // It enters containers with host descriptors open: nobody may look into it. A program that it becomes
                // is its own again.
                let _ = rustix::process::set_dumpable_behavior(
                    rustix::process::DumpableBehavior::NotDumpable,
                );
                let shim = Shim { channel: theirs };
                // A panic must not unwind into the copy of the shim's loop.
                let outcome =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&shim)));
                let failure = match outcome {
                    Ok(Ok(())) => sys::exit_now(0),
                    Ok(Err(failure)) => failure,
                    Err(_) => Failure::Runtime("the shim's worker failed; see shim.log".to_owned()),
                };
                // Where the shim is gone nobody wants to know.
                let _ = shim.tell(&News::Failed(failure), None);
                sys::exit_now(1)
            }
        }
    }

    /// The next message, without waiting: an error of kind `WouldBlock` where there is none yet, `None` when the
    /// worker has ended without one.
    pub fn news(&self) -> io::Result<Option<(News, Option<OwnedFd>)>> {
        let mut bytes = vec![0; LARGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let received = rustix::net::recvmsg(
            &self.channel,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            flags,
        )?;
        if received.bytes == 0 {
            return Ok(None);
        }
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let news = serde_json::from_slice(bytes.get(..received.bytes).unwrap_or_default())?;
        Ok(Some((news, descriptor)))
    }

    /// Lets a created process run its program.
    pub fn go(&self) -> io::Result<()> {
        rustix::net::send(&self.channel, b"g", SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl Shim {
    pub fn tell(&self, news: &News, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let mut json = serde_json::to_vec(news)?;
        if json.len() > LARGEST {
            let short = News::Failed(Failure::Runtime(
                "the runtime's error is too long to tell".to_owned(),
            ));
            json = serde_json::to_vec(&short)?;
        }
        let descriptors: Vec<_> = descriptor.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        rustix::net::sendmsg(
            &self.channel,
            &[IoSlice::new(&json)],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }

    /// Waits for [`Worker::go`]; false when the shim does not want to go on.
    pub fn wait_for_go(&self) -> bool {
        let mut byte = [0];
        loop {
            match rustix::net::recv(&self.channel, &mut byte[..], RecvFlags::empty()) {
                Ok((_, length)) => return length == 1,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

/// Receives the terminal that a runtime sends over its console socket.
pub(super) fn receive_console(connection: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut bytes = [0; 256];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    rustix::net::recvmsg(
        connection,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptor.ok_or_else(|| io::Error::other("the runtime sent no terminal"))
}
