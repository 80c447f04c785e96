//! Names, asked in the guest and answered by the host.

use std::sync::Arc;

use gantry_tunnel::datagram::{Reader, Writer};
use gantry_tunnel::{Answer, Incoming, Purpose};
use tokio::net::{TcpStream, UdpSocket};

use crate::support::{Agent, in_time};

fn question(id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend(b"\x01\0\0\x01\0\0\0\0\0\0\x07example\0\0\x01\0\x01");
    message
}

/// A host that answers each question with so many bytes of records.
async fn resolver(mut requests: Incoming, length: usize) {
    while let Some(request) = requests.next().await {
        assert_eq!(request.purpose, Purpose::Resolve);
        tokio::spawn(async move {
            let stream = request.accept(Answer::Ready).await.expect("accept");
            let (read, write) = tokio::io::split(stream);
            let (mut reader, mut writer) = (Reader::new(read), Writer::new(write));
            while let Ok(Some(question)) = reader.next().await {
                let mut answer = question.to_vec();
                answer[2] |= 0x80;
                answer.extend(vec![9; length]);
                writer.send(&answer).await.expect("send");
            }
            writer.shutdown().await.expect("shutdown");
        });
    }
}

async fn ask(agent: &Agent, question: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
    socket.send_to(question, agent.dns).await.expect("send");
    let mut answer = vec![0; 65_536];
    let length = in_time("an answer", socket.recv(&mut answer))
        .await
        .expect("receive");
    answer.truncate(length);
    answer
}

#[tokio::test]
async fn questions_go_to_the_host() {
    let agent = Arc::new(Agent::start());
    let (_host, requests) = agent.host().await;
    tokio::spawn(resolver(requests, 100));
    let mut tasks = tokio::task::JoinSet::new();
    for id in 0..100 {
        let agent = agent.clone();
        tasks.spawn(async move {
            let answer = ask(&agent, &question(id)).await;
            let mut expected = question(id);
            expected[2] |= 0x80;
            expected.extend([9; 100]);
            assert_eq!(answer, expected);
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("a question");
    }
}

#[tokio::test]
async fn a_long_answer_is_fetched_over_tcp() {
    let agent = Agent::start();
    let (_host, requests) = agent.host().await;
    tokio::spawn(resolver(requests, 3000));
    let cut = ask(&agent, &question(1)).await;
    assert_eq!(cut[2] & 0x02, 0x02, "it says that it was cut");
    assert!(cut.len() <= 512);
    let (read, write) = TcpStream::connect(agent.dns)
        .await
        .expect("connect")
        .into_split();
    let (mut reader, mut writer) = (Reader::new(read), Writer::new(write));
    for id in 0..3 {
        writer.send(&question(id)).await.expect("send");
        let answer = in_time("an answer", reader.next())
            .await
            .expect("read")
            .expect("an answer");
        assert_eq!(answer[..2], id.to_be_bytes());
        assert_eq!(answer.len(), question(id).len() + 3000);
    }
    // Who takes more over UDP gets it.
    let mut asked = question(5);
    asked[11] = 1;
    asked.extend([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(ask(&agent, &asked).await.len(), asked.len() + 3000);
}

#[tokio::test]
async fn without_a_host_the_answer_is_that_it_failed() {
    let agent = Agent::start();
    // Its socket is there before it answers questions.
    drop(agent.socket("channel").await);
    let answer = ask(&agent, &question(7)).await;
    assert_eq!(answer[..2], [0, 7]);
    assert_eq!(answer[3] & 0x0f, 2);
    // A host that refuses is as good as none.
    let (_host, requests) = agent.host().await;
    drop(requests);
    let answer = ask(&agent, &question(8)).await;
    assert_eq!((answer[1], answer[3] & 0x0f), (8, 2));
}
