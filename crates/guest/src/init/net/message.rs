//! DHCP's messages (RFC 2131, options of RFC 2132). What a server says is believed only as far as it makes sense.

use std::net::Ipv4Addr;
use std::time::Duration;

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const ETHERNET: u8 = 1;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Where the options begin, behind the fixed part and the cookie.
const OPTIONS_AT: usize = 240;
/// So that no relay drops it for being short.
const LEAST: usize = 300;
const MAX_SERVERS: usize = 3;
const MAX_DOMAIN: usize = 253;

const MASK: u8 = 1;
const ROUTER: u8 = 3;
const NAME_SERVERS: u8 = 6;
const HOST_NAME: u8 = 12;
const DOMAIN: u8 = 15;
const MTU: u8 = 26;
const WANTED_ADDRESS: u8 = 50;
const LEASE_TIME: u8 = 51;
const KIND: u8 = 53;
const SERVER: u8 = 54;
const ASKED_FOR: u8 = 55;
const RENEWAL_TIME: u8 = 58;
const CLIENT_ID: u8 = 61;

/// What the client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Who has an address for me?
    Discover,
    /// I take that one of that server's.
    Take {
        /// The offered address.
        address: Ipv4Addr,
        /// Who offered it.
        server: Ipv4Addr,
    },
    /// May I keep mine?
    Keep {
        /// The address that it has.
        address: Ipv4Addr,
    },
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// You could have this.
    Offer(Lease),
    /// It is yours.
    Granted(Lease),
    /// You can't have that.
    Refused,
}

/// An address for a time, and what comes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The machine's address.
    pub address: Ipv4Addr,
    /// The network's mask.
    pub mask: Ipv4Addr,
    /// Who gave it.
    pub server: Ipv4Addr,
    /// The way out.
    pub router: Option<Ipv4Addr>,
    /// Who resolves names.
    pub name_servers: Vec<Ipv4Addr>,
    /// In which domain the machine is.
    pub domain: Option<String>,
    /// The largest packet.
    pub mtu: Option<u16>,
    /// After what time to ask for more of it.
    pub renew_after: Duration,
    /// After what time it ends.
    pub ends_after: Duration,
}

impl Question {
    /// The bytes of the question.
    pub fn encode(&self, transaction: u32, mac: [u8; 6], hostname: &str) -> Vec<u8> {
        let mut message = vec![0; OPTIONS_AT];
        message[..3].copy_from_slice(&[REQUEST, ETHERNET, 6]);
        message[4..8].copy_from_slice(&transaction.to_be_bytes());
        // The answer is to be broadcast: the card has no address to which it could be sent.
        message[10] = 0x80;
        if let Self::Keep { address } = self {
            message[12..16].copy_from_slice(&address.octets());
        }
        message[28..34].copy_from_slice(&mac);
        message[236..240].copy_from_slice(&COOKIE);

        let mut option = |code: u8, value: &[u8]| {
            let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
            message.extend([code, length]);
            message.extend(&value[..usize::from(length)]);
        };
        option(KIND, &[if matches!(self, Self::Discover) { 1 } else { 3 }]);
        option(CLIENT_ID, &[&[ETHERNET][..], &mac].concat());
        if let Self::Take { address, server } = self {
            option(WANTED_ADDRESS, &address.octets());
            option(SERVER, &server.octets());
        }
        option(HOST_NAME, hostname.as_bytes());
        option(
            ASKED_FOR,
            &[
                MASK,
                ROUTER,
                NAME_SERVERS,
                DOMAIN,
                MTU,
                LEASE_TIME,
                RENEWAL_TIME,
            ],
        );
        message.push(255);
        message.resize(message.len().max(LEAST), 0);
        message
    }
}

/// Reads an answer to the question of that number by the card of that address; all else is nothing.
pub fn decode(message: &[u8], transaction: u32, mac: [u8; 6]) -> Option<Answer> {
    let options = message.get(OPTIONS_AT..)?;
    let is_ours = message[..3] == [REPLY, ETHERNET, 6]
        && message[4..8] == transaction.to_be_bytes()
        && message[28..34] == mac
        && message[236..240] == COOKIE;
    if !is_ours {
        return None;
    }
    let find = |code| option(options, code);
    match find(KIND)? {
        [2] => lease(message, find).map(Answer::Offer),
        [5] => lease(message, find).map(Answer::Granted),
        [6] => Some(Answer::Refused),
        _ => None,
    }
}

