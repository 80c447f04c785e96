//! Messages to and from the kernel's netfilter by netlink ([linux/netfilter/nfnetlink.h]): as much of it as
//! [`elements`](super::elements) and [`conntrack`](super::conntrack) need.
//!
//! [linux/netfilter/nfnetlink.h]: https://github.com/torvalds/linux/blob/master/include/uapi/linux/netfilter/nfnetlink.h

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with,
};

/// Set on an attribute that holds attributes.
const NESTED: u16 = 0x8000;
const ATTRIBUTE_TYPE: u16 = 0x3fff;

const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
/// Asks for an answer.
pub(super) const ACK: u16 = libc::NLM_F_ACK as u16;
/// Makes what isn't there.
pub(super) const CREATE: u16 = libc::NLM_F_CREATE as u16;
/// Asks for all there is.
pub(super) const DUMP: u16 = libc::NLM_F_DUMP as u16;

/// `1 << (NFNLGRP_NFTABLES - 1)`, and some of the kinds of message that come by it.
const RULES_GROUP: u32 = 1 << 6;
const DELETED_TABLE: u16 = (NFTABLES << 8) | 2;
const NEW_CHAIN: u16 = (NFTABLES << 8) | 3;
const DELETED_RULE: u16 = (NFTABLES << 8) | 8;

/// NFNL_SUBSYS_NFTABLES
pub(super) const NFTABLES: u16 = 10;
/// NFPROTO_IPV4, which is AF_INET.
pub(super) const FAMILY_IPV4: u8 = 2;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;

/// Bytes one read may bring; the kernel's dumps come in pages.
const READ: usize = 64 * 1024;

/// A row of messages being written.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    sequence: u32,
    /// How many asked for an answer.
    answers: usize,
}

impl Writer {
    /// Writes one message; `body` adds its attributes. `resource` is `nfgenmsg.res_id`.
    pub(super) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        resource: u16,
        body: impl FnOnce(&mut Self),
    ) {
        let start = self.bytes.len();
        self.sequence += 1;
        self.answers += usize::from(flags & ACK != 0);
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes
            .extend_from_slice(&(REQUEST | flags).to_ne_bytes());
        self.bytes.extend_from_slice(&self.sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        body(self);
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Writes one attribute.
    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes
            .extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Writes attributes as they were read.
    pub(super) fn raw(&mut self, attributes: &[u8]) {
        self.bytes.extend_from_slice(attributes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Writes one attribute that holds others. The caller sees to it that they fit into 64 KiB.
    pub(super) fn nested(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        body(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }
}

/// Changes to nftables that are made together or not at all.
pub(super) fn nft_batch(changes: impl FnOnce(&mut Writer)) -> Writer {
    let mut batch = Writer::default();
    batch.message(BATCH_BEGIN, 0, 0, NFTABLES, |_| {});
    changes(&mut batch);
    batch.message(BATCH_END, 0, 0, NFTABLES, |_| {});
    batch
}

/// A way to the netfilter of one network namespace. Blocking; the kernel answers at once.
///
/// The socket is kept: closing one makes the kernel finish what earlier changes left to be cleaned up, which takes
/// ten milliseconds where a change takes a fraction of one.
pub(crate) struct Netfilter {
    socket: Mutex<Option<Socket>>,
}

impl Netfilter {
    /// For the calling thread's namespace.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            socket: Mutex::new(Some(Socket::open()?)),
        })
    }

    /// Runs an exchange of messages.
    pub(super) fn talk<T>(&self, exchange: impl FnOnce(&Socket) -> io::Result<T>) -> io::Result<T> {
        let mut kept = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = match kept.take() {
            Some(socket) => socket,
            None => Socket::open()?,
        };
        let result = exchange(&socket);
        // After an error there may be answers left, which the next exchange would take for its own.
        if result.is_ok() {
            *kept = Some(socket);
        }
        result
    }
}

/// The connection itself.
pub(super) struct Socket(OwnedFd);

impl Socket {
    fn open() -> io::Result<Self> {
        Ok(Self(socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(NETFILTER),
        )?))
    }

    /// Sends the messages and waits for their answers; the first error is returned.
    pub(super) fn execute(&self, messages: &Writer) -> io::Result<()> {
        self.send(messages)?;
        let mut buffer = vec![0; READ];
        let mut missing = messages.answers;
        while missing > 0 {
            let bytes = self.read(&mut buffer)?;
            for message in Messages(bytes) {
                if message.kind == libc::NLMSG_ERROR as u16 {
                    message.as_result()?;
                    missing = missing.saturating_sub(1);
                }
            }
        }
        Ok(())
    }

    /// Sends a request to dump and hands each answer's attributes to `each`.
    pub(super) fn dump(
        &self,
        request: &Writer,
        mut each: impl FnMut(Attributes<'_>),
    ) -> io::Result<()> {
        self.send(request)?;
        let mut buffer = vec![0; READ];
        loop {
            let bytes = self.read(&mut buffer)?;
            for message in Messages(bytes) {
                match i32::from(message.kind) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => message.as_result()?,
                    _ => each(Attributes(message.body.get(4..).unwrap_or_default())),
                }
            }
        }
    }

    fn send(&self, messages: &Writer) -> io::Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.0, &messages.bytes, SendFlags::empty(), &kernel)?;
        Ok(())
    }

    fn read<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let (length, _) = recv(&self.0, &mut *buffer, RecvFlags::empty())?;
        Ok(&buffer[..length])
    }
}

