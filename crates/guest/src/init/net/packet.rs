//! IPv4 and UDP around a DHCP message (RFC 791, RFC 768): only what a client without an address needs.

use std::net::Ipv4Addr;

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const UDP: u8 = 17;
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// A packet from the client's port to the server's, to everyone.
pub fn wrap(from: Ipv4Addr, message: &[u8]) -> Option<Vec<u8>> {
    let udp_length = u16::try_from(UDP_HEADER + message.len()).ok()?;
    let length = u16::try_from(IP_HEADER + UDP_HEADER + message.len()).ok()?;
    let mut packet = Vec::with_capacity(usize::from(length));
    packet.extend([0x45, 0]);
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
    packet.extend(from.octets());
    packet.extend(Ipv4Addr::BROADCAST.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(CLIENT_PORT.to_be_bytes());
    packet.extend(SERVER_PORT.to_be_bytes());
    packet.extend(udp_length.to_be_bytes());
    // No checksum, as RFC 768 allows: the message is checked by what it says.
    packet.extend([0, 0]);
    packet.extend(message);
    Some(packet)
}

/// The message in a packet from the server's port to the client's. Hosts leave checksums to hardware that a virtual
/// card hasn't got, so none is looked at.
pub fn unwrap(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    let length = usize::from(pair(packet, 2)?);
    let fragment = pair(packet, 6)? & 0x3fff;
    if first >> 4 != 4 || header < IP_HEADER || *packet.get(9)? != UDP || fragment != 0 {
        return None;
    }
    let udp = packet.get(header..length)?;
    let udp_length = usize::from(pair(udp, 4)?);
    if pair(udp, 0)? != SERVER_PORT || pair(udp, 2)? != CLIENT_PORT {
        return None;
    }
    udp.get(UDP_HEADER..udp_length)
}

fn pair(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn checksum(header: &[u8]) -> u16 {
    let mut sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(message: &[u8]) -> Vec<u8> {
        let mut packet = wrap(Ipv4Addr::new(10, 0, 2, 2), message).expect("short");
        packet[20..24].copy_from_slice(&[0, 67, 0, 68]);
        packet
    }

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        // The example of RFC 1071's readers: a header whose sum with its checksum is all ones.
        let packet = wrap(Ipv4Addr::new(10, 0, 2, 15), b"hello").expect("short");
        assert_eq!(checksum(&packet[..IP_HEADER]), 0);
        assert_eq!(&packet[2..4], &33_u16.to_be_bytes());
    }

    #[test]
    fn a_message_is_found_in_its_packet() {
        assert_eq!(unwrap(&answer(b"offer")), Some(&b"offer"[..]));
        // What the link pads behind a short packet is no part of it.
        let mut padded = answer(b"offer");
        padded.extend([0; 18]);
        assert_eq!(unwrap(&padded), Some(&b"offer"[..]));
        // Options of IP move the rest.
        let mut longer = answer(b"offer");
        longer[0] = 0x46;
        longer[2..4].copy_from_slice(&37_u16.to_be_bytes());
        longer.splice(20..20, [1, 1, 1, 0]);
        assert_eq!(unwrap(&longer), Some(&b"offer"[..]));
    }

    #[test]
    fn hostile_packets_are_nothing() {
        let good = answer(b"offer");
        for length in 0..good.len() {
            assert_eq!(unwrap(&good[..length]), None, "{length}");
        }
        let changed = |at: usize, value: u8| {
            let mut packet = good.clone();
            packet[at] = value;
            packet
        };
        for (at, value) in [
            (0, 0x65),  // IPv6
            (0, 0x44),  // a header that is too short
            (0, 0x4f),  // one longer than the packet
            (3, 200),   // longer than it is
            (3, 10),    // shorter than its header
            (6, 0x20),  // a fragment
            (7, 1),     // another
            (9, 6),     // TCP
            (21, 53),   // from another port
            (23, 1),    // to another port
            (24, 0xff), // a datagram longer than its packet
            (25, 7),    // shorter than its header
        ] {
            assert_eq!(unwrap(&changed(at, value)), None, "{at} {value}");
        }
    }
}