fn lease<'a>(message: &[u8], find: impl Fn(u8) -> Option<&'a [u8]>) -> Option<Lease> {
    const DAY: u64 = 24 * 60 * 60;
    let address = one_address(message.get(16..20)?).filter(|address| is_host(*address))?;
    let mask = find(MASK)
        .and_then(one_address)
        .filter(|mask| is_mask(*mask));
    let seconds = |code| {
        let bytes = find(code)?;
        Some(u64::from(u32::from_be_bytes(bytes.try_into().ok()?)))
    };
    // A lease for ever is asked for again each day, one for a moment each half minute at most.
    let ends = seconds(LEASE_TIME).unwrap_or(DAY).clamp(60, 2 * DAY);
    let renew = seconds(RENEWAL_TIME)
        .filter(|renew| (30..ends).contains(renew))
        .unwrap_or(ends / 2);
    Some(Lease {
        address,
        mask: mask.unwrap_or(Ipv4Addr::new(255, 255, 255, 0)),
        server: find(SERVER).and_then(one_address)?,
        router: find(ROUTER)
            .and_then(|list| list.get(..4))
            .and_then(one_address)
            .filter(|router| is_host(*router)),
        name_servers: find(NAME_SERVERS)
            .unwrap_or_default()
            .chunks_exact(4)
            .filter_map(one_address)
            .filter(|server| is_host(*server))
            .take(MAX_SERVERS)
            .collect(),
        domain: find(DOMAIN).and_then(domain),
        mtu: find(MTU)
            .and_then(|bytes| Some(u16::from_be_bytes(bytes.try_into().ok()?)))
            .filter(|mtu| (1280..=9216).contains(mtu)),
        renew_after: Duration::from_secs(renew),
        ends_after: Duration::from_secs(ends),
    })
}

/// The first option of that code. Options end at their end mark, or where the message does.
fn option(mut options: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        match options {
            [0, rest @ ..] => options = rest,
            [255, ..] | [] => return None,
            [code, length, rest @ ..] => {
                let value = rest.get(..usize::from(*length))?;
                if *code == wanted {
                    return Some(value);
                }
                options = &rest[value.len()..];
            }
            [_] => return None,
        }
    }
}

fn one_address(bytes: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))
}

fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && !address.is_loopback() && !address.is_multicast() && first < 240
}

fn is_mask(mask: Ipv4Addr) -> bool {
    let bits = u32::from(mask);
    bits != 0 && bits.leading_ones() + bits.trailing_zeros() == 32
}

