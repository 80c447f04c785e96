//! Forgetting tracked connections.
//!
//! The kernel remembers where it sends each flow, and a UDP flow lives as long as its client keeps sending: without
//! this a client would go on talking to a container that is gone, instead of to its successor on the same port.
//! Message layout: [linux/netfilter/nfnetlink_conntrack.h].
//!
//! [linux/netfilter/nfnetlink_conntrack.h]: https://github.com/torvalds/linux/blob/master/include/uapi/linux/netfilter/nfnetlink_conntrack.h

use std::io;
use std::net::Ipv4Addr;

use super::netfilter::{ACK, Attributes, DUMP, FAMILY_IPV4, Netfilter, Writer};
use crate::NetworkError;

const SUBSYSTEM: u16 = 1; // NFNL_SUBSYS_CTNETLINK
const GET: u16 = (SUBSYSTEM << 8) | 1;
const DELETE: u16 = (SUBSYSTEM << 8) | 2;

/// CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ID; CTA_TUPLE_IP, CTA_TUPLE_PROTO; CTA_IP_V4_SRC; CTA_PROTO_NUM
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ID: u16 = 12;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const SOURCE: u16 = 1;
const PROTOCOL_NUMBER: u16 = 1;
const UDP: u8 = 17;

/// Forgets the UDP flows that are answered by an address that `is_gone`. Blocking.
pub(crate) fn forget_udp(
    netfilter: &Netfilter,
    is_gone: impl Fn(Ipv4Addr) -> bool,
) -> Result<(), NetworkError> {
    let forget = || -> io::Result<()> {
        let mut request = Writer::default();
        request.message(GET, DUMP, FAMILY_IPV4, 0, |_| {});
        let mut flows: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        netfilter.talk(|socket| {
            socket.dump(&request, |flow| {
                if udp_answerer(flow).is_some_and(&is_gone)
                    && let (Some(original), Some(id)) = (flow.get(ORIGINAL), flow.get(ID))
                {
                    flows.push((original.to_vec(), id.to_vec()));
                }
            })
        })?;
        for (original, id) in flows {
            let mut request = Writer::default();
            request.message(DELETE, ACK, FAMILY_IPV4, 0, |w| {
                w.nested(ORIGINAL, |w| w.raw(&original));
                w.attribute(ID, &id);
            });
            match netfilter.talk(|socket| socket.execute(&request)) {
                // It ended meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
        Ok(())
    };
    forget().map_err(|source| NetworkError::System {
        what: "forget tracked UDP flows",
        source,
    })
}

/// Who answers a flow, if it is a UDP one.
fn udp_answerer(flow: Attributes<'_>) -> Option<Ipv4Addr> {
    let reply = flow.within(REPLY)?;
    let protocol = reply.within(TUPLE_PROTOCOL)?.get(PROTOCOL_NUMBER)?;
    let source = reply.within(TUPLE_IP)?.get(SOURCE)?;
    (protocol == [UDP]).then_some(Ipv4Addr::from(*source.first_chunk::<4>()?))
}
