//! The DHCP client: asks until it is answered, and again before what it got ends.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::interface::Card;
use super::message::{Answer, Lease, Question, decode};
use super::packet::{unwrap, wrap};
use super::resolv;
use super::sys::PacketSocket;
use crate::init::console::say;

/// How long an answer is waited for, at first and at last.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(30);
/// An Ethernet's packet, or what is left of a longer one.
const PACKET: usize = 2048;

/// Gets the card an address, keeps it, and gets another where it is lost. Never returns.
pub fn run(card: &Card) -> ! {
    let mut held = None;
    loop {
        let lease = acquire(card);
        announce(card, &lease, &mut held);
        keep(card, lease, &mut held);
    }
}

/// Gives the card what it was granted. The same again changes nothing.
fn announce(card: &Card, lease: &Lease, held: &mut Option<Lease>) {
    let same = held.as_ref().is_some_and(|old| {
        (old.address, old.mask, old.router, old.mtu)
            == (lease.address, lease.mask, lease.router, lease.mtu)
    });
    if !same {
        match card.configure(lease) {
            Ok(()) => say(
                "network",
                format_args!("{} is {}", card.name, lease.address),
            ),
            Err(error) => say(
                "network",
                format_args!("{} can't be {}: {error}", card.name, lease.address),
            ),
        }
    }
    if let Err(error) = resolv::write(lease) {
        say("network", format_args!("names can't be resolved: {error}"));
    }
    *held = Some(lease.clone());
}

/// Asks everyone, until someone grants an address.
fn acquire(card: &Card) -> Lease {
    let mut wait = FIRST_WAIT;
    loop {
        match ask(card, Question::Discover, wait) {
            Ok(Some(Answer::Offer(offer))) => {
                let take = Question::Take {
                    address: offer.address,
                    server: offer.server,
                };
                if let Ok(Some(Answer::Granted(lease))) =
                    ask(card, take, wait.max(Duration::from_secs(2)))
                {
                    return lease;
                }
            }
            // Some servers grant at once what they gave before.
            Ok(Some(Answer::Granted(lease))) => return lease,
            Ok(_) => {}
            Err(error) => {
                say(
                    "network",
                    format_args!("{} can't be asked for by DHCP: {error}", card.name),
                );
                std::thread::park_timeout(wait);
            }
        }
        if wait >= Duration::from_secs(4) && wait < LAST_WAIT {
            say("network", "no answer by DHCP yet");
        }
        wait = (wait * 2).min(LAST_WAIT);
    }
}

/// Renews a lease for as long as that is granted; returns where it is lost.
fn keep(card: &Card, mut lease: Lease, held: &mut Option<Lease>) {
    let mut granted = Instant::now();
    let mut pause = lease.renew_after;
    loop {
        std::thread::park_timeout(pause);
        let keep = Question::Keep {
            address: lease.address,
        };
        match ask(card, keep, Duration::from_secs(4)) {
            Ok(Some(Answer::Granted(renewed))) => {
                announce(card, &renewed, held);
                granted = Instant::now();
                pause = renewed.renew_after;
                lease = renewed;
            }
            Ok(Some(Answer::Refused)) => return,
            _ if granted.elapsed() >= lease.ends_after => return,
            _ => pause = (lease.ends_after.saturating_sub(granted.elapsed()) / 2).max(LAST_WAIT),
        }
    }
}

/// One question, and the first answer to it within `wait`.
fn ask(card: &Card, question: Question, wait: Duration) -> io::Result<Option<Answer>> {
    let socket = PacketSocket::open(card.index)?;
    let mut number = [0; 4];
    rustix::rand::getrandom(&mut number, rustix::rand::GetRandomFlags::empty())?;
    let number = u32::from_ne_bytes(number);
    let hostname = rustix::system::uname();
    let message = question.encode(number, card.mac, &hostname.nodename().to_string_lossy());
    let from = match question {
        Question::Keep { address } => address,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    let packet = wrap(from, &message).ok_or(io::ErrorKind::InvalidInput)?;
    socket.broadcast(&packet)?;

    let deadline = Instant::now() + wait;
    let mut buffer = [0; PACKET];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = match socket.receive(&mut buffer, left) {
            Ok(Some(packet)) => {
                unwrap(packet).and_then(|message| decode(message, number, card.mac))
            }
            Ok(None) => return Ok(None),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                ) =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        match (answer, question) {
            // An offer is no answer to one who asked for more than that.
            (Some(Answer::Offer(_)), Question::Take { .. } | Question::Keep { .. }) | (None, _) => {
            }
            (answer, _) => return Ok(answer),
        }
        if left.is_zero() {
            return Ok(None);
        }
    }
}
