//! How streams and sessions end, and what their users learn of it.

use std::io::ErrorKind;
use std::time::Duration;

use gantry_tunnel::{OpenError, Purpose, TunnelError, accept, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Port, echo, in_memory, in_time, pair, pattern, rest};

#[tokio::test]
async fn a_new_session_begins_on_the_channel_of_one_that_broke_in_the_middle() {
    let (near, far) = Port::pair(30_000);
    for round in 0..5 {
        let first = near.again();
        let (host, guest) = tokio::join!(connect(first.clone()), accept(far.clone()));
        let (host, _requests) = host.expect("connect");
        let (guest, mut incoming) = guest.expect("accept");
        let (mut stream, mut far_stream) = pair(&host, &mut incoming).await;
        let (_idle, mut far_idle) = pair(&host, &mut incoming).await;
        // In the middle of a frame: more than the channel holds is on its way.
        let writer =
            tokio::spawn(async move { stream.write_all(&pattern(round, 10_000_000)).await });
        far_stream
            .read_exact(&mut [0; 100_000])
            .await
            .expect("read");
        // As by kill -9: the host's end does nothing any more, and nobody says a word of it.
        first.freeze();
        let next = tokio::spawn(connect(near.again()));
        let error = in_time("the guest's end of the old session", guest.closed()).await;
        assert!(matches!(*error, TunnelError::Protocol { .. }), "{error}");
        for stream in [&mut far_stream, &mut far_idle] {
            let error = rest(stream)
                .await
                .expect_err("a stream of a broken session");
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
        }
        assert!(incoming.next().await.is_none());
        writer.abort();
        let (guest, incoming) = in_time("the next session", accept(far.clone()))
            .await
            .expect("accept");
        let (host, _requests) = next.await.expect("the next host").expect("connect");
        let served = tokio::spawn(echo(incoming));
        let mut stream = host.open(&Purpose::Api).await.expect("open");
        stream.write_all(b"anew").await.expect("write");
        stream.shutdown().await.expect("shutdown");
        assert_eq!(rest(&mut stream).await.expect("read"), b"anew");
        // Ends well, for the next round.
        host.close().await;
        assert!(matches!(*guest.closed().await, TunnelError::ClosedByPeer));
        served.await.expect("the requests end");
    }
}

#[tokio::test]
async fn a_guest_that_starts_anew_ends_the_host_s_session_at_once() {
    let (near, far) = Port::pair(30_000);
    let first = far.again();
    let (host, guest) = tokio::join!(connect(near.clone()), accept(first.clone()));
    let (host, _requests) = host.expect("connect");
    let _guest = guest.expect("accept");
    first.freeze();
    let next = tokio::spawn(accept(far.again()));
    let error = in_time("the host's end", host.closed()).await;
    assert!(matches!(*error, TunnelError::Protocol { .. }), "{error}");
    let (host, _requests) = in_time("the next session", connect(near))
        .await
        .expect("connect");
    let (_guest, incoming) = next.await.expect("guest").expect("accept");
    tokio::spawn(echo(incoming));
    host.open(&Purpose::Api).await.expect("open");
}

