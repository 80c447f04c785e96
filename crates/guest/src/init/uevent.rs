//! Waits for devices: the kernel tells of each as it appears.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::error::{InitError, kernel};

/// The group of the kernel's own messages.
const KERNEL_GROUP: u32 = 1;

/// Asks `look` until it finds something, each time that the kernel tells of a device.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, InitError> {
    if let Some(found) = look() {
        return Ok(found);
    }
    let deadline = Instant::now() + limit;
    let events = listen().map_err(kernel("listen for devices"))?;
    loop {
        // After listening has begun, or a device between the two would be missed.
        if let Some(found) = look() {
            return Ok(found);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(InitError::Absent {
                what: what.to_owned(),
                seconds: limit.as_secs(),
            });
        }
        let left = Timespec::try_from(left).map_err(|_| rustix::io::Errno::INVAL);
        let mut waiting = [PollFd::new(&events, PollFlags::IN)];
        match left.and_then(|left| poll(&mut waiting, Some(&left))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(kernel("wait for devices")(error)),
        }
        drain(&events);
    }
}

fn listen() -> rustix::io::Result<OwnedFd> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(KOBJECT_UEVENT),
    )?;
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
    Ok(socket)
}

/// What they say is of no interest, only that something changed; a lost message is one more reason to look.
fn drain(events: &OwnedFd) {
    let mut buffer = [0_u8; 8192];
    while recv(events, buffer.as_mut_slice(), RecvFlags::DONTWAIT).is_ok_and(|(read, _)| read > 0) {
    }
}