/// A socket that is readable whenever somebody changes rules, in the calling thread's namespace.
pub(crate) fn watch_rules() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        flags,
        Some(NETFILTER),
    )?;
    bind(&socket, &SocketAddrNetlink::new(0, RULES_GROUP))?;
    Ok(socket)
}

/// What somebody has done to the host's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// A chain is new or another, or a rule is gone.
    pub(crate) chains: bool,
    /// A table is gone.
    pub(crate) tables: bool,
}

impl Changes {
    /// Anything.
    pub(crate) const ALL: Self = Self {
        chains: true,
        tables: true,
    };
}

/// Reads one packet of such a socket, and adds what it tells.
pub(crate) fn read_changes(socket: &OwnedFd, changes: &mut Changes) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    let (length, _) = recv(socket, &mut *buffer, RecvFlags::empty())?;
    for message in Messages(&buffer[..length]) {
        changes.chains |= matches!(message.kind, NEW_CHAIN | DELETED_RULE);
        changes.tables |= message.kind == DELETED_TABLE;
    }
    Ok(())
}

struct Message<'a> {
    kind: u16,
    /// What follows `struct nlmsghdr`.
    body: &'a [u8],
}

impl Message<'_> {
    /// Of an `NLMSG_ERROR`, which is also how success is told.
    fn as_result(&self) -> io::Result<()> {
        match self
            .body
            .first_chunk()
            .map(|code| i32::from_ne_bytes(*code))
        {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = u32::from_ne_bytes(*self.0.first_chunk()?) as usize;
        let message = self.0.get(..length).filter(|message| message.len() >= 16)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([message[4], message[5]]),
            body: &message[16..],
        })
    }
}

/// Attributes of a message or of another attribute.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Attributes<'a> {
    /// The first attribute of that kind.
    pub(super) fn get(self, kind: u16) -> Option<&'a [u8]> {
        self.into_iter()
            .find_map(|(found, value)| (found == kind).then_some(value))
    }

    /// The first attribute of that kind, which holds others.
    pub(super) fn within(self, kind: u16) -> Option<Self> {
        self.get(kind).map(Self)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [a, b, c, d] = *self.0.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([c, d]) & ATTRIBUTE_TYPE, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut writer = Writer::default();
        writer.message(7, ACK, 2, 0, |w| {
            w.attribute(1, b"abc\0x");
            w.nested(3, |w| w.attribute(9, &[1, 2]));
        });
        let messages: Vec<_> = Messages(&writer.bytes).collect();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].kind, 7);
        let attributes = Attributes(&messages[0].body[4..]);
        assert_eq!(attributes.get(1), Some(&b"abc\0x"[..]));
        assert_eq!(attributes.within(3).unwrap().get(9), Some(&[1, 2][..]));
        assert_eq!(attributes.get(2), None);
    }

    #[test]
    fn cut_off_answers_end_the_reading() {
        for bytes in [&[][..], &[1, 0, 0, 0], &[0; 16], &[255; 20]] {
            assert_eq!(Messages(bytes).count(), 0, "{bytes:?}");
            assert!(Attributes(bytes).count() <= bytes.len());
        }
        assert_eq!(Attributes(&[0, 0, 0, 0, 0, 0]).count(), 0);
    }
}
