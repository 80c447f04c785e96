use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use super::line::Scanner;
use super::*;

/// A channel that holds `stale` bytes of another time before its own, and gives them in pieces.
struct Stale {
    stale: Vec<u8>,
    piece: usize,
    io: DuplexStream,
}

impl AsyncRead for Stale {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.stale.len().min(self.piece).min(to.remaining());
        if length > 0 {
            to.put_slice(&self.stale[..length]);
            self.stale.drain(..length);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, to)
    }
}

impl AsyncWrite for Stale {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The beginning of some line, as a session that broke leaves it.
fn line_remains() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        any::<(u32, Nonce)>().prop_map(|(version, host)| Line::Hello {
            version: version % 3,
            host
        }),
        any::<(Nonce, Nonce)>().prop_map(|(host, guest)| Line::Ok {
            version: VERSION,
            host,
            guest
        }),
        any::<Nonce>().prop_map(|host| Line::No { version: 7, host }),
        any::<Nonce>().prop_map(|to| Line::Go { to }),
    ];
    (line, any::<prop::sample::Index>()).prop_map(|(line, cut)| {
        let line = line.to_string().into_bytes();
        let cut = cut.index(line.len() + 1);
        line[..cut].to_vec()
    })
}

fn stale() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        Just(b"GANTRY/".to_vec()),
        Just(vec![0; 12]),
        line_remains(),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// As [`stale`], without whole hellos of other versions: those are answered with an error.
