//! The system calls of the network that no crate of ours has in safe form: interface ioctls and the packet socket.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::Duration;

/// An interface request for `name`, everything else zero.
pub fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all fields of ifreq are integers, byte arrays and pointers, for which zero is a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    Ok(request)
}

/// An address as ioctls take it.
pub fn address(of: Ipv4Addr) -> libc::sockaddr {
    // SAFETY: all fields are integers, for which zero is a value.
    let mut inet: libc::sockaddr_in = unsafe { zeroed() };
    inet.sin_family = libc::AF_INET as libc::sa_family_t;
    inet.sin_addr.s_addr = u32::from_ne_bytes(of.octets());
    // SAFETY: both are plain integers of one size, 16 bytes, and begin with the family.
    unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(inet) }
}

/// Carries out an interface ioctl, which may change the request.
pub fn interface(code: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: the request lives through the call, and the kernel writes no more than an ifreq.
    ioctl(|socket| unsafe { libc::ioctl(socket, code as _, request as *mut libc::ifreq) })
}

/// Adds or removes a route by an ioctl.
pub fn route(code: libc::c_ulong, route: &libc::rtentry) -> io::Result<()> {
    // SAFETY: the route lives through the call, and the kernel only reads it; its device's name is null or a C string
    // that the caller keeps.
    ioctl(|socket| unsafe { libc::ioctl(socket, code as _, route as *const libc::rtentry) })
}

/// A route with everything zero.
pub fn empty_route() -> libc::rtentry {
    // SAFETY: all fields are integers and pointers, for which zero is a value.
    unsafe { zeroed() }
}

/// The flags of a request, as last written by the kernel or by [`set_flags`].
pub fn flags(request: &libc::ifreq) -> i32 {
    // SAFETY: the request was zeroed or filled by SIOCGIFFLAGS, so that the field is initialised.
    i32::from(unsafe { request.ifr_ifru.ifru_flags })
}

/// Sets the flags of a request.
pub fn set_flags(request: &mut libc::ifreq, flags: i32) {
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
}

fn ioctl(call: impl FnOnce(i32) -> i32) -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    if call(socket.as_raw_fd()) < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A socket for whole IPv4 packets on one interface: it works before the interface has an address.
pub struct PacketSocket {
    socket: OwnedFd,
    index: i32,
}

impl PacketSocket {
    /// Opens one on the interface of that index.
    pub fn open(index: i32) -> io::Result<Self> {
        let protocol = i32::from((libc::ETH_P_IP as u16).to_be());
        // SAFETY: takes no pointer.
        let socket = unsafe {
            libc::socket(
                libc::AF_PACKET,
                libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
                protocol,
            )
        };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just opened, and nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        let opened = Self { socket, index };
        let link = opened.link();
        // SAFETY: the address lives through the call, with its true size.
        let bound = unsafe {
            libc::bind(
                opened.socket.as_raw_fd(),
                (&raw const link).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if bound < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(opened)
    }

    /// Sends a packet to everyone on the link.
    pub fn broadcast(&self, packet: &[u8]) -> io::Result<()> {
        let mut link = self.link();
        link.sll_halen = 6;
        link.sll_addr = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];
        // SAFETY: packet and address live through the call, with their true sizes.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                0,
                (&raw const link).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// The next packet, or none within `limit`. A longer one is cut off.
    pub fn receive<'a>(
        &self,
        buffer: &'a mut [u8],
        limit: Duration,
    ) -> io::Result<Option<&'a [u8]>> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
        let mut waiting = [PollFd::new(&self.socket, PollFlags::IN)];
        if poll(&mut waiting, Some(&limit))? == 0 {
            return Ok(None);
        }
        let (read, _) =
            rustix::net::recv(&self.socket, &mut *buffer, rustix::net::RecvFlags::DONTWAIT)?;
        Ok(Some(&buffer[..read]))
    }

    fn link(&self) -> libc::sockaddr_ll {
        // SAFETY: all fields are integers, for which zero is a value.
        let mut link: libc::sockaddr_ll = unsafe { zeroed() };
        link.sll_family = libc::AF_PACKET as libc::c_ushort;
        link.sll_protocol = (libc::ETH_P_IP as u16).to_be();
        link.sll_ifindex = self.index;
        link
    }
}
