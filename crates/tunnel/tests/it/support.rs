//! Two ends of a tunnel.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use gantry_tunnel::{Answer, Incoming, Purpose, Stream, Tunnel, accept, connect};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};

/// An end of a channel that outlives the sessions over it, as a serial port does.
#[derive(Clone)]
pub struct Port {
    io: Arc<Mutex<Option<DuplexStream>>>,
    frozen: Arc<AtomicBool>,
}

impl Port {
    /// Both ends of a channel that holds `width` bytes a direction.
    pub fn pair(width: usize) -> (Self, Self) {
        let port = |io| Self {
            io: Arc::new(Mutex::new(Some(io))),
            frozen: Arc::default(),
        };
        let (near, far) = duplex(width);
        (port(near), port(far))
    }

    /// The same end, for another user.
    pub fn again(&self) -> Self {
        Self {
            io: self.io.clone(),
            frozen: Arc::default(),
        }
    }

    /// From here on this user does nothing, and doesn't say so.
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }

    /// Closes this end for all its users.
    pub fn end(&self) {
        self.io.lock().expect("not poisoned").take();
    }

    fn with<R>(&self, f: impl FnOnce(Pin<&mut DuplexStream>) -> Poll<R>) -> Poll<R> {
        match &mut *self.io.lock().expect("not poisoned") {
            Some(io) if !self.frozen.load(Ordering::SeqCst) => f(Pin::new(io)),
            _ => Poll::Pending,
        }
    }
}

impl AsyncRead for Port {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_read(cx, to))
    }
}

impl AsyncWrite for Port {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|io| io.poll_write(cx, from))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_flush(cx))
    }

    // The port stays when a session ends.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Host and guest over two ends of a channel.
pub async fn join<T>(near: T, far: T) -> ((Tunnel, Incoming), (Tunnel, Incoming))
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (host, guest) = tokio::join!(connect(near), accept(far));
    (
        host.expect("the host's end"),
        guest.expect("the guest's end"),
    )
}

/// Host and guest over memory.
pub async fn in_memory(width: usize) -> ((Tunnel, Incoming), (Tunnel, Incoming)) {
    let (near, far) = duplex(width);
    join(near, far).await
}

/// What is for `Api` comes back; anything else is left alone.
pub async fn echo(mut incoming: Incoming) {
    while let Some(request) = incoming.next().await {
        tokio::spawn(async move {
            let mut stream = request.accept(Answer::Ready).await.expect("accept");
            let (mut read, mut write) = tokio::io::split(&mut stream);
            let copied = tokio::io::copy(&mut read, &mut write).await;
            if copied.is_ok() {
                let _ = write.shutdown().await;
            }
        });
    }
}

/// A stream for `Api`, and its other end.
pub async fn pair(host: &Tunnel, incoming: &mut Incoming) -> (Stream, Stream) {
    let far = async {
        let request = incoming.next().await.expect("a request");
        request.accept(Answer::Ready).await.expect("accept")
    };
    let (near, far) = tokio::join!(host.open(&Purpose::Api), far);
    (near.expect("open"), far)
}

/// Bytes that differ by `seed` and position.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Reads to the end.
pub async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Fails a test that hangs.
pub async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(120), future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} hangs"),
    }
}
