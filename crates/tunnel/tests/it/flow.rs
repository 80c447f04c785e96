//! Bytes come through: many streams at once, half ends, readers that stop.

use gantry_tunnel::{Purpose, copy_both};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::support::{echo, in_memory, in_time, pair, pattern, rest};

async fn thousand(host: gantry_tunnel::Tunnel) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1000_u64 {
        let host = host.clone();
        tasks.spawn(async move {
            let stream = host.open(&Purpose::Api).await.expect("open");
            let length = 1 + (number as usize * 7919) % 100_000;
            let sent = pattern(number, length);
            let (mut read, mut write) = tokio::io::split(stream);
            let write = async {
                write.write_all(&sent).await.expect("write");
                write.shutdown().await.expect("shutdown");
            };
            let ((), received) = tokio::join!(write, rest(&mut read));
            assert!(received.expect("read") == sent, "stream {number} differs");
        });
    }
    let mut done = 0;
    while let Some(task) = tasks.join_next().await {
        task.expect("a stream");
        done += 1;
    }
    assert_eq!(done, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_at_once_over_memory() {
    let ((host, _), (_guest, incoming)) = in_memory(4096).await;
    tokio::spawn(echo(incoming));
    in_time("a thousand streams", thousand(host)).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_thousand_streams_at_once_over_a_socket() {
    let (near, far) = tokio::net::UnixStream::pair().expect("a pair");
    let ((host, _), (_guest, incoming)) = crate::support::join(near, far).await;
    tokio::spawn(echo(incoming));
    in_time("a thousand streams", thousand(host)).await;
}

#[tokio::test]
async fn many_slow_answers_hold_up_nobody() {
    let ((host, _), (_guest, mut incoming)) = in_memory(64 * 1024).await;
    // More than yamux lets wait without an acknowledgement.
    let mut slow = tokio::task::JoinSet::new();
    for port in 0..600 {
        let host = host.clone();
        slow.spawn(async move {
            host.open(&Purpose::Tcp {
                to: ([127, 0, 0, 1], port).into(),
            })
            .await
        });
    }
    let mut unanswered = Vec::new();
    in_time("hearing of all", async {
        while unanswered.len() < 600 {
            unanswered.push(incoming.next().await.expect("a request"));
        }
    })
    .await;
    let (mut near, mut far) = in_time("a stream among slow ones", pair(&host, &mut incoming)).await;
    near.write_all(b"here").await.expect("write");
    let mut word = [0; 4];
    far.read_exact(&mut word).await.expect("read");
    assert_eq!(&word, b"here");
}

#[tokio::test]
async fn each_direction_ends_by_itself() {
    let ((host, _), (_guest, mut incoming)) = in_memory(64 * 1024).await;
    for _ in 0..2 {
        let (mut near, mut far) = pair(&host, &mut incoming).await;
        near.write_all(b"question").await.expect("write");
        near.shutdown().await.expect("shutdown");
        assert_eq!(rest(&mut far).await.expect("read"), b"question");
        // More than a window, so that the side that has ended its own direction gives room still.
        let answer = pattern(1, 700_000);
        let send = async {
            far.write_all(&answer).await.expect("write");
            far.shutdown().await.expect("shutdown");
        };
        let ((), received) = tokio::join!(send, rest(&mut near));
        assert!(received.expect("read") == answer);
        // The other way round.
        let (mut near, mut far) = pair(&host, &mut incoming).await;
        far.write_all(b"greeting").await.expect("write");
        far.shutdown().await.expect("shutdown");
        assert_eq!(rest(&mut near).await.expect("read"), b"greeting");
        near.write_all(b"answer").await.expect("write");
        near.shutdown().await.expect("shutdown");
        assert_eq!(rest(&mut far).await.expect("read"), b"answer");
    }
}

#[tokio::test]
async fn copying_keeps_half_ends() {
    let ((host, _), (_guest, mut incoming)) = in_memory(64 * 1024).await;
    let (mut near, mut far) = pair(&host, &mut incoming).await;
    let (mut client, mut client_end) = duplex(1000);
    let (mut server, mut server_end) = duplex(1000);
    let host = tokio::spawn(async move { copy_both(&mut client_end, &mut near).await });
    let guest = tokio::spawn(async move { copy_both(&mut far, &mut server_end).await });
    client.write_all(b"question").await.expect("write");
    client.shutdown().await.expect("shutdown");
    assert_eq!(
        in_time("the question", rest(&mut server))
            .await
            .expect("read"),
        b"question"
    );
    server.write_all(b"long answer").await.expect("write");
    server.shutdown().await.expect("shutdown");
    assert_eq!(
        in_time("the answer", rest(&mut client))
            .await
            .expect("read"),
        b"long answer"
    );
    assert_eq!(host.await.expect("host").expect("copy"), (8, 11));
    assert_eq!(guest.await.expect("guest").expect("copy"), (8, 11));
}

#[tokio::test]
async fn an_answer_arrives_whole_though_the_question_was_not_heard_to_its_end() {
    let ((host, _), (_guest, mut incoming)) = in_memory(1000).await;
    for round in 0..20 {
        let (mut near, mut far) = pair(&host, &mut incoming).await;
        let (client, mut client_end) = duplex(1000);
        tokio::spawn(async move { copy_both(&mut client_end, &mut near).await });
        let answer = pattern(round, 100_000);
        let expected = answer.clone();
        tokio::spawn(async move {
            far.read_u8().await.expect("the question's beginning");
            far.write_all(&answer).await.expect("write");
            far.shutdown().await.expect("shutdown");
        });
        let (mut read, mut write) = tokio::io::split(client);
        // Until it may not any more.
        let asking =
            tokio::spawn(async move { while write.write_all(&[7; 1000]).await.is_ok() {} });
        let received = in_time("the answer", rest(&mut read)).await.expect("read");
        assert!(received == expected, "{} bytes", received.len());
        drop(read);
        asking.abort();
    }
}

#[tokio::test]
async fn a_reader_that_stops_stops_its_own_stream_only() {
    let ((host, _), (_guest, mut incoming)) = in_memory(64 * 1024).await;
    let (mut stalled, _unread) = pair(&host, &mut incoming).await;
    let (mut near, mut far) = pair(&host, &mut incoming).await;
    // Fills the stalled stream until it takes no more.
    let writer = tokio::spawn(async move {
        let chunk = pattern(3, 10_000);
        let mut written = 0;
        while tokio::time::timeout(std::time::Duration::from_secs(1), stalled.write_all(&chunk))
            .await
            .is_ok()
        {
            written += chunk.len();
        }
        (written, stalled)
    });
    let sent = pattern(4, 20_000_000);
    let expected = sent.clone();
    let send = async {
        near.write_all(&sent).await.expect("write");
        near.shutdown().await.expect("shutdown");
    };
    let ((), received) = in_time("the other stream", async {
        tokio::join!(send, rest(&mut far))
    })
    .await;
    assert!(received.expect("read") == expected);
    let (written, _stalled) = writer.await.expect("the writer");
    // A window, and what is on its way to the driver.
    assert!((200_000..2_000_000).contains(&written), "{written}");
}

#[tokio::test]
async fn both_directions_full_at_once_go_on() {
    let ((host, _), (_guest, incoming)) = in_memory(16).await;
    tokio::spawn(echo(incoming));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let stream = host.open(&Purpose::Api).await.expect("open");
        tasks.spawn(async move {
            let sent = pattern(number, 1_000_000);
            let (mut read, mut write) = tokio::io::split(stream);
            let send = async {
                write.write_all(&sent).await.expect("write");
                write.shutdown().await.expect("shutdown");
            };
            let ((), received) = tokio::join!(send, rest(&mut read));
            assert!(received.expect("read") == sent);
        });
    }
    in_time("eight echoes", async {
        while let Some(task) = tasks.join_next().await {
            task.expect("echo");
        }
    })
    .await;
}