/// It goes into a file of lines and words: a name and nothing else.
fn domain(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let fits = (1..=MAX_DOMAIN).contains(&text.len());
    (fits && text.chars().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];
    const OURS: u32 = 0xfeed_beef;

    fn answer(kind: u8, options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut message = vec![0; OPTIONS_AT];
        message[..3].copy_from_slice(&[REPLY, ETHERNET, 6]);
        message[4..8].copy_from_slice(&OURS.to_be_bytes());
        message[16..20].copy_from_slice(&[10, 0, 2, 15]);
        message[28..34].copy_from_slice(&MAC);
        message[236..240].copy_from_slice(&COOKIE);
        message.extend([KIND, 1, kind]);
        for (code, value) in options {
            message.extend([*code, value.len() as u8]);
            message.extend(*value);
        }
        message.push(255);
        message
    }

    fn granted(options: &[(u8, &[u8])]) -> Option<Lease> {
        match decode(&answer(5, options), OURS, MAC)? {
            Answer::Granted(lease) => Some(lease),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_lease_is_read() {
        let lease = granted(&[
            (SERVER, &[10, 0, 2, 2]),
            (MASK, &[255, 255, 255, 0]),
            (ROUTER, &[10, 0, 2, 2, 10, 0, 2, 1]),
            (
                NAME_SERVERS,
                &[10, 0, 2, 3, 1, 1, 1, 1, 8, 8, 8, 8, 9, 9, 9, 9, 7],
            ),
            (DOMAIN, b"example.org\0"),
            (MTU, &[5, 220]),
            (LEASE_TIME, &86400_u32.to_be_bytes()),
        ])
        .expect("a lease");
        assert_eq!(lease.address, Ipv4Addr::new(10, 0, 2, 15));
        assert_eq!(lease.router, Some(Ipv4Addr::new(10, 0, 2, 2)));
        assert_eq!(lease.name_servers.len(), 3);
        assert_eq!(lease.domain.as_deref(), Some("example.org"));
        assert_eq!(lease.mtu, Some(1500));
        assert_eq!(lease.renew_after, Duration::from_secs(43200));
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let server: (u8, &[u8]) = (SERVER, &[10, 0, 2, 2]);
        let lease = granted(&[
            server,
            (MASK, &[255, 0, 255, 0]),
            (ROUTER, &[127, 0, 0, 1]),
            (NAME_SERVERS, &[0, 0, 0, 0, 224, 0, 0, 1]),
            (DOMAIN, b"evil\nnameserver 6.6.6.6"),
            (MTU, &[0, 68]),
            (LEASE_TIME, &[0, 0, 0, 0]),
            (RENEWAL_TIME, &[0, 0, 0, 0]),
        ])
        .expect("a lease");
        assert_eq!(lease.mask, Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!((lease.router, lease.domain, lease.mtu), (None, None, None));
        assert!(lease.name_servers.is_empty());
        assert_eq!(
            (lease.renew_after.as_secs(), lease.ends_after.as_secs()),
            (30, 60)
        );
        let forever = granted(&[server, (LEASE_TIME, &[0xff; 4])]).expect("a lease");
        assert_eq!(forever.ends_after, Duration::from_secs(172_800));
        // Without a server there is nobody to take it from.
        assert_eq!(granted(&[]), None);
        let mut nowhere = answer(5, &[server]);
        nowhere[16..20].copy_from_slice(&[255; 4]);
        assert_eq!(decode(&nowhere, OURS, MAC), None);
    }

    #[test]
    fn answers_to_others_are_nothing() {
        let good = answer(6, &[]);
        assert_eq!(decode(&good, OURS, MAC), Some(Answer::Refused));
        assert_eq!(decode(&good, OURS + 1, MAC), None);
        assert_eq!(decode(&good, OURS, [0; 6]), None);
        for at in [0, 1, 2, 236] {
            let mut other = good.clone();
            other[at] ^= 0x40;
            assert_eq!(decode(&other, OURS, MAC), None, "{at}");
        }
    }

    #[test]
    fn hostile_options_are_no_panic() {
        let good = answer(5, &[(SERVER, &[10, 0, 2, 2]), (MASK, &[255, 255, 255, 0])]);
        for length in 0..good.len() {
            let _ = decode(&good[..length], OURS, MAC);
        }
        for options in [
            &[][..],
            &[53],
            &[53, 9, 1],
            &[0, 0, 0],
            &[53, 0],
            &[12, 255, 1],
            &[255, 53, 1, 5],
        ] {
            let mut message = good[..OPTIONS_AT].to_vec();
            message.extend(options);
            assert_eq!(decode(&message, OURS, MAC), None, "{options:?}");
        }
        // A value of the wrong length is none.
        assert_eq!(granted(&[(SERVER, &[10, 0, 2])]), None);
    }

    #[test]
    fn questions_are_well_formed() {
        let take = Question::Take {
            address: Ipv4Addr::new(10, 0, 2, 15),
            server: Ipv4Addr::new(10, 0, 2, 2),
        };
        let message = take.encode(OURS, MAC, &"h".repeat(300));
        let options = &message[OPTIONS_AT..];
        assert_eq!(option(options, KIND), Some(&[3][..]));
        assert_eq!(option(options, WANTED_ADDRESS), Some(&[10, 0, 2, 15][..]));
        assert_eq!(option(options, SERVER), Some(&[10, 0, 2, 2][..]));
        assert_eq!(option(options, HOST_NAME).map(<[u8]>::len), Some(255));
        let discover = Question::Discover.encode(OURS, MAC, "m");
        assert_eq!(option(&discover[OPTIONS_AT..], KIND), Some(&[1][..]));
        assert!(discover.len() >= LEAST && discover[12..16] == [0; 4]);
        let keep = Question::Keep {
            address: Ipv4Addr::new(10, 0, 2, 15),
        }
        .encode(OURS, MAC, "m");
        assert_eq!(keep[12..16], [10, 0, 2, 15]);
        assert_eq!(option(&keep[OPTIONS_AT..], SERVER), None);
    }
}