fn stale_of_this_version() -> impl Strategy<Value = Vec<u8>> {
    stale().prop_filter("names another version", |bytes| {
        let mut scanner = Scanner::default();
        !bytes
            .iter()
            .filter_map(|&byte| scanner.push(byte))
            .any(|line| matches!(line, Line::Hello { version, .. } if version != VERSION))
    })
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

/// What each side reads once it has agreed must be what the other wrote then.
async fn exchange<A, B>(host: Agreed<A>, guest: Agreed<B>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    async fn talk<T: AsyncRead + AsyncWrite + Unpin>(
        mut agreed: Agreed<T>,
        say: &[u8],
        hear: &[u8],
    ) {
        let (mut read, mut write) = tokio::io::split(&mut agreed.io);
        let mut heard = agreed.first.clone();
        let rest = hear.len().checked_sub(heard.len());
        let mut more = vec![0; rest.expect("more was read than was said")];
        let (said, read) = tokio::join!(write.write_all(say), read.read_exact(&mut more));
        said.unwrap();
        read.unwrap();
        heard.extend(more);
        assert_eq!(heard, hear);
    }
    let (from_host, from_guest) = (b"\0of the host".repeat(40), b"\0of the guest".repeat(40));
    tokio::join!(
        talk(host, &from_host, &from_guest),
        talk(guest, &from_guest, &from_host)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn both_agree_whatever_the_channel_held(
        to_guest in stale_of_this_version(),
        to_host in stale(),
        width in 1_usize..200_000,
        piece in 1_usize..500,
    ) {
        paused().block_on(async {
            let (near, far) = duplex(width);
            let near = Stale { stale: to_host, piece, io: near };
            let far = Stale { stale: to_guest, piece, io: far };
            let (host, guest) = tokio::join!(host(near), guest(far));
            exchange(host.unwrap(), guest.unwrap()).await;
        });
    }

    #[test]
    fn a_line_is_found_in_any_stream_and_however_often_it_comes(
        before in stale(),
        between in proptest::collection::vec(stale(), 0..4),
        nonce: Nonce,
    ) {
        let hello = Line::Hello { version: VERSION, host: nonce };
        let mut bytes = before;
        for junk in &between {
            bytes.extend(hello.to_string().into_bytes());
            bytes.extend(junk);
        }
        bytes.extend(hello.to_string().into_bytes());
        let mut scanner = Scanner::default();
        let found = bytes.iter().filter_map(|&byte| scanner.push(byte)).filter(|line| *line == hello);
        prop_assert_eq!(found.count(), between.len() + 1);
    }

    #[test]
    fn any_bytes_can_be_scanned(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut scanner = Scanner::default();
        for byte in bytes {
            scanner.push(byte);
        }
    }
}

#[test]
fn lines_are_read_as_they_are_written() {
    let (host, guest) = ([1; 16], [2; 16]);
    for line in [
        Line::Hello { version: 1, host },
        Line::Ok {
            version: 65535,
            host,
            guest,
        },
        Line::No { version: 2, host },
        Line::Go { to: guest },
    ] {
        let mut scanner = Scanner::default();
        let text = line.to_string();
        let found: Vec<Line> = text.bytes().filter_map(|byte| scanner.push(byte)).collect();
        assert_eq!(found, [line], "{text}");
    }
    assert_eq!(
        Line::Hello { version: 1, host }.to_string(),
        format!("GANTRY/1 {}\n", "01".repeat(16))
    );
}

#[test]
fn what_is_nearly_a_line_is_none() {
    let nonce = "ab".repeat(16);
    for text in [
        format!("GANTRY/1 {nonce} \n"),
        format!("GANTRY/1 {nonce}\r\n"),
        format!("GANTRY/-1 {nonce}\n"),
        format!("GANTRY/ {nonce}\n"),
        format!("GANTRY/99999999999 {nonce}\n"),
        format!("GANTRY/1 {}\n", &nonce[1..]),
        format!("GANTRY/1 OK {nonce}\n"),
        format!("GANTRY/1 GO {nonce} {nonce}\n"),
        format!("GANTRY/1 XX {nonce}\n"),
    ] {
        let mut scanner = Scanner::default();
        assert!(
            text.bytes().all(|byte| scanner.push(byte).is_none()),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_ends_half_way_is_tried_again() {
    let (near, far) = duplex(1 << 20);
    let host = tokio::spawn(host(near));
    let (mut read, mut write) = tokio::io::split(far);
    // A guest that answers, and dies before it reads on.
    let mut scanner = Scanner::default();
    let hello = loop {
        if let Some(line) = scanner.push(read.read_u8().await.unwrap()) {
            break line;
        }
    };
    let Line::Hello { host: nonce, .. } = hello else {
        panic!("{hello:?}");
    };
    let answer = Line::Ok {
        version: VERSION,
        host: nonce,
        guest: [9; 16],
    };
    write
        .write_all(answer.to_string().as_bytes())
        .await
        .unwrap();
    // The one after it.
    let guest = guest(read.unsplit(write)).await.unwrap();
    exchange(host.await.unwrap().unwrap(), guest).await;
}

#[tokio::test(start_paused = true)]
async fn a_guest_names_the_version_of_a_stranger() {
    let (mut near, far) = duplex(1 << 20);
    let stranger = Line::Hello {
        version: 7,
        host: [3; 16],
    };
    near.write_all(stranger.to_string().as_bytes())
        .await
        .unwrap();
    let error = guest(far).await.unwrap_err();
    assert!(
        matches!(
            error,
            TunnelError::Version {
                ours: VERSION,
                theirs: 7
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains('7') && error.to_string().contains('1'),
        "{error}"
    );
    let mut heard = Vec::new();
    near.read_to_end(&mut heard).await.unwrap();
    let answer = format!("GANTRY/1 NO {}\n", "03".repeat(16));
    assert!(heard.ends_with(answer.as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn a_host_names_the_version_of_a_stranger() {
    for answer in ["OK", "NO"] {
        let (near, far) = duplex(1 << 20);
        let (mut read, mut write) = tokio::io::split(far);
        let stranger = async {
            let mut scanner = Scanner::default();
            loop {
                let Some(Line::Hello { host, .. }) = scanner.push(read.read_u8().await.unwrap())
                else {
                    continue;
                };
                let line = match answer {
                    "OK" => Line::Ok {
                        version: 2,
                        host,
                        guest: host,
                    },
                    _ => Line::No { version: 2, host },
                };
                write.write_all(line.to_string().as_bytes()).await.unwrap();
            }
        };
        let error = tokio::select! {
            agreed = host(near) => agreed.unwrap_err(),
            () = stranger => unreachable!(),
        };
        assert!(
            matches!(
                error,
                TunnelError::Version {
                    ours: VERSION,
                    theirs: 2
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_nobody_answers_fills_no_channel() {
    let (near, mut far) = duplex(1 << 20);
    let host = tokio::spawn(host(near));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    host.abort();
    let _ = host.await;
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.unwrap();
    // An hour of hellos: four a second.
    let hellos = 3600 * 4 * 43;
    assert!(
        (hellos / 2..hellos + 100_000).contains(&said.len()),
        "{}",
        said.len()
    );
}
