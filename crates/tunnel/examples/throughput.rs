//! How fast the tunnel is beside the socket pair that it runs over:
//! `cargo run --release -p gantry-tunnel --example throughput [MIB]`.

#[cfg(not(unix))]
fn main() {
    eprintln!("needs unix sockets");
}

#[cfg(unix)]
fn main() -> std::io::Result<()> {
    unix::main()
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::time::{Duration, Instant};

    use gantry_tunnel::{Answer, Incoming, Purpose, Stream, Tunnel, accept, connect};
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::task::JoinSet;

    /// As programs write: 64 KiB at a time.
    const PIECE: usize = 64 * 1024;
    /// Questions and answers of one byte, one after the other.
    const QUESTIONS: u32 = 20_000;
    /// Streams opened and closed, one after the other.
    const OPENED: u32 = 5_000;

    pub(crate) fn main() -> io::Result<()> {
        let mib = std::env::args()
            .nth(1)
            .and_then(|word| word.parse().ok())
            .unwrap_or(1024);
        // Each end on a thread of its own, as host and guest are.
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?
            .block_on(measure(mib * 1024 * 1024))
    }

    async fn measure(bytes: usize) -> io::Result<()> {
        let (near, far) = UnixStream::pair()?;
        let plain = transfer(vec![(near, far)], bytes).await?;
        print("socket pair, one direction", bytes, plain, plain);
        let (host, mut incoming, _guest) = tunnel().await?;
        for streams in [1, 8, 64] {
            let mut pairs = Vec::new();
            for _ in 0..streams {
                pairs.push(pair(&host, &mut incoming).await?);
            }
            let took = transfer(pairs, bytes).await?;
            print(
                &format!("tunnel, {streams} streams, one direction"),
                bytes,
                took,
                plain,
            );
        }
        let both = vec![pair(&host, &mut incoming).await?, {
            let (near, far) = pair(&host, &mut incoming).await?;
            (far, near)
        }];
        let took = transfer(both, bytes).await?;
        print("tunnel, a stream each way at once", bytes, took, plain);

        let (near, far) = UnixStream::pair()?;
        each(
            "socket pair, question and answer",
            QUESTIONS,
            questions(near, far).await?,
        );
        let (near, far) = pair(&host, &mut incoming).await?;
        each(
            "tunnel, question and answer",
            QUESTIONS,
            questions(near, far).await?,
        );
        let start = Instant::now();
        for _ in 0..OPENED {
            let (mut near, mut far) = pair(&host, &mut incoming).await?;
            near.shutdown().await?;
            far.shutdown().await?;
            tokio::try_join!(near.read_u8_or_end(), far.read_u8_or_end())?;
        }
        each(
            "tunnel, opening and closing a stream",
            OPENED,
            start.elapsed(),
        );
        Ok(())
    }

    trait ToEnd {
        async fn read_u8_or_end(&mut self) -> io::Result<usize>;
    }

    impl ToEnd for Stream {
        async fn read_u8_or_end(&mut self) -> io::Result<usize> {
            self.read(&mut [0]).await
        }
    }

    async fn tunnel() -> io::Result<(Tunnel, Incoming, Tunnel)> {
        let (near, far) = UnixStream::pair()?;
        let (host, guest) =
            tokio::try_join!(connect(near), accept(far)).map_err(io::Error::other)?;
        Ok((host.0, guest.1, guest.0))
    }

    async fn pair(host: &Tunnel, incoming: &mut Incoming) -> io::Result<(Stream, Stream)> {
        let far = async {
            let request = incoming.next().await.ok_or(io::ErrorKind::BrokenPipe)?;
            request.accept(Answer::Ready).await
        };
        let near = async { host.open(&Purpose::Api).await.map_err(io::Error::other) };
        tokio::try_join!(near, far)
    }

    /// Sends so many bytes through all pairs together.
    async fn transfer<S>(pairs: Vec<(S, S)>, bytes: usize) -> io::Result<Duration>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let each = bytes / pairs.len();
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for (mut near, mut far) in pairs {
            tasks.spawn(async move {
                let piece = vec![7; PIECE];
                let mut left = each;
                while left > 0 {
                    left -= near.write(&piece[..left.min(PIECE)]).await?;
                }
                near.shutdown().await?;
                Ok::<_, io::Error>(())
            });
            tasks.spawn(async move {
                let mut piece = vec![0; PIECE];
                let mut received = 0;
                loop {
                    match far.read(&mut piece).await? {
                        0 if received == each => break,
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        length => received += length,
                    }
                }
                Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(io::Error::other)??;
        }
        Ok(start.elapsed())
    }

    async fn questions<S>(mut near: S, mut far: S) -> io::Result<Duration>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let answers = tokio::spawn(async move {
            for _ in 0..QUESTIONS {
                let question = far.read_u8().await?;
                far.write_u8(question).await?;
            }
            Ok::<_, io::Error>(())
        });
        let start = Instant::now();
        for _ in 0..QUESTIONS {
            near.write_u8(1).await?;
            near.read_u8().await?;
        }
        let took = start.elapsed();
        answers.await.map_err(io::Error::other)??;
        Ok(took)
    }

    fn print(what: &str, bytes: usize, took: Duration, plain: Duration) {
        let rate = bytes as f64 / 1e6 / took.as_secs_f64();
        let ratio = plain.as_secs_f64() / took.as_secs_f64();
        println!("{what:<42} {rate:>7.0} MB/s  {ratio:>5.2} of the socket pair");
    }

    fn each(what: &str, count: u32, took: Duration) {
        println!(
            "{what:<42} {:>7.1} µs",
            took.as_secs_f64() * 1e6 / f64::from(count)
        );
    }
}
