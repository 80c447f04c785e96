//! Signals to this program: forwarded to a container, or ending a session cleanly.

#[cfg(unix)]
mod unix {
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

    /// Calls `send` with each signal that comes, by name. Signals are caught from the call on, not from the first
    /// poll.
    pub fn forward<F: Future<Output = ()>>(
        send: impl Fn(&'static str) -> F,
    ) -> impl Future<Output = ()> {
        let mut caught = streams(FORWARDED.iter());
        async move {
            loop {
                let name = next(&mut caught).await;
                send(name).await;
            }
        }
    }

    /// Waits for a signal that would end this program, and returns the exit code that says so.
    pub fn ended() -> impl Future<Output = u8> {
        let mut caught = streams(FORWARDED[..4].iter());
        async move {
            match next(&mut caught).await {
                "HUP" => 129,
                "INT" => 130,
                "QUIT" => 131,
                _ => 143,
            }
        }
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
}
#[cfg(unix)]
pub use unix::{ended, forward, resized};

#[cfg(windows)]
mod windows {
    use std::future::Future;

    /// Calls `send` with INT each time Ctrl-C is pressed.
    pub fn forward<F: Future<Output = ()>>(
        send: impl Fn(&'static str) -> F,
    ) -> impl Future<Output = ()> {
        async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                send("INT").await;
            }
        }
    }

    /// Waits for Ctrl-C, and returns the exit code that says so.
    pub async fn ended() -> u8 {
        let _ = tokio::signal::ctrl_c().await;
        130
    }

    /// Windows tells no console's size change by a signal.
    pub async fn resized<F: Future<Output = ()>>(_then: impl Fn() -> F) {
        std::future::pending().await
    }
}
#[cfg(windows)]
pub use windows::{ended, forward, resized};
