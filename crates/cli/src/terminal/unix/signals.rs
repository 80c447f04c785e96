//! Signals to this program: forwarded to a container, or ending a session cleanly.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

type Kind = fn() -> SignalKind;

/// The signals that a container is sent in our place. Not SIGCHLD, SIGPIPE and SIGWINCH, which are about this
/// process and its terminal.
const FORWARDED: [(&str, Kind); 8] = [
    ("HUP", SignalKind::hangup),
    ("INT", SignalKind::interrupt),
    ("QUIT", SignalKind::quit),
    ("TERM", SignalKind::terminate),
    ("USR1", SignalKind::user_defined1),
    ("USR2", SignalKind::user_defined2),
    ("ALRM", SignalKind::alarm),
    ("CONT", || {
        SignalKind::from_raw(rustix::process::Signal::CONT.as_raw())
    }),
];

fn streams<'a>(
    kinds: impl Iterator<Item = &'a (&'static str, Kind)>,
) -> Vec<(&'static str, Signal)> {
    kinds
        .filter_map(|(name, kind)| Some((*name, signal(kind()).ok()?)))
        .collect()
}

async fn next(streams: &mut [(&'static str, Signal)]) -> &'static str {
    std::future::poll_fn(|context| {
        for (name, stream) in streams.iter_mut() {
            if stream.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*name);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Calls `send` with each signal that comes, by name, until the person has asked for the end often enough; then
/// returns the exit code that says so. Signals are caught from the call on, not from the first poll.
pub fn forward<F: Future<Output = ()>>(
    send: impl Fn(&'static str) -> F,
) -> impl Future<Output = u8> {
    let mut caught = streams(FORWARDED.iter());
    async move {
        let mut asked = 0;
        loop {
            let name = next(&mut caught).await;
            send(name).await;
            if matches!(name, "INT" | "TERM") {
                asked += 1;
                if asked == super::super::ENOUGH {
                    return exit_code(name);
                }
            }
        }
    }
}

fn exit_code(signal: &str) -> u8 {
    match signal {
        "INT" => 130,
        "QUIT" => 131,
        _ => 143,
    }
}

/// Waits for a signal that would end this program, and returns the exit code that says so. A hangup is left alone:
/// it ends the program by itself, or is kept away by `nohup`.
pub fn ended() -> impl Future<Output = u8> {
    let mut caught = streams(FORWARDED[1..4].iter());
    async move { exit_code(next(&mut caught).await) }
}

/// Calls `then` each time the terminal's size changes.
pub fn resized<F: Future<Output = ()>>(then: impl Fn() -> F) -> impl Future<Output = ()> {
    let caught = signal(SignalKind::window_change());
    async move {
        let Ok(mut caught) = caught else {
            return std::future::pending().await;
        };
        while caught.recv().await.is_some() {
            then().await;
        }
    }
}
