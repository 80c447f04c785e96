use std::net::{Ipv4Addr, SocketAddr};

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

fn question(id: u16, name: &str) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

fn answer_to(question: &[u8], records: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] |= 0x80;
    answer.extend(records);
    answer
}

#[derive(Debug, Clone)]
struct These(Vec<SocketAddr>);

impl Resolvers for These {
    async fn servers(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.0.clone())
    }
}

async fn udp() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = socket.local_addr().unwrap();
    (socket, at)
}

#[tokio::test]
async fn questions_are_answered_as_they_come() {
    let (server, at) = udp().await;
    tokio::spawn(async move {
        let mut buffer = [0; 600];
        let mut held = None;
        loop {
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            let asked = buffer[..length].to_vec();
            // The first waits for the second.
            if held.is_none() {
                held = Some((asked, from));
                continue;
            }
            // What isn't an answer to what was asked is passed over.
            server
                .send_to(&answer_to(&question(9, "forged"), b"no"), from)
                .await
                .unwrap();
            server
                .send_to(&answer_to(&asked, b"second"), from)
                .await
                .unwrap();
            let (first, from) = held.clone().unwrap();
            server
                .send_to(&answer_to(&first, b"first"), from)
                .await
                .unwrap();
        }
    });
    let (near, far) = tokio::io::duplex(10_000);
    let served = tokio::spawn(serve(far, Arc::new(These(vec![at]))));
    let (read, write) = tokio::io::split(near);
    let (mut reader, mut writer) = (datagram::Reader::new(read), datagram::Writer::new(write));
    let (first, second) = (question(1, "one.example"), question(2, "two.example"));
    writer.send(&first).await.unwrap();
    writer.send(b"no question").await.unwrap();
    // Only once the server has the first, since the sockets race.
    tokio::time::sleep(Duration::from_millis(50)).await;
    writer.send(&second).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(reader.next().await.unwrap().unwrap().to_vec());
    }
    answers.sort();
    assert_eq!(
        answers,
        [answer_to(&first, b"first"), answer_to(&second, b"second")]
    );
    writer.shutdown().await.unwrap();
    assert_eq!(reader.next().await.unwrap(), None);
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_long_answer_is_fetched_over_tcp() {
    let (server, at) = udp().await;
    let listener = TcpListener::bind(at).await.unwrap();
    let records = vec![7; 5000];
    let long = records.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 600];
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        let mut short = answer_to(&buffer[..length], b"");
        short[2] |= 0x02;
        server.send_to(&short, from).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut asked).await.unwrap();
        let answer = answer_to(&asked, &long);
        stream.write_u16(answer.len() as u16).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    });
    let asked = question(3, "long.example");
    let answered = answer(&asked, &These(vec![at])).await.unwrap();
    assert_eq!(answered, answer_to(&asked, &records));
}

#[tokio::test]
async fn a_server_that_fails_leaves_it_to_the_next() {
    let (failing, first) = udp().await;
    let (working, second) = udp().await;
    tokio::spawn(async move {
        let mut buffer = [0; 600];
        loop {
            let (length, from) = failing.recv_from(&mut buffer).await.unwrap();
            let failed = failure(&buffer[..length]).unwrap();
            failing.send_to(&failed, from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        let mut buffer = [0; 600];
        loop {
            let (length, from) = working.recv_from(&mut buffer).await.unwrap();
            working
                .send_to(&answer_to(&buffer[..length], b"ok"), from)
                .await
                .unwrap();
        }
    });
    let asked = question(4, "example");
    let answered = answer(&asked, &These(vec![first, second])).await.unwrap();
    assert_eq!(answered, answer_to(&asked, b"ok"));
    // Where all fail, that is the answer.
    let answered = answer(&asked, &These(vec![first])).await.unwrap();
    assert_eq!(message::rcode(&answered), 2);
    let answered = answer(&asked, &These(Vec::new())).await.unwrap();
    assert_eq!(message::rcode(&answered), 2);
}

#[cfg(unix)]
#[test]
fn servers_are_read_from_a_configuration() {
    let text = "# comment\nsearch example.org\nnameserver 10.0.0.1\nnameserver\t::1 # local\n\
                nameserver fe80::1%3\nnameserver fe80::1%eth0\nnameserver nonsense\noptions ndots:2\n\
                nameservers 1.1.1.1\n";
    let servers: Vec<String> = servers::parse(text)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(servers, ["10.0.0.1:53", "[::1]:53", "[fe80::1%3]:53"]);
}

#[test]
fn the_size_an_asker_takes_is_read() {
    let mut asked = question(5, "example");
    assert_eq!(udp_limit(&asked), 512);
    asked[11] = 1;
    asked.extend([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(udp_limit(&asked), 4096);
    assert_eq!(udp_limit(b""), 512);
}

#[test]
fn what_is_cut_says_so_and_keeps_the_question() {
    let asked = question(6, "example");
    let cut = truncated(&answer_to(&asked, &[1; 900])).unwrap();
    assert!(message::is_truncated(&cut));
    assert!(message::is_answer(&cut, &asked));
    assert_eq!(cut.len(), asked.len());
}

proptest! {
    #[test]
    fn any_bytes_can_be_looked_at(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), question_like: bool) {
        if question_like && bytes.len() > 6 {
            bytes[2..6].copy_from_slice(&[1, 0, 0, 1]);
        }
        message::is_question(&bytes);
        message::is_answer(&bytes, &question(7, "example"));
        if message::is_question(&bytes) {
            message::is_answer(&bytes, &bytes);
        }
        udp_limit(&bytes);
        failure(&bytes);
        truncated(&bytes);
    }
}
