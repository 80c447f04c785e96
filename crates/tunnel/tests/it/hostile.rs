//! A peer that agrees on a session, and then sends what it likes.

use std::time::Duration;

use gantry_tunnel::{Limits, Purpose, Tunnel, TunnelError, connect};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::support::in_time;

/// A host's end with a guest that we play.
async fn host_with(width: usize) -> (Tunnel, gantry_tunnel::Incoming, DuplexStream) {
    let (near, mut far) = duplex(width);
    let guest = async {
        let host = loop {
            let line = line(&mut far).await;
            if let Some(nonce) = line.strip_prefix("GANTRY/1 ") {
                break nonce.to_owned();
            }
        };
        let ours = "77".repeat(16);
        far.write_all(format!("GANTRY/1 OK {host} {ours}\n").as_bytes())
            .await
            .expect("write");
        while line(&mut far).await != format!("GANTRY/1 GO {ours}") {}
        far.write_all(format!("GANTRY/1 GO {host}\n").as_bytes())
            .await
            .expect("write");
    };
    let (agreed, ()) = tokio::join!(connect(near), guest);
    let (tunnel, incoming) = agreed.expect("connect");
    (tunnel, incoming, far)
}

async fn line(io: &mut DuplexStream) -> String {
    let mut line = Vec::new();
    loop {
        match io.read_u8().await.expect("read") {
            b'\n' => return String::from_utf8_lossy(&line).into_owned(),
            // What both sides send first.
            0xff => {}
            byte => line.push(byte),
        }
    }
}

fn frame(kind: u8, flags: u16, stream: u32, length: u32) -> Vec<u8> {
    let mut frame = vec![0, kind];
    frame.extend(flags.to_be_bytes());
    frame.extend(stream.to_be_bytes());
    frame.extend(length.to_be_bytes());
    frame
}

const DATA: u8 = 0;
const PING: u8 = 2;
const SYN: u16 = 1;

#[tokio::test]
async fn who_pings_and_never_listens_ends_only_itself() {
    let (host, _incoming, mut far) = host_with(1000).await;
    let pings = frame(PING, SYN, 0, 5).repeat(200_000);
    let flood = tokio::time::timeout(Duration::from_secs(2), far.write_all(&pings)).await;
    // It stops somewhere, and other tasks have their turn.
    assert!(flood.is_err(), "as much was answered as was asked");
    drop(far);
    in_time("the end", host.closed()).await;
}

#[tokio::test]
async fn a_flood_of_streams_is_held_off() {
    let (host, mut incoming, far) = host_with(1 << 20).await;
    let (mut read, mut write) = tokio::io::split(far);
    let heard =
        tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
    let flood = async {
        for number in 0..20_000_u32 {
            let mut bytes = frame(DATA, SYN, 2 + 2 * number, 11);
            bytes.extend(b"\0\x09\"resolve\"");
            if write.write_all(&bytes).await.is_err() {
                break;
            }
        }
        write
    };
    let mut requests = Vec::new();
    let take = async {
        while let Ok(Some(request)) =
            tokio::time::timeout(Duration::from_secs(2), incoming.next()).await
        {
            assert_eq!(request.purpose, Purpose::Resolve);
            requests.push(request);
        }
    };
    let (write, ()) = in_time("the flood", async { tokio::join!(flood, take) }).await;
    assert_eq!(requests.len(), Limits::HOST.inbound);
    drop((requests, write, heard));
    host.close().await;
}

#[tokio::test]
async fn a_frame_longer_than_any_ends_the_session() {
    let (host, _incoming, mut far) = host_with(1 << 20).await;
    far.write_all(&frame(DATA, SYN, 2, u32::MAX))
        .await
        .expect("write");
    let error = in_time("the end", host.closed()).await;
    assert!(matches!(*error, TunnelError::Protocol { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_end_the_session_or_wait_for_more(
        frames in proptest::collection::vec(
            (0_u8..5, 0_u16..16, 0_u32..8, 0_u32..300, proptest::collection::vec(any::<u8>(), 0..300)),
            0..30,
        ),
        tail in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (host, mut incoming, mut far) = host_with(1 << 20).await;
            let mut bytes = Vec::new();
            for (kind, flags, stream, length, body) in frames {
                bytes.extend(frame(kind, flags, stream, length));
                bytes.extend(body);
            }
            bytes.extend(tail);
            // May fail: the session may be over by then.
            let _ = far.write_all(&bytes).await;
            let _ = far.shutdown().await;
            let taking = async { while incoming.next().await.is_some() {} };
            let (mut heard, mut sink) = (far, tokio::io::sink());
            let ((), error, _) = tokio::join!(taking, host.closed(), tokio::io::copy(&mut heard, &mut sink));
            assert!(!matches!(*error, TunnelError::Closed), "{error}");
        });
    }
}