#[tokio::test]
async fn a_channel_that_ends_ends_its_streams_with_an_error() {
    let (near, far) = Port::pair(4096);
    let (host, guest) = tokio::join!(connect(near), accept(far.clone()));
    let (host, _requests) = host.expect("connect");
    let (_guest, mut incoming) = guest.expect("accept");
    let (mut near, _far) = pair(&host, &mut incoming).await;
    let (mut shut, _far_of_shut) = pair(&host, &mut incoming).await;
    shut.shutdown().await.expect("shutdown");
    far.end();
    let error = in_time("the end", host.closed()).await;
    assert!(matches!(*error, TunnelError::Ended), "{error}");
    for stream in [&mut near, &mut shut] {
        let error = rest(stream).await.expect_err("that is no end");
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
    }
    let error = near.write_all(b"x").await.expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
    let refused = host.open(&Purpose::Api).await.expect_err("no session");
    assert!(
        matches!(&refused, OpenError::Tunnel(error) if matches!(**error, TunnelError::Ended)),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_silent_is_noticed_by_both() {
    let (near, far) = Port::pair(4096);
    let (host, guest) = tokio::join!(connect(near.clone()), accept(far.clone()));
    let (host, _requests) = host.expect("connect");
    let (guest, _incoming) = guest.expect("accept");
    // An idle session lives.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    tokio::select! {
        error = host.closed() => panic!("{error}"),
        error = guest.closed() => panic!("{error}"),
        () = tokio::time::sleep(Duration::from_secs(60)) => {}
    }
    let since = tokio::time::Instant::now();
    near.freeze();
    let error = guest.closed().await;
    assert!(matches!(*error, TunnelError::Silent { .. }), "{error}");
    let waited = since.elapsed();
    assert!((30..=50).contains(&waited.as_secs()), "{waited:?}");
    let error = host.closed().await;
    assert!(matches!(*error, TunnelError::Silent { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_peer_may_be_silent() {
    let (near, far) = Port::pair(1 << 20);
    let (host, guest) = tokio::join!(connect(near), accept(far.clone()));
    let (host, _requests) = host.expect("connect");
    let _guest = guest.expect("accept");
    host.set_peer_paused(true);
    far.freeze();
    tokio::select! {
        error = host.closed() => panic!("{error}"),
        () = tokio::time::sleep(Duration::from_secs(7200)) => {}
    }
    host.set_peer_paused(false);
    let error = host.closed().await;
    assert!(matches!(*error, TunnelError::Silent { .. }), "{error}");
}

#[tokio::test]
async fn a_session_ends_with_its_last_handle() {
    let ((host, requests), (guest, incoming)) = in_memory(4096).await;
    let served = tokio::spawn(echo(incoming));
    let mut stream = host.open(&Purpose::Api).await.expect("open");
    drop((host, requests));
    // A stream is a handle as well.
    stream.write_all(b"still here").await.expect("write");
    stream.shutdown().await.expect("shutdown");
    assert_eq!(rest(&mut stream).await.expect("read"), b"still here");
    drop(stream);
    let error = in_time("the end", guest.closed()).await;
    assert!(matches!(*error, TunnelError::ClosedByPeer), "{error}");
    served.await.expect("the requests end");
}

#[tokio::test]
async fn what_was_written_before_the_end_arrives() {
    let ((host, _requests), (_guest, mut incoming)) = in_memory(1000).await;
    for round in 0..50 {
        let (mut near, mut far) = pair(&host, &mut incoming).await;
        let sent = pattern(round, 100_000);
        far.write_all(&sent).await.expect("write");
        far.shutdown().await.expect("shutdown");
        // Without having heard that the other side ended as well.
        drop(far);
        assert!(rest(&mut near).await.expect("read") == sent);
        // Which is of no use to anybody from here on.
        let written = in_time("a write that nobody reads", async {
            loop {
                if let Err(error) = near.write_all(&sent).await {
                    return error;
                }
            }
        });
        assert_eq!(written.await.kind(), ErrorKind::BrokenPipe);
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_no_end() {
    let ((host, _requests), (_guest, mut incoming)) = in_memory(1000).await;
    for round in 0..50 {
        for shut_first in [false, true] {
            let (mut near, mut far) = pair(&host, &mut incoming).await;
            if shut_first {
                near.shutdown().await.expect("shutdown");
                assert_eq!(rest(&mut far).await.expect("read"), b"");
            }
            let sent = pattern(round, 5000);
            far.write_all(&sent).await.expect("write");
            drop(far);
            let mut received = vec![0; sent.len()];
            near.read_exact(&mut received)
                .await
                .expect("what was written");
            assert!(received == sent);
            let error = in_time("the reset", near.read_u8())
                .await
                .expect_err("no end");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
    }
}
