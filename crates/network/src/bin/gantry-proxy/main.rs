//! Carries a container's published ports where the kernel's redirection doesn't reach: from loopback, from IPv6, and
//! from containers that call the host.
//!
//! One process per container, one thread, no privileges in effect. It is handed its sockets ready-bound, outlives the
//! engine, and ends with the container. What it is told and when: [`gantry_network::handshake`].

mod claims;
mod listen;
mod sys;
mod tcp;
mod udp;

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

use claims::Claims;
use gantry_network::PortBinding;
use gantry_network::handshake::{self, Answer, Order};
use listen::Listeners;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use tokio::io::unix::AsyncFd;
use tokio::task::LocalSet;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // For a person who starts it by hand; the engine sees the connection end.
        Err(error) => {
            eprintln!("gantry-proxy, which gantryd starts for published ports: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let control = io::stdin().as_fd().try_clone_to_owned()?;
    // Away from the engine's terminal and its signals. Fails only where that is so already.
    let _ = rustix::process::setsid();
    give_up_privileges()?;
    let descriptors = take_all_descriptors();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, obey(control, descriptors))
}

/// What has been bound stays bound, and copying bytes needs no privilege. One may be taken up again, at the very end:
/// see [`withdraw`].
fn give_up_privileges() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let permitted = capabilities(None)?.permitted & CapabilitySet::NET_ADMIN;
    set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}

/// Takes the kernel's redirects to the container away, before its ports are let go and may be somebody else's.
fn withdraw(table: &str, ports: &[(PortBinding, Ipv4Addr)]) -> io::Result<()> {
    let sets = capabilities(None)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: sets.permitted,
            ..sets
        },
    )?;
    gantry_network::withdraw(table, ports).map_err(io::Error::other)
}

/// Raises the number of open files to what is allowed, and gives what it is.
fn take_all_descriptors() -> usize {
    let given = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: given.maximum,
        maximum: given.maximum,
    };
    let limit = match rustix::process::setrlimit(Resource::Nofile, raised) {
        Ok(()) => given.maximum,
        Err(_) => given.current,
    };
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX)
}

/// Follows the engine's orders to the end of the connection or, once told, to that of the container's shim.
async fn obey(control: OwnedFd, descriptors: usize) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&control, true)?;
    let control = sys::register(control)?;
    let (mut listeners, mut claims) = (Listeners::default(), Claims::default());
    let (mut record, mut redirects) = (None, None);
    loop {
        let Some((order, passed)) = next(&control).await? else {
            return Ok(());
        };
        let done = match order {
            Order::Listen(ports) => {
                listeners.add(&ports, passed)?;
                continue;
            }
            Order::Keep {
                agent,
                claims: more,
            } => {
                claims.add(&agent, &more, passed)?;
                continue;
            }
            Order::Begin { udp, table } => {
                record = passed.into_iter().next();
                let listeners = std::mem::take(&mut listeners);
                redirects = Some((table, listeners.bindings()?));
                let descriptors = descriptors.saturating_sub(claims.len());
                let kept = std::mem::take(&mut claims).keep();
                kept.and_then(|()| listeners.serve(udp, descriptors))
            }
            Order::Follow => {
                let process = passed
                    .into_iter()
                    .next()
                    .ok_or(io::ErrorKind::InvalidData)?;
                let process = sys::register(process)?;
                handshake::send(control.get_ref(), &Answer::Ready, &[])?;
                // The record's lock is held, and the sockets served, until here.
                let _ended = process.readable().await?;
                if let Some((table, ports)) = redirects
                    && is_alone(&control)
                {
                    withdraw(&table, &ports)?;
                }
                drop(record);
                return Ok(());
            }
        };
        let answer = match done {
            Ok(()) => Answer::Ready,
            Err(error) => Answer::Failed(error.to_string()),
        };
        handshake::send(control.get_ref(), &answer, &[])?;
    }
}

/// Whether the engine is gone. One that lives sees to everything itself, and quicker.
fn is_alone(control: &AsyncFd<OwnedFd>) -> bool {
    let heard = handshake::receive::<Order>(control.get_ref());
    !matches!(heard, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

async fn next(control: &AsyncFd<OwnedFd>) -> io::Result<Option<(Order, Vec<OwnedFd>)>> {
    loop {
        let mut ready = control.readable().await?;
        if let Ok(received) = ready.try_io(|control| handshake::receive(control.get_ref())) {
            return received;
        }
    }
}
