//! Connections to the engine and to published ports.

use axum::Router;
use axum::routing::{get, post};
use gantry_tunnel::datagram::{Reader, Writer};
use gantry_tunnel::{OpenError, Purpose, RefusalKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket, UnixListener};

use crate::support::{Agent, in_time};

fn refusal(opened: Result<gantry_tunnel::Stream, OpenError>) -> RefusalKind {
    match opened.expect_err("refused") {
        OpenError::Refused(refusal) => refusal.kind,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_api_is_reached() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let opened = in_time("a refusal", host.open(&Purpose::Api)).await;
    assert_eq!(refusal(opened), RefusalKind::Unreachable);
    let listener = UnixListener::bind(agent.at("api")).expect("bind");
    let router = Router::new().route("/_ping", get(|| async { "OK" })).route(
        "/length",
        post(|body: String| async move { body.len().to_string() }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    for (request, answer) in [
        (
            "GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
            "OK",
        ),
        (
            format!(
                "POST /length HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 500000\r\n\r\n{}",
                "x".repeat(500_000)
            ),
            "500000",
        ),
    ] {
        let mut stream = host.open(&Purpose::Api).await.expect("open");
        stream.write_all(request.as_bytes()).await.expect("write");
        let mut text = String::new();
        in_time("the answer", stream.read_to_string(&mut text))
            .await
            .expect("read");
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with(answer),
            "{text}"
        );
    }
}

#[tokio::test]
async fn tcp_goes_through_with_half_ends() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let to = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = connection.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20_u8 {
        let host = host.clone();
        tasks.spawn(async move {
            let stream = host.open(&Purpose::Tcp { to }).await.expect("open");
            let sent = vec![number; 1_000_000];
            let (mut read, mut write) = tokio::io::split(stream);
            let send = async {
                write.write_all(&sent).await.expect("write");
                write.shutdown().await.expect("shutdown");
            };
            let mut received = Vec::new();
            let ((), read) = tokio::join!(send, read.read_to_end(&mut received));
            read.expect("read");
            assert!(received == sent);
        });
    }
    in_time("the echoes", async {
        while let Some(task) = tasks.join_next().await {
            task.expect("an echo");
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_reset_is_no_end() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let to = listener.local_addr().expect("an address");
    let mut stream = host.open(&Purpose::Tcp { to }).await.expect("open");
    let (connection, _) = listener.accept().await.expect("accept");
    stream.write_all(b"unread").await.expect("write");
    connection.readable().await.expect("something came");
    // With what it hasn't read, the kernel resets it.
    drop(connection);
    in_time("the reset", stream.read_u8())
        .await
        .expect_err("no end");
}

#[tokio::test]
async fn datagrams_go_through() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let echo = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
    let to = echo.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = echo.recv_from(&mut buffer).await {
            let _ = echo.send_to(&buffer[..length], from).await;
        }
    });
    let stream = host.open(&Purpose::Udp { to }).await.expect("open");
    let (read, write) = tokio::io::split(stream);
    let (mut reader, mut writer) = (Reader::new(read), Writer::new(write));
    for length in [0, 1, 1400, 65_000] {
        let datagram = vec![7; length];
        writer.send(&datagram).await.expect("send");
        let echoed = in_time("the echo", reader.next()).await.expect("read");
        assert_eq!(echoed, Some(datagram.as_slice()));
    }
    writer.shutdown().await.expect("shutdown");
    assert!(
        in_time("the end", reader.next())
            .await
            .is_ok_and(|end| end.is_none())
    );
}

#[tokio::test]
async fn only_the_loopback_is_reached() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    for to in [
        "10.0.2.2:80",
        "0.0.0.0:80",
        "[::]:80",
        "172.17.0.2:80",
        "[::ffff:10.0.0.1]:80",
        "169.254.169.254:80",
    ] {
        let to = to.parse().expect("an address");
        for purpose in [Purpose::Tcp { to }, Purpose::Udp { to }] {
            let opened = in_time("a refusal", host.open(&purpose)).await;
            assert_eq!(refusal(opened), RefusalKind::Denied, "{purpose:?}");
        }
    }
    // Where nobody listens is another matter.
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind")
        .local_addr()
        .expect("an address");
    let opened = in_time("a refusal", host.open(&Purpose::Tcp { to: free })).await;
    assert_eq!(refusal(opened), RefusalKind::Unreachable);
    // Nor is a guest asked for what only a host has.
    let opened = in_time("a refusal", host.open(&Purpose::Resolve)).await;
    assert_eq!(refusal(opened), RefusalKind::Unsupported);
}
