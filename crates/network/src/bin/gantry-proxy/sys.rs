//! Datagrams with the address they were sent to, which neither std nor `rustix` wrap.

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::ptr;

use tokio::io::unix::AsyncFd;

/// Room for one control message of either family, aligned as `cmsghdr` wants it.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Makes the runtime watch a descriptor.
pub(crate) fn register(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` gives the same open descriptor for as long as it lives, and the `AsyncFd` owns it.
    unsafe { AsyncFd::register(descriptor) }.map_err(io::Error::from)
}

/// Asks the kernel to tell the destination of each datagram.
pub(crate) fn tell_destination(socket: &OwnedFd) -> io::Result<()> {
    let is_ipv6 = rustix::net::sockopt::socket_domain(socket)? == rustix::net::AddressFamily::INET6;
    let (level, option) = if is_ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
    } else {
        (libc::IPPROTO_IP, libc::IP_PKTINFO)
    };
    let on: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open; the value is a `c_int` of the length given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// One datagram: its length, its sender, and which of the host's addresses it was sent to.
pub(crate) fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr, Option<IpAddr>)> {
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut control = Control([0; 64]);
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut message = header(&mut part, &mut control);
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: every pointer of `message` leads to memory of the length beside it that outlives the call.
    let length = unsafe {
        libc::recvmsg(
            socket.as_fd().as_raw_fd(),
            &raw mut message,
            libc::MSG_DONTWAIT,
        )
    };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: zeroed, and perhaps written to by the kernel: initialised either way.
    let sender = address(unsafe { name.assume_init_ref() });
    Ok((
        length,
        sender.ok_or(io::ErrorKind::InvalidData)?,
        destination(&message),
    ))
}

/// Sends one datagram to `to`, from the host's address `from`.
pub(crate) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    to: SocketAddr,
    from: Option<IpAddr>,
) -> io::Result<()> {
    // The kernel doesn't write through it.
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; 64]);
    let mut message = header(&mut part, &mut control);
    let (mut ipv4, mut ipv6);
    match to {
        SocketAddr::V4(to) => {
            ipv4 = sockaddr_in(to);
            message.msg_name = (&raw mut ipv4).cast();
            message.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        }
        SocketAddr::V6(to) => {
            ipv6 = sockaddr_in6(to);
            message.msg_name = (&raw mut ipv6).cast();
            message.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        }
    }
    match from {
        Some(IpAddr::V4(from)) => {
            // SAFETY: all-zero bytes are a valid `in_pktinfo`: numbers.
            let mut info: libc::in_pktinfo = unsafe { zeroed() };
            info.ipi_spec_dst.s_addr = u32::from_ne_bytes(from.octets());
            put(&mut message, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(from)) => {
            // SAFETY: all-zero bytes are a valid `in6_pktinfo`: numbers.
            let mut info: libc::in6_pktinfo = unsafe { zeroed() };
            info.ipi6_addr.s6_addr = from.octets();
            put(&mut message, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
        None => message.msg_controllen = 0,
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: every pointer of `message` leads to memory of the length beside it that outlives the call.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, flags) };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn header(part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: all-zero bytes are a valid `msghdr`: null pointers and lengths of nothing.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    message
}

/// Makes `info` the message's one control message. `message.msg_control` leads to a [`Control`].
fn put<T>(message: &mut libc::msghdr, level: libc::c_int, kind: libc::c_int, info: T) {
    let size = size_of::<T>() as libc::c_uint;
    // SAFETY: pure arithmetic.
    let (space, length) = unsafe { (libc::CMSG_SPACE(size), libc::CMSG_LEN(size)) };
    assert!(space as usize <= size_of::<Control>());
    // SAFETY: the control buffer holds `space` bytes, so that there is a first header with room for `info` after it.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(message);
        (*first).cmsg_level = level;
        (*first).cmsg_type = kind;
        (*first).cmsg_len = length as _;
        ptr::write_unaligned(libc::CMSG_DATA(first).cast::<T>(), info);
    }
    message.msg_controllen = space as _;
}

fn destination(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel filled the control buffer and set its length, by which these macros keep.
    let first = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() }?;
    // SAFETY: as above; the data follows its header.
    let data = unsafe { libc::CMSG_DATA(first) };
    match (first.cmsg_level, first.cmsg_type) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            // SAFETY: a control message of this type holds an `in_pktinfo`.
            let info = unsafe { ptr::read_unaligned(data.cast::<libc::in_pktinfo>()) };
            // For a broadcast this is the interface's own address, which is what an answer comes from.
            Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into())
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            // SAFETY: a control message of this type holds an `in6_pktinfo`.
            let info = unsafe { ptr::read_unaligned(data.cast::<libc::in6_pktinfo>()) };
            let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            (!ip.is_multicast()).then_some(ip.into())
        }
        _ => None,
    }
}

fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let storage = ptr::from_ref(storage);
    // SAFETY: `sockaddr_storage` is large and aligned enough for either family's form, which its family names.
    unsafe {
        match libc::c_int::from((*storage).ss_family) {
            libc::AF_INET => {
                let name = &*storage.cast::<libc::sockaddr_in>();
                let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
            }
            libc::AF_INET6 => {
                let name = &*storage.cast::<libc::sockaddr_in6>();
                let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
                let port = u16::from_be(name.sin6_port);
                Some(SocketAddrV6::new(ip, port, name.sin6_flowinfo, name.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

fn sockaddr_in(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.ip().octets()),
        },
        sin_zero: [0; 8],
    }
}

fn sockaddr_in6(address: SocketAddrV6) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_port: address.port().to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr {
            s6_addr: address.ip().octets(),
        },
        sin6_scope_id: address.scope_id(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn answers_come_from_the_address_that_was_called() {
        for (bind, called) in [("0.0.0.0:0", "127.0.0.9"), ("[::]:0", "::1")] {
            let server = UdpSocket::bind(bind).unwrap();
            let server_port = server.local_addr().unwrap().port();
            let server = OwnedFd::from(server);
            tell_destination(&server).unwrap();
            let called: IpAddr = called.parse().unwrap();
            let client = UdpSocket::bind(SocketAddr::new(called, 0)).unwrap();
            client.connect((called, server_port)).unwrap();
            client.send(b"ping").unwrap();

            let mut buffer = [0; 16];
            let mut ready = [rustix::event::PollFd::new(
                &server,
                rustix::event::PollFlags::IN,
            )];
            rustix::event::poll(&mut ready, None).unwrap();
            let (length, sender, via) = receive(&server, &mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"ping");
            assert_eq!(sender, client.local_addr().unwrap());
            assert_eq!(via, Some(called));

            send(&server, b"pong", sender, via).unwrap();
            // Connected: it takes nothing that comes from elsewhere.
            let length = client.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"pong");
        }
    }
}
